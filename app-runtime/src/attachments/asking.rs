//! What clients ask for in the session to which they are attached.

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::Said;
use glasswork_engine::{Accepted, FeedItem};
use glasswork_session_state::state::Scope;
use glasswork_session_state::{Event, Glasswork, prompt, question, tools};

use super::{AttachError, Attachment, rejected, turns};
use crate::prompting::Prompt;

type Done = Result<Accepted<Glasswork>, AttachError>;

impl Attachment {
    /// Says something to the agent: begins a turn. Where too many run, it waits, and `told` hears its place, 1 being the
    /// next one; whoever does not wait any more drops this.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn prompt(&self, text: &str, key: Option<&str>, told: &mut (dyn FnMut(usize) + Send)) -> Done {
        let event = Event::Prompt(prompt::Event::Prompted {
            text: text.into(),
            max_steps: None,
            result: None,
            images: vec![],
            key: key.map(Into::into),
        });
        self.begin(event, told).await
    }

    /// The same, with all that may come with words.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn prompt_with(
        &self,
        prompt: Prompt,
        key: Option<&str>,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Done {
        self.may_act()?;
        let event = self.hub.runtime.prompted(self.session, prompt, key).await?;
        self.begin(event, told).await
    }

    /// Has a turn go on that rests. It takes a place, as a prompt does.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn resume(&self, told: &mut (dyn FnMut(usize) + Send)) -> Done {
        self.begin(Event::Prompt(prompt::Event::Resumed), told).await
    }

    /// Has a turn run, once there is a place for it.
    pub(super) async fn begin(&self, event: Event, told: &mut (dyn FnMut(usize) + Send)) -> Done {
        self.may_act()?;
        if self.hub.turns.has_stopped() {
            return Err(AttachError::Stopping);
        }
        let runtime = &self.hub.runtime;
        {
            let _room = self.hub.room_for(Some(self.session))?;
            runtime.mount(self.session).await?;
        }
        if self.runs() {
            // It waits for the turn, or is refused by its handler, and on record.
            return Ok(runtime.ask_as(&self.handle, self.session, event).await?);
        }
        runtime.servers_ready(self.session).await?;
        let (turns, connection) = (&self.hub.turns, self.client()?.connection);
        let place = turns
            .place(&runtime.live(), &self.handle, connection, self.session, told)
            .await?;
        // While it waited, it may have been told to look on only.
        self.may_act()?;
        runtime.note_checkout(self.session).await;
        runtime.tell_spending(self.session).await?;
        runtime.tell_candidates(self.session).await?;
        let done = runtime.ask_as(&self.handle, self.session, event).await?;
        // The place is taken until the turn rests, whoever stays to see that.
        let watch = runtime.watch(self.session);
        runtime.mounts.tasks.spawn(async move {
            turns::rest(watch).await;
            drop(place);
        });
        Ok(done)
    }

    /// Says something to the running turn; it is taken in before the next step.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn steer(&self, text: &str, key: Option<&str>) -> Done {
        self.ask(Event::Prompt(prompt::Event::Steered {
            text: text.into(),
            key: key.map(Into::into),
        }))
        .await
    }

    /// Has the turn stop: at the next safe point, or at once.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn interrupt(&self, at_once: bool) -> Done {
        self.ask(Event::Prompt(match at_once {
            true => prompt::Event::Cancelled,
            false => prompt::Event::Interrupted,
        }))
        .await
    }

    /// Lets a tool call run.
    ///
    /// # Errors
    /// [`AttachError`]; [`AttachError::AnsweredAlready`] where somebody else was faster.
    pub async fn approve(&self, call: CallId) -> Done {
        let done = self.ask(Event::Tools(tools::Event::Approved { call })).await;
        self.or_who_was_faster(call, done).await
    }

    /// Does not let a tool call run.
    ///
    /// # Errors
    /// As [`approve`](Self::approve).
    pub async fn refuse(&self, call: CallId, reason: Option<&str>) -> Done {
        let event = tools::Event::Refused {
            call,
            reason: reason.map(Into::into),
        };
        let done = self.ask(Event::Tools(event)).await;
        self.or_who_was_faster(call, done).await
    }

    /// Answers what a call asks. Who does not want to, [refuses](Self::refuse) it.
    ///
    /// # Errors
    /// As [`approve`](Self::approve).
    pub async fn answer(&self, call: CallId, said: Said) -> Done {
        let done = self
            .ask(Event::Question(question::Event::Answered { call, said }))
            .await;
        self.or_who_was_faster(call, done).await
    }

    async fn or_who_was_faster(&self, call: CallId, done: Done) -> Done {
        let after = match &done {
            Err(AttachError::Operation(error)) => rejected(error),
            _ => None,
        };
        let Some(after) = after else { return done };
        // The answer that was faster is decided, but may not have been written yet, and so cannot be seen.
        self.published(after.seq).await;
        match self.answered_already(call) {
            Some(faster) => Err(faster),
            None => done,
        }
    }

    /// Waits until a commit of the session can be seen, or will never be.
    async fn published(&self, seq: u64) {
        let following = self.hub.runtime.live().follow(self.session, None);
        let Some(mut following) = following else { return };
        let mut seen = following.base.seq;
        while seen < seq {
            match following.follower.next().await {
                FeedItem::Commit(commit) => seen = commit.id.seq,
                FeedItem::Gap { to, .. } => seen = to,
                FeedItem::JournalFailed(_) | FeedItem::Ended => return,
            }
        }
    }

    pub(super) async fn ask(&self, event: Event) -> Done {
        self.may_act()?;
        let runtime = &self.hub.runtime;
        Ok(runtime.ask_as(&self.handle, self.session, event).await?)
    }

    fn runs(&self) -> bool {
        let now = self.hub.runtime.live().scope(self.session);
        match now.as_deref().map(|scope| &scope.state) {
            Some(Scope::Session(session)) => turns::runs(session),
            _ => false,
        }
    }
}
