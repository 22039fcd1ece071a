//! What people say to the agent: prompts, steering, follow-ups, stopping and going on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::queue::Lane;

/// What people say to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A prompt: begins a turn.
    Prompted {
        /// The words.
        text: Arc<str>,
        /// Most requests of this turn, instead of what is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_steps: Option<u32>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// Words for the running turn, taken in before its next step.
    Steered {
        /// The words.
        text: Arc<str>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// Words for after the running turn. Where none runs, they begin one.
    FollowedUp {
        /// The words.
        text: Arc<str>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// The turn shall stop at the next safe point.
    Interrupted,
    /// The turn shall rest at the next safe point.
    Paused,
    /// The turn shall go on.
    Resumed,
    /// The turn shall stop at once.
    Cancelled,
}

/// What was decided of what people said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Words stand in the conversation.
    Said {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "is_zero")]
        entry: u16,
        /// The words.
        text: Arc<str>,
    },
    /// Words wait.
    Queued {
        /// Where.
        lane: Lane,
        /// The words.
        text: Arc<str>,
        /// Whose they are.
        by: glasswork_engine::envelope::Origin,
    },
    /// The first of the waiting words of a lane stand in the conversation.
    Taken {
        /// The lane.
        lane: Lane,
        /// How many.
        count: u16,
        /// Number of the first entry among those of this commit.
        #[serde(default, skip_serializing_if = "is_zero")]
        entry: u16,
    },
    /// The steering that waited went back to its authors.
    SteeringReturned,
    /// An idempotency key was used.
    Keyed {
        /// The key.
        key: Arc<str>,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) fn is_zero(number: &u16) -> bool {
    *number == 0
}
