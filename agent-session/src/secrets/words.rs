//! A text as words: runs of graphic ASCII without quotes, brackets, commas, semicolons and backslashes.

use super::known;

/// Whether a byte is one of a word.
pub(super) const fn is_word(byte: u8) -> bool {
    byte > b' '
        && byte < 0x7f
        && !matches!(
            byte,
            b'"' | b'\''
                | b'`'
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
                | b','
                | b';'
                | b'\\'
                | b'|'
        )
}

/// Whether a value consists of one word, so that it can be found whole.
pub(super) fn words_of(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| !u8::try_from(c).is_ok_and(is_word))
        .filter(|word| word.len() >= known::SHORTEST)
}

/// Of each byte: 0 between words, 1 in a word, 3 for the signs between names and values.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "evaluated while compiling; the index is below 256"
        )]
        {
            table[byte] = match byte as u8 {
                b'=' | b':' => 3,
                byte if is_word(byte) => 1,
                _ => 0,
            };
        }
        byte += 1;
    }
    table
};

/// The class of a byte.
pub(super) fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// How long the word is with which a text begins, and whether it has signs between names and values.
pub(super) fn first_word(text: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (len, byte) in text.iter().enumerate() {
        match class(*byte) {
            0 => return (len, seen == 3),
            class => seen |= class,
        }
    }
    (text.len(), seen == 3)
}
