//! A prompt, until what it began is over: words for the model, or a slash command.

use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{PromptRequest, PromptResponse, SessionNotification, StopReason};
use agent_client_protocol::{Client, Error};
use glasswork_agent_core::id::TurnId;
use glasswork_agent_core::turn;
use glasswork_app_runtime::attachments::{AttachError, Attachment, Performed};
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::slash_commands;
use tokio::sync::watch;

use super::agent::{Agent, blocking, refused, wrong};
use super::attached::{Told, rests};
use super::heard::Prompted;
use super::stopping::Ending;
use super::{commands, content, updates};

/// What is said to a command of which somebody else is in charge.
const LEAVE: &str = "An editor leaves a session by closing it.";

/// Why nothing began.
enum NotBegun {
    /// It was taken back while it waited for its turn.
    TakenBack,
    /// It failed.
    Failed(Error),
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<AttachError> for NotBegun {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::TakenBack => Self::TakenBack,
            other => Self::Failed(refused(other)),
        }
    }
}

impl Agent {
    /// A prompt, until what it began is over.
    pub(super) async fn prompt(
        &self,
        request: PromptRequest,
        prompted: &Prompted,
        client: &ConnectionTo<Client>,
    ) -> Result<PromptResponse, Error> {
        // Who only looks on may give those commands that only tell something.
        let attachment = self.attached_to(&request.session_id)?;
        let id = attachment.session();
        let prompt = blocking(move || content::prompt(&request.prompt)).await??;
        let (session, attachment) = self.looking(attachment, client).await?;
        let mut told = self.told(id)?;
        let is_command = slash_commands::is_command(&prompt.text);
        let is_at_rest = rests(&session);
        let resting = session
            .open_turn()
            .filter(|turn| turn.state == turn::State::Paused)
            .map(|turn| turn.id);
        let (to, offers) = (client.clone(), self.offers());
        let mut waits = |place: usize| {
            let words = format!("other turns run; this one is number {place} of those that wait");
            if let Some(notice) = offers.info("Waiting", words) {
                // A client that is gone need not know.
                drop(to.send_notification(SessionNotification::new(id.to_string(), notice)));
            }
        };
        // What was cancelled by now is not looked for in the line any more.
        let goes_on = || match prompted.is_cancelled() {
            true => Err(NotBegun::TakenBack),
            false => Ok(()),
        };
        let begins = async {
            goes_on()?;
            if is_command {
                let by = self.command(&attachment, prompt, client, &mut waits).await?;
                // What is said to a turn that runs is over with it; whoever began that turn waits for it.
                return Ok(by.filter(|_| is_at_rest));
            }
            let begun = match resting {
                Some(_) => {
                    attachment.steer(&prompt.text, None).await?;
                    goes_on()?;
                    attachment.resume(&mut waits).await
                }
                None => attachment.prompt_with(prompt, None, &mut waits).await,
            };
            Ok::<_, NotBegun>(Some(begun?.id.seq))
        };
        let mut begins = std::pin::pin!(begins);
        let begun = tokio::select! {
            begun = &mut begins => begun,
            () = prompted.cancelled() => {
                // What waits for others does not begin any more; what begins just now is cancelled below.
                attachment.take_back_waiting();
                begins.await
            }
        };
        let by = match begun {
            Ok(Some(by)) => by,
            Ok(None) => return Ok(PromptResponse::new(StopReason::EndTurn)),
            Err(NotBegun::TakenBack) => return Ok(PromptResponse::new(StopReason::Cancelled)),
            Err(NotBegun::Failed(error)) => return Err(error),
        };
        // Whoever cancelled the session may have done so before there was anything to stop.
        let mut is_cancelled = prompted.session_is_cancelled();
        if is_cancelled {
            prompted.settled().await;
            // It may have ended by that.
            drop(attachment.interrupt(true).await);
        }
        loop {
            tokio::select! {
                ending = ending(&mut told, by, resting) => {
                    // Whoever follows the session has stopped: it was closed, or taken away.
                    let ending = ending.unwrap_or(Ending::Stopped(StopReason::Cancelled));
                    return ending.into_result().map(PromptResponse::new);
                }
                () = prompted.request_cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    // It may have ended meanwhile.
                    drop(attachment.interrupt(true).await);
                }
            }
        }
    }

    /// Does what a command asks for, and tells what it says. Gives the commit that it took, where it took one.
    async fn command(
        &self,
        attachment: &Attachment,
        prompt: Prompt,
        client: &ConnectionTo<Client>,
        waits: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Option<u64>, NotBegun> {
        if !prompt.pictures.is_empty() {
            return Err(wrong("a command takes no images").into());
        }
        let (text, by) = match slash_commands::read(&prompt.text) {
            Ok(operation) => {
                let done = attachment.perform(operation, None, waits).await?;
                let by = match &done {
                    Performed::Committed { by } | Performed::TakenBack { by, .. } => Some(by.seq),
                    Performed::Forked { .. } | Performed::Told { .. } | Performed::Left => None,
                };
                let is_left = done == Performed::Left;
                (done.text().or_else(|| is_left.then(|| LEAVE.to_owned())), by)
            }
            Err(error) => (Some(error.to_string()), None),
        };
        if let Some(text) = text {
            let said = updates::said(&commands::shown(&text));
            self.tell(attachment.session(), client, said).await?;
        }
        Ok(by)
    }
}

/// How it ended; `None` where nobody looks at the session any more.
async fn ending(told: &mut watch::Receiver<Told>, by: u64, rested: Option<TurnId>) -> Option<Ending> {
    let is_over = |told: &Told| told.ending(by, rested).is_some();
    let told = told.wait_for(is_over).await.ok()?;
    told.ending(by, rested)
}
