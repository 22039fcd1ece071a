//! An answer that was given up, because another model was asked instead.

use std::sync::Arc;

use glasswork_ai::conversation::Block;
use glasswork_ai::failure::Failure;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::BlockKind;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Slot};
use crate::id::RequestId;

/// Most bytes of what was said that are kept; what comes after them is dropped.
pub const SAID_BYTES: usize = 16 * 1024;

/// An answer that was given up. It hangs on a branch of its own, for people to look at, and no model is ever sent it:
/// what a model said before it failed is nobody's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// The request whose last attempt it was.
    pub request: RequestId,
    /// The model that was asked.
    pub model: ModelId,
    /// Why it gave no answer.
    pub failure: Failure,
    /// The model that was asked instead.
    pub by: ModelId,
    /// The text that had arrived, without thinking and calls.
    #[serde(default, skip_serializing_if = "is_silent")]
    pub said: Arc<str>,
}

fn is_silent(said: &Arc<str>) -> bool {
    said.is_empty()
}

/// The text of an answer that arrived only in part: without thinking and calls, and cut after [`SAID_BYTES`].
#[must_use]
pub fn said(answer: &Answer) -> String {
    let mut said = String::new();
    for slot in answer.blocks.values() {
        let text = match slot {
            Slot::Growing {
                kind: BlockKind::Text,
                text,
            } => text.text(),
            Slot::Finished(Block::Text(text)) => text.to_string(),
            Slot::Growing { .. } | Slot::Finished(_) => continue,
        };
        if !said.is_empty() && !text.is_empty() {
            said.push('\n');
        }
        let room = SAID_BYTES.saturating_sub(said.len());
        said.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
    }
    said
}
