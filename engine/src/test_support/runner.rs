//! A runner that does nothing but collect: tests finish the jobs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::PATIENCE;
use crate::domain::Domain;
use crate::effect::{Job, Runner};
use crate::log::lock;

/// Collects jobs until a test takes them. Clones share the heap.
pub struct ManualRunner<D: Domain> {
    inner: Arc<(Mutex<VecDeque<Job<D>>>, Condvar)>,
}

impl<D: Domain> Default for ManualRunner<D> {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
        }
    }
}

impl<D: Domain> Clone for ManualRunner<D> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<D: Domain> Runner<D> for ManualRunner<D> {
    fn run(&self, job: Job<D>) {
        lock(&self.inner.0).push_back(job);
        self.inner.1.notify_all();
    }
}

impl<D: Domain> ManualRunner<D> {
    /// How many jobs were released and not taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.inner.0).len()
    }

    /// The oldest job, if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Job<D>> {
        lock(&self.inner.0).pop_front()
    }

    /// The oldest job; waits for it.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    #[must_use]
    pub fn next(&self) -> Job<D> {
        let (jobs, arrived) = &*self.inner;
        let waited = arrived.wait_timeout_while(lock(jobs), PATIENCE, |jobs| jobs.is_empty());
        let mut jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
        jobs.pop_front()
            .unwrap_or_else(|| panic!("no effect was released within {PATIENCE:?}"))
    }
}
