//! What a session waits for, and until when.

use async_graphql::{Enum, ID, SimpleObject};
use glasswork_engine::{self as engine, Domain as _, ScopeId};
use glasswork_session_state::waiting::{self, What, Whom};
use glasswork_session_state::{DeadlineKey, Glasswork, state};

use crate::id;
use crate::rate_limit::RateLimit;
use crate::scalar::{Long, Time};

/// A moment by which something must have happened. A value of the state, so a restart arms nothing.
#[derive(Debug, SimpleObject)]
pub(crate) struct Deadline {
    /// The call that it is of; null for the attempt to get an answer, and for the start of an MCP server.
    call: Option<ID>,
    /// Whether it is of the attempt as a whole, whatever that waits for.
    whole: bool,
    /// The dispatch that set it.
    set_by: ID,
    /// When it was set.
    set_at: Time,
    /// How long it runs, in milliseconds of time awake.
    after_ms: Long,
    /// When it is reached if the machine does not sleep.
    due: Time,
}

impl Deadline {
    pub(crate) fn of(session: ScopeId, key: Option<DeadlineKey>, deadline: &engine::Deadline) -> Self {
        Self {
            call: match key {
                Some(DeadlineKey::Call(call)) => Some(id::global(session, call)),
                Some(DeadlineKey::Attempt | DeadlineKey::Answer | DeadlineKey::Server(_)) | None => None,
            },
            whole: key == Some(DeadlineKey::Answer),
            set_by: id::commit(session, deadline.set_by),
            set_at: Time(deadline.set_at),
            after_ms: Long(deadline.after_ms),
            due: Time(deadline.set_at.after(deadline.duration())),
        }
    }

    /// All that run in a state, as the watcher is told of them.
    pub(crate) fn all(session: ScopeId, state: &state::Scope) -> Vec<Self> {
        let mut all = Vec::new();
        Glasswork::deadlines(state, &mut |key, deadline| {
            all.push(Self::of(session, Some(key), &deadline))
        });
        all
    }
}

/// What an attempt to get an answer can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "state::AttemptWait")]
pub(crate) enum AttemptWait {
    /// The server to begin to answer.
    Connect,
    /// The first token.
    FirstToken,
    /// The next piece.
    Stream,
    /// The time to try again.
    Backoff,
}

/// What a session can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum WaitingFor {
    /// A prompt.
    Prompt,
    /// Someone to open it.
    Opening,
    /// Someone to resume the turn.
    Resume,
    /// An answer of a model.
    Answer,
    /// A tool call.
    Call,
}

/// Who can unblock a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum WaitingOn {
    /// A person.
    Person,
    /// The server of a model.
    Model,
    /// The runner of a tool.
    Tool,
    /// Another call of the same answer.
    OtherCall,
    /// Nobody; time passes.
    Clock,
}

/// Something that a session waits for.
#[derive(Debug, SimpleObject)]
pub(crate) struct Waiting {
    /// What it waits for.
    what: WaitingFor,
    /// What of the answer it waits for.
    answer: Option<AttemptWait>,
    /// The call that it waits for.
    call: Option<ID>,
    /// Where that call stands: a state of the `tool_call` chart.
    call_state: Option<&'static str>,
    /// Since when.
    since: Time,
    /// Who can unblock it.
    on: WaitingOn,
    /// The model whose server it waits for.
    model: Option<String>,
    /// By when something happens anyway.
    deadline: Option<Deadline>,
    /// What the provider that has the word, or will be asked again, said last of what it allows within a time.
    rate_limits: Vec<RateLimit>,
}

impl Waiting {
    pub(crate) fn of(session: ScopeId, waiting: &waiting::Waiting) -> Self {
        let (what, answer, call) = match waiting.what {
            What::Prompt => (WaitingFor::Prompt, None, None),
            What::Opening => (WaitingFor::Opening, None, None),
            What::Resume => (WaitingFor::Resume, None, None),
            What::Answer(wait) => (WaitingFor::Answer, Some(wait.into()), None),
            What::Call(call, state) => (WaitingFor::Call, None, Some((call, state))),
        };
        let on = match &waiting.on {
            Whom::Person => WaitingOn::Person,
            Whom::Model(_) => WaitingOn::Model,
            Whom::Tool => WaitingOn::Tool,
            Whom::OtherCall => WaitingOn::OtherCall,
            Whom::Clock => WaitingOn::Clock,
        };
        Self {
            what,
            answer,
            call: call.map(|(call, _)| id::global(session, call)),
            call_state: call.map(|(_, state)| state.into()),
            since: Time(waiting.since),
            on,
            model: match &waiting.on {
                Whom::Model(model) => Some(model.to_string()),
                _ => None,
            },
            deadline: waiting.deadline.as_ref().map(|deadline| {
                Deadline::of(session, call.map(|(call, _)| DeadlineKey::Call(call)), deadline)
            }),
            rate_limits: waiting.allowed.iter().flat_map(RateLimit::of_provider).collect(),
        }
    }
}
