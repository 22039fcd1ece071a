//! The thread that keeps the index in step with the sessions that this process has open.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use glasswork_engine::{Scope, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use rusqlite::TransactionBehavior;

use super::Index;
use super::error::IndexError;
use super::row::Row;
use super::write::{self, Print, Written};
use crate::store::journal_bytes;
use glasswork_session_state::state;

/// A session that has changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// It, as of its last commit.
    pub scope: Arc<Scope<Glasswork>>,
    /// When its journal was made.
    pub created: Timestamp,
    /// Its journal.
    pub journal: PathBuf,
    /// Whether this process still has it open: if it then dies, the journal is read again.
    pub open: bool,
}

/// Writes changed sessions into the index, on a thread of its own. Of a session that changes faster than it can be
/// written only the last state is kept. Clones share the thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct IndexWriter(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    changes: BTreeMap<ScopeId, Change>,
    writing: bool,
    ends: bool,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // What is in there is only ever replaced as a whole.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexWriter {
    /// Starts the thread. It opens the index when there is something to write.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn spawn(index: Index) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("glasswork-index".to_owned())
            .spawn(move || work(&index, &theirs))?;
        Ok(Self(Arc::new(Owned {
            shared,
            thread: Some(thread),
        })))
    }

    /// Has a change written. Returns at once.
    pub fn tell(&self, change: Change) {
        let mut pending = self.0.shared.pending();
        let known = pending.changes.get(&change.scope.id);
        if known.is_none_or(|known| known.scope.seq <= change.scope.seq) {
            pending.changes.insert(change.scope.id, change);
            self.0.shared.changed.notify_all();
        }
    }

    /// Waits until everything is written that was told before, but no longer than this. The index is derived: what is
    /// not written is found by whoever lists sessions next.
    pub fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut pending = self.0.shared.pending();
        while pending.writing || !pending.changes.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return;
            };
            let waited = self.0.shared.changed.wait_timeout(pending, left);
            pending = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.shared.pending().ends = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Its panic has been told on standard error; the index is derived.
            let _ = thread.join();
        }
    }
}

fn work(index: &Index, shared: &Shared) {
    loop {
        let changes = {
            let mut pending = shared.pending();
            pending.writing = false;
            shared.changed.notify_all();
            while pending.changes.is_empty() {
                if pending.ends {
                    return;
                }
                pending = shared
                    .changed
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            pending.writing = true;
            std::mem::take(&mut pending.changes)
        };
        // What cannot be written is missing until somebody lists sessions: the journals have it.
        let _ = index.write(changes.into_values().collect());
    }
}

impl Index {
    /// Writes changed sessions, in one transaction.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(super) fn write(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        self.with(|connection| {
            // Nobody would look there: who lists has a connection of its own.
            if connection.path().is_none_or(str::is_empty) {
                return Ok(());
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for change in &changes {
                let print = Print::of(&change.journal);
                let bytes = journal_bytes(&change.journal);
                let Some(row) = Row::of(&change.scope, change.created, bytes) else {
                    continue;
                };
                let state::Scope::Session(session) = &change.scope.state else {
                    continue;
                };
                write::put(
                    &transaction,
                    &Written {
                        row: &row,
                        session: Some(session),
                        path: &write::below(self.store.data(), &change.journal),
                        print,
                        open: change.open,
                        anew: false,
                    },
                )?;
            }
            Ok(transaction.commit()?)
        })
    }
}
