//! What waits for its turn to begin, and what becomes of it: it begins or is taken back, whichever comes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Its place in the host's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    /// It has asked for none, or was refused one.
    No,
    /// It has asked, and was not answered yet.
    Asked,
    /// It has this one.
    As(u64),
}

/// How it stands with what waits. All of it is looked at and changed at once, or what is taken back as it asks for its
/// place would have it a moment longer.
#[derive(Debug, Clone, Copy)]
struct Standing {
    fate: Fate,
    recorded: Recorded,
    /// Whoever took it back gives its place up.
    is_given_up: bool,
}

/// Who gives up the place of what is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Whoever waited, on hearing of it.
    ByItself,
    /// Whoever takes it back.
    ByTaker,
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    number: u64,
    pub(super) session: ScopeId,
    pub(super) whose: Whose,
    key: Option<Arc<str>>,
    standing: watch::Sender<Standing>,
}

impl Waiter {
    /// Takes it back; false where it begins already, or is over.
    pub(super) fn take_back(&self, given_up: GivenUp) -> bool {
        self.if_waits(|standing| {
            standing.fate = Fate::TakenBack;
            standing.is_given_up = given_up == GivenUp::ByTaker;
        })
    }

    /// It has asked for its place, and has this one, or was refused.
    pub(super) fn is_recorded(&self, place: Option<u64>) {
        let recorded = place.map_or(Recorded::No, Recorded::As);
        self.standing.send_modify(|standing| standing.recorded = recorded);
    }

    /// Waits until it is known whether it has a place, where it has asked for one.
    pub(super) async fn recorded(&self) -> Option<u64> {
        match self
            .until(|standing| standing.recorded != Recorded::Asked)
            .await?
            .recorded
        {
            Recorded::As(place) => Some(place),
            Recorded::No | Recorded::Asked => None,
        }
    }

    /// Whether whoever took it back gives its place up.
    pub(super) fn is_given_up(&self) -> bool {
        self.standing.borrow().is_given_up
    }

    /// Waits until it was said, or will never be.
    pub(super) async fn over(&self) {
        self.until(|standing| standing.fate == Fate::Over).await;
    }

    async fn until(&self, is: impl FnMut(&Standing) -> bool) -> Option<Standing> {
        let mut standing = self.standing.subscribe();
        // The sender is there as long as this is.
        standing.wait_for(is).await.ok().map(|standing| *standing)
    }

    /// Changes how it stands, as long as it waits; false where it does not any more.
    fn if_waits(&self, change: impl FnOnce(&mut Standing)) -> bool {
        self.standing.send_if_modified(|standing| {
            let waits = standing.fate == Fate::Waits;
            if waits {
                change(standing);
            }
            waits
        })
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
            standing: watch::Sender::new(Standing {
                fate: Fate::Waits,
                recorded: Recorded::No,
                is_given_up: false,
            }),
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

    /// It asks for its place; false where it was taken back, and is to ask for none.
    pub(super) fn asks(&self) -> bool {
        self.waiter
            .if_waits(|standing| standing.recorded = Recorded::Asked)
    }

    /// It is about to be said; false where it was taken back, and is not to be said.
    pub(super) fn begins(&self) -> bool {
        self.waiter.if_waits(|standing| standing.fate = Fate::Begins)
    }

    /// Waits until it was taken back.
    pub(super) async fn taken_back(&self) {
        self.waiter
            .until(|standing| standing.fate == Fate::TakenBack)
            .await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.lock().remove(&self.waiter.number);
        self.waiter
            .standing
            .send_modify(|standing| standing.fate = Fate::Over);
    }
}
