//! Noting what is checked out in a session's workspace.

use std::path::PathBuf;
use std::time::Duration;

use glasswork_agent_session::git_head;
use glasswork_engine::ScopeId;
use glasswork_session_state::checkout;
use glasswork_session_state::{Event, state};

use crate::runtime::Runtime;

/// How long the files of Git may take to read.
const PATIENCE: Duration = Duration::from_millis(500);

impl Runtime {
    /// Looks what is checked out where a session works, and has that noted if it is something else than before. That
    /// it cannot be noted keeps nobody from working.
    pub(crate) async fn note_checkout(&self, session: ScopeId) {
        let Some(scope) = self.live().scope(session) else {
            return;
        };
        let state::Scope::Session(before) = &scope.state else {
            return;
        };
        let workspace = PathBuf::from(&*before.meta.workspace);
        // It reads files, which may lie on a network that is gone.
        let read = tokio::task::spawn_blocking(move || git_head::of(&workspace));
        let Ok(Ok(head)) = tokio::time::timeout(PATIENCE, read).await else {
            return;
        };
        if head != before.meta.head {
            let seen = Event::Checkout(checkout::Event::HeadSeen(head));
            let _ = self.ask(session, seen).await;
        }
    }
}
