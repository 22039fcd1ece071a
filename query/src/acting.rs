//! The place of an operation among those that are worked on at a time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most operations that wait for a turn to end and hold no place meanwhile. More than a host lets wait: those beyond hold
/// theirs.
pub(crate) const PATIENT: usize = 256;

/// A place. It is given back when this is dropped.
pub(crate) struct Acting {
    held: Mutex<OwnedSemaphorePermit>,
    patient: Arc<Semaphore>,
}

impl Acting {
    /// The place that an operation has.
    pub(crate) fn new(place: OwnedSemaphorePermit, patient: &Arc<Semaphore>) -> Self {
        Self {
            held: Mutex::new(place),
            patient: Arc::clone(patient),
        }
    }

    /// The operation may wait for others: they need the place more, and among them is what would end its waiting.
    pub(crate) fn waits(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(patient) = Arc::clone(&self.patient).try_acquire_owned() {
            *held = patient;
        }
    }
}
