//! What a client begins from.

use std::sync::Arc;

use glasswork_agent_core::plan::Plan;
use glasswork_session_state::clients::History;
use glasswork_session_state::state::Session;
use serde::Serialize;

use crate::projection::status::Status;
use crate::projection::transcript::Line;
use crate::projection::{plan, status, transcript};

/// A session as of one commit, as much of it as a client wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Base {
    /// How often the session's journal had been opened for writing.
    pub epoch: u32,
    /// The commit as of which it is.
    pub seq: u64,
    /// What the session does and waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The agent's plan, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Arc<Plan>>,
    /// Its conversation, from the beginning to the leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Vec<Line>>,
}

impl Base {
    pub(super) fn of(session: &Session, epoch: u32, seq: u64, history: History) -> Self {
        Self {
            epoch,
            seq,
            status: (history != History::None).then(|| status::of(session)),
            plan: plan::of(session).filter(|_| history != History::None),
            transcript: (history == History::Full).then(|| transcript::of(session)),
        }
    }
}
