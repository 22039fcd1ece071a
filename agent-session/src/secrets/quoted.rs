//! A value between quotes, behind a name that says that it is a secret: it may have any signs in it, and spaces.
//!
//! It waits for its end, since nothing less says whether it is a secret or a sentence; not for long, and not beyond the
//! end of its line. What is none is read again as words.

use super::entropy::{is_secret_value, is_stand_in};
use super::kind::Kind;
use super::words::is_word;
use super::work;

/// A longer one is looked at word by word.
const LONGEST: usize = 512;
/// A shorter one is no secret.
const SHORTEST: usize = 8;

/// A quoted value, as far as it was read.
#[derive(Debug)]
pub(super) struct Quoted {
    kind: Kind,
    quote: u8,
    /// Whether the quote itself is escaped, as it is where a document stands in a text of another one.
    escaped: bool,
    text: Vec<u8>,
    /// How many backslashes it ends with.
    backslashes: usize,
}

impl Quoted {
    /// Begins behind a quote, if values of this kind may have spaces in them.
    pub(super) fn begin(kind: Kind, quote: u8, escaped: bool) -> Option<Self> {
        matches!(kind, Kind::Password | Kind::SecretValue).then(|| Self {
            kind,
            quote,
            escaped,
            text: Vec::new(),
            backslashes: 0,
        })
    }

    /// Reads on. Says how much was read, and, where it has ended, whether a quote did that.
    pub(super) fn read(&mut self, text: &[u8]) -> (usize, Option<bool>) {
        for (at, byte) in text.iter().enumerate() {
            let closes = *byte == self.quote && (self.backslashes % 2 == 1) == self.escaped;
            if closes || matches!(byte, b'\n' | b'\r') || self.text.len() == LONGEST {
                work::count(at);
                return (at, Some(closes));
            }
            self.text.push(*byte);
            self.backslashes = match byte {
                b'\\' => self.backslashes + 1,
                _ => 0,
            };
        }
        work::count(text.len());
        (text.len(), None)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// All that was read.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The value, if it is a secret that is more than a word. What stands behind it escapes the quote.
    pub(super) fn secret(&self) -> Option<&str> {
        let escapes = usize::from(self.escaped) * self.backslashes;
        let value = self.text.get(..self.text.len() - escapes)?;
        work::count(value.len());
        let value = std::str::from_utf8(value).ok()?;
        (!value.bytes().all(is_word) && is_secret(self.kind, value)).then_some(value)
    }
}

fn is_secret(kind: Kind, value: &str) -> bool {
    let is_ours = value.contains("[secret:") || value.contains("-----BEGIN");
    if value.trim().len() < SHORTEST || is_ours || value.contains('$') || is_stand_in(value.as_bytes()) {
        return false;
    }
    let words: Vec<&str> = value
        .split_whitespace()
        .map(|word| word.trim_matches([',', '.', ':', ';', '!', '?', '(', ')', '"', '\'', '\\']))
        .collect();
    // Signs that end words elsewhere may stand in a password.
    if words.len() == 1 {
        return kind == Kind::Password && value.is_ascii() && is_secret_value(value.as_bytes());
    }
    let drawn = |word: &&str| word.bytes().all(is_word) && is_secret_value(word.as_bytes());
    words.iter().any(drawn) || kind == Kind::Password && is_passphrase(&words)
}

/// Several words in small letters that make no sentence about passwords.
fn is_passphrase(words: &[&str]) -> bool {
    let small = |word: &&str| {
        let sign = |byte| matches!(byte, b'-' | b'_' | b'+' | b'#' | b'@' | b'&' | b'*' | b'/');
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || sign(byte))
    };
    let letters = |word: &&&str| word.bytes().any(|byte| byte.is_ascii_lowercase());
    words.iter().filter(letters).count() >= 2
        && words.iter().all(small)
        && !words.iter().any(|word| PROSE.contains(word))
}

/// Words of sentences about passwords, of types, and of programs.
const PROSE: &[&str] = &[
    "a",
    "about",
    "again",
    "all",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "between",
    "boolean",
    "by",
    "can",
    "cannot",
    "changed",
    "character",
    "characters",
    "check",
    "click",
    "confirm",
    "contain",
    "could",
    "create",
    "credential",
    "credentials",
    "current",
    "does",
    "enter",
    "error",
    "expired",
    "failed",
    "field",
    "for",
    "forgot",
    "forgotten",
    "from",
    "has",
    "have",
    "here",
    "hidden",
    "if",
    "in",
    "incorrect",
    "invalid",
    "is",
    "it",
    "its",
    "key",
    "least",
    "login",
    "long",
    "match",
    "missing",
    "more",
    "must",
    "need",
    "new",
    "no",
    "not",
    "null",
    "number",
    "object",
    "of",
    "old",
    "on",
    "only",
    "optional",
    "or",
    "passphrase",
    "password",
    "passwords",
    "please",
    "provide",
    "read",
    "repeat",
    "required",
    "reset",
    "same",
    "secret",
    "set",
    "short",
    "should",
    "show",
    "string",
    "than",
    "that",
    "the",
    "this",
    "to",
    "token",
    "too",
    "type",
    "undefined",
    "unknown",
    "use",
    "used",
    "user",
    "username",
    "valid",
    "value",
    "void",
    "was",
    "we",
    "weak",
    "when",
    "with",
    "word",
    "wrong",
    "you",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_can_be_searched_by_eye() {
        assert!(PROSE.is_sorted());
    }
}
