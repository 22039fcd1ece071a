//! The memory of the gate: recent commits and traces, bounded in bytes, readable from any thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::commit::Commit;
use crate::domain::Domain;
use crate::envelope::ScopeId;
use crate::retained::Retained;
use crate::trace::TraceRecord;

/// Recent commits and traces.
pub(crate) struct Log<D: Domain> {
    commits: Mutex<Retained<Arc<Commit<D>>>>,
    traces: Mutex<Retained<Arc<TraceRecord>>>,
}

/// A parsed commit occupies about as much beside its text as its text; measured, not guessed, in the benches.
const PARSED: usize = 2;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the mutexes of this crate guard is never left half-changed, so a poisoned one can be used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Domain> Log<D> {
    pub(crate) fn new(commit_bytes: usize, trace_bytes: usize) -> Self {
        Self {
            commits: Mutex::new(Retained::new(commit_bytes)),
            traces: Mutex::new(Retained::new(trace_bytes)),
        }
    }

    pub(crate) fn commit(&self, commit: Arc<Commit<D>>) {
        let weight = commit.size * PARSED + size_of::<Commit<D>>();
        lock(&self.commits).push(commit.id.scope, commit.id.seq, weight, commit, drop);
    }

    pub(crate) fn trace(&self, record: TraceRecord) {
        let weight = record.weight();
        lock(&self.traces).push(record.scope(), 0, weight, Arc::new(record), drop);
    }

    pub(crate) fn commits(&self, scope: ScopeId) -> Vec<Arc<Commit<D>>> {
        lock(&self.commits).of(scope).cloned().collect()
    }

    pub(crate) fn range(&self, scope: ScopeId, from: u64, to: u64) -> Option<Vec<Arc<Commit<D>>>> {
        lock(&self.commits).range(scope, from, to)
    }

    pub(crate) fn traces(&self, scope: ScopeId) -> Vec<Arc<TraceRecord>> {
        lock(&self.traces).of(scope).cloned().collect()
    }

    pub(crate) fn forget(&self, scope: ScopeId) {
        let commits = lock(&self.commits).remove(scope);
        drop(commits);
    }
}
