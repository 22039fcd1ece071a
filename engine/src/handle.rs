//! The only door for requests from outside, and what comes back through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::domain::Domain;
use crate::envelope::{DispatchId, EffectKey, Origin, ScopeId};
use crate::pipeline::Envelope;

/// Who may hold a [`Handle`]. The other origins belong to the engine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// The person at this process, or the program that runs it on their behalf.
    User,
    /// An attached client, by the number of its connection.
    Client(u64),
    /// An extension, by name.
    Extension(String),
    /// An agent outside this process, by name.
    Agent(String),
}

impl From<Party> for Origin {
    fn from(party: Party) -> Self {
        match party {
            Party::User => Self::User,
            Party::Client(connection) => Self::Client(connection),
            Party::Extension(name) => Self::Extension(name),
            Party::Agent(name) => Self::Agent(name),
        }
    }
}

/// An accepted request: the commit that it became, and the handler's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted<D: Domain> {
    /// The commit. A reader that waits for it reads its own write.
    pub id: DispatchId,
    /// What the handler answers.
    pub reply: D::Reply,
}

/// Why a request changed nothing. Each refusal by the gate is on record under its id.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal<D: Domain> {
    /// Its origin may not.
    #[error("not permitted: {grant}")]
    Denied {
        /// The refusal's name.
        id: DispatchId,
        /// The grant that denied it.
        grant: D::Grant,
    },
    /// The handler refused.
    #[error("{rejection}")]
    Rejected {
        /// The refusal's name.
        id: DispatchId,
        /// The reason.
        rejection: D::Rejection,
    },
    /// It would have broken an invariant. A defect; the state is as it was.
    #[error("refused, because it would break an invariant: {breach} (dispatch {id}); please report this")]
    Invalid {
        /// The refusal's name.
        id: DispatchId,
        /// The invariant.
        breach: D::Breach,
    },
    /// The handler panicked. A defect; the state is as it was.
    #[error("refused, because its handler failed: {panic} (dispatch {id}); please report this")]
    Failed {
        /// The refusal's name.
        id: DispatchId,
        /// The panic's message.
        panic: String,
    },
    /// It was the word of a closed effect.
    #[error("effect {effect} is closed already")]
    Stale {
        /// The refusal's name.
        id: DispatchId,
        /// The effect.
        effect: EffectKey,
    },
    /// Its record would be too long.
    #[error(
        "too large: its record would take {bytes} bytes, at most {} are written",
        crate::line::MAX_LINE
    )]
    TooLarge {
        /// The refusal's name.
        id: DispatchId,
        /// Length of its line.
        bytes: usize,
    },
    /// Nothing can be written to the scope's journal. `id` is `None` where it was accepted first and then lost.
    #[error("the journal cannot be written: {reason}")]
    JournalUnavailable {
        /// The refusal's name.
        id: Option<DispatchId>,
        /// Why.
        reason: Arc<str>,
    },
    /// Too many requests wait already.
    #[error("too many requests wait already; try again")]
    Overloaded,
    /// The scope is not mounted.
    #[error("{0} is not open here")]
    NotMounted(ScopeId),
    /// The engine has stopped.
    #[error("the runtime has stopped")]
    Stopped,
}

/// The answer to a request.
pub type Answer<D> = Result<Accepted<D>, Refusal<D>>;

/// A request on its way to the writer.
pub(crate) struct Outside<D: Domain> {
    pub(crate) scope: ScopeId,
    pub(crate) envelope: Envelope<D>,
    pub(crate) answer: oneshot::Sender<Answer<D>>,
    /// Held while the request waits: the outside lane is as long as there are permits.
    pub(crate) _permit: Option<OwnedSemaphorePermit>,
}

/// What all handles share.
pub(crate) struct Doors<D: Domain> {
    pub(crate) urgent: Sender<Outside<D>>,
    pub(crate) outside: Sender<Outside<D>>,
    pub(crate) permits: Arc<Semaphore>,
    /// How many asynchronous callers wait for a permit.
    pub(crate) waiting: AtomicU64,
    pub(crate) waiting_cap: u64,
    pub(crate) overload: Overload,
}

/// Counts who was turned away; the writer records it once per burst.
#[derive(Default)]
pub(crate) struct Overload {
    refused: AtomicU64,
    first: std::sync::Mutex<Option<ScopeId>>,
}

impl Overload {
    fn count(&self, scope: ScopeId) {
        let mut first = crate::log::lock(&self.first);
        first.get_or_insert(scope);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> Option<(ScopeId, u64)> {
        if self.refused.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut first = crate::log::lock(&self.first);
        let refused = self.refused.swap(0, Ordering::Relaxed);
        first.take().map(|scope| (scope, refused))
    }
}

/// The door for one party's requests. Minted by the engine; the origin cannot be changed.
pub struct Handle<D: Domain> {
    pub(crate) origin: Origin,
    pub(crate) doors: Arc<Doors<D>>,
}

impl<D: Domain> Clone for Handle<D> {
    fn clone(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            doors: Arc::clone(&self.doors),
        }
    }
}

