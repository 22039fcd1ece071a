//! Watching a session whether it is mounted or not.

use glasswork_engine::ScopeId;

use crate::runtime::{OperationError, Runtime};
use crate::watching::Watch;

impl Runtime {
    /// Watches a session, and mounts it for that where it was unmounted because nobody needed it.
    ///
    /// # Errors
    /// [`OperationError`] where it cannot be mounted.
    pub async fn watch_mounted(&self, session: ScopeId) -> Result<Watch, OperationError> {
        if let Some(watch) = self.watch(session) {
            return Ok(watch);
        }
        self.mounts.demand(session).await?;
        let gone = || OperationError::NotDone(format!("the session {session} is not open any more"));
        self.watch(session).ok_or_else(gone)
    }
}
