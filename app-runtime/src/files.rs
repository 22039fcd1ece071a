//! The archive and vault in files, as the program uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glasswork_agent_session::blobs::BlobStore;
use glasswork_agent_session::index::{Change, Index, IndexWriter};
use glasswork_agent_session::store::{
    BLOBS, FileJournal, Incoming, JournalFiles, Pace, Place, Repair, Store, StoreError, StoredJournal,
    TraceFile, TraceFolders, journal_bytes, owner_of,
};
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Clock, Commit, Scope, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::breaker::Rules;
use glasswork_session_state::state::Kind;
use glasswork_session_state::trash::Way;

use crate::archive::{
    Archive, ArchivedSession, Filter, Found, Held, KeptRecord, KeptState, Listing, Opened, Page, Record,
    Search, SearchError, Sort, TrashedSession, Vault,
};
use crate::breakers::Breakers;

/// How long the end of a process waits for the index.
const INDEX_PATIENCE: Duration = Duration::from_secs(5);

/// Sessions in files, to read.
#[derive(Debug, Clone)]
pub struct FileArchive {
    store: Store<Glasswork>,
    index: Index,
    /// The sessions that this process has open: their journals, and when those were made.
    held: Arc<Mutex<BTreeMap<ScopeId, (PathBuf, Timestamp)>>>,
}

/// Sessions in files, to own.
#[derive(Debug, Clone)]
pub struct FileVault {
    archive: FileArchive,
    journals: JournalFiles,
    traces: TraceFolders,
    index: IndexWriter,
}

impl FileArchive {
    /// The archive below a data directory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(data: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Store::open(data)?;
        Ok(Self {
            index: Index::of(store.clone()),
            store,
            held: Arc::default(),
        })
    }

    pub(crate) fn store(&self) -> &Store<Glasswork> {
        &self.store
    }

    /// The circuit breakers of providers, which lie beside the sessions.
    #[must_use]
    pub fn breakers(&self, rules: Rules, clock: Arc<dyn Clock>) -> Breakers {
        Breakers::below(self.store.data(), rules, clock)
    }

    /// The index of the sessions.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<ScopeId, (PathBuf, Timestamp)>> {
        // What is in there is only ever replaced as a whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
        // With a connection of its own: it does not wait for those who list.
        let index = IndexWriter::spawn(Index::of(self.store.clone()))?;
        Ok((
            FileVault {
                archive: self.clone(),
                journals,
                traces,
                index,
            },
            journal,
            trace,
        ))
    }

    /// Repairs the record of a session, or says what would be done; `None` where nothing is damaged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn repair(
        &self,
        session: ScopeId,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Option<Repair>, StoreError> {
        self.store.repair(session, Kind::Session, now, dry_run)
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

    /// A journal that lies anywhere, to read.
    pub(crate) fn journal_at(path: &Path) -> StoredJournal<Glasswork> {
        Store::journal_at(path)
    }

    /// A folder for a session that comes from elsewhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn incoming(&self) -> Result<Incoming, StoreError> {
        self.store.incoming()
    }

    /// Makes a session of what came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn take_in(&self, incoming: Incoming) -> Result<PathBuf, StoreError> {
        self.store.take_in(incoming)
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
        let all = Listing {
            filter: Filter {
                empty: true,
                ..Filter::default()
            },
            sort: Sort::Created,
            after: None,
            limit: usize::MAX,
        };
        Ok(self.page(&all, &BTreeSet::new())?.rows)
    }

    fn page(&self, listing: &Listing, except: &BTreeSet<ScopeId>) -> Result<Page, StoreError> {
        self.index.page(listing, except).map_err(|error| StoreError::Io {
            doing: "list sessions by",
            path: self.index.file().to_owned(),
            source: io::Error::other(error),
        })
    }

    fn spent_on(&self, day: u64, except: &BTreeSet<ScopeId>) -> Result<u64, StoreError> {
        self.index.spent_on(day, except).map_err(|error| StoreError::Io {
            doing: "look up spending in",
            path: self.index.file().to_owned(),
            source: io::Error::other(error),
        })
    }

    fn search(&self, search: &Search) -> Result<Found, SearchError> {
        self.index.search(search)
    }

    fn held(&self, session: ScopeId) -> Option<Held> {
        let (journal, created) = self.held().get(&session)?.clone();
        Some(Held {
            created,
            bytes: journal_bytes(&journal),
            owner: owner_of(&journal),
        })
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

    fn each_state(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
        each: &mut dyn FnMut(&Arc<Scope<Glasswork>>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.store.journal(session)?.each_state(range, each)
    }

    fn kept(&self, session: ScopeId) -> Result<Option<KeptRecord>, StoreError> {
        let journal = self.store.journal(session)?;
        let (files, bytes) = journal.size()?;
        let checkpoints = journal.checkpoints().into_iter().map(|file| KeptState {
            seq: file.seq,
            bytes: file.bytes,
        });
        Ok(Some(KeptRecord {
            files,
            bytes,
            checkpoints: checkpoints.collect(),
        }))
    }

    fn unusable_checkpoints(&self) -> Vec<String> {
        let sessions = self
            .store
            .list()
            .filter(|listed| listed.place == Place::Sessions && listed.summary.is_ok());
        let journals = sessions.filter_map(|listed| self.store.journal(listed.scope?).ok());
        // What cannot be read at all is told with the sessions.
        let unusable = journals.flat_map(|journal| journal.unusable_checkpoints().unwrap_or_default());
        unusable.map(|file| file.to_string()).collect()
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
                let journal = Store::<Glasswork>::trashed_journal(&trashed);
                let row = journal.summary().and_then(|summary| {
                    let loaded = journal.read()?;
                    Ok(ArchivedSession::of(&loaded.scope, summary.created, summary.bytes))
                });
                let mut bare = ArchivedSession::bare(trashed.scope);
                let row = row.unwrap_or_else(|error| {
                    bare.damage = Some(error.to_string());
                    None
                });
                TrashedSession {
                    session: row.unwrap_or(bare),
                    since: trashed.since,
                }
            })
            .collect())
    }
}

