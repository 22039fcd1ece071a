//! Values as people read them: on one line where that fits, else a line for each part.

use serde_json::Value;

use crate::escape;

/// What fits on a line, in characters.
const WIDTH: usize = 110;
/// Most characters of a text.
const TEXT: usize = 300;

/// A value below `indent` spaces.
pub(crate) fn of(value: &Value, indent: usize) -> String {
    let flat = flat(value);
    if flat.chars().count() + indent <= WIDTH {
        return flat;
    }
    let pad = " ".repeat(indent);
    match value {
        Value::Array(list) => list
            .iter()
            .map(|item| format!("\n{pad}- {}", of(item, indent + 2)))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("\n{pad}{}: {}", escape::line(name), of(value, indent + 2)))
            .collect(),
        _ => cut(&flat, TEXT),
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => escape::line(text).into_owned(),
        Value::Array(list) => format!("[{}]", list.iter().map(flat).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let each = fields.map(|(name, value)| format!("{}: {}", escape::line(name), flat(value)));
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stays_on_a_line() {
        assert_eq!(of(&json!({ "a": [1, "x\ny"], "b": null }), 0), "{a: [1, x\\ny]}");
        let long = "word ".repeat(30);
        let cut_off = format!("{}…", "word ".repeat(60));
        assert_eq!(
            of(&json!({ "a": [long], "b": long.repeat(3) }), 2),
            format!("\n  a: \n    - {long}\n  b: {cut_off}")
        );
    }
}
