//! Text that does nothing but stand there.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Shows what would hide, reorder or command instead of doing it. Lines and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            // What ends lines elsewhere does so here.
            '\r' => {}
            char if hides(char) => {
                // Writing to a string cannot fail.
                let _ = write!(seen, "\u{ab}U+{:04X}\u{bb}", u32::from(char));
            }
            char => seen.push(char),
        }
    }
    Cow::Owned(seen)
}

fn hides(char: char) -> bool {
    (char.is_control() && !matches!(char, '\n' | '\t'))
        || matches!(char,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text within an element or a quoted attribute of HTML.
pub(super) fn html(text: &str) -> String {
    let text = visible(text);
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Text as a block of Markdown in which nothing means anything.
pub(super) fn fenced(text: &str, language: &str) -> String {
    let text = visible(text);
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{newline}{fence}\n")
}

/// A line of Markdown in which nothing means anything.
pub(super) fn line(text: &str) -> String {
    let text = visible(text);
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' | '\t' => escaped.push(' '),
            char if char.is_ascii_punctuation() => {
                escaped.push('\\');
                escaped.push(char);
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            html("<img src=x onerror='alert(1)'>&\"\u{202e}\u{1b}[31m\r\n"),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;&quot;«U+202E»«U+001B»[31m\n"
        );
        assert_eq!(
            line("# [x](javascript:y) <b>\nz"),
            "\\# \\[x\\]\\(javascript\\:y\\) \\<b\\> z"
        );
        assert_eq!(fenced("a", "sh"), "```sh\na\n```\n");
        assert_eq!(fenced("a ```` b\n", ""), "`````\na ```` b\n`````\n");
        assert_eq!(fenced("\n~~~\n", ""), "```\n\n~~~\n```\n");
    }
}
