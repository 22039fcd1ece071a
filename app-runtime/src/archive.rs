//! The ports to the records of sessions: reading what is not mounted, and owning what is.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;

pub use glasswork_agent_session::index::{
    Cursor, CursorError, FIRST_WORDS, Filter, Found, Hit, Listing, Page, Piece, Progress, QueryError,
    Refreshed, Row as ArchivedSession, Search, SearchError, Sort, Speaker, Status,
};
pub use glasswork_agent_session::store::{Owner, StoreError};

use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, DispatchId, Scope, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Kind;
use glasswork_session_state::trash::Way;

/// Where the records of sessions are kept. Reading needs no lock and no writer, and sees what was written so far.
pub trait Archive: Send + Sync + 'static {
    /// All sessions, newest first, from what is cheap to read of each. A damaged one is listed with its damage.
    ///
    /// # Errors
    /// Where the folder itself cannot be read.
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError>;

    /// A page of the list, without the sessions in `except`.
    ///
    /// # Errors
    /// Where the list itself cannot be read.
    fn page(&self, listing: &Listing, except: &BTreeSet<ScopeId>) -> Result<Page, StoreError> {
        let rows = self.list()?;
        Ok(listing.of(rows.into_iter().filter(|row| !except.contains(&row.id))))
    }

    /// Searches in what was said. Blocks. An archive without an index finds nothing.
    ///
    /// # Errors
    /// [`SearchError`].
    fn search(&self, _search: &Search) -> Result<Found, SearchError> {
        Ok(Found::default())
    }

    /// What the sessions that are not in `except` have spent on a day, counted from the first of 1970 (UTC), in
    /// billionths of a US dollar. Blocks. An archive without an index knows of nothing.
    ///
    /// # Errors
    /// Where the index cannot be read.
    fn spent_on(&self, _day: u64, _except: &BTreeSet<ScopeId>) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// What is known from outside of a session that this process has open.
    fn held(&self, _session: ScopeId) -> Option<Held> {
        None
    }

    /// The session whose id is, or alone begins with, this text.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] or [`StoreError::Ambiguous`].
    fn find(&self, text: &str) -> Result<ScopeId, StoreError>;

    /// Folds a session: to its end, or to commit `until`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, StoreError>;

    /// Decides every event of a record again, and compares.
    ///
    /// # Errors
    /// [`StoreError`].
    fn replay(&self, record: &Record, until: Option<u64>) -> Result<Replayed<Glasswork>, StoreError>;

    /// The commits of a session whose sequence numbers are in `range`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn commits(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError>;

    /// Gives the states after the commits in `range` to `each`, in order, until `each` has enough. Commits that were
    /// folded away have none. By itself it loads each of them; who can fold does better.
    ///
    /// # Errors
    /// [`StoreError`].
    fn each_state(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
        each: &mut dyn FnMut(&Arc<Scope<Glasswork>>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let last = self.load(session, None)?.reached.min(*range.end());
        let mut seen = 0;
        for seq in *range.start()..=last {
            let scope = self.load(session, Some(seq))?.scope;
            if scope.seq > seen {
                seen = scope.seq;
                if each(&scope).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What is kept of a session on the disk; `None` where this archive lies elsewhere.
    ///
    /// # Errors
    /// [`StoreError`].
    fn kept(&self, session: ScopeId) -> Result<Option<KeptRecord>, StoreError> {
        let _ = session;
        Ok(None)
    }

    /// Checkpoints that cannot be used, each with the reason, over all sessions. Reads all of them.
    fn unusable_checkpoints(&self) -> Vec<String> {
        Vec::new()
    }

    /// The traces of a session that are still kept, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError>;

    /// The sessions in the trash, latest first. An archive without a trash has none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn trash(&self) -> Result<Vec<TrashedSession>, StoreError> {
        Ok(Vec::new())
    }
}

/// A session in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashedSession {
    /// The session as a listing would show it.
    pub session: ArchivedSession,
    /// When it was put there.
    pub since: Timestamp,
}

/// What is known from outside of a session that this process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When its journal was made.
    pub created: Timestamp,
    /// Length of its journal, in bytes.
    pub bytes: u64,
    /// Who has it: this process.
    pub owner: Option<Owner>,
}

/// What is kept of a session on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// How many files its journal consists of.
    pub files: u64,
    /// Length of its journal, in bytes, over all its files.
    pub bytes: u64,
    /// Its checkpoints, newest first.
    pub checkpoints: Vec<KeptState>,
}

/// A state of a session on the disk, from which loading can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptState {
    /// The commit.
    pub seq: u64,
    /// Length in bytes.
    pub bytes: u64,
}

/// A record to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A session of the archive.
    Session(ScopeId),
    /// A journal file, wherever it lies.
    File(PathBuf),
}

/// Where sessions are made and opened for writing. One process owns a session at a time.
pub trait Vault: Send + Sync + 'static {
    /// Makes the record of a new scope, owned by this process.
    ///
    /// # Errors
    /// [`StoreError`].
    fn create(&self, scope: ScopeId, kind: Kind, now: Timestamp) -> Result<Loaded<Glasswork>, StoreError>;

    /// Takes ownership of a session and folds it.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another process has it, and as for reading.
    fn open(&self, session: ScopeId, now: Timestamp) -> Result<Opened, StoreError>;

    /// Told once, with what the engine publishes: from then on states may be kept beside the records, so that they
    /// open sooner. Nothing depends on it.
    fn keep(&self, published: glasswork_engine::Reader<Glasswork>) {
        drop(published);
    }

    /// Gives a scope up again, after it was unmounted.
    fn release(&self, scope: ScopeId);

    /// Removes the record of a scope that was given up before anything was committed in it. One with commits stays.
    fn discard(&self, _scope: ScopeId) {}

    /// Makes `child` a fork of `of` at its commit `at`; nobody owns it. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError>;

    /// Moves a session into the trash, or out of it, or removes it from there. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where somebody has it open, and others.
    fn move_session(&self, session: ScopeId, way: Way, now: Timestamp) -> Result<(), StoreError>;

    /// The records of processes that have ended in the middle of something, oldest first. Blocks.
    fn left_open(&self) -> Vec<ScopeId> {
        Vec::new()
    }

    /// Has a session that this process owns indexed as it is now, before long. `open` says that it is open still.
    fn index(&self, _scope: &Arc<Scope<Glasswork>>, _open: bool) {}

    /// Waits, not for long, until the index has what it was told. Blocks.
    fn settle_index(&self) {}
}

/// A session that this process owns now.
#[derive(Debug)]
pub struct Opened {
    /// What the record leads to.
    pub loaded: Loaded<Glasswork>,
    /// Of a fork: the commit of another session at which it was made.
    pub parent: Option<DispatchId>,
    /// What had to be mended, for people.
    pub notices: Vec<String>,
}
