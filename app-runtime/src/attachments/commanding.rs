//! What the slash commands do in the session to which a client is attached.

use std::borrow::Cow;
use std::sync::Arc;

use glasswork_agent_core::question::Said;
use glasswork_ai::catalogue::{Choice, SelectError};
use glasswork_engine::{Accepted, DispatchId, ScopeId};
use glasswork_session_state::host::Credential;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::{Scope, Session};
use glasswork_session_state::{Event, Glasswork, Reply, compaction, prompt, session, tree};
use serde::Serialize;

use super::{AttachError, Attachment};
use crate::model_list;
use crate::models::Provider;
use crate::projection::{activity, context, footer, status};
use crate::reading::Viewer;
use crate::slash_commands::{self, Operation};

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Performed {
    /// It is committed.
    Committed {
        /// The last commit that it took.
        #[serde(skip)]
        by: DispatchId,
    },
    /// The conversation goes on before a prompt that said this.
    TakenBack {
        /// The commit.
        #[serde(skip)]
        by: DispatchId,
        /// The words, to be said in other words.
        text: Arc<str>,
    },
    /// There is a new session.
    Forked {
        /// The session.
        session: ScopeId,
    },
    /// This is what was asked.
    Told {
        /// For people.
        text: String,
    },
    /// The client wants to leave, and whoever carries its words ends the attachment.
    Left,
}

impl Performed {
    /// What a person who gave the command is told; `None` where nothing is to be said.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Committed { .. } | Self::Left => None,
            Self::TakenBack { text, .. } => Some(format!("taken back: {text}\n")),
            Self::Forked { session } => Some(format!("{session} goes on from there\n")),
            Self::Told { text } => Some(text.clone()),
        }
    }

    fn of(accepted: Accepted<Glasswork>) -> Self {
        let by = accepted.id;
        match accepted.reply {
            Reply::TakenBack { text } => Self::TakenBack { by, text },
            Reply::Done | Reply::Began(_) | Reply::Queued(_) | Reply::Stopping { .. } => {
                Self::Committed { by }
            }
        }
    }
}

impl Attachment {
    /// Does what a command asks for. Where that begins a turn and too many run, it waits, and `told` hears its place.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn perform(
        &self,
        operation: Operation,
        key: Option<&str>,
        told: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Performed, AttachError> {
        let own_key = || key.map(Into::into);
        let done = match operation {
            Operation::Steer { text } => self.steer(&text, key).await?,
            Operation::FollowUp { text } => {
                let event = prompt::Event::FollowedUp { text, key: own_key() };
                self.begin(Event::Prompt(event), told).await?
            }
            Operation::Resume => self.begin(Event::Prompt(prompt::Event::Resumed), told).await?,
            Operation::Approve { call } => self.approve(call).await?,
            Operation::Answer { call, line } => self.answer(call, Said::Line(line)).await?,
            Operation::Refuse { call, reason } => self.refuse(call, reason.as_deref()).await?,
            Operation::Interrupt => self.interrupt(false).await?,
            Operation::Cancel => self.interrupt(true).await?,
            Operation::Pause => self.ask(Event::Prompt(prompt::Event::Paused)).await?,
            Operation::SetModel { wanted } => self.set_model(&wanted).await?,
            Operation::Set(setting) => self.set(*setting).await?,
            Operation::Compact { focus } => {
                self.may_act()?;
                self.hub.runtime.tell_spending(self.session).await?;
                let key = own_key();
                self.ask(Event::Compaction(compaction::Event::Requested { focus, key }))
                    .await?
            }
            Operation::UndoCompaction => {
                let key = own_key();
                self.ask(Event::Compaction(compaction::Event::Undone { key }))
                    .await?
            }
            Operation::Rename { title } => {
                self.ask(Event::Session(session::Event::Retitled { title }))
                    .await?
            }
            Operation::Fork { at } => {
                self.may_act()?;
                let runtime = &self.hub.runtime;
                let session = runtime.fork_as(&self.handle, self.session, at).await?;
                return Ok(Performed::Forked { session });
            }
            Operation::MoveLeaf { to } => {
                let key = own_key();
                self.ask(Event::Tree(tree::Event::LeafMoved { to, key })).await?
            }
            Operation::LeaveBranch { to, focus } => {
                self.may_act()?;
                self.hub.runtime.tell_spending(self.session).await?;
                let key = own_key();
                self.ask(Event::Tree(tree::Event::BranchLeft { to, focus, key }))
                    .await?
            }
            Operation::TakeBack { entry } => {
                let key = own_key();
                self.ask(Event::Tree(tree::Event::TakenBack { entry, key }))
                    .await?
            }
            Operation::Label { entry, label } => {
                self.ask(Event::Tree(tree::Event::Labelled { entry, label }))
                    .await?
            }
            Operation::PinEntry { entry, pinned } => {
                self.ask(Event::Tree(tree::Event::Pinned { entry, pinned }))
                    .await?
            }
            Operation::Status => return self.tell(|attachment, session| attachment.status(session)),
            Operation::Context => return self.tell(|_, session| context::of(session).text()),
            Operation::Help { of } => {
                let text = slash_commands::help(of);
                return Ok(Performed::Told { text });
            }
            Operation::Detach => return Ok(Performed::Left),
        };
        Ok(Performed::of(done))
    }

