//! The editors of sessions: who lends what it has open, and its terminals.

use std::sync::Arc;

pub use glasswork_agent_session::editors::{
    Answer, Editor, EditorError, Editors, Loan, Offers, TerminalCommand, TerminalExit, TerminalOutput,
};
use glasswork_engine::ScopeId;

use crate::runtime::Runtime;

impl Runtime {
    /// An editor lends a session what it has, until what this gives is dropped: from then on calls that would work in
    /// it work on the disk and in a shell of this machine, or in the next editor that lends the same.
    #[must_use = "it lends nothing any more once this is dropped"]
    pub fn lend(&self, session: ScopeId, editor: Arc<dyn Editor>) -> Loan {
        self.editors.lend(session, editor)
    }
}
