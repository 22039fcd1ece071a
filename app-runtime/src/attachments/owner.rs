//! What the owner of a host asks for without being attached: by mutations of the graph. Turns that begin by it take places in
//! the line of all clients.

use std::sync::Arc;

use glasswork_engine::ScopeId;
use glasswork_session_state::{Event, prompt};

use super::beginning::By;
use super::{Attachments, Done};
use crate::prompting::Prompt;

impl Attachments {
    /// Says something to the agent: begins a turn. Where too many run, it waits. Asked for again with the same key while it
    /// waits, it is not said twice: both hear what came of it.
    ///
    /// # Errors
    /// [`AttachError`](super::AttachError).
    pub async fn prompt(self: &Arc<Self>, session: ScopeId, text: &str, key: Option<&str>) -> Done {
        let by = By::Owner(session);
        self.begin_prompt(by, Prompt::new(text), key, &mut |_| {}).await
    }

    /// Says something for after the turn that runs; begins one where none does.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt).
    pub async fn follow_up(self: &Arc<Self>, session: ScopeId, text: &str, key: Option<&str>) -> Done {
        let event = prompt::Event::FollowedUp {
            text: text.into(),
            key: key.map(Into::into),
        };
        let by = By::Owner(session);
        self.begin(by, Event::Prompt(event), &mut |_| {}).await
    }

    /// Has a turn go on that rests.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt).
    pub async fn resume(self: &Arc<Self>, session: ScopeId) -> Done {
        let event = Event::Prompt(prompt::Event::Resumed);
        self.begin(By::Owner(session), event, &mut |_| {}).await
    }

    /// Cancels what a session does: takes back what waits for its turn there, whoever said it, and stops at once the turn that
    /// runs.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt); among others where nothing works and nothing waits.
    pub async fn cancel(&self, session: ScopeId) -> Done {
        self.cancel_as(&self.runtime.user, session).await
    }
}
