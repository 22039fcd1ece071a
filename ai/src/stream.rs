//! What a model's answer looks like while it arrives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::Block;
use crate::failure::Failure;

/// One step of a streamed answer. Every decoder, and the scripted model, speaks it.
///
/// Grammar: `Started (BlockStarted Delta* BlockFinished | Usage)* (Finished | Failed)`, or `Failed` alone where the
/// server never began to answer; blocks are numbered from 0 and may interleave; after `Finished` or `Failed` there
/// is nothing. A block without `BlockFinished` never becomes one: nothing half-received can be executed. A text may turn
/// out to have been thinking when it is finished; a tool call that was read or mended
/// ([`Reading`](crate::conversation::Reading)) may be finished with other arguments than it grew by.
/// [`Grammar`](crate::grammar::Grammar) checks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEvent {
    /// The server began to answer.
    Started {
        /// The server's id of the response.
        response: Option<Arc<str>>,
        /// The model that the server says it is.
        model: Option<Arc<str>>,
    },
    /// A block begins.
    BlockStarted {
        /// Its number.
        index: u32,
        /// What it will be.
        kind: BlockKind,
    },
    /// A block grows by this text (for a tool call: argument text).
    Delta {
        /// The block's number.
        index: u32,
        /// The new text.
        text: Arc<str>,
    },
    /// A block is complete, and carried whole.
    BlockFinished {
        /// Its number.
        index: u32,
        /// The block.
        block: Block,
    },
    /// Tokens so far. Later reports replace earlier ones.
    Usage(Usage),
    /// The answer is complete.
    Finished(StopReason),
    /// The answer broke off.
    Failed(Failure),
}

/// How a request gets on, as whoever made it sees it: the moment of connection, then the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The server took the request and will answer it. Comes at most once, and before any other step but a
    /// [`StreamEvent::Failed`] that says why the server was not reached or would not.
    Connected,
    /// A step of the answer.
    Step(StreamEvent),
}

/// What a block will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// An answer.
    Text,
    /// Thinking.
    Thinking,
    /// A tool call.
    ToolCall {
        /// Its id.
        id: Arc<str>,
        /// The tool's name.
        name: Arc<str>,
    },
    /// What the provider wants back; it comes whole.
    Kept,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had said what it wanted to.
    EndOfTurn,
    /// It wants its tool calls answered.
    ToolUse,
    /// It reached the limit of output tokens; its last block may be cut, and no tool call of it is executed.
    Length,
    /// A stop sequence.
    StopSequence,
    /// The provider interrupted a long answer in which it used tools of its own. Whoever sends it back as it is has it go
    /// on.
    Paused,
    /// The provider's filter, or the model, refused.
    Refusal,
    /// Something that this version does not know, as the server named it.
    Other(Arc<str>),
}

/// Tokens of one request, as the provider counts them, normalised: the four input and output counts do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Output tokens, thinking included.
    pub output: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Of those, the ones that stay there for an hour or longer, which costs more.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// All input tokens, cached or not.
    #[must_use]
    pub fn input_total(&self) -> u64 {
        self.input + self.cache_read + self.cache_write
    }
}
