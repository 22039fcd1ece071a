//! Keeping results short: the first part of what is read, the last part of what a command says.

use std::borrow::Cow;

/// Text that grows line by line until it holds as much as a result may.
#[derive(Debug)]
pub(crate) struct Head {
    text: String,
    lines: usize,
    most_lines: usize,
    most_bytes: usize,
}

impl Head {
    pub(crate) fn new(most_lines: usize, most_bytes: usize) -> Self {
        Self {
            text: String::new(),
            lines: 0,
            most_lines,
            most_bytes,
        }
    }

    /// Appends a line, or refuses it as one too many.
    pub(crate) fn push(&mut self, line: &str) -> bool {
        if self.lines >= self.most_lines || self.text.len() + line.len() + 1 > self.most_bytes {
            return false;
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
        true
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// The last part of some bytes: whole lines, at most so many, at most so many bytes. A last line that is longer than
/// that is cut at its start, between two characters.
pub(crate) fn tail(bytes: &[u8], most_lines: usize, most_bytes: usize) -> &[u8] {
    let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut from = bytes.len();
    let mut lines = 0;
    let mut end = content.len();
    while lines < most_lines {
        let start = memchr::memrchr(b'\n', content.get(..end).unwrap_or_default()).map_or(0, |at| at + 1);
        if bytes.len() - start > most_bytes {
            break;
        }
        from = start;
        lines += 1;
        if start == 0 {
            break;
        }
        end = start - 1;
    }
    if lines == 0 && most_lines > 0 {
        from = bytes.len().saturating_sub(most_bytes);
        // Not into the middle of a character: at most three bytes of one can be left over.
        while bytes.get(from).is_some_and(|byte| byte & 0xC0 == 0x80) && bytes.len() - from + 4 > most_bytes {
            from += 1;
        }
    }
    bytes.get(from..).unwrap_or_default()
}

/// The first characters of a line, with a mark where it was cut.
pub(crate) fn cut_line(line: &str, most_chars: usize) -> Cow<'_, str> {
    match line.char_indices().nth(most_chars) {
        Some((at, _)) => Cow::Owned(format!("{}… [line cut]", line.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(line),
    }
}

/// The first bytes of a text, up to the end of a line. Says whether anything was left out.
pub(crate) fn head_lines(text: &str, most_bytes: usize) -> (&str, bool) {
    if text.len() <= most_bytes {
        return (text, false);
    }
    let at =
        memchr::memrchr(b'\n', text.as_bytes().get(..most_bytes).unwrap_or_default()).map_or(0, |at| at + 1);
    (text.get(..at).unwrap_or_default(), true)
}

/// The beginning of a text within the limits of a result: whole lines where there are some. Says whether anything was
/// left out.
pub(crate) fn head<'t>(text: &'t str, limits: &super::Limits) -> (&'t str, bool) {
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).nth(limits.lines.saturating_sub(1));
    let within = text.get(..lines.map_or(text.len(), |at| at + 1)).unwrap_or(text);
    match head_lines(within, limits.bytes) {
        // One line that is too long by itself.
        ("", true) => {
            let at = (0..=limits.bytes).rev().find(|at| within.is_char_boundary(*at));
            (within.get(..at.unwrap_or(0)).unwrap_or_default(), true)
        }
        (shown, cut) => (shown, cut || within.len() < text.len()),
    }
}

/// A file name as one line of a listing: what is no text, or would break or colour the line, is escaped.
pub(crate) fn shown_name(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// A length for people: 51200 is `50 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes / 1_048_576),
        _ => format!("{} GiB", bytes / 1_073_741_824),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails() {
        #[track_caller]
        fn check(bytes: &str, lines: usize, most: usize, want: &str) {
            assert_eq!(
                String::from_utf8_lossy(tail(bytes.as_bytes(), lines, most)),
                want,
                "{bytes:?} {lines} {most}"
            );
        }
        check("", 2, 10, "");
        check("a\nb\nc\n", 2, 10, "b\nc\n");
        check("a\nb\nc", 2, 10, "b\nc");
        check("a\nb\nc\n", 9, 3, "c\n");
        check("a\nb\nc\n", 9, 4, "b\nc\n");
        check("a\nb\nc\n", 9, 6, "a\nb\nc\n");
        check("\n\n\n", 2, 10, "\n\n");
        check("abcdef", 2, 3, "def");
        check("a\nbcdef\n", 2, 3, "ef\n");
        check("ää", 1, 3, "ä");
        check("a\n", 0, 3, "");
    }
}
