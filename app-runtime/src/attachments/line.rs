//! What waits for its turn to begin, and what becomes of it: it begins or is taken back, whichever comes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use glasswork_engine::ScopeId;
use tokio::sync::watch;

/// To whom it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// To the owner of the host, who is not attached and so does not leave.
    Owner,
    /// To a client.
    Client {
        /// Its attachment.
        attachment: u64,
        /// Its connection.
        connection: u64,
    },
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It waits, and can be taken back.
    Waits,
    /// It was taken back, and does not begin.
    TakenBack,
    /// It is being said, and cannot be taken back.
    Begins,
    /// It was said, or was given up.
    Over,
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    number: u64,
    pub(super) session: ScopeId,
    pub(super) whose: Whose,
    key: Option<Arc<str>>,
    fate: watch::Sender<Fate>,
    /// Its place in the host's record, once it has one.
    pub(super) place: OnceLock<u64>,
    /// Whether somebody else has given its place up.
    pub(super) is_given_up: AtomicBool,
}

impl Waiter {
    /// Takes it back; false where it begins already, or is over.
    pub(super) fn take_back(&self) -> bool {
        self.fate.send_if_modified(|fate| {
            let waits = *fate == Fate::Waits;
            if waits {
                *fate = Fate::TakenBack;
            }
            waits
        })
    }

    async fn until(&self, is: impl FnMut(&Fate) -> bool) {
        // The sender is there as long as this is.
        let _ = self.fate.subscribe().wait_for(is).await;
    }

    /// Waits until it was said, or will never be.
    pub(super) async fn over(&self) {
        self.until(|fate| *fate == Fate::Over).await;
    }
}

/// All that waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: AtomicU64,
    waiters: Mutex<BTreeMap<u64, Arc<Waiter>>>,
}

impl Line {
    /// Something begins to wait.
    pub(super) fn enter(self: &Arc<Self>, session: ScopeId, whose: Whose, key: Option<Arc<str>>) -> Waiting {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let waiter = Arc::new(Waiter {
            number,
            session,
            whose,
            key,
            fate: watch::Sender::new(Fate::Waits),
            place: OnceLock::new(),
            is_given_up: AtomicBool::new(false),
        });
        self.lock().insert(number, Arc::clone(&waiter));
        Waiting {
            line: Arc::clone(self),
            waiter,
        }
    }

    /// What waits of these.
    pub(super) fn of(&self, which: impl Fn(&Waiter) -> bool) -> Vec<Arc<Waiter>> {
        let waiters = self.lock();
        waiters.values().filter(|waiter| which(waiter)).cloned().collect()
    }

    /// The one before it that asks for the same, by its key.
    pub(super) fn same(&self, as_this: &Waiting) -> Option<Arc<Waiter>> {
        let this = &as_this.waiter;
        this.key.as_ref()?;
        let waiters = self.lock();
        let mut before = waiters.range(..this.number);
        let same = before.find(|(_, other)| other.session == this.session && other.key == this.key);
        same.map(|(_, other)| Arc::clone(other))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Waiter>>> {
        // Nothing is done under this lock that could leave it half-changed.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits, held by whoever said it; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Waiting {
    line: Arc<Line>,
    waiter: Arc<Waiter>,
}

impl Waiting {
    /// What others see of it.
    pub(super) fn waiter(&self) -> &Arc<Waiter> {
        &self.waiter
    }

    /// It is about to be said; false where it was taken back, and is not to be said.
    pub(super) fn begins(&self) -> bool {
        self.waiter.fate.send_if_modified(|fate| {
            let waits = *fate == Fate::Waits;
            if waits {
                *fate = Fate::Begins;
            }
            waits
        })
    }

    /// Waits until it was taken back.
    pub(super) async fn taken_back(&self) {
        self.waiter.until(|fate| *fate == Fate::TakenBack).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.lock().remove(&self.waiter.number);
        self.waiter.fate.send_replace(Fate::Over);
    }
}