    fn now(&self) -> Result<Arc<Session>, AttachError> {
        let session = self.hub.runtime.mounted(self.session);
        session.ok_or(AttachError::NotAttached)
    }

    fn tell(&self, text: impl FnOnce(&Self, &Session) -> String) -> Result<Performed, AttachError> {
        let text = text(self, &*self.now()?);
        Ok(Performed::Told { text })
    }

    fn status(&self, session: &Session) -> String {
        let footer = footer::of(session);
        let mut lines = vec![footer.path_line(None), footer.stats_line()];
        for awaited in status::of(session).waiting {
            lines.push(format!("it {}", awaited.text));
        }
        let snapshot = self.hub.runtime.reader().snapshot(Viewer::owner());
        for active in activity::of_others(&snapshot, Some(self.session)) {
            let doing: &str = active.doing.into();
            let title = active.title.as_deref().unwrap_or_default();
            lines.push(
                format!("{doing}: {} {title}", active.session)
                    .trim_end()
                    .to_owned(),
            );
        }
        lines.join("\n") + "\n"
    }

    async fn set(&self, setting: Setting) -> Result<Accepted<Glasswork>, AttachError> {
        self.may_act()?;
        let runtime = &self.hub.runtime;
        Ok(runtime.set_as(&self.handle, self.session, setting).await?)
    }

    async fn set_model(&self, wanted: &str) -> Result<Accepted<Glasswork>, AttachError> {
        self.may_act()?;
        let Choice { model, thinking } = self.chosen(wanted)?;
        let model = Sourced::from_layer(Some(model), Layer::Session);
        let done = self.set(Setting::Model(model)).await?;
        match thinking {
            Some(thinking) => {
                let thinking = Sourced::from_layer(thinking, Layer::Session);
                self.set(Setting::Thinking(thinking)).await
            }
            None => Ok(done),
        }
    }

    /// The model that a text means, among those that this host can ask.
    fn chosen(&self, wanted: &str) -> Result<Choice, SelectError> {
        let runtime = &self.hub.runtime;
        let host = runtime.live().scope(runtime.host());
        let known = match host.as_deref().map(|scope| &scope.state) {
            Some(Scope::Host(host)) => host.providers.clone(),
            _ => Default::default(),
        };
        let providers: Vec<Provider> = known
            .iter()
            .map(|(name, credential)| Provider {
                name: Cow::Owned(name.to_string()),
                key_variable: None,
                has_key: !matches!(credential, Credential::Missing { .. }),
                key_from: None,
                way: String::new(),
                default_model: None,
            })
            .collect();
        let catalogue = runtime.catalogue.get().cloned().unwrap_or_default();
        model_list::chosen(wanted, &catalogue, &providers)
    }
}
