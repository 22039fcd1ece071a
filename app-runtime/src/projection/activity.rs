//! What the sessions of a host do at this moment: those that want a person first.

use std::sync::Arc;

use glasswork_agent_core::session::State as SessionState;
use glasswork_agent_core::turn::State;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::state::Session;
use serde::Serialize;

use crate::reading::Snapshot;

/// What a session does that does not rest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Doing {
    /// It asks a person about a call.
    Asking,
    /// Its turn rests until somebody resumes it.
    Paused,
    /// It waits to try again.
    Retrying,
    /// A summary is being made.
    Compacting,
    /// It works.
    Running,
}

/// A session that does not rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Active {
    /// The session.
    pub session: ScopeId,
    /// Its title.
    pub title: Option<Arc<str>>,
    /// What it does.
    pub doing: Doing,
    /// Since when its turn stands there.
    pub since: Timestamp,
}

/// What a session does; `None` where it rests.
#[must_use]
pub fn doing(session: &Session) -> Option<Doing> {
    if session.state == SessionState::Compacting {
        return Some(Doing::Compacting);
    }
    let turn = session.open_turn()?;
    let asks = || session.batch().any(|(_, call)| call.state.awaits_person());
    Some(match turn.state {
        State::Paused => Doing::Paused,
        State::BackingOff => Doing::Retrying,
        State::Compacting => Doing::Compacting,
        _ if asks() => Doing::Asking,
        _ => Doing::Running,
    })
}

/// What one session does, for the list of all; `None` where it rests.
#[must_use]
pub fn of(session: &Session) -> Option<Active> {
    Some(Active {
        session: session.id,
        title: session.meta.title.clone(),
        doing: doing(session)?,
        since: session
            .open_turn()
            .map_or(session.meta.created, |turn| turn.since),
    })
}

/// The sessions of this host that do not rest, without one of them: those that want a person first.
#[must_use]
pub fn of_others(snapshot: &Snapshot, own: Option<ScopeId>) -> Vec<Active> {
    let others = snapshot.mounted().filter(|id| Some(*id) != own);
    // One that was unmounted since the snapshot was taken is still in it.
    let mut active: Vec<Active> = others
        .filter_map(|id| of(snapshot.session(id, None).ok()?.session().ok()?))
        .collect();
    active.sort_by_key(|active| (active.doing, active.since, active.session));
    active
}
