//! Idempotency keys: an operation that is sent twice happens once.

use std::sync::Arc;

use im::Vector;
use serde::{Deserialize, Serialize};

/// How many keys a session remembers.
pub const KEYS: usize = 256;
/// Longest key, in bytes.
pub const KEY_BYTES: usize = 128;

/// The last keys, oldest first, each with the commit that it named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Keys(Vector<(Arc<str>, u64)>);

impl Keys {
    /// The commit that the key named.
    #[must_use]
    pub fn first_use(&self, key: &str) -> Option<u64> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| &**known == key)
            .map(|(_, seq)| *seq)
    }

    /// Remembers a key, and forgets the oldest if there are too many.
    pub(crate) fn remember(&mut self, key: Arc<str>, seq: u64) {
        self.0.push_back((key, seq));
        while self.0.len() > KEYS {
            self.0.pop_front();
        }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