impl<D: Domain> std::fmt::Debug for Handle<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.origin).finish()
    }
}

/// A request that was taken in; its answer is still to come.
#[derive(Debug)]
pub struct Ticket<D: Domain> {
    answer: oneshot::Receiver<Answer<D>>,
}

impl<D: Domain> Ticket<D> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub async fn answer(self) -> Answer<D> {
        self.answer.await.unwrap_or(Err(Refusal::Stopped))
    }

    /// Waits for the answer on a thread of its own. Must not be called within an asynchronous runtime.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn answer_blocking(self) -> Answer<D> {
        self.answer.blocking_recv().unwrap_or(Err(Refusal::Stopped))
    }
}

impl<D: Domain> Handle<D> {
    /// Sends a request, waiting for room if there is none, and waits for the answer.
    ///
    /// # Errors
    /// The [`Refusal`]; [`Refusal::Overloaded`] where even those who wait for room are too many.
    pub async fn dispatch(&self, scope: ScopeId, event: D::Event) -> Answer<D> {
        self.request(scope, Envelope::new(self.origin.clone(), event))
            .await
    }

    /// Like [`dispatch`](Self::dispatch), with the dispatch that led to this one.
    ///
    /// # Errors
    /// As there.
    pub async fn dispatch_after(&self, cause: DispatchId, scope: ScopeId, event: D::Event) -> Answer<D> {
        let envelope = Envelope {
            cause: Some(cause),
            ..Envelope::new(self.origin.clone(), event)
        };
        self.request(scope, envelope).await
    }

    /// Takes a request in, if there is room for it right now.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] or [`Refusal::Stopped`].
    pub fn submit(&self, scope: ScopeId, event: D::Event) -> Result<Ticket<D>, Refusal<D>> {
        let envelope = Envelope::new(self.origin.clone(), event);
        if D::is_urgent(&envelope.event) {
            return self.send_urgent(scope, envelope);
        }
        match Arc::clone(&self.doors.permits).try_acquire_owned() {
            Ok(permit) => self.send_outside(scope, envelope, permit),
            Err(tokio::sync::TryAcquireError::Closed) => Err(Refusal::Stopped),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(self.overloaded(scope)),
        }
    }

    async fn request(&self, scope: ScopeId, envelope: Envelope<D>) -> Answer<D> {
        if D::is_urgent(&envelope.event) {
            return self.send_urgent(scope, envelope)?.answer().await;
        }
        let permit = match Arc::clone(&self.doors.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(tokio::sync::TryAcquireError::Closed) => return Err(Refusal::Stopped),
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                let _waiting = Waiting::enter(&self.doors).ok_or_else(|| self.overloaded(scope))?;
                Arc::clone(&self.doors.permits)
                    .acquire_owned()
                    .await
                    .map_err(|_| Refusal::Stopped)?
            }
        };
        self.send_outside(scope, envelope, permit)?.answer().await
    }

    fn send_outside(
        &self,
        scope: ScopeId,
        envelope: Envelope<D>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Ticket<D>, Refusal<D>> {
        let (sender, answer) = oneshot::channel();
        let request = Outside {
            scope,
            envelope,
            answer: sender,
            _permit: Some(permit),
        };
        self.doors.outside.send(request).map_err(|_| Refusal::Stopped)?;
        Ok(Ticket { answer })
    }

    fn send_urgent(&self, scope: ScopeId, envelope: Envelope<D>) -> Result<Ticket<D>, Refusal<D>> {
        let (sender, answer) = oneshot::channel();
        match self.doors.urgent.try_send(Outside {
            scope,
            envelope,
            answer: sender,
            _permit: None,
        }) {
            Ok(()) => Ok(Ticket { answer }),
            Err(TrySendError::Full(_)) => Err(self.overloaded(scope)),
            Err(TrySendError::Disconnected(_)) => Err(Refusal::Stopped),
        }
    }

    fn overloaded(&self, scope: ScopeId) -> Refusal<D> {
        self.doors.overload.count(scope);
        Refusal::Overloaded
    }
}

/// One caller that waits for a permit; leaves by being dropped, also when its future is.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn enter<D: Domain>(doors: &'a Doors<D>) -> Option<Self> {
        let entered = Self(&doors.waiting);
        let before = doors.waiting.fetch_add(1, Ordering::Relaxed);
        (before < doors.waiting_cap).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
