//! A secret that goes on over lines: base64 that was wrapped, as encoders wrap it.

use super::kind::Kind;

/// Encoders wrap at 64 or 76; a shorter line is none that was wrapped.
const SHORTEST_LINE: usize = 40;

/// A secret whose line was full, and may go on in the next one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapped {
    kind: Kind,
    /// How long a line is.
    len: usize,
    lines: u32,
    /// Whether a line has begun since.
    next: bool,
}

impl Wrapped {
    /// After a secret that was a word, or the end of one.
    pub(super) fn after(kind: Kind, value: &[u8]) -> Option<Self> {
        let named = matches!(kind, Kind::Password | Kind::SecretValue | Kind::Authorization);
        (named && value.len() >= SHORTEST_LINE && value.iter().all(is_base64)).then_some(Self {
            kind,
            len: value.len(),
            lines: 1,
            next: false,
        })
    }

    /// A line ends. `None` where nothing was in it.
    pub(super) fn end_line(self) -> Option<Self> {
        (!self.next).then_some(Self { next: true, ..self })
    }

    /// Whether a word is the next line of it, and what may follow then. The last line may be shorter.
    pub(super) fn read(self, word: &[u8]) -> Option<(Kind, Option<Self>)> {
        let goes_on = word.len() == self.len;
        // A word in small letters is none of it.
        let drawn = self.lines > 1 && word.iter().any(|byte| !byte.is_ascii_lowercase());
        let ends = word.len() < self.len && (drawn || word.ends_with(b"="));
        if !self.next || !(goes_on || ends) || !word.iter().all(is_base64) {
            return None;
        }
        let next = Self {
            lines: self.lines.saturating_add(1),
            next: false,
            ..self
        };
        Some((self.kind, goes_on.then_some(next)))
    }
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}
