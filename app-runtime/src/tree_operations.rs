//! What people do with the tree of a conversation.

use glasswork_agent_core::id::EntryId;
use glasswork_engine::ScopeId;
use glasswork_session_state::{Event, session, tree};

use crate::runtime::{Done, Runtime};

impl Runtime {
    /// Gives a session a title.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn rename(&self, session: ScopeId, title: &str) -> Done {
        let title = title.into();
        self.ask(session, Event::Session(session::Event::Retitled { title }))
            .await
    }

    /// Has a session stand before others in lists, or does so no more.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn pin(&self, session: ScopeId, pinned: bool) -> Done {
        self.ask(session, Event::Session(session::Event::Pinned { pinned }))
            .await
    }

    /// Has the conversation go on below another entry, or before all of them.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn move_leaf(&self, session: ScopeId, to: Option<EntryId>, key: Option<&str>) -> Done {
        let key = key.map(Into::into);
        self.ask(session, Event::Tree(tree::Event::LeafMoved { to, key }))
            .await
    }

    /// Has the conversation go on below another entry, or before all of them, with a summary of the branch that is left.
    /// Returns when the request for it is under way, or at once where nothing is left; [`watch`](Self::watch) tells how
    /// it ends. Until the summary is there, and where there is none to be had, the leaf stays where it was.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn move_leaf_with_summary(
        &self,
        session: ScopeId,
        to: Option<EntryId>,
        focus: Option<&str>,
        key: Option<&str>,
    ) -> Done {
        self.tell_spending(session).await?;
        let (focus, key) = (focus.map(Into::into), key.map(Into::into));
        self.ask(session, Event::Tree(tree::Event::BranchLeft { to, focus, key }))
            .await
    }

    /// Takes a prompt back, so that it can be said in other words: the conversation goes on before it. The
    /// [reply](glasswork_session_state::Reply::TakenBack) has what it said.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn take_back(&self, session: ScopeId, entry: EntryId, key: Option<&str>) -> Done {
        let key = key.map(Into::into);
        self.ask(session, Event::Tree(tree::Event::TakenBack { entry, key }))
            .await
    }

    /// Gives an entry a label, or takes the one that it has away.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn label(&self, session: ScopeId, entry: EntryId, label: Option<&str>) -> Done {
        let label = label.map(Into::into);
        self.ask(session, Event::Tree(tree::Event::Labelled { entry, label }))
            .await
    }

    /// Pins an entry, so that a compaction carries it over; or does so no more.
    ///
    /// # Errors
    /// [`OperationError`](crate::runtime::OperationError).
    pub async fn pin_entry(&self, session: ScopeId, entry: EntryId, pinned: bool) -> Done {
        self.ask(session, Event::Tree(tree::Event::Pinned { entry, pinned }))
            .await
    }
}
