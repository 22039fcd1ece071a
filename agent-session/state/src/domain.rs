//! All families together: what the engine is told.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_engine::envelope::Deadline;
use serde::{Deserialize, Serialize};

use crate::queue::Lane;
use crate::{host, model, prompt, recovery, session, tools, turn};

/// The domain that Glasswork's engine governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glasswork;

/// A request for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Opening, closing, naming and setting.
    Session(session::Event),
    /// What people say to the agent.
    Prompt(prompt::Event),
    /// What comes of requests to the model.
    Model(model::Event),
    /// What comes of tool calls, and what people say about them.
    Tools(tools::Event),
    /// A deadline was reached.
    DeadlineReached {
        /// Whose.
        key: DeadlineKey,
        /// The deadline as it was set.
        deadline: Deadline,
    },
    /// What recovery found.
    Recovery(recovery::Event),
    /// What happens to the host.
    Host(host::Event),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Of the session as a whole.
    Session(session::Fact),
    /// Of what people said.
    Prompt(prompt::Fact),
    /// Of the turn.
    Turn(turn::Fact),
    /// Of an attempt to get an answer.
    Model(model::Fact),
    /// Of a tool call.
    Tools(tools::Fact),
    /// Of the host.
    Host(host::Fact),
}

/// Names a deadline within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineKey {
    /// Of the attempt under way: to connect, to the first token, of silence, or of backing off.
    Attempt,
    /// Of a call: to find out what it would touch, of the person who is asked, or of running.
    Call(CallId),
}

/// What the asker is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A turn began.
    Began(TurnId),
    /// The words wait.
    Queued(Lane),
    /// The turn will stop; these words of steering were not taken in.
    Stopping {
        /// The words, in the order in which they were said.
        returned: Vec<Arc<str>>,
    },
}
