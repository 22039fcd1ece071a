//! A temporary data directory with what tests do to it.

use std::path::{Path, PathBuf};

use glasswork_agent_session::store::{FileJournal, JournalFiles, Pace, Place, Store};
use glasswork_engine::{Engine, Handle, ScopeId};

use crate::tally::{self, Event, Kind, NOW, Tally, Till};

pub struct Home {
    pub directory: tempfile::TempDir,
    pub store: Store<Tally>,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("data")).unwrap();
        Self { directory, store }
    }

    pub fn path(&self, scope: ScopeId) -> PathBuf {
        self.store.journal(scope).unwrap().path().to_owned()
    }

    /// Makes a journal with these events, by the real way.
    pub fn journal(&self, scope: ScopeId, events: impl IntoIterator<Item = Event>) -> PathBuf {
        let live = Live::start(&Till::default());
        live.create(&self.store, scope);
        for event in events {
            live.send(scope, event).unwrap();
        }
        live.engine.stop();
        self.path(scope)
    }
}

/// A running engine on files.
pub struct Live {
    pub engine: Engine<Tally>,
    pub files: JournalFiles,
    pub handle: Handle<Tally>,
}

impl Live {
    pub fn start(till: &Till) -> Self {
        Self::with(FileJournal::spawn().unwrap(), till)
    }

    /// One whose journals go on in another file every few bytes.
    pub fn in_parts(part_bytes: u64) -> Self {
        Self::with(FileJournal::with_parts_of(part_bytes).unwrap(), &Till::default())
    }

    fn with((journal, files): (FileJournal, JournalFiles), till: &Till) -> Self {
        let engine = tally::engine(journal, Box::new(()), till, false);
        let handle = tally::user(&engine);
        Self {
            engine,
            files,
            handle,
        }
    }

    /// Has checkpoints written after so many commits.
    pub fn keep(self, commits: u64) -> Self {
        self.keep_at(Pace {
            commits,
            bytes: u64::MAX,
        })
    }

    pub fn keep_at(self, pace: Pace) -> Self {
        self.files.keep(self.engine.reader(), pace).unwrap();
        self
    }

    pub fn create(&self, store: &Store<Tally>, scope: ScopeId) {
        let created = store.create(Place::Sessions, scope, Kind::Tally, NOW).unwrap();
        self.files.attach(created.lease).unwrap();
        tally::wait(self.engine.mount(created.loaded)).unwrap();
    }

    pub fn open(&self, store: &Store<Tally>, scope: ScopeId) {
        let opened = store.open_for_writing(scope, NOW).unwrap();
        self.files.attach(opened.lease).unwrap();
        tally::wait(self.engine.mount(opened.loaded)).unwrap();
    }

    pub fn send(&self, scope: ScopeId, event: Event) -> glasswork_engine::Answer<Tally> {
        tally::send(&self.handle, scope, event)
    }
}

/// Every file and folder below `root`, relative, with its permissions.
pub fn tree(root: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            let path = entry.path();
            found.push(format!(
                "{:o} {}",
                mode,
                path.strip_prefix(root).unwrap().display()
            ));
            if entry.file_type().unwrap().is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort_by(|one, other| {
        one.split_once(' ')
            .unwrap()
            .1
            .cmp(other.split_once(' ').unwrap().1)
    });
    found
}
