//! Moving the turn: from the chart's rows and intents to facts and effects.

use std::sync::Arc;

use glasswork_agent_core::context::Plan;
use glasswork_agent_core::turn::State;
use glasswork_ai::model::{ModelId, Thinking};
use serde::{Deserialize, Serialize};

use crate::state::{Pending, TurnFailure};

/// What was decided of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A turn begins.
    Began {
        /// Most requests.
        max_steps: u32,
    },
    /// Its chart moved, or took a row that leads nowhere else.
    Moved {
        /// The key of the row.
        row: Arc<str>,
        /// Where it stands now.
        to: State,
    },
    /// What it shall do at the next safe point.
    Pending(Option<Pending>),
    /// A request was prepared.
    Prepared {
        /// What it consists of.
        plan: Plan,
        /// The model.
        model: ModelId,
        /// How much it shall think.
        thinking: Thinking,
        /// Most tokens to answer with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_output_tokens: Option<u32>,
    },
    /// Why it failed.
    Blamed(TurnFailure),
}
