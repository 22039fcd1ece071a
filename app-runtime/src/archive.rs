//! The port through which sessions that are not mounted are read.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use glasswork_engine::load::{Damage, Loaded};
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;

/// Where the records of sessions are kept. Reading needs no lock and no writer, and sees what was written so far.
pub trait Archive: Send + Sync + 'static {
    /// All sessions, newest first, from what is cheap to read of each. A damaged one is listed with its damage.
    ///
    /// # Errors
    /// Where the folder itself cannot be read.
    fn list(&self) -> Result<Vec<ArchivedSession>, ArchiveError>;

    /// Folds a session: to its end, or to commit `until`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, ArchiveError>;

    /// The commits of a session whose sequence numbers are in `range`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    fn commits(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, ArchiveError>;

    /// The traces of a session that are still kept, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, ArchiveError>;
}

/// A session as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedSession {
    /// The session.
    pub id: ScopeId,
    /// When its journal was made.
    pub created: Timestamp,
    /// When its last commit was made; `None` where it has none.
    pub updated: Option<Timestamp>,
    /// Its last commit.
    pub seq: u64,
    /// Length of its journal, in bytes.
    pub bytes: u64,
    /// The process that owns it now.
    pub owner: Option<u32>,
    /// What is wrong with it.
    pub damage: Option<String>,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such session.
    #[error("there is no session {0}; `glasswork sessions list` shows those there are")]
    Unknown(ScopeId),
    /// The record is damaged.
    #[error("the journal of {session} is damaged at {damage}")]
    Damaged {
        /// The session.
        session: ScopeId,
        /// Where and how.
        damage: Damage,
    },
    /// The system refused.
    #[error("cannot read {what}: {error}")]
    Io {
        /// What was to be read.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}
