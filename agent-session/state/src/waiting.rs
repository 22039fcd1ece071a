//! What is it waiting for, since when, and who can unblock it?

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::turn::State;
use glasswork_ai::model::ModelId;
use glasswork_engine::{Deadline, Timestamp};
use serde::Serialize;

use crate::state::{AttemptWait, Limits, Session, Turn};

/// Something that a session waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What it waits for.
    pub what: What,
    /// Since when.
    pub since: Timestamp,
    /// Who can unblock it.
    pub on: Whom,
    /// By when something happens anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// What the provider that has the word, or will be asked again, said last of what it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
}

/// What a provider allows within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// The provider.
    pub provider: Arc<str>,
    /// What it said.
    #[serde(flatten)]
    pub said: Arc<Limits>,
}

/// What a session can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A prompt.
    Prompt,
    /// Someone to open it.
    Opening,
    /// Someone to resume the turn.
    Resume,
    /// An answer: a server, a token, a piece, or the time to try again.
    Answer(AttemptWait),
    /// A call: its evidence, a person's consent, its turn, its end, or its stop.
    Call(CallId, tool_call::State),
}

/// Who can unblock a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A person.
    Person,
    /// The server of a model.
    Model(ModelId),
    /// The runner of a tool.
    Tool,
    /// Another call of the same answer.
    OtherCall,
    /// Nobody; time passes.
    Clock,
}

/// All that a session waits for; never nothing.
#[must_use]
pub fn waiting_for(session: &Session) -> Vec<Waiting> {
    if session.state == glasswork_agent_core::session::State::Compacting {
        return attempt(session);
    }
    match session.open_turn() {
        None => vec![resting(session)],
        Some(turn) => running(session, turn),
    }
}

fn resting(session: &Session) -> Waiting {
    use glasswork_agent_core::session::State as S;
    let what = match session.state {
        S::Vacant | S::Closed => What::Opening,
        S::Idle | S::Busy | S::Compacting | S::Closing => What::Prompt,
    };
    Waiting {
        what,
        since: session
            .turn
            .as_ref()
            .map_or(session.meta.created, |turn| turn.since),
        on: Whom::Person,
        deadline: None,
        allowed: None,
    }
}

fn running(session: &Session, turn: &Turn) -> Vec<Waiting> {
    match turn.state {
        State::Paused => vec![Waiting {
            what: What::Resume,
            since: turn.since,
            on: Whom::Person,
            deadline: None,
            allowed: None,
        }],
        State::Compacting | State::Connecting | State::Streaming | State::BackingOff => attempt(session),
        _ => calls(session),
    }
}

fn attempt(session: &Session) -> Vec<Waiting> {
    let Some(attempt) = session.attempt() else {
        return vec![];
    };
    let Some(wait) = &attempt.wait else { return vec![] };
    let asked = session.requests.get(&attempt.request);
    let on = match (wait.on, asked) {
        (AttemptWait::Connect | AttemptWait::FirstToken | AttemptWait::Stream, Some(prepared)) => {
            Whom::Model(prepared.model.clone())
        }
        _ => Whom::Clock,
    };
    vec![Waiting {
        what: What::Answer(wait.on),
        since: wait.deadline.set_at,
        on,
        deadline: Some(wait.deadline),
        allowed: asked.and_then(|prepared| {
            let provider = &prepared.model.provider;
            Some(Allowed {
                provider: Arc::clone(provider),
                said: Arc::clone(session.limits.get(provider)?),
            })
        }),
    }]
}

fn calls(session: &Session) -> Vec<Waiting> {
    let open = session.batch().filter(|(_, call)| !call.state.is_terminal());
    open.map(|(id, call)| Waiting {
        what: What::Call(id, call.state),
        since: call.since,
        on: match call.state {
            tool_call::State::Asked | tool_call::State::Questioning => Whom::Person,
            tool_call::State::Allowed => Whom::OtherCall,
            _ => Whom::Tool,
        },
        deadline: call.deadline,
        allowed: None,
    })
    .collect()
}
