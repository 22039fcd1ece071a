//! What a session asks people, and what they should know.

use std::sync::Arc;

use async_graphql::{Enum, Object, SimpleObject};
use glasswork_app_runtime::projection::dialogs::{self, Asks};
use glasswork_app_runtime::projection::notifications;

use crate::call::Call;
use crate::error::Answer;
use crate::question::Question;
use crate::scalar::Time;
use crate::session::View;

/// What a session can ask people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum DialogKind {
    /// Whether a call may run.
    Permission,
    /// What the model wants to know.
    Question,
    /// Whether a turn that rests shall go on.
    Resume,
}

/// An answer to a dialog.
#[derive(Debug, SimpleObject)]
pub(crate) struct DialogAnswer {
    /// What a button says.
    label: String,
    /// The slash command that gives this answer.
    command: String,
}

/// Something that a session asks people. It is there as long as it waits for an answer.
pub(crate) struct Dialog {
    view: Arc<View>,
    dialog: dialogs::Dialog,
}

impl Dialog {
    pub(crate) fn all(view: &Arc<View>) -> Vec<Self> {
        let dialogs = dialogs::of(&view.session).into_iter();
        dialogs
            .map(|dialog| Self {
                view: Arc::clone(view),
                dialog,
            })
            .collect()
    }
}

/// Something that a session asks people. It is there as long as it waits for an answer.
#[Object]
impl Dialog {
    /// Its name: stays the same while it is open, and is never used again in this session.
    async fn id(&self) -> &str {
        &self.dialog.id
    }

    /// What is asked.
    async fn kind(&self) -> DialogKind {
        match &self.dialog.asks {
            Asks::Permission { .. } => DialogKind::Permission,
            Asks::Question { .. } => DialogKind::Question,
            Asks::Resume { .. } => DialogKind::Resume,
        }
    }

    /// Since when it is open.
    async fn since(&self) -> Time {
        Time(self.dialog.since)
    }

    /// When it is closed by itself, if the machine does not sleep: then the answer is no. Null where it stays open.
    async fn due(&self) -> Option<Time> {
        self.dialog.due.map(Time)
    }

    /// The call that may run or not, or asks, with its arguments and what the policy said; null where it is about none.
    async fn call(&self) -> Answer<Option<Call>> {
        match &self.dialog.asks {
            Asks::Permission { call, .. } | Asks::Question { call, .. } => {
                Call::find(&self.view, *call).map(Some)
            }
            Asks::Resume { .. } => Ok(None),
        }
    }

    /// What the model wants to know; null where it is about something else.
    async fn question(&self) -> Answer<Option<Question>> {
        match &self.dialog.asks {
            Asks::Question { question, .. } => Question::of(&self.view.op, question).map(Some),
            Asks::Permission { .. } | Asks::Resume { .. } => Ok(None),
        }
    }

    /// Why people are asked for permission, in words; null where it is about something else.
    async fn reason(&self) -> Answer<Option<String>> {
        match &self.dialog.asks {
            Asks::Permission { judgement_text, .. } => judgement_text
                .as_deref()
                .map(|text| self.view.op.text(text))
                .transpose(),
            Asks::Question { .. } | Asks::Resume { .. } => Ok(None),
        }
    }

    /// The answers that there are. To a question, `/answer CALL WORDS` is one too.
    #[graphql(complexity = "2 * child_complexity")]
    async fn answers(&self) -> Vec<DialogAnswer> {
        let answers = self.dialog.answers.iter();
        answers
            .map(|answer| DialogAnswer {
                label: answer.label.to_string(),
                command: answer.command.clone(),
            })
            .collect()
    }
}

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "notifications::Level")]
pub(crate) enum NotificationLevel {
    /// Something is lost, or does not go on.
    Error,
    /// Something is not as it was asked for.
    Warning,
    /// Something happened.
    Info,
}

/// Something that people should know without having asked. It is there as long as it holds.
#[derive(Debug, SimpleObject)]
pub(crate) struct Notification {
    /// Its name: stays the same as long as it holds, so that a client remembers what was dismissed.
    id: String,
    /// How much it matters.
    level: NotificationLevel,
    /// What it tells of: `turn_failed`, `unknown_outcome`, `fell_back`, `went_in_circles`, `compaction_held_back`,
    /// `secrets_masked`, `steering_returned`, `journal_failed`, `unsound`.
    kind: &'static str,
    /// The same in words, with what can be done.
    text: String,
}

impl Notification {
    pub(crate) fn all(view: &View) -> Answer<Vec<Self>> {
        let notifications = notifications::of_scope(&view.scope).into_iter();
        notifications
            .map(|notification| {
                Ok(Self {
                    level: notification.level.into(),
                    kind: (&notification.about).into(),
                    text: view.op.text(notification.text)?,
                    id: notification.id,
                })
            })
            .collect()
    }
}
