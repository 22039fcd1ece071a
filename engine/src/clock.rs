//! The clock as a port: the system's, or one that tests move.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::envelope::Timestamp;
use crate::log::lock;

/// Where time comes from. Handlers never see it: the writer stamps envelopes.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Time that the machine has been awake, from an arbitrary beginning; never goes back.
    fn awake(&self) -> Duration;

    /// Waits until `bell` rings or, if given, until [`awake`](Self::awake) has reached `until`.
    fn wait(&self, bell: &Arc<Bell>, until: Option<Duration>);
}

/// Wakes the one thread that waits for it. A ring that nobody waits for is kept.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }

    /// Waits for a ring, at most for `limit`.
    pub fn wait(&self, limit: Option<Duration>) {
        let mut rung = lock(&self.rung);
        match limit {
            None => {
                while !*rung {
                    rung = self.changed.wait(rung).unwrap_or_else(PoisonError::into_inner);
                }
            }
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(rung, limit, |rung| !*rung);
                rung = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        *rung = false;
    }
}

/// The system's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn awake(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self, bell: &Arc<Bell>, until: Option<Duration>) {
        bell.wait(until.map(|until| until.saturating_sub(self.awake())));
    }
}

/// A clock that stands still until it is moved. Clones share it.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    inner: Arc<Mutex<VirtualTime>>,
}

#[derive(Debug)]
struct VirtualTime {
    wall: Timestamp,
    awake: Duration,
    bells: Vec<Arc<Bell>>,
}

impl VirtualClock {
    /// A clock that stands at `wall`.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self {
            inner: Arc::new(Mutex::new(VirtualTime {
                wall,
                awake: Duration::ZERO,
                bells: Vec::new(),
            })),
        }
    }

    /// Moves it on, and wakes who waits.
    pub fn advance(&self, by: Duration) {
        let mut time = lock(&self.inner);
        time.wall = time.wall.after(by);
        time.awake += by;
        time.bells.drain(..).for_each(|bell| bell.ring());
    }

    /// Sets the wall clock alone, as a person or a time server might.
    pub fn set_wall(&self, wall: Timestamp) {
        lock(&self.inner).wall = wall;
    }
}

impl Clock for VirtualClock {
    fn wall(&self) -> Timestamp {
        lock(&self.inner).wall
    }

    fn awake(&self) -> Duration {
        lock(&self.inner).awake
    }

    fn wait(&self, bell: &Arc<Bell>, until: Option<Duration>) {
        {
            let mut time = lock(&self.inner);
            if until.is_some_and(|until| until <= time.awake) {
                return;
            }
            if !time.bells.iter().any(|known| Arc::ptr_eq(known, bell)) {
                time.bells.push(Arc::clone(bell));
            }
        }
        bell.wait(None);
    }
}
