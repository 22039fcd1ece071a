//! What clients ask for in the session to which they are attached.

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::Said;
use glasswork_engine::FeedItem;
use glasswork_session_state::{Event, prompt, question, tools};

use super::beginning::By;
use super::line::Whose;
use super::{AttachError, Attachment, Done, rejected};
use crate::prompting::Prompt;

impl Attachment {
    /// Says something to the agent: begins a turn. Where too many run, it waits, and `told` hears its place, 1 being the
    /// next one; whoever does not wait any more drops this.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn prompt(&self, text: &str, key: Option<&str>, told: &mut (dyn FnMut(usize) + Send)) -> Done {
        self.prompt_with(Prompt::new(text), key, told).await
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
        let by = By::Client(self.clone());
        self.hub.begin_prompt(by, prompt, key, told).await
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
        self.hub.begin(By::Client(self.clone()), event, told).await
    }

    /// Takes back what this client said in the session and what waits for its turn still: that is answered with
    /// [`AttachError::TakenBack`]. What has begun goes on.
    pub fn take_back_waiting(&self) {
        let is_own =
            |whose: Whose| matches!(whose, Whose::Client { attachment, .. } if attachment == self.id);
        self.hub.turns.take_back(|waiter| is_own(waiter.whose));
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

    /// Has the turn stop: at the next safe point, or at once. At once, what waits for its turn in the session is taken back
    /// too, whoever said it.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn interrupt(&self, at_once: bool) -> Done {
        if at_once {
            self.may_act()?;
            return self.hub.cancel_as(&self.handle, self.session).await;
        }
        self.ask(Event::Prompt(prompt::Event::Interrupted)).await
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
}
