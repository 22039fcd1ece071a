//! The ports to the records of sessions: reading what is not mounted, and owning what is.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

pub use glasswork_agent_session::store::StoreError;
use glasswork_agent_session::store::Summary;

use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, DispatchId, ScopeId, Timestamp};
use glasswork_session_state::state::Kind;
use glasswork_session_state::trash::Way;
use glasswork_session_state::{Fact, Glasswork, prompt, session};

/// Where the records of sessions are kept. Reading needs no lock and no writer, and sees what was written so far.
pub trait Archive: Send + Sync + 'static {
    /// All sessions, newest first, from what is cheap to read of each. A damaged one is listed with its damage.
    ///
    /// # Errors
    /// Where the folder itself cannot be read.
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError>;

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

/// A record to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A session of the archive.
    Session(ScopeId),
    /// A journal file, wherever it lies.
    File(PathBuf),
}

/// How much of the first prompt a listing shows, in characters.
pub const FIRST_WORDS: usize = 80;

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
    /// The directory in which it works; `None` where nobody opened it yet.
    pub workspace: Option<Arc<str>>,
    /// What was said first, at most [`FIRST_WORDS`] characters of it.
    pub first_words: Option<Arc<str>>,
    /// Of a fork: the commit of another session at which it was made.
    pub parent: Option<DispatchId>,
    /// What is wrong with it, where it could not be read.
    pub damage: Option<String>,
}

impl ArchivedSession {
    /// A session of which nothing is known but that it is there.
    #[must_use]
    pub fn bare(id: ScopeId) -> Self {
        Self {
            id,
            created: Timestamp::default(),
            updated: None,
            seq: 0,
            bytes: 0,
            workspace: None,
            first_words: None,
            parent: None,
            damage: None,
        }
    }

    pub(crate) fn summarise(&mut self, summary: &Summary<Kind>) {
        self.created = summary.created;
        self.updated = (summary.seq > 0).then_some(summary.at);
        self.seq = summary.seq;
        self.bytes = summary.bytes;
        self.parent = summary.parent;
    }

    /// Takes from the first commits what tells a session from others.
    pub(crate) fn begin_with(&mut self, commits: &[Arc<Commit<Glasswork>>]) {
        for fact in commits.iter().flat_map(|commit| &commit.facts) {
            match fact {
                Fact::Session(session::Fact::Placed { workspace }) => {
                    self.workspace.get_or_insert_with(|| Arc::clone(workspace));
                }
                Fact::Prompt(prompt::Fact::Said { text, .. }) => {
                    let words: String = text.chars().take(FIRST_WORDS).collect();
                    self.first_words.get_or_insert_with(|| words.into());
                }
                _ => {}
            }
        }
    }
}

/// The last commit that a listing looks at for what was said first.
pub(crate) const BEGINNING: u64 = 4;

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

    /// Gives a scope up again, after it was unmounted.
    fn release(&self, scope: ScopeId);

    /// Makes `child` a fork of `of` at its commit `at`; nobody owns it. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError>;

    /// Moves a session into the trash, or out of it. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where somebody has it open, and others.
    fn move_session(&self, session: ScopeId, way: Way, now: Timestamp) -> Result<(), StoreError>;
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
