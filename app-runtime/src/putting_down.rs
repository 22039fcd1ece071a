//! Putting a session down: nothing works in it any more, and it can be opened again by whoever wants to.

use glasswork_agent_core::turn::State;
use glasswork_engine::{Refusal, ScopeId};

use crate::runtime::{OperationError, Runtime};
use crate::watching::Update;

impl Runtime {
    /// Cancels what works in a session, waits until that has ended, and unmounts it. A turn that rests goes on resting.
    /// The session is not closed. Where it is not mounted there is nothing to do.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn put_down(&self, session: ScopeId) -> Result<(), OperationError> {
        let Some(mut watch) = self.watch(session) else {
            return Ok(());
        };
        let works = |state: State| !state.is_terminal() && state != State::Paused;
        if watch.session().open_turn().is_some_and(|turn| works(turn.state)) {
            match self.cancel(session).await {
                // It has ended meanwhile.
                Ok(_) | Err(OperationError::Refused(Refusal::Rejected { .. })) => {}
                Err(error) => return Err(error),
            }
            while watch.session().open_turn().is_some_and(|turn| works(turn.state)) {
                let watched = watch.next().await;
                let failed =
                    |update: &Update| matches!(update, Update::Ended | Update::RecordingFailed { .. });
                if watched.updates.iter().any(failed) {
                    break;
                }
            }
        }
        drop(watch);
        self.give_up(session).await
    }
}
