//! How many turns clients have run at a time. Who runs one and who waits is in the host's record; here they are waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_agent_core::turn::State;
use glasswork_engine::{FeedItem, Follower, Handle, Reader, Refusal, ScopeId};
use glasswork_session_state::clients::{self, places};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::{Scope, Session};
use glasswork_session_state::{Event, Glasswork};
use tokio::sync::Notify;

use super::AttachError;
use crate::watching::{Update, Watch};

/// The places of a host.
#[derive(Debug)]
pub(super) struct Turns {
    host: ScopeId,
    user: Handle<Glasswork>,
    limits: places::Limits,
    tasks: tokio::runtime::Handle,
    /// Places whose end could not be recorded: it is told with the next one.
    untold: Mutex<Vec<u64>>,
    is_stopped: AtomicBool,
    stopped: Notify,
}

/// A place in the line, or among those that run; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place {
    turns: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// The places of a host, which speaks for itself through `user`.
    pub(super) fn new(
        host: ScopeId,
        user: Handle<Glasswork>,
        limits: places::Limits,
        tasks: tokio::runtime::Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            user,
            limits,
            tasks,
            untold: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            stopped: Notify::new(),
        })
    }

    /// Waits for a place. `told` hears how many are before it, and it among them: 1 is the next.
    pub(super) async fn place(
        self: &Arc<Self>,
        live: &Reader<Glasswork>,
        handle: &Handle<Glasswork>,
        connection: u64,
        session: ScopeId,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Place, AttachError> {
        let stopped = self.stopped.notified();
        tokio::pin!(stopped);
        // Before it is looked whether turns begin, or their stop in between would be missed.
        stopped.as_mut().enable();
        if self.is_stopped.load(Ordering::Acquire) {
            return Err(AttachError::Stopping);
        }
        let asked = clients::Event::TurnAsked {
            connection,
            session,
            limits: self.limits,
        };
        // In a task of its own: whoever does not wait any more must not leave a place that nobody gives up.
        let (turns, asking) = (Arc::clone(self), handle.clone());
        let asked = self.tasks.spawn(async move {
            let done = asking.dispatch(turns.host, Event::Client(asked)).await?;
            Ok(Place {
                number: done.id.seq,
                turns,
            })
        });
        let place = match asked.await.map_err(|_| AttachError::Stopping)? {
            Ok(place) => place,
            Err(Refusal::Rejected {
                rejection: Rejection::TooManyWaiting(most),
                ..
            }) => return Err(AttachError::TooManyWaiting(most as usize)),
            Err(refusal) => return Err(refusal.into()),
        };
        let mut last = None;
        loop {
            // Followed before it is looked at, or what happens in between would be missed.
            let following = live.follow(self.host, None);
            let mut following = following.ok_or(Refusal::NotMounted(self.host))?;
            let mut seen = Arc::clone(&following.base);
            loop {
                if let Scope::Host(host) = &seen.state {
                    if host.places.running.contains_key(&place.number) {
                        return Ok(place);
                    }
                    let now = host.places.in_line(place.number);
                    if now != last {
                        last = now;
                        now.into_iter().for_each(&mut *told);
                    }
                }
                tokio::select! {
                    () = &mut stopped => return Err(AttachError::Stopping),
                    moved = moved(&mut following.follower) => if !moved { break },
                }
                let now = live.scope(self.host);
                seen = now.ok_or(Refusal::NotMounted(self.host))?;
            }
        }
    }

    /// Sends everybody away who waits, and whoever comes.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.stopped.notify_waiters();
    }

    /// Whether no turn begins any more.
    pub(super) fn has_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    fn untold(&self) -> MutexGuard<'_, Vec<u64>> {
        // Nothing is done under this lock that could leave it half-changed.
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until something has happened in the host's scope; false where it is not mounted any more.
async fn moved(follower: &mut Follower<Glasswork>) -> bool {
    let mut item = Some(follower.next().await);
    // What is there already is looked at once.
    while let Some(come) = item {
        if matches!(come, FeedItem::Ended) {
            return false;
        }
        item = follower.try_next();
    }
    true
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = std::mem::take(&mut *self.turns.untold());
        places.push(self.number);
        let turns = Arc::clone(&self.turns);
        self.turns.tasks.spawn(async move {
            let over = clients::Event::TurnsOver {
                places: places.clone(),
            };
            let told = turns.user.dispatch(turns.host, Event::Client(over));
            if told.await.is_err() {
                // Where the host's journal fails, say; it is mended when a session is opened.
                turns.untold().append(&mut places);
            }
        });
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
