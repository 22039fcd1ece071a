//! A session that a client looks at: what happens there goes to the client, and its questions about permission too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ConfigOptionUpdate, CurrentModeUpdate, SessionNotification, SessionUpdate, StopReason,
};
use agent_client_protocol::{Client, Error, is_connection_terminated, is_incoming_transport_closed};
use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_agent_core::session::State;
use glasswork_agent_core::tree::Via;
use glasswork_agent_core::turn;
use glasswork_app_runtime::attachments::{AttachError, Attachment, Attachments};
use glasswork_app_runtime::editors::{Loan, Offers};
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::watching::{Update, Watch, Watched};
use glasswork_engine::{Origin, Refusal, ScopeId};
use glasswork_session_state::clients::Role;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::Session;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::compaction::Compactions;
use super::editor::{AcpEditor, Presence};
use super::lines::Pace;
use super::opening::{House, models};
use super::options;
use super::permission::{self, Answer};
use super::stopping::{self, Ending};
use super::updates::{self, Offers as Shows};
use super::{plan, question};

/// What the model is told of a client whose answer means nothing.
const NOTHING: &str = "the client gave no answer";
/// How many turns that ended are remembered, for prompts that ask how theirs did.
const TURNS: usize = 16;

/// What a client was told of a session, and how the last turns ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// The commit up to which it was told.
    at: u64,
    /// Whether nothing worked as of that.
    rests: bool,
    /// The commit with which a summary was given up last.
    dropped: u64,
    /// How turns ended; oldest first.
    ended: VecDeque<(TurnId, Ending)>,
}

impl Told {
    /// How that ended which the commit `by` asked for: a turn of its own, or the one that rested until then, or one
    /// that had to wait for a summary. `None` while it goes on.
    pub(super) fn ending(&self, by: u64, rested: Option<TurnId>) -> Option<Ending> {
        if self.at < by {
            return None;
        }
        if let Some(own) = self.of(TurnId(by)) {
            return Some(own.clone());
        }
        if !self.rests {
            return None;
        }
        let later = || self.ended.iter().rev().find(|(turn, _)| turn.0 > by);
        let turn = rested
            .and_then(|turn| self.of(turn))
            .or_else(|| later().map(|(_, ending)| ending));
        let without_turn = match self.dropped >= by {
            true => StopReason::Cancelled,
            false => StopReason::EndTurn,
        };
        Some(turn.cloned().unwrap_or(Ending::Stopped(without_turn)))
    }

    fn of(&self, turn: TurnId) -> Option<&Ending> {
        let of_turn = self.ended.iter().find(|(id, _)| *id == turn);
        of_turn.map(|(_, ending)| ending)
    }

    fn add(&mut self, turn: TurnId, ending: Ending) {
        // A turn that rested may end after all.
        self.ended.retain(|(id, _)| *id != turn);
        self.ended.push_back((turn, ending));
        if self.ended.len() > TURNS {
            self.ended.pop_front();
        }
    }
}

/// Whether nothing works in a session: no turn runs, and no summary is being made.
pub(super) fn rests(session: &Session) -> bool {
    let turn_runs = session
        .open_turn()
        .is_some_and(|turn| turn.state != turn::State::Paused);
    !turn_runs && session.state != State::Compacting
}

/// What all sessions of a connection share.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) hub: Arc<Attachments>,
    pub(super) house: Option<Arc<dyn House>>,
    pub(super) client: ConnectionTo<Client>,
    pub(super) connection: u64,
    pub(super) name: Arc<str>,
    pub(super) presence: Arc<Presence>,
    pub(super) offers: Shows,
    pub(super) pace: Arc<Pace>,
}

impl Line {
    /// Lends a session what the client offers, where it offers anything.
    fn lend(&self, session: ScopeId) -> Option<Loan> {
        let offers = self.offers.lent;
        if offers == Offers::default() {
            return None;
        }
        let editor = AcpEditor {
            client: self.client.clone(),
            number: self.connection,
            name: Arc::clone(&self.name),
            session,
            offers,
            presence: Arc::clone(&self.presence),
        };
        Some(self.hub.runtime().lend(session, Arc::new(editor)))
    }

