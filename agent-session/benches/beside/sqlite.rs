//! A journal that keeps every line as a row of one SQLite database: what a store without files of its own would be.
//!
//! It is driven by the same port, groups what waits into one transaction as the file journal groups it into one write,
//! and reports a line written once its transaction is committed.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use glasswork_engine::journal::{Appended, Journal, Line, MemoryJournal, Report, Reporter};
use glasswork_engine::load::{Fold, Loaded};
use glasswork_engine::{Domain, ScopeId, Timestamp};
use rusqlite::{Connection, params};

/// How sure a transaction is when it is committed.
#[derive(Clone, Copy)]
pub enum Sync {
    /// In the log (`synchronous = NORMAL`): may be lost with the machine.
    Normal,
    /// On the disk (`synchronous = FULL`).
    Full,
}

/// The writing end.
pub struct SqliteJournal {
    lines: Option<Sender<Line>>,
    inbox: Option<Receiver<Line>>,
    database: PathBuf,
    sync: Sync,
    thread: Option<JoinHandle<()>>,
}

/// Opens a database with the table of lines.
pub fn open(path: &Path, sync: Sync) -> Connection {
    let database = Connection::open(path).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let level = match sync {
        Sync::Normal => "NORMAL",
        Sync::Full => "FULL",
    };
    database
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {level};
             CREATE TABLE IF NOT EXISTS lines (
                 scope BLOB NOT NULL, seq INTEGER NOT NULL, line BLOB NOT NULL, PRIMARY KEY (scope, seq)
             ) WITHOUT ROWID;"
        ))
        .unwrap();
    database
}

fn key(scope: ScopeId) -> String {
    scope.to_string()
}

impl SqliteJournal {
    /// A journal in this database.
    pub fn on(database: &Path, sync: Sync) -> Self {
        let (lines, inbox) = unbounded();
        Self {
            lines: Some(lines),
            inbox: Some(inbox),
            database: database.to_owned(),
            sync,
            thread: None,
        }
    }
}

/// A scope before its first commit, with its header as row 0.
pub fn create<D: Domain>(database: &Connection, scope: ScopeId, kind: D::Kind) -> Loaded<D> {
    let headers = MemoryJournal::new();
    let loaded = headers.create::<D>(scope, kind, Timestamp(0)).unwrap();
    let header = headers.bytes(scope);
    let header = header.strip_suffix(b"\n").unwrap_or(&header);
    database
        .execute(
            "INSERT INTO lines VALUES (?1, 0, ?2)",
            params![key(scope), header],
        )
        .unwrap();
    loaded
}

/// Folds the rows of a scope.
pub fn load<D: Domain>(database: &Connection, scope: ScopeId) -> Fold<D> {
    let mut fold = Fold::<D>::new();
    let mut rows = database
        .prepare_cached("SELECT line FROM lines WHERE scope = ?1 ORDER BY seq")
        .unwrap();
    let mut rows = rows.query(params![key(scope)]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        fold.line(row.get_ref(0).unwrap().as_blob().unwrap()).unwrap();
    }
    fold
}

impl Journal for SqliteJournal {
    fn start(&mut self, reporter: Reporter) {
        let (Some(inbox), sync) = (self.inbox.take(), self.sync) else {
            return;
        };
        let mut database = open(&self.database, sync);
        self.thread = Some(std::thread::spawn(move || {
            while let Ok(first) = inbox.recv() {
                let transaction = database.transaction().unwrap();
                let mut through = std::collections::BTreeMap::new();
                {
                    let mut insert = transaction
                        .prepare_cached("INSERT INTO lines VALUES (?1, ?2, ?3)")
                        .unwrap();
                    for line in std::iter::once(first).chain(inbox.try_iter().take(4_096)) {
                        insert
                            .execute(params![
                                key(line.scope),
                                i64::try_from(line.seq).unwrap(),
                                line.bytes
                            ])
                            .unwrap();
                        through.insert(line.scope, line.seq);
                    }
                }
                transaction.commit().unwrap();
                for (scope, through) in through {
                    reporter.report(match sync {
                        Sync::Normal => Report::Written { scope, through },
                        Sync::Full => Report::Synced { scope, through },
                    });
                }
            }
        }));
    }

    fn append(&mut self, line: Line) -> Appended {
        if let Some(lines) = &self.lines {
            lines.send(line).unwrap();
        }
        Appended::Later
    }

    fn unmounted(&mut self, _: ScopeId) {}
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
