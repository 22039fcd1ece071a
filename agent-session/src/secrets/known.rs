//! Values that are known to be secrets, looked for wherever they occur.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::kind::Kind;
use super::work;

/// A value shorter than this is not looked for: it would be found by chance.
pub(super) const SHORTEST: usize = 8;
/// Most values, and most bytes of them together, that are looked for.
const MOST: usize = 1024;
const MOST_BYTES: usize = 256 * 1024;
/// Bits of the filter that says of most places that none begins there.
const FILTER_BITS: u32 = 16;

/// Values that are known to be secrets.
#[derive(Clone)]
pub(super) struct Known {
    values: Vec<(u64, Kind, Arc<SecretString>)>,
    bytes: usize,
    filter: Box<[u64]>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            values: vec![],
            bytes: 0,
            filter: vec![0; 1 << (FILTER_BITS - 6)].into(),
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("values", &self.values.len())
            .finish()
    }
}

fn head(text: &[u8]) -> Option<u64> {
    text.first_chunk::<SHORTEST>()
        .map(|chunk| u64::from_le_bytes(*chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn slot(head: u64) -> (usize, u64) {
    let bit = head >> (64 - FILTER_BITS);
    (usize::try_from(bit >> 6).unwrap_or_default(), 1 << (bit & 63))
}

impl Known {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a value, unless it is too short, known, or one too many.
    pub(super) fn add(&mut self, kind: Kind, value: &str) {
        let Some(head) = head(value.as_bytes()) else {
            return;
        };
        if self.values.len() >= MOST
            || self.bytes + value.len() > MOST_BYTES
            || self
                .values
                .iter()
                .any(|(same, _, known)| *same == head && known.expose_secret() == value)
        {
            return;
        }
        let (word, bit) = slot(head);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
        self.bytes += value.len();
        self.values.push((head, kind, Arc::new(value.into())));
        // The longest first, where one begins with another.
        self.values
            .sort_by_key(|(_, _, value)| std::cmp::Reverse(value.expose_secret().len()));
    }

    /// The first value that stands in `text` at `from` or after it: where, how long, and of what kind.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize, Kind)> {
        if self.values.is_empty() {
            return None;
        }
        for (at, chunk) in text.windows(SHORTEST).enumerate().skip(from) {
            work::count(1);
            let Some(head) = head(chunk) else { continue };
            let (word, bit) = slot(head);
            if self.filter.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            work::count(self.values.len());
            let found = self
                .values
                .iter()
                .find(|(same, _, value)| *same == head && rest.starts_with(value.expose_secret().as_bytes()));
            if let Some((_, kind, value)) = found {
                return Some((at, value.expose_secret().len(), *kind));
            }
        }
        None
    }
}
