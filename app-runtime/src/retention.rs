//! How sessions are kept: those in which nothing happened for long are packed. Nothing is ever removed.

use glasswork_agent_session::store::{Packed, Sizes};
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::host_settings::Settings;

use crate::archive::{Archive, ArchivedSession, StoreError};
use crate::files::FileArchive;

/// What became of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// How many were packed now.
    pub packed: u64,
    /// What they took before, less what they take now, in bytes.
    pub freed: u64,
}

/// The sessions that these settings want packed.
#[must_use]
pub fn to_pack(rows: &[ArchivedSession], settings: &Settings) -> Vec<ScopeId> {
    let last = |row: &ArchivedSession| row.updated.unwrap_or(row.created);
    // What cannot be read is left for people to look at.
    let mut rows: Vec<&ArchivedSession> = rows.iter().filter(|row| row.damage.is_none()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((last(row), row.id)));
    let unpacked = settings.pack_after.value.map_or(usize::MAX, |most| most as usize);
    rows.into_iter().skip(unpacked).map(|row| row.id).collect()
}

impl FileArchive {
    /// Packs what these settings want packed. What is open anywhere is left alone, and what cannot be done now is tried
    /// again when this is called next. Blocks: for a thread of its own.
    #[must_use]
    pub fn keep(&self, settings: &Settings, now: Timestamp) -> Kept {
        let rows = self.list().unwrap_or_default();
        let mut kept = Kept::default();
        for session in to_pack(&rows, settings) {
            if let Ok(Packed::Now { before, after }) = self.store().pack(session, now) {
                kept.packed += 1;
                kept.freed += before.saturating_sub(after);
            }
        }
        kept
    }

    /// What lies in the data directory, by what it is.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a folder cannot be read.
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        self.store().sizes()
    }
}
