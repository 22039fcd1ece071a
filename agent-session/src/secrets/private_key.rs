//! Inside a private key: `-----BEGIN … PRIVATE KEY-----`, lines of base64, `-----END …` (RFC 7468, and OpenPGP's armour).
//!
//! Each line is a secret of its own, so that as many lines come out as went in, nothing waits for the end, and a key
//! that was cut is masked as well.

use std::ops::Range;

/// How an announcement ends.
const ANNOUNCED: &[u8] = b"KEY-----";
/// A shorter first line is none of a key: somebody writes about keys.
const FIRST_LINE: usize = 40;
/// Words between the lines that are no part of the key: quotes of programs, numbers of lines, marks of a diff.
const GLUE: usize = 2;
/// Most words of something else before the first line.
const MOST_GLUE: u32 = 12;

/// How far into a private key a text has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PrivateKey {
    /// Not in one.
    #[default]
    Outside,
    /// `-----BEGIN` was read, and perhaps `PRIVATE`.
    Announced { private: bool },
    /// The announcement is complete.
    Within {
        /// Whether a line of it was read.
        begun: bool,
        /// Whether what comes until the end of the line is a header.
        header: bool,
        /// Words that were none of it.
        glue: u32,
    },
}

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// No part of the key itself.
    Other,
    /// The first line of one, or a part of the word that is.
    First(Range<usize>),
    /// A further line.
    Further,
}

impl PrivateKey {
    pub(super) fn is_within(self) -> bool {
        matches!(self, Self::Within { .. })
    }

    /// A line ends.
    pub(super) fn end_line(&mut self) {
        match self {
            Self::Within { header, .. } => *header = false,
            Self::Announced { .. } => *self = Self::Outside,
            Self::Outside => {}
        }
    }

    /// A sign is read that stands between words. Before the first line there are none of these: somebody writes about
    /// keys.
    pub(super) fn between(&mut self, sign: u8) {
        if matches!(self, Self::Within { begun: false, .. })
            && matches!(sign, b'(' | b')' | b'{' | b'}' | b';')
        {
            *self = Self::Outside;
        }
    }

    /// The word that completes the announcement is read. A key may stand behind it without an end of line between, and
    /// be ended in the same word.
    fn read_glued(&mut self, word: &[u8]) -> Word {
        let from = ANNOUNCED.len();
        let rest = word.get(from..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| is_base64(**byte)).count();
        let line = rest.get(..len).unwrap_or_default();
        if len < FIRST_LINE || !line.iter().any(u8::is_ascii_digit) {
            return Word::Other;
        }
        *self = match rest.get(len..) {
            Some([b'-', ..]) => Self::Outside,
            _ => Self::Within {
                begun: true,
                header: false,
                glue: 0,
            },
        };
        Word::First(from..from + len)
    }

    /// A word is read.
    pub(super) fn read(&mut self, word: &[u8]) -> Word {
        match self {
            Self::Outside => {
                if word.ends_with(b"-----BEGIN") {
                    *self = Self::Announced { private: false };
                } else if word == b"Private-Lines:" {
                    // PuTTY's keys: their number, and the lines.
                    *self = Self::Within {
                        begun: false,
                        header: true,
                        glue: 0,
                    };
                }
                Word::Other
            }
            Self::Announced { private } => {
                let complete = word.starts_with(ANNOUNCED) || word == b"BLOCK-----";
                *self = match (complete, *private || word == b"PRIVATE") {
                    (true, true) => Self::Within {
                        begun: false,
                        header: false,
                        glue: 0,
                    },
                    (true, false) => Self::Outside,
                    (false, private) => Self::Announced { private },
                };
                match self.is_within() {
                    true => self.read_glued(word),
                    false => Word::Other,
                }
            }
            Self::Within { begun, header, glue } => {
                let number = word.iter().all(u8::is_ascii_digit) && word.len() < FIRST_LINE;
                if *header || word.ends_with(b":") && word.first().is_some_and(u8::is_ascii_uppercase) {
                    *header = true;
                    return Word::Other;
                }
                // Forty letters without a digit are a name.
                let known = *begun || word.len() >= FIRST_LINE && word.iter().any(u8::is_ascii_digit);
                if known && word.len() > GLUE && !number && word.iter().all(|byte| is_base64(*byte)) {
                    let first = !*begun;
                    *begun = true;
                    return match first {
                        true => Word::First(0..word.len()),
                        false => Word::Further,
                    };
                }
                let glued = word.len() <= GLUE || number || word.ends_with(b"-");
                *glue += 1;
                if glued && (*begun || *glue <= MOST_GLUE) && !word.starts_with(b"-----") {
                    return Word::Other;
                }
                *self = Self::Outside;
                // It may be the announcement of the next one.
                self.read(word)
            }
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
