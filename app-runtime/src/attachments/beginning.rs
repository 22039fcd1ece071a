//! How a turn of a client begins: its session is opened, it waits for a place, and only then it is said.
//!
//! What waits belongs to whoever said it. It is taken back when its attachment ends, or may only look on any more; by its
//! own client; and by everybody who cancels what the session does. What comes first counts: it is taken back, and never
//! begins, or it begins, and is cancelled like any turn. What the owner of the host said by the graph is nobody's who
//! could leave: it waits until it begins or is taken back.

use std::sync::Arc;

use glasswork_engine::{Handle, ScopeId};
use glasswork_session_state::state::Scope;
use glasswork_session_state::{Event, Glasswork, prompt};

use super::line::{Waiting, Whose};
use super::{AttachError, Attachment, Attachments, Done, turns};
use crate::prompting::Prompt;
use crate::runtime::Opening;

/// How a session of the past is opened again: with what is set for it now. It may read files, and so may block. The error is
/// for people.
pub type Again = dyn Fn(ScopeId) -> Result<Opening, String> + Send + Sync;

/// Nothing begins as long as this is held.
#[derive(Debug)]
#[must_use = "what waits begins once it is dropped"]
pub struct Settled(#[expect(dead_code, reason = "it is held")] tokio::sync::OwnedRwLockWriteGuard<()>);

/// Who asks for a turn.
#[derive(Clone)]
pub(super) enum By {
    /// The owner of the host, in a session.
    Owner(ScopeId),
    /// A client.
    Client(Attachment),
}

impl By {
    fn session(&self) -> ScopeId {
        match self {
            Self::Owner(session) => *session,
            Self::Client(attachment) => attachment.session,
        }
    }

    fn handle<'a>(&'a self, hub: &'a Attachments) -> &'a Handle<Glasswork> {
        match self {
            Self::Owner(_) => &hub.runtime.user,
            Self::Client(attachment) => &attachment.handle,
        }
    }

    fn may_act(&self) -> Result<(), AttachError> {
        match self {
            Self::Owner(_) => Ok(()),
            Self::Client(attachment) => attachment.may_act(),
        }
    }

    fn whose(&self) -> Result<Whose, AttachError> {
        Ok(match self {
            Self::Owner(_) => Whose::Owner,
            Self::Client(attachment) => Whose::Client {
                attachment: attachment.id,
                connection: attachment.client()?.connection,
            },
        })
    }
}

impl Attachments {
    /// Says how sessions of the past are opened again, for clients that have turns begin in them. To be called once; where
    /// it is not, they are mounted as they were left, and one that was closed stays closed.
    pub fn open_with(&self, again: Arc<Again>) {
        // The first one stays.
        let _ = self.again.set(again);
    }

    /// Has a turn run, once there is a place for it.
    pub(super) async fn begin(
        self: &Arc<Self>,
        by: By,
        event: Event,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Done {
        let waiting = self.wait(&by, key(&event))?;
        self.begin_waiting(by, event, waiting, told).await
    }

    /// The same of a prompt, which can be taken back while what comes with its words is kept.
    pub(super) async fn begin_prompt(
        self: &Arc<Self>,
        by: By,
        prompt: Prompt,
        key: Option<&str>,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Done {
        let waiting = self.wait(&by, key.map(Into::into))?;
        let event = tokio::select! {
            biased;
            () = waiting.taken_back() => return Err(self.why_taken_back(&by)),
            event = self.runtime.prompted(by.session(), prompt, key) => event?,
        };
        self.begin_waiting(by, event, waiting, told).await
    }

    /// Something is said: from here on it can be taken back.
    fn wait(&self, by: &By, key: Option<Arc<str>>) -> Result<Waiting, AttachError> {
        let waiting = self.turns.wait(by.session(), by.whose()?, key);
        // Only now: whoever ends the attachment looks for what waits of it once that is on record.
        by.may_act()?;
        match self.turns.has_stopped() {
            true => Err(AttachError::Stopping),
            false => Ok(waiting),
        }
    }

    async fn begin_waiting(
        self: &Arc<Self>,
        by: By,
        event: Event,
        waiting: Waiting,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Done {
        // Boxed, as it may open a session: whoever waits for a turn through layers of resolvers has it in each of their frames.
        let ready = Box::pin(self.ready(&by, &event, &waiting, told));
        let place = tokio::select! {
            biased;
            () = waiting.taken_back() => return Err(self.why_taken_back(&by)),
            place = ready => place?,
        };
        let hub = Arc::clone(self);
        let said = Box::pin(async move { hub.say(by, event, waiting, place).await });
        let unfinished = Arc::clone(&self.beginning).read_owned().await;
        // In a task of its own: from here on it begins, whether or not somebody waits to hear that.
        let said = self.runtime.mounts.tasks.spawn(async move {
            let done = said.await;
            drop(unfinished);
            done
        });
        said.await.map_err(|_| AttachError::Stopping)?
    }

    /// Opens the session and waits for a place; `None` where it needs none.
    async fn ready(
        self: &Arc<Self>,
        by: &By,
        event: &Event,
        waiting: &Waiting,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Option<turns::Place>, AttachError> {
        let (runtime, session) = (&self.runtime, by.session());
        // What was asked for twice waits once: the second time it is answered with what came of the first.
        while let Some(same) = self.turns.same(waiting) {
            same.over().await;
        }
        self.open(session).await?;
        if self.runs(session) || self.is_known(session, event) {
            // It waits for the turn, or is refused by its handler, and on record.
            return Ok(None);
        }
        // As long as it waits, its session is not put down because nobody looks at it.
        let _stays = runtime.watch(session);
        runtime.servers_ready(session).await?;
        let live = runtime.live();
        let place = self.turns.place(&live, by.handle(self), waiting, told);
        Ok(Some(place.await?))
    }

    /// Mounts a session, and enters it where that is to be done first.
    async fn open(self: &Arc<Self>, session: ScopeId) -> Result<(), AttachError> {
        let _room = self.room_for(Some(session))?;
        self.runtime.mount(session).await?;
        let Some(again) = self.again.get().filter(|_| self.runtime.wants_entering(session)) else {
            return Ok(());
        };
        let again = Arc::clone(again);
        let opening = tokio::task::spawn_blocking(move || again(session)).await;
        let opening = opening.unwrap_or_else(|broken| Err(broken.to_string()));
        let opening = opening.map_err(AttachError::NotOpened)?;
        Ok(self.runtime.enter_again(session, opening).await?)
    }

    /// Says it: from here on it is not taken back any more.
    async fn say(
        self: Arc<Self>,
        by: By,
        event: Event,
        waiting: Waiting,
        place: Option<turns::Place>,
    ) -> Done {
        if !waiting.begins() {
            return Err(self.why_taken_back(&by));
        }
        // While it waited, its client may have been told to look on only.
        by.may_act()?;
        let (runtime, session) = (&self.runtime, by.session());
        if place.is_some() {
            runtime.note_checkout(session).await;
            runtime.tell_spending(session).await?;
            runtime.tell_candidates(session).await?;
        }
        let done = runtime.ask_as(by.handle(&self), session, event).await?;
        if let Some(place) = place {
            // The place is taken until the turn rests, whoever stays to see that.
            let watch = runtime.watch(session);
            runtime.mounts.tasks.spawn(async move {
                turns::rest(watch).await;
                drop(place);
            });
        }
        Ok(done)
    }

    fn why_taken_back(&self, by: &By) -> AttachError {
        match by.may_act() {
            Err(error) => error,
            Ok(()) if self.turns.has_stopped() => AttachError::Stopping,
            Ok(()) => AttachError::TakenBack,
        }
    }

    /// Cancels what a session does: takes back what waits for its turn there, and stops the turn that runs.
    pub(super) async fn cancel_as(&self, handle: &Handle<Glasswork>, session: ScopeId) -> Done {
        let taken_back = self.turns.take_back_of(session).await?;
        let now = self.runtime.mounted(session);
        let works = now.is_some_and(|now| now.open_turn().is_some() || now.compactions.open.is_some());
        match taken_back {
            Some(taken_back) if !works => Ok(taken_back),
            _ => {
                let event = Event::Prompt(prompt::Event::Cancelled);
                Ok(self.runtime.ask_as(handle, session, event).await?)
            }
        }
    }

    /// Waits until nothing is about to begin any more that had its place. As long as what this gives is held, nothing
    /// begins.
    pub async fn settled(&self) -> Settled {
        Settled(Arc::clone(&self.beginning).write_owned().await)
    }

    fn runs(&self, session: ScopeId) -> bool {
        let now = self.runtime.live().scope(session);
        match now.as_deref().map(|scope| &scope.state) {
            Some(Scope::Session(session)) => turns::runs(session),
            _ => false,
        }
    }

    /// Whether it has happened already, by its key.
    fn is_known(&self, session: ScopeId, event: &Event) -> bool {
        let (Some(key), Some(now)) = (key(event), self.runtime.mounted(session)) else {
            return false;
        };
        now.keys.first_use(&key).is_some()
    }
}

/// The idempotency key of what begins a turn.
fn key(event: &Event) -> Option<Arc<str>> {
    match event {
        Event::Prompt(prompt::Event::Prompted { key, .. } | prompt::Event::FollowedUp { key, .. }) => {
            key.clone()
        }
        _ => None,
    }
}
