//! Notifications: what people should know without having asked, made of the state as it is now.
//!
//! Each has a name that stays the same as long as it holds, so that a client shows it once and remembers what was
//! dismissed. None is kept apart from what it tells of: it is gone when that is no longer so.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_agent_core::loop_guard::About;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::Body;
use glasswork_ai::model::ModelId;
use glasswork_engine::Scope;
use glasswork_session_state::Glasswork;
use glasswork_session_state::compaction::Guard;
use glasswork_session_state::state::{self, Session, Turn};
use serde::Serialize;

use crate::explain;

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Its name.
    pub id: String,
    /// How much it matters.
    pub level: Level,
    /// What it tells of.
    #[serde(flatten)]
    pub about: Subject,
    /// The same in words, with what can be done.
    pub text: String,
}

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// Something is lost, or does not go on.
    Error,
    /// Something is not as it was asked for.
    Warning,
    /// Something happened.
    Info,
}

/// What a notification tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Subject {
    /// Nothing more can be recorded, and so nothing more happens.
    JournalFailed,
    /// The state breaks an invariant: it can be read, and not be trusted.
    Unsound,
    /// The last turn failed.
    TurnFailed {
        /// The turn.
        turn: TurnId,
    },
    /// Nobody knows whether a call of the last turn took effect.
    UnknownOutcome {
        /// The call.
        call: CallId,
    },
    /// Another model than the session's own is asked for the rest of the turn, or was in the last one.
    FellBack {
        /// The turn.
        turn: TurnId,
        /// The model that is asked.
        to: ModelId,
    },
    /// The agent went in circles in the last turn, and was told so.
    WentInCircles {
        /// The turn.
        turn: TurnId,
    },
    /// No compaction begins by itself.
    CompactionHeldBack,
    /// Secrets were masked before they came to the session.
    SecretsMasked {
        /// How many different ones.
        count: u32,
    },
    /// Words of steering were not taken in any more.
    SteeringReturned {
        /// The words, in order.
        texts: Vec<Arc<str>>,
    },
}

fn notification(level: Level, about: Subject, of: impl std::fmt::Display, text: String) -> Notification {
    let kind: &str = (&about).into();
    Notification {
        id: format!("{kind}-{of}"),
        level,
        about,
        text,
    }
}

/// What people should know of a scope: of its record, and of the session in it. What matters most stands first.
#[must_use]
pub fn of_scope(scope: &Scope<Glasswork>) -> Vec<Notification> {
    let failed = scope.journal_failure.as_deref().map(|reason| {
        let text = format!("nothing more can be recorded, and so nothing more happens: {reason}");
        notification(Level::Error, Subject::JournalFailed, scope.epoch, text)
    });
    let unsound = scope.unsound.as_deref().map(|reason| {
        let text = format!("this session can be read and not be trusted; fork it before that: {reason}");
        notification(Level::Error, Subject::Unsound, scope.epoch, text)
    });
    let session = match &scope.state {
        state::Scope::Session(session) => of(session),
        state::Scope::Host(_) => Vec::new(),
    };
    failed.into_iter().chain(unsound).chain(session).collect()
}

/// What people should know of a session. What matters most stands first.
#[must_use]
pub fn of(session: &Session) -> Vec<Notification> {
    let mut all = Vec::new();
    if let Some(turn) = session.turn.as_deref() {
        of_turn(session, turn, &mut all);
    }
    if let Some(guard) = session.compaction_guard() {
        let (of, text) = match guard {
            Guard::NotShrunk { before, after, until } => (
                *until,
                format!(
                    "the last compaction brought {before} tokens to {after} only; none begins by itself before there \
                     are {until}"
                ),
            ),
            Guard::NoSummary { turn, message } => (
                turn.map_or(0, |turn| turn.0),
                format!("the last compaction failed, and none begins by itself in this turn: {message}"),
            ),
        };
        all.push(notification(
            Level::Warning,
            Subject::CompactionHeldBack,
            of,
            text,
        ));
    }
    let count: u32 = session.masked.counts().iter().map(|(_, count)| count).sum();
    if count > 0 {
        let text =
            format!("{count} secrets were masked; the model and the record have placeholders in their place");
        all.push(notification(
            Level::Info,
            Subject::SecretsMasked { count },
            count,
            text,
        ));
    }
    let returned = &session.queue.returned;
    if let Some(last) = returned.last() {
        let texts = returned.iter().map(|words| Arc::clone(&words.text)).collect();
        let text = format!(
            "{} of your words were not taken in any more; say them again if they still hold",
            returned.len()
        );
        all.push(notification(
            Level::Info,
            Subject::SteeringReturned { texts },
            last.dispatch,
            text,
        ));
    }
    all.sort_by_key(|notification| notification.level);
    all
}

fn of_turn(session: &Session, turn: &Turn, all: &mut Vec<Notification>) {
    let id = turn.id;
    if let Some(failure) = &turn.failure {
        all.push(notification(
            Level::Error,
            Subject::TurnFailed { turn: id },
            id,
            explain::failure(failure),
        ));
    }
    let own = session.calls.iter().rev().take_while(|(_, call)| call.turn == id);
    let unknown = own.filter(|(_, call)| call.state == tool_call::State::UnknownOutcome);
    for (call, known) in unknown {
        let text = format!(
            "nobody knows whether call {call} of `{}` took effect; look before it is made again",
            known.call.name
        );
        all.push(notification(
            Level::Error,
            Subject::UnknownOutcome { call: *call },
            call,
            text,
        ));
    }
    if let Some(to) = &turn.failover.model {
        let given_up: Vec<_> = turn.failover.given_up.iter().map(ToString::to_string).collect();
        let text = format!("{to} is asked for the rest of the turn: {}", given_up.join("; "));
        let to = to.clone();
        all.push(notification(
            Level::Warning,
            Subject::FellBack { turn: id, to },
            id,
            text,
        ));
    }
    let entries = session.tree.branch().take_while(|(entry, _)| entry.seq >= id.0);
    let circles = entries.filter_map(|(_, entry)| match &entry.body {
        Body::Notice(notice) => match notice.kind {
            About::Loop(kind) => Some(kind),
            About::Result(_) | About::TakenOver => None,
        },
        _ => None,
    });
    if let Some(kind) = circles.last() {
        let text = format!(
            "the agent went in circles, and was told so: {}",
            explain::looped(kind)
        );
        all.push(notification(
            Level::Warning,
            Subject::WentInCircles { turn: id },
            id,
            text,
        ));
    }
}
