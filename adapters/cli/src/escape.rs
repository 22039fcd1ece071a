//! Text of models, tools and files on its way to a terminal: what would command the terminal, hide text or reorder it
//! is shown in place of being obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text of several lines: newlines and tabs stay.
#[must_use]
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escape(text, |char| matches!(char, '\n' | '\t'))
}

/// Text that must stay on one line.
#[must_use]
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

fn escape(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hostile = |char: &char| is_hostile(*char) && !stays(*char);
    if !text.chars().any(|char| hostile(&char)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' | '\t' if stays(char) => escaped.push(char),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            char if is_hostile(char) => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "{}", char.escape_unicode());
            }
            char => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

/// Controls (C0, DEL, C1), separators of lines and paragraphs, and characters that reorder or hide others.
fn is_hostile(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        let table = [
            (
                "plain, ünïcode, 日本, 👩‍👩‍👧, a\\b",
                "plain, ünïcode, 日本, 👩‍👩‍👧, a\\b",
                "plain, ünïcode, 日本, 👩‍👩‍👧, a\\b",
            ),
            (
                "two\nlines\tand tab",
                "two\nlines\tand tab",
                "two\\nlines\\tand tab",
            ),
            (
                "\x1b[31mred\x1b[0m",
                "\\u{1b}[31mred\\u{1b}[0m",
                "\\u{1b}[31mred\\u{1b}[0m",
            ),
            (
                "\x1b]0;title\x07",
                "\\u{1b}]0;title\\u{7}",
                "\\u{1b}]0;title\\u{7}",
            ),
            ("good\rEVIL", "good\\rEVIL", "good\\rEVIL"),
            (
                "back\x08space\x7f",
                "back\\u{8}space\\u{7f}",
                "back\\u{8}space\\u{7f}",
            ),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m", "c1 \\u{9b}31m"),
            (
                "rm \u{202e}txt.exe\u{2066}",
                "rm \\u{202e}txt.exe\\u{2066}",
                "rm \\u{202e}txt.exe\\u{2066}",
            ),
            (
                "hidden\u{e0041}\u{200b}",
                "hidden\\u{e0041}\\u{200b}",
                "hidden\\u{e0041}\\u{200b}",
            ),
            (
                "line\u{2028}para\u{2029}",
                "line\\u{2028}para\\u{2029}",
                "line\\u{2028}para\\u{2029}",
            ),
        ];
        for (given, as_text, as_line) in table {
            assert_eq!(text(given), as_text);
            assert_eq!(line(given), as_line);
        }
    }
}
