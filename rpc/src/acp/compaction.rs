//! Compactions as the protocol tells them, to a client that shows them.

use agent_client_protocol::v1::schema::{CompactionStatus, CompactionUpdate, ContentBlock, SessionUpdate};
use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::tree::Body;
use glasswork_app_runtime::watching::Update;
use glasswork_session_state::state::Session;

/// The compaction that goes on, by the commit that began it.
#[derive(Debug, Default)]
pub(super) struct Compactions {
    open: Option<u64>,
}

impl Compactions {
    /// What an update of the commit `seq` tells of a compaction; `None` where it tells of something else.
    pub(super) fn told(&mut self, update: &Update, seq: u64, session: &Session) -> Option<SessionUpdate> {
        if matches!(update, Update::CompactionBegan { .. }) {
            self.open = Some(seq);
        }
        // One that began before the client came is told when it ends.
        let new = |status| CompactionUpdate::new(self.open.unwrap_or(seq).to_string(), status);
        let told = match update {
            Update::CompactionBegan { .. } => new(CompactionStatus::InProgress),
            Update::Compacted { entry, .. } => {
                new(CompactionStatus::Completed).summary(summary(session, *entry))
            }
            // Also of a summary of a branch, of which nothing is told as a compaction.
            Update::CompactionFailed { message } if self.open.is_some() => {
                new(CompactionStatus::Failed).error(message.to_string())
            }
            Update::CompactionDropped if self.open.is_some() => new(CompactionStatus::Cancelled),
            _ => return None,
        };
        if !matches!(update, Update::CompactionBegan { .. }) {
            self.open = None;
        }
        Some(SessionUpdate::CompactionUpdate(told))
    }
}

/// A compaction of the past, for a client that sees the session for the first time.
pub(super) fn past(session: &Session, entry: EntryId) -> SessionUpdate {
    let update = CompactionUpdate::new(entry.seq.to_string(), CompactionStatus::Completed);
    SessionUpdate::CompactionUpdate(update.summary(summary(session, entry)))
}

fn summary(session: &Session, entry: EntryId) -> Vec<ContentBlock> {
    let body = session.tree.get(entry).map(|entry| &entry.body);
    match body {
        Some(Body::Compaction(compaction)) => vec![compaction.summary.to_string().into()],
        _ => vec![],
    }
}
