//! What is left open by a process that ended.

use glasswork_agent_core::session::{State as SessionState, Trigger as SessionTrigger};
use glasswork_agent_core::turn::{State, Trigger};
use glasswork_engine::EffectKey;
use serde::{Deserialize, Serialize};

use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::{fork, mcp, session, turn};

/// What recovery found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The process ended while these effects were open.
    Abandoned {
        /// The effects whose runners are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        open: Vec<EffectKey>,
    },
}

/// Decides what becomes of what a process left open.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let Event::Abandoned { open } = event;
    if draft.session.state == SessionState::Compacting {
        session::advance(draft, SessionTrigger::Abandon)?;
    } else if is_running(&draft.session) {
        turn::advance(draft, Trigger::Abandon)?;
    }
    for effect in open {
        draft.close(*effect);
    }
    mcp::abandon(draft)?;
    fork::make_again(draft);
    Ok(Reply::Done)
}

/// The event that brings a session to rest, with the commit that left it open.
pub(crate) fn recover(session: &Session, open: Vec<EffectKey>) -> Option<(u64, Event)> {
    let launched = session.mcp.values().filter_map(|server| server.launch);
    let launched = launched
        .map(|launch| launch.seq)
        .max()
        .filter(|_| mcp::any_up(session));
    if open.is_empty() && !is_running(session) && launched.is_none() {
        return None;
    }
    let began = session.turn.as_ref().map_or(0, |turn| turn.id.0);
    let began = began.max(launched.unwrap_or(0));
    let cause = open.iter().map(|effect| effect.seq).max().unwrap_or(began);
    Some((cause, Event::Abandoned { open }))
}

/// A compaction by hand, or a turn. A paused turn waits on nothing in the world, so it stays as it is.
fn is_running(session: &Session) -> bool {
    let open = session.open_turn();
    session.state == SessionState::Compacting || open.is_some_and(|turn| turn.state != State::Paused)
}