    /// Tells the client something about a session, once there is room for it.
    pub(super) async fn tell(&self, session: ScopeId, update: SessionUpdate) -> Result<(), Error> {
        self.pace.take().await;
        self.client
            .send_notification(SessionNotification::new(session.to_string(), update))
    }
}

/// A session that a client looks at. Looking ends when this is dropped.
#[derive(Debug)]
pub(super) struct Attached {
    attachment: Attachment,
    told: watch::Receiver<Told>,
    task: JoinHandle<()>,
    /// What the client lends to the session as long as it looks at it.
    _loan: Option<Loan>,
}

impl Attached {
    /// Looks at a session, from what `watch` sees first.
    pub(super) fn begin(line: Line, attachment: Attachment, watch: Watch) -> Self {
        // Who only looks on lends nothing.
        let loan = (attachment.role() == Some(Role::Controller)).then(|| line.lend(attachment.session()));
        let loan = loan.flatten();
        let (sender, told) = watch::channel(Told {
            at: watch.seq(),
            rests: rests(watch.session()),
            ..Told::default()
        });
        let following = Following {
            line,
            session: attachment.session(),
            own: attachment.origin(),
            attachment: attachment.clone(),
            watch,
            told: sender,
            asked: BTreeMap::new(),
            answers: JoinSet::new(),
            compactions: Compactions::default(),
        };
        Self {
            _loan: loan,
            attachment,
            told,
            task: tokio::spawn(following.follow()),
        }
    }

    /// Whether there is nothing more to come: the session was unmounted.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// What the client was told, and how turns end, from now on.
    pub(super) fn told(&self) -> watch::Receiver<Told> {
        self.told.clone()
    }

