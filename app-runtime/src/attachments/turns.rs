//! How many turns clients have run at a time. A prompt that has to wait is told its place, and again when that changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_agent_core::turn::State;
use glasswork_session_state::state::Session;
use tokio::sync::Notify;

use super::AttachError;
use crate::watching::{Update, Watch};

/// The places.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    waiting_most: usize,
    line: Mutex<Line>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    next: u64,
    waiting: VecDeque<u64>,
    stopped: bool,
}

/// A place; dropping it gives it to the next one.
#[derive(Debug)]
pub(super) struct Place(Arc<Turns>);

/// One that waits; dropping it leaves the line.
struct Waiter {
    turns: Arc<Turns>,
    number: u64,
}

impl Turns {
    pub(super) fn new(most: usize, waiting_most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            waiting_most,
            line: Mutex::default(),
            moved: Notify::new(),
        })
    }

    /// Waits for a place. `told` hears how many are before it, and it among them: 1 is the next.
    pub(super) async fn place(
        self: &Arc<Self>,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Place, AttachError> {
        let number = {
            let mut line = self.lock();
            if line.stopped {
                return Err(AttachError::Stopping);
            }
            if line.running < self.most && line.waiting.is_empty() {
                line.running += 1;
                return Ok(Place(Arc::clone(self)));
            }
            if line.waiting.len() >= self.waiting_most {
                return Err(AttachError::TooManyWaiting(self.waiting_most));
            }
            line.next += 1;
            let number = line.next;
            line.waiting.push_back(number);
            number
        };
        let waiter = Waiter {
            turns: Arc::clone(self),
            number,
        };
        let mut last = 0;
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Before the line is looked at, or a move in between would be missed.
            moved.as_mut().enable();
            {
                let mut line = self.lock();
                if line.stopped {
                    return Err(AttachError::Stopping);
                }
                let place = line.waiting.iter().position(|one| *one == waiter.number);
                let place = place.map_or(0, |before| before + 1);
                if place == 1 && line.running < self.most {
                    line.running += 1;
                    line.waiting.pop_front();
                    drop(line);
                    self.moved.notify_waiters();
                    return Ok(Place(Arc::clone(self)));
                }
                if place != last {
                    last = place;
                    told(place);
                }
            }
            moved.await;
        }
    }

    /// Sends everybody away who waits, and whoever comes.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.moved.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // Nothing is done under this lock that could leave it half-changed.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.0.lock();
        line.running = line.running.saturating_sub(1);
        drop(line);
        self.0.moved.notify_waiters();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut line = self.turns.lock();
        line.waiting.retain(|one| *one != self.number);
        drop(line);
        self.turns.moved.notify_waiters();
    }
}

/// Whether a turn runs.
pub(super) fn runs(session: &Session) -> bool {
    session
        .open_turn()
        .is_some_and(|turn| turn.state != State::Paused)
}

/// Waits until no turn runs in a session, or it is not mounted any more, or nothing more can be recorded.
pub(super) async fn rest(watch: Option<Watch>) {
    let Some(mut watch) = watch else { return };
    while runs(watch.session()) {
        let over = |update: &Update| matches!(update, Update::Ended | Update::RecordingFailed { .. });
        if watch.next().await.updates.iter().any(over) {
            return;
        }
    }
}
