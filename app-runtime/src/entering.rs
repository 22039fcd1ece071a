//! Which sessions this process has entered: what is set for them is what was set here, not what an earlier process left.
//!
//! Whoever only looks at a session has it mounted as it was left, and changes nothing by that. Before a turn begins in it,
//! it is entered, as `run --session` does: what is set now holds, and one that was closed is open again. One that was put
//! down because nobody needed it, and is mounted again, is entered still, unless another process had it in between.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use glasswork_agent_core::session::State;
use glasswork_agent_core::turn;
use glasswork_engine::ScopeId;
use glasswork_session_state::state::Session;

use crate::runtime::{Opening, OperationError, Runtime, resolved};

/// Most sessions of which it is remembered. One that is forgotten is entered once more.
const MOST: usize = 4096;

/// The sessions that were entered, each with the opening of its record for which that holds.
#[derive(Debug, Default)]
pub(crate) struct Entered(Mutex<BTreeMap<ScopeId, u32>>);

impl Entered {
    /// A session was mounted. Where nobody else had it since, it is entered still.
    pub(crate) fn mounted(&self, session: ScopeId, epoch: u32) {
        let mut entered = self.lock();
        match entered.get_mut(&session) {
            Some(last) if last.checked_add(1) == Some(epoch) => *last = epoch,
            Some(_) => drop(entered.remove(&session)),
            None => {}
        }
    }

    /// A session was given up: whoever opens it next says what is set.
    pub(crate) fn forget(&self, session: ScopeId) {
        self.lock().remove(&session);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ScopeId, u32>> {
        // Nothing is done under this lock that could leave it half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtime {
    /// A session was entered, as its record is open now.
    pub(crate) fn note_entered(&self, session: ScopeId) {
        let Some(scope) = self.live().scope(session) else {
            return;
        };
        let mut entered = self.mounts.entered.lock();
        if entered.len() >= MOST && !entered.contains_key(&session) {
            entered.pop_first();
        }
        entered.insert(session, scope.epoch);
    }

    /// Whether a mounted session has to be entered before a turn begins in it. One in which something works is left alone:
    /// what is said there waits, or is refused by its handler.
    pub(crate) fn wants_entering(&self, session: ScopeId) -> bool {
        let is_entered = self.mounts.entered.lock().contains_key(&session);
        self.mounted(session)
            .is_some_and(|state| is_out(&state) || (!is_entered && is_at_rest(&state)))
    }

    /// Enters a mounted session, unless somebody else was faster. A fork of one that was entered here goes on with what is set
    /// in it: whoever made it meant that.
    pub(crate) async fn enter_again(&self, id: ScopeId, mut opening: Opening) -> Result<(), OperationError> {
        let workspace = resolved(&opening.workspace)?;
        let _turn = self.mounts.turn(id).await;
        if self.wants_entering(id) {
            if let Some(fork) = self.mounted(id)
                && let Some(parent) = fork.meta.parent
                && !is_out(&fork)
                && self.mounts.entered.lock().contains_key(&parent.session)
            {
                opening.settings = (*fork.settings).clone();
            }
            self.enter(id, &workspace, opening).await?;
        }
        Ok(())
    }
}

fn is_out(session: &Session) -> bool {
    matches!(session.state, State::Vacant | State::Closed)
}

fn is_at_rest(session: &Session) -> bool {
    let turn_runs = session
        .open_turn()
        .is_some_and(|turn| turn.state != turn::State::Paused);
    !turn_runs && !matches!(session.state, State::Compacting | State::Closing)
}
