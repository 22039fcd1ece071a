//! Requests to the model: connecting, streaming, answers, failures.

use std::sync::Arc;

use glasswork_agent_core::context::BodyRef;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::Failure;
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent, Usage};
use serde::{Deserialize, Serialize};

use crate::state::AttemptWait;

/// What comes of the effect that sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Progress: the server began to answer (its status and headers are there).
    Connected {
        /// The bytes that were sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
    },
    /// Progress: pieces of the answer. Stands for `Connected` too where that was merged into it.
    Streamed {
        /// The bytes that were sent, where `Connected` was merged into this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
        /// The pieces, in order.
        steps: Vec<StreamEvent>,
    },
    /// Result: the attempt has ended.
    Answered {
        /// The bytes that were sent, if they were not reported before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<BodyRef>,
        /// Pieces that were not reported as progress.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        steps: Vec<StreamEvent>,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    Finished(StopReason),
    /// Without one.
    Failed(Failure),
}

/// What was decided of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// An attempt began.
    Called {
        /// Number of its effect among those of this commit.
        effect: u16,
        /// How long the server may take to begin to answer, in milliseconds.
        after_ms: u64,
    },
    /// These bytes were sent.
    Sent(BodyRef),
    /// The attempt waits.
    Waits {
        /// For what.
        #[serde(rename = "for")]
        on: AttemptWait,
        /// How long, in milliseconds.
        after_ms: u64,
    },
    /// A block began.
    BlockBegan(u32, BlockKind),
    /// A block grew.
    Grew(u32, Arc<str>),
    /// A block is complete.
    BlockFinished(u32, Block),
    /// Tokens so far.
    Counted(Usage),
    /// The answer's complete blocks are an entry; its tool calls are proposed.
    AnswerKept {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::prompt::is_zero")]
        entry: u16,
        /// Why the model stopped; `None` where it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<StopReason>,
    },
    /// The answer is complete.
    Finished,
    /// The attempt failed, and what had arrived is dropped.
    Failed(Failure),
    /// The attempt was dropped.
    Dropped,
}
