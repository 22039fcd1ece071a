//! The archive and vault in files, as the program uses them.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use glasswork_agent_session::blobs::BlobStore;
use glasswork_agent_session::store::{
    BLOBS, FileJournal, JournalFiles, Place, Store, StoreError, StoredJournal, TraceFile, TraceFolders,
};
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::Kind;
use glasswork_session_state::trash::Way;

use crate::archive::{Archive, ArchivedSession, BEGINNING, Opened, Record, TrashedSession, Vault};

/// Sessions in files, to read.
#[derive(Debug, Clone)]
pub struct FileArchive {
    store: Store<Glasswork>,
}

/// Sessions in files, to own.
#[derive(Debug, Clone)]
pub struct FileVault {
    archive: FileArchive,
    journals: JournalFiles,
    traces: TraceFolders,
}

impl FileArchive {
    /// The archive below a data directory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(data: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(data)?,
        })
    }

    /// Starts the threads that write. The journal and the trace go to the engine.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub fn writing(&self) -> io::Result<(FileVault, FileJournal, TraceFile)> {
        // What cannot be removed now is tried again by the next process.
        let _ = self.store.prune_hosts();
        let (journal, journals) = FileJournal::spawn()?;
        let (trace, traces) = TraceFile::spawn()?;
        Ok((
            FileVault {
                archive: self.clone(),
                journals,
                traces,
            },
            journal,
            trace,
        ))
    }

    /// Where a session keeps its blobs.
    #[must_use]
    pub fn blobs(&self, session: ScopeId) -> BlobStore {
        // Of a session that cannot be found the folder cannot be made either, and the first write says so.
        let folder = self
            .store
            .journal(session)
            .map(|journal| journal.folder())
            .unwrap_or_default();
        BlobStore::new(folder.join(BLOBS))
    }

    /// The journal of a session, to read.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or that a folder cannot be read.
    pub fn journal_of(&self, session: ScopeId) -> Result<StoredJournal<Glasswork>, StoreError> {
        self.store.journal(session)
    }

    fn journal(&self, record: &Record) -> Result<StoredJournal<Glasswork>, StoreError> {
        match record {
            Record::Session(session) => self.store.journal(*session),
            Record::File(path) => Ok(Store::journal_at(path)),
        }
    }
}

impl Archive for FileArchive {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        let sessions = self
            .store
            .list()
            .filter(|listed| matches!(listed.place, Place::Sessions));
        Ok(sessions
            .filter_map(|listed| {
                let id = listed.scope?;
                let mut row = ArchivedSession::bare(id);
                match listed.summary {
                    Err(error) => row.damage = Some(error.to_string()),
                    Ok(summary) => {
                        row.summarise(&summary);
                        // What cannot be read is told where somebody reads the session.
                        row.begin_with(
                            &self
                                .commits(id, 1..=BEGINNING.min(summary.seq))
                                .unwrap_or_default(),
                        );
                    }
                }
                Some(row)
            })
            .collect())
    }

    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        self.store.find(Place::Sessions, text)
    }

    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        let journal = self.store.journal(session)?;
        match until {
            Some(seq) => journal.read_until(seq),
            None => journal.read(),
        }
    }

    fn replay(&self, record: &Record, until: Option<u64>) -> Result<Replayed<Glasswork>, StoreError> {
        self.journal(record)?.replay(until)
    }

    fn commits(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError> {
        let commits = self.store.journal(session)?.commits(range)?;
        commits.map(|commit| commit.map(Arc::new)).collect()
    }

    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        let traces = self.store.journal(session)?.traces()?;
        Ok(traces.records.into_iter().map(Arc::new).collect())
    }

    fn trash(&self) -> Result<Vec<TrashedSession>, StoreError> {
        let trashed = self.store.trash()?;
        Ok(trashed
            .into_iter()
            .map(|trashed| {
                let mut row = ArchivedSession::bare(trashed.scope);
                let journal = Store::<Glasswork>::trashed_journal(&trashed);
                match journal.summary() {
                    Err(error) => row.damage = Some(error.to_string()),
                    Ok(summary) => {
                        row.summarise(&summary);
                        let first = journal.commits(1..=BEGINNING.min(summary.seq));
                        let first = first.and_then(|commits| {
                            commits
                                .map(|commit| commit.map(Arc::new))
                                .collect::<Result<Vec<_>, _>>()
                        });
                        row.begin_with(&first.unwrap_or_default());
                    }
                }
                TrashedSession {
                    session: row,
                    since: trashed.since,
                }
            })
            .collect())
    }
}

impl FileVault {
    /// Where the journal of a scope goes that this process has just made or opened.
    fn attach(&self, lease: glasswork_agent_session::store::Lease) {
        self.traces.attach(lease.scope(), lease.folder());
        // A journal that has stopped is found by the first append, which fails the scope.
        let _ = self.journals.attach(lease);
    }
}

impl Vault for FileVault {
    fn create(&self, scope: ScopeId, kind: Kind, now: Timestamp) -> Result<Loaded<Glasswork>, StoreError> {
        let place = match kind {
            Kind::Session => Place::Sessions,
            Kind::Host => Place::Host,
        };
        let created = self.archive.store.create(place, scope, kind, now)?;
        self.attach(created.lease);
        Ok(created.loaded)
    }

    fn open(&self, session: ScopeId, now: Timestamp) -> Result<Opened, StoreError> {
        let opened = self.archive.store.open_for_writing(session, now)?;
        self.attach(opened.lease);
        let mut notices = Vec::new();
        if let Some(torn) = opened.torn {
            notices.push(format!(
                "the last line of the journal was not whole ({} bytes at line {}); it was moved to {}",
                torn.bytes,
                torn.line,
                torn.moved_to.display()
            ));
        }
        if let Some(breach) = &opened.loaded.breach {
            notices.push(format!(
                "the session breaks an invariant: {breach}; it can be read"
            ));
        }
        Ok(Opened {
            loaded: opened.loaded,
            parent: opened.parent,
            notices,
        })
    }

    fn release(&self, scope: ScopeId) {
        self.journals.close(scope);
    }

    fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError> {
        self.archive.store.fork(of, at, child, now)
    }

    fn move_session(&self, session: ScopeId, way: Way, now: Timestamp) -> Result<(), StoreError> {
        match way {
            Way::In => self.archive.store.put_in_trash(session, now),
            Way::Out => self.archive.store.take_from_trash(session),
        }
    }
}
