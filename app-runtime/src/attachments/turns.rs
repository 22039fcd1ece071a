//! How many turns clients have run at a time. Who runs one and who waits is in the host's record; here they are waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_agent_core::turn::State;
use glasswork_engine::{Accepted, FeedItem, Follower, Handle, Reader, Refusal, ScopeId};
use glasswork_session_state::clients::{self, places};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::{Scope, Session};
use glasswork_session_state::{Event, Glasswork};

use super::AttachError;
use super::line::{GivenUp, Line, Waiter, Waiting, Whose};
use crate::watching::{Update, Watch};

/// The places of a host.
#[derive(Debug)]
pub(super) struct Turns {
    host: ScopeId,
    user: Handle<Glasswork>,
    limits: places::Limits,
    tasks: tokio::runtime::Handle,
    line: Arc<Line>,
    /// Places whose end could not be recorded: it is told with the next one.
    untold: Mutex<Vec<u64>>,
    is_stopped: AtomicBool,
}

/// A place in the line, or among those that run; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place {
    turns: Arc<Turns>,
    number: u64,
    waiter: Arc<Waiter>,
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
            line: Arc::default(),
            untold: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        })
    }

    /// Something is asked for; from here on it can be taken back.
    pub(super) fn wait(&self, session: ScopeId, whose: Whose, key: Option<Arc<str>>) -> Waiting {
        self.line.enter(session, whose, key)
    }

    /// What asked for the same before, by its key.
    pub(super) fn same(&self, as_this: &Waiting) -> Option<Arc<Waiter>> {
        self.line.same(as_this)
    }

    /// Waits for a place. `told` hears how many are before it, and it among them: 1 is the next.
    pub(super) async fn place(
        self: &Arc<Self>,
        live: &Reader<Glasswork>,
        handle: &Handle<Glasswork>,
        waiting: &Waiting,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Place, AttachError> {
        let waiter = Arc::clone(waiting.waiter());
        let asked = clients::Event::TurnAsked {
            connection: match waiter.whose {
                Whose::Owner => None,
                Whose::Client { connection, .. } => Some(connection),
            },
            session: waiter.session,
            limits: self.limits,
        };
        if !waiting.asks() {
            // Whoever waits hears first that it was taken back.
            return std::future::pending().await;
        }
        // In a task of its own: whoever does not wait any more must not leave a place that nobody gives up.
        let (turns, asking) = (Arc::clone(self), handle.clone());
        let asked = self.tasks.spawn(async move {
            let done = asking.dispatch(turns.host, Event::Client(asked)).await;
            let number = done.map(|done| done.id.seq);
            waiter.is_recorded(number.as_ref().ok().copied());
            number.map(|number| Place {
                turns,
                number,
                waiter,
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
                if !moved(&mut following.follower).await {
                    break;
                }
                let now = live.scope(self.host);
                seen = now.ok_or(Refusal::NotMounted(self.host))?;
            }
        }
    }

    /// Takes back what waits of these. What begins already does.
    pub(super) fn take_back(&self, which: impl Fn(&Waiter) -> bool) {
        for waiter in self.line.of(which) {
            waiter.take_back(GivenUp::ByItself);
        }
    }

    /// Takes back what waits for its turn in a session, and says on record that it needs no place any more; `None` where
    /// nothing waited. What begins just now has begun when this returns.
    pub(super) async fn take_back_of(
        self: &Arc<Self>,
        session: ScopeId,
    ) -> Result<Option<Accepted<Glasswork>>, AttachError> {
        let (mut taken_back, mut begins) = (Vec::new(), Vec::new());
        for waiter in self.line.of(|waiter| waiter.session == session) {
            match waiter.take_back(GivenUp::ByTaker) {
                true => taken_back.push(waiter),
                false => begins.push(waiter),
            }
        }
        // In a task of its own: whoever does not wait for the answer must not leave places that nobody gives up.
        let turns = Arc::clone(self);
        let told = (!taken_back.is_empty()).then(|| {
            self.tasks.spawn(async move {
                let mut places = Vec::new();
                for waiter in taken_back {
                    places.extend(waiter.recorded().await);
                }
                turns.tell_over(places).await
            })
        });
        for waiter in begins {
            waiter.over().await;
        }
        match told {
            Some(told) => Ok(Some(told.await.map_err(|_| AttachError::Stopping)??)),
            None => Ok(None),
        }
    }

    async fn tell_over(&self, mut places: Vec<u64>) -> Result<Accepted<Glasswork>, Refusal<Glasswork>> {
        places.append(&mut self.untold());
        let over = clients::Event::TurnsOver {
            places: places.clone(),
        };
        let told = self.user.dispatch(self.host, Event::Client(over)).await;
        if told.is_err() {
            // Where the host's journal fails, say; it is mended when a session is opened.
            self.untold().append(&mut places);
        }
        told
    }

    /// Sends everybody away who waits, and whoever comes.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.take_back(|_| true);
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
        if self.waiter.is_given_up() {
            return;
        }
        let (turns, number) = (Arc::clone(&self.turns), self.number);
        self.turns.tasks.spawn(async move {
            // What could not be told is told with the next one.
            let _ = turns.tell_over(vec![number]).await;
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
