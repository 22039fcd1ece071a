//! Prompts that were heard and are not answered yet. What a client cancels is all that it said in the session before that,
//! however far it has come: it may neither stand in the line yet nor run, and then nobody else finds it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_client_protocol::RequestCancellation;
use glasswork_engine::ScopeId;
use tokio::sync::watch;

/// How it stands with the cancelling of a prompt's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    UnderWay,
    Done,
}

type Open = BTreeMap<u64, (ScopeId, watch::Sender<Cancel>)>;

/// The prompts of a connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: AtomicU64,
    open: Mutex<Open>,
}

impl Heard {
    /// A prompt is heard. To be called in the order in which things are said.
    pub(super) fn hear(self: &Arc<Self>, session: ScopeId, request: RequestCancellation) -> Prompted {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (cancels, cancel) = watch::channel(Cancel::No);
        self.open().insert(number, (session, cancels));
        Prompted {
            heard: Arc::clone(self),
            number,
            cancel,
            request,
        }
    }

    /// What was heard in a session is being cancelled, until what this gives is dropped. Likewise.
    #[must_use = "it is over when this is dropped"]
    pub(super) fn cancel(self: &Arc<Self>, session: ScopeId) -> Cancelling {
        let open = self.open();
        let mut numbers = Vec::new();
        for (number, (_, cancels)) in open.iter().filter(|(_, (of, _))| *of == session) {
            cancels.send_replace(Cancel::UnderWay);
            numbers.push(*number);
        }
        Cancelling {
            heard: Arc::clone(self),
            numbers,
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing is done under this lock that could leave it half-changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cancelling of a session.
#[derive(Debug)]
pub(super) struct Cancelling {
    heard: Arc<Heard>,
    numbers: Vec<u64>,
}

impl Drop for Cancelling {
    fn drop(&mut self) {
        let open = self.heard.open();
        for (_, cancels) in self.numbers.iter().filter_map(|number| open.get(number)) {
            cancels.send_replace(Cancel::Done);
        }
    }
}

/// A prompt, until it is answered.
#[derive(Debug)]
pub(super) struct Prompted {
    heard: Arc<Heard>,
    number: u64,
    cancel: watch::Receiver<Cancel>,
    request: RequestCancellation,
}

impl Prompted {
    /// Whether its session was cancelled since it was heard.
    pub(super) fn session_is_cancelled(&self) -> bool {
        *self.cancel.borrow() != Cancel::No
    }

    /// Whether that was, or this request itself.
    pub(super) fn is_cancelled(&self) -> bool {
        self.session_is_cancelled() || self.request.is_cancelled()
    }

    /// Waits until it is.
    pub(super) async fn cancelled(&self) {
        tokio::select! {
            () = self.until(|cancel| cancel != Cancel::No) => {}
            () = self.request.cancelled() => {}
        }
    }

    /// Waits until this request is cancelled.
    pub(super) async fn request_cancelled(&self) {
        self.request.cancelled().await;
    }

    /// Waits until nothing of its session is being cancelled. Whoever has the answer may say the next thing, and that is
    /// not meant any more.
    pub(super) async fn settled(&self) {
        self.until(|cancel| cancel != Cancel::UnderWay).await;
    }

    async fn until(&self, is: impl Fn(Cancel) -> bool) {
        // Whoever tells is there as long as this is.
        let _ = self.cancel.clone().wait_for(|cancel| is(*cancel)).await;
    }
}

impl Drop for Prompted {
    fn drop(&mut self) {
        self.heard.open().remove(&self.number);
    }
}
