//! Texts for people and JSON for programs, made of values.

use serde::Serialize;
use serde_json::Value;

/// The first words of a text on one line, at most so many characters.
pub(crate) fn first_words(text: &str, most: usize) -> String {
    let mut words = String::new();
    let mut letters = text
        .split_whitespace()
        .flat_map(|word| [" ", word])
        .skip(1)
        .flat_map(str::chars);
    words.extend(letters.by_ref().take(most));
    if letters.next().is_some() {
        words.push('…');
    }
    words
}

/// A value as JSON. What cannot be JSON is null; nothing that is in a journal is of that kind.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Takes a value of an enum apart: its variant's name, and what the variant holds.
///
/// Enums are tagged from outside: `{"said":{"text":"…"}}`, or `"returned"` for a variant that holds nothing.
pub(crate) fn variant(value: Value) -> (String, Value) {
    match value {
        Value::String(name) => (name, Value::Null),
        Value::Object(object) => match object.into_iter().next() {
            Some((name, held)) => (name, held),
            None => (String::new(), Value::Null),
        },
        other => (String::new(), other),
    }
}

/// The variant's name of a value of an enum.
pub(crate) fn variant_name(value: &impl Serialize) -> String {
    variant(json(value)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_are_cut_between_letters_and_marked() {
        let cases = [
            ("a  b\n c", 9, "a b c"),
            ("äöü", 2, "äö…"),
            ("", 3, ""),
            ("ab cd", 5, "ab cd"),
            ("ab cd", 4, "ab c…"),
        ];
        for (text, most, words) in cases {
            assert_eq!(first_words(text, most), words);
        }
    }
}
