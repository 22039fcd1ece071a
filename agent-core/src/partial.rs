//! Text that still grows.

use std::sync::Arc;

use im::Vector;
use serde::{Deserialize, Serialize};

/// Chunks are filled up to this many bytes. Appending copies at most one chunk, and a megabyte that comes in tiny
/// pieces costs little more than a megabyte.
const CHUNK: usize = 1024;

/// A text that grows at its end, as chunks that states of different moments share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Partial {
    chunks: Vector<Arc<str>>,
    bytes: usize,
}

impl Partial {
    /// Appends a text.
    pub fn push(&mut self, text: &Arc<str>) {
        if text.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        match self.chunks.back_mut() {
            Some(last) if last.len() + text.len() <= CHUNK => {
                let mut grown = String::with_capacity(last.len() + text.len());
                grown.push_str(last);
                grown.push_str(text);
                *last = grown.into();
            }
            _ => self.chunks.push_back(Arc::clone(text)),
        }
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Arc<str>> {
        self.chunks.iter()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is no text yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The whole text in one piece. Copies it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes);
        for chunk in &self.chunks {
            text.push_str(chunk);
        }
        text
    }
}
