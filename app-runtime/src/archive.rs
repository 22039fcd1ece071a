//! The ports to the records of sessions: reading what is not mounted, and owning what is.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use glasswork_engine::load::{Damage, Loaded};
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Kind;

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
    /// Another process has it.
    #[error("session {session} is open in another process (pid {pid}); one process owns a session at a time")]
    Owned {
        /// The session.
        session: ScopeId,
        /// The process.
        pid: u32,
    },
    /// The system refused.
    #[error("cannot read or write {what}: {error}")]
    Io {
        /// What was to be read.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Where sessions are made and opened for writing. One process owns a session at a time.
pub trait Vault: Archive {
    /// Makes the record of a new scope, owned by this process.
    ///
    /// # Errors
    /// [`ArchiveError`].
    fn create(&self, scope: ScopeId, kind: Kind, now: Timestamp) -> Result<Loaded<Glasswork>, ArchiveError>;

    /// Takes ownership of a session and folds it.
    ///
    /// # Errors
    /// [`ArchiveError::Owned`] where another process has it, and as for reading.
    fn open(&self, session: ScopeId, now: Timestamp) -> Result<Opened, ArchiveError>;

    /// Gives a scope up again, after it was unmounted.
    fn release(&self, scope: ScopeId);
}

/// A session that this process owns now.
#[derive(Debug)]
pub struct Opened {
    /// What the record leads to.
    pub loaded: Loaded<Glasswork>,
    /// What had to be mended, for people.
    pub notices: Vec<String>,
}
