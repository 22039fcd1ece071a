//! What a session is doing: its charts' states, what it waits for, on whom and until when, and what it has used.

use std::sync::Arc;

use glasswork_agent_core::id::TurnId;
use glasswork_agent_core::{session as session_chart, turn as turn_chart};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::Usage;
use glasswork_engine::Timestamp;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::{Pending, Session};
use glasswork_session_state::waiting::{self, Waiting};
use serde::Serialize;

use crate::explain;

/// The status of a session, as every screen shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its title.
    pub title: Option<Arc<str>>,
    /// The directory in which it works.
    pub workspace: Arc<str>,
    /// Where the session's chart stands.
    pub state: session_chart::State,
    /// The open turn, or the last one.
    pub turn: Option<TurnStatus>,
    /// The model that is asked.
    pub model: Option<ModelId>,
    /// How much it shall think.
    pub thinking: Thinking,
    /// How much may be done without asking.
    pub mode: Mode,
    /// What it waits for; never nothing.
    pub waiting: Vec<Awaited>,
    /// Words of steering that wait.
    pub steering: usize,
    /// Follow-ups that wait.
    pub follow_ups: usize,
    /// Tokens that the next request would have, estimated.
    pub context_tokens: u64,
    /// Tokens of the whole session, as the providers counted them.
    pub usage: Usage,
}

/// A turn, in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnStatus {
    /// The turn.
    pub id: TurnId,
    /// Where its chart stands.
    pub state: turn_chart::State,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Requests so far, and at most.
    pub steps: (u32, u32),
    /// What it shall do at the next safe point.
    pub pending: Option<Pending>,
}

/// Something that a session waits for, as data and in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Awaited {
    /// As data.
    #[serde(flatten)]
    pub waiting: Waiting,
    /// In words.
    pub text: String,
}

/// The status of a session.
#[must_use]
pub fn of(session: &Session) -> Status {
    let awaited = waiting::waiting_for(session).into_iter().map(|waiting| Awaited {
        text: explain::waiting(&waiting, session),
        waiting,
    });
    Status {
        title: session.meta.title.clone(),
        workspace: Arc::clone(&session.meta.workspace),
        state: session.state,
        turn: session.turn.as_ref().map(|turn| TurnStatus {
            id: turn.id,
            state: turn.state,
            since: turn.since,
            steps: (turn.steps, turn.max_steps),
            pending: turn.pending,
        }),
        model: session.settings.model.value.clone(),
        thinking: session.settings.thinking.value,
        mode: session.settings.mode.value,
        waiting: awaited.collect(),
        steering: session.queue.steering.len(),
        follow_ups: session.queue.follow_ups.len(),
        context_tokens: session.context.calibration().estimate(session.context.tokens()),
        usage: session.usage.tokens(),
    }
}