    /// The attachment, by which the client acts.
    pub(super) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Ends looking, and waits for that. The attachment is still on record.
    pub(super) async fn end(mut self) -> Attachment {
        self.task.abort();
        // How it ended was just decided.
        let _ = (&mut self.task).await;
        self.attachment.clone()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Following {
    line: Line,
    session: ScopeId,
    watch: Watch,
    told: watch::Sender<Told>,
    attachment: Attachment,
    /// Whose prompts the client need not be told: its own.
    own: Option<Origin>,
    asked: BTreeMap<CallId, AbortHandle>,
    answers: JoinSet<(CallId, Answer)>,
    compactions: Compactions,
}

impl Following {
    async fn follow(mut self) {
        let waiting: Vec<_> = waiting(self.watch.session()).collect();
        for call in waiting {
            self.ask(call);
        }
        loop {
            let before = Arc::clone(self.watch.session());
            let goes_on = tokio::select! {
                watched = self.watch.next() => self.take(&before, watched).await,
                Some(answered) = self.answers.join_next(), if !self.answers.is_empty() => {
                    match answered {
                        Ok((call, answer)) => self.answered(call, answer).await,
                        // It was withdrawn.
                        Err(_) => Ok(true),
                    }
                }
            };
            if !goes_on.unwrap_or(false) {
                return;
            }
        }
    }

    /// Tells what happened; false once nothing more can happen.
    async fn take(&mut self, before: &Session, watched: Watched) -> Result<bool, Error> {
        let now = Arc::clone(self.watch.session());
        let mut goes_on = true;
        let is_own = watched.origin.is_some() && watched.origin == self.own;
        for update in &watched.updates {
            let compaction = match self.line.offers.compactions {
                true => self.compactions.told(update, watched.seq, &now),
                false => None,
            };
            if let Some(told) = compaction {
                self.line.tell(self.session, told).await?;
            } else if !(is_own && matches!(update, Update::Said { via: Via::Prompt, .. })) {
                for told in updates::of(update, &now, self.line.offers, self.line.connection) {
                    self.line.tell(self.session, told).await?;
                }
            }
            match update {
                Update::ToolPlaced {
                    editor: Some(editor), ..
                } if editor.client == self.line.connection => {
                    if let Some(terminal) = &editor.terminal {
                        self.line.presence.show(terminal);
                    }
                }
                Update::ToolAsked { call, .. } | Update::QuestionAsked { call, .. } => self.ask(*call),
                Update::ToolAnswered { call, approved } => {
                    let was_asked = self.withdraw(*call);
                    if was_asked && !is_own {
                        let title = if *approved { "Allowed" } else { "Rejected" };
                        self.tell_answered(watched.origin.as_ref(), title).await?;
                    }
                }
                Update::QuestionAnswered { call, .. } => {
                    let was_asked = self.withdraw(*call);
                    if was_asked && !is_own {
                        self.tell_answered(watched.origin.as_ref(), "Answered").await?;
                    }
                }
                Update::ToolSettled { call, .. } => drop(self.withdraw(*call)),
                Update::TurnEnded {
                    turn, state, failure, ..
                } => {
                    self.end(*turn, stopping::of(*state, failure.as_ref(), &now));
                }
                Update::TurnPaused { turn } => {
                    self.end(*turn, stopping::of(turn::State::Paused, None, &now));
                }
                Update::CompactionDropped => self.told.send_modify(|told| told.dropped = watched.seq),
                Update::Gap { .. } => self.catch_up(&now),
                Update::Ended => goes_on = false,
                _ => {}
            }
        }
        self.changed(before, &now).await?;
        // Last: whoever waits for it has been told all that happened.
        self.told.send_modify(|told| {
            told.at = watched.seq;
            told.rests = rests(&now);
        });
        Ok(goes_on)
    }

    /// Tells what is set or called otherwise than before.
    async fn changed(&self, before: &Session, now: &Session) -> Result<(), Error> {
        if before.meta.title != now.meta.title {
            self.line.tell(self.session, updates::title(now)).await?;
        }
        if let Some(plan) = plan::changed(before, now) {
            self.line.tell(self.session, plan).await?;
        }
        for told in updates::troubles(Some(before), now, self.line.offers) {
            self.line.tell(self.session, told).await?;
        }
        if Arc::ptr_eq(&before.settings, &now.settings) {
            return Ok(());
        }
        let (was, is) = (&before.settings, &now.settings);
        if was.mode.value != is.mode.value {
            let mode = CurrentModeUpdate::new(options::id_of(is.mode.value));
            self.line
                .tell(self.session, SessionUpdate::CurrentModeUpdate(mode))
                .await?;
        }
        if was.model.value != is.model.value || was.thinking.value != is.thinking.value {
            let options = options::options(is, &models(self.line.house.as_deref()));
            let options = ConfigOptionUpdate::new(options);
            self.line
                .tell(self.session, SessionUpdate::ConfigOptionUpdate(options))
                .await?;
        }
        Ok(())
    }

    /// What ended or was asked may be among what was missed.
    fn catch_up(&mut self, now: &Session) {
        if let Some(turn) = now.turn.as_ref().filter(|turn| turn.state.is_terminal()) {
            let ending = stopping::of(turn.state, turn.failure.as_ref(), now);
            self.end(turn.id, ending);
        }
        let asked: Vec<_> = self.asked.keys().copied().collect();
        let waiting: Vec<_> = waiting(now).collect();
        for call in asked.iter().filter(|call| !waiting.contains(call)) {
            let _ = self.withdraw(*call);
        }
        for call in waiting.into_iter().filter(|call| !asked.contains(call)) {
            self.ask(call);
        }
    }

    fn end(&self, turn: TurnId, ending: Ending) {
        self.told.send_modify(|told| told.add(turn, ending));
    }

    /// Tells a client that was asked who was faster.
    async fn tell_answered(&self, origin: Option<&Origin>, title: &str) -> Result<(), Error> {
        let who = origin.map(|origin| self.line.hub.who(origin)).unwrap_or_default();
        match self.line.offers.info(title, format!("by {who}")) {
            Some(told) => self.line.tell(self.session, told).await,
            None => Ok(()),
        }
    }

    /// Who only looks on is not asked.
    fn ask(&mut self, id: CallId) {
        if self.attachment.role() != Some(Role::Controller) {
            return;
        }
        let session = self.watch.session();
        let Some(call) = session.call(id) else { return };
        let client = self.line.client.clone();
        let asking = match call.question().cloned() {
            None => {
                let request = permission::request(self.session, session, id, call);
                self.answers.spawn(async move {
                    let answered = client.send_request(request).block_task().await;
                    (id, heard(answered, |answer| permission::answer(&answer)))
                })
            }
            Some(question) if self.line.offers.forms => {
                let request = question::form(self.session, id, &question);
                self.answers.spawn(async move {
                    let answered = client.send_request(request).block_task().await;
                    (id, heard(answered, question::filled))
                })
            }
            Some(question) => {
                let request = question::choice(self.session, session, id, call, &question);
                self.answers.spawn(async move {
                    let Some(request) = request else {
                        return (id, Answer::Cannot);
                    };
                    let answered = client.send_request(request).block_task().await;
                    (id, heard(answered, |answer| question::chosen(&answer, &question)))
                })
            }
        };
        self.asked.insert(id, asking);
    }

    /// Dropping the request tells the client that nobody waits for its answer any more. True where there was one.
    fn withdraw(&mut self, call: CallId) -> bool {
        let asking = self.asked.remove(&call);
        if let Some(asking) = &asking {
            asking.abort();
        }
        asking.is_some()
    }

    async fn answered(&mut self, call: CallId, answer: Answer) -> Result<bool, Error> {
        self.asked.remove(&call);
        let attachment = &self.attachment;
        // The turn may have ended: that is on record, and no failure.
        let done = match answer {
            Answer::Allow => attachment.approve(call).await,
            Answer::AllowEdits => {
                let runtime = self.line.hub.runtime();
                drop(runtime.set(self.session, permission::accept_edits()).await);
                attachment.approve(call).await
            }
            Answer::Said(said) => match attachment.answer(call, said).await {
                // What is no answer is asked for no second time.
                Err(AttachError::Operation(OperationError::Refused(Refusal::Rejected {
                    rejection: Rejection::NoAnswer(_),
                    ..
                }))) => attachment.refuse(call, Some(NOTHING)).await,
                done => done,
            },
            // Somebody else who may answer may have a way to ask.
            Answer::Cannot if attachment.other_controllers() > 0 => return Ok(true),
            Answer::Cannot => attachment.refuse(call, Some(question::CANNOT)).await,
            Answer::Reject => attachment.refuse(call, None).await,
            Answer::Cancelled => attachment.interrupt(true).await,
            // Whoever serves the client looks after what is open then.
            Answer::Gone => return Ok(true),
            Answer::None => attachment.refuse(call, Some(NOTHING)).await,
        };
        if let Err(AttachError::AnsweredAlready { origin, approved, .. }) = done {
            let title = if approved { "Allowed" } else { "Rejected" };
            self.tell_answered(Some(&origin), title).await?;
        }
        Ok(true)
    }
}

/// What a client said to a question, or that it is gone.
fn heard<T>(answered: Result<T, Error>, means: impl FnOnce(T) -> Answer) -> Answer {
    match answered {
        Ok(answer) => means(answer),
        Err(error) if is_incoming_transport_closed(&error) || is_connection_terminated(&error) => {
            Answer::Gone
        }
        Err(_) => Answer::None,
    }
}

/// The calls for which a person has the word.
fn waiting(session: &Session) -> impl Iterator<Item = CallId> {
    session
        .batch()
        .filter(|(_, call)| call.state.awaits_person())
        .map(|(id, _)| id)
}