impl FileVault {
    /// Waits until everything that was written so far, and has become due, is kept beside the records.
    pub fn settle(&self) {
        self.journals.settle();
    }

    /// Where the journal of a scope goes that this process has just made or opened.
    fn attach(&self, lease: glasswork_agent_session::store::Lease, created: Timestamp) {
        self.archive
            .held()
            .insert(lease.scope(), (lease.journal().to_owned(), created));
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
        self.attach(created.lease, now);
        Ok(created.loaded)
    }

    fn open(&self, session: ScopeId, now: Timestamp) -> Result<Opened, StoreError> {
        let opened = self
            .archive
            .store
            .open_again(session, now, self.journals.unsynced(session))?;
        let header = Store::<Glasswork>::journal_at(opened.lease.journal()).header()?;
        self.attach(opened.lease, header.created);
        let mut notices = Vec::new();
        if let Some(torn) = opened.torn {
            notices.push(format!(
                "the last line of the journal was not whole ({} bytes at line {}); it was moved to {}",
                torn.bytes,
                torn.line,
                torn.moved_to.display()
            ));
        }
        notices.extend(
            opened
                .unusable
                .iter()
                .map(|file| format!("{file}; it was removed, and the session was read from its journal")),
        );
        if opened.of_another_history > 0 {
            notices.push(format!(
                "what was noted of the session {} later times is of another history of it, and was not compared: an \
                 older copy of its journal was put back, or the disk has lost what came after",
                opened.of_another_history
            ));
        }
        if let Some(unsound) = &opened.loaded.scope.unsound {
            notices.push(format!(
                "the session is not sound: {unsound}; it can be read, and forked before that"
            ));
        }
        Ok(Opened {
            loaded: opened.loaded,
            parent: header.parent(),
            notices,
        })
    }

    fn keep(&self, published: glasswork_engine::Reader<Glasswork>) {
        // Without the thread sessions open more slowly, and that is all.
        let _ = self.journals.keep(published, Pace::default());
    }

    fn release(&self, scope: ScopeId) {
        self.archive.held().remove(&scope);
        self.journals.close(scope);
    }

    fn discard(&self, scope: ScopeId) {
        // What cannot be removed is an empty session, which lists hide.
        let _ = self.archive.store.discard(scope);
    }

    fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError> {
        self.archive.store.fork(of, at, child, now)
    }

    fn move_session(&self, session: ScopeId, way: Way, now: Timestamp) -> Result<(), StoreError> {
        match way {
            Way::In => self.archive.store.put_in_trash(session, now),
            Way::Out => self.archive.store.take_from_trash(session),
            Way::Gone => self.archive.store.remove_from_trash(session),
        }
    }

    fn left_open(&self) -> Vec<ScopeId> {
        self.archive.store.left_open()
    }

    fn index(&self, scope: &Arc<Scope<Glasswork>>, open: bool) {
        let Some((journal, created)) = self.archive.held().get(&scope.id).cloned() else {
            return;
        };
        self.index.tell(Change {
            scope: Arc::clone(scope),
            created,
            journal,
            open,
        });
    }

    fn settle_index(&self) {
        self.index.settle(INDEX_PATIENCE);
    }
}
