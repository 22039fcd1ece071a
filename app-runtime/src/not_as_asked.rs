//! What is told before a request is sent: what was asked for and will be sent otherwise, or not at all.

use glasswork_engine::ScopeId;

use crate::runtime::Runtime;

impl Runtime {
    /// What the next request of a session will not carry as it was asked for, a line each.
    #[must_use]
    pub fn not_as_asked(&self, session: ScopeId) -> Vec<String> {
        let next = self.mounted(session).and_then(|session| session.next_prepared());
        let adjusted = next.map(|next| next.adjusted).unwrap_or_default();
        adjusted.iter().map(ToString::to_string).collect()
    }
}
