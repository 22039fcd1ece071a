//! An answer while it arrives.

use std::sync::Arc;

use glasswork_ai::conversation::Block;
use glasswork_ai::stream::{BlockKind, Usage};
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::partial::Partial;

/// What has arrived of an answer. Completed blocks stand whole; growing ones are only for people to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Answer {
    /// The blocks by number.
    pub blocks: OrdMap<u32, Slot>,
    /// Tokens so far, as the provider reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A block of an answer that still arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// It still grows.
    Growing {
        /// What it will be.
        kind: BlockKind,
        /// Its text so far; for a tool call the text of its arguments.
        text: Partial,
    },
    /// It is complete.
    Finished(Block),
}

impl Answer {
    /// A block begins.
    pub fn start(&mut self, index: u32, kind: BlockKind) {
        self.blocks.insert(
            index,
            Slot::Growing {
                kind,
                text: Partial::default(),
            },
        );
    }

    /// A block grows. Growth of a block that is complete, or never began, is ignored.
    pub fn grow(&mut self, index: u32, more: &Arc<str>) {
        if let Some(Slot::Growing { text, .. }) = self.blocks.get_mut(&index) {
            text.push(more);
        }
    }

    /// A block is complete; its growth is forgotten.
    pub fn finish(&mut self, index: u32, block: Block) {
        self.blocks.insert(index, Slot::Finished(block));
    }

    /// Whether no block has begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The completed blocks, in order.
    pub fn finished(&self) -> impl Iterator<Item = &Block> {
        self.blocks.values().filter_map(|slot| match slot {
            Slot::Finished(block) => Some(block),
            Slot::Growing { .. } => None,
        })
    }

    /// Whether a completed block is a tool call.
    #[must_use]
    pub fn proposes_calls(&self) -> bool {
        self.finished().any(|block| matches!(block, Block::ToolCall(_)))
    }
}
