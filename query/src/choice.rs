//! What can be picked: the lists behind the arguments of slash commands.

use async_graphql::{Enum, SimpleObject};
use glasswork_ai::model::ModelId;
use glasswork_app_runtime::choices::{self, Known, Of};
use glasswork_app_runtime::pickers;
use glasswork_app_runtime::slash_commands::ArgumentKind;

use crate::error::{Answer, Code, fail};
use crate::host::{CredentialStatus, Host};
use crate::session::View;

/// Most choices that are shown.
const MOST: usize = 2_000;
/// Most characters of what is shown of one.
const SHOWN: usize = 200;

/// What is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ChoiceOf {
    /// A call about which people are asked.
    Call,
    /// A model, those first that can be asked now.
    Model,
    /// How much its model thinks.
    Thinking,
    /// How much may be done without asking.
    Mode,
    /// How much work an answer is worth.
    Effort,
    /// How fast an answer shall come.
    Speed,
    /// A setting.
    Setting,
    /// An entry of the conversation.
    Entry,
    /// An entry of the conversation, or `start`.
    Place,
    /// An entry at which a fork begins.
    ForkPoint,
    /// A slash command.
    Command,
    /// A file of its workspace, without those that `.gitignore` names, as they are now: while it is loaded.
    File,
}

impl From<ChoiceOf> for Of {
    fn from(of: ChoiceOf) -> Self {
        Self::Argument(match of {
            ChoiceOf::Call => ArgumentKind::Call,
            ChoiceOf::Model => ArgumentKind::Model,
            ChoiceOf::Thinking => ArgumentKind::Thinking,
            ChoiceOf::Mode => ArgumentKind::Mode,
            ChoiceOf::Effort => ArgumentKind::Effort,
            ChoiceOf::Speed => ArgumentKind::Speed,
            ChoiceOf::Setting => ArgumentKind::Setting,
            ChoiceOf::Entry => ArgumentKind::Entry,
            ChoiceOf::Place => ArgumentKind::Place,
            ChoiceOf::ForkPoint => ArgumentKind::ForkPoint,
            ChoiceOf::Command => ArgumentKind::Command,
            ChoiceOf::File => return Self::File,
        })
    }
}

/// Something that can be picked.
#[derive(Debug, SimpleObject)]
pub(crate) struct Choice {
    /// What would be typed: the argument, or the path of a file.
    value: String,
    /// What is shown of it, on one line.
    text: String,
    /// What is shown beside that.
    detail: String,
    /// Whether it is what holds now.
    current: bool,
}

/// What can be picked.
#[derive(Debug, SimpleObject)]
pub(crate) struct Choices {
    /// Those that fit, the best first.
    items: Vec<Choice>,
    /// Whether there are more: more has to be typed to find them.
    more: bool,
}

impl Choices {
    pub(crate) fn of(view: &View, of: ChoiceOf, typed: &str) -> Answer<Self> {
        if of == ChoiceOf::File && !view.mounted {
            let text = "the files of a session can be picked while it is open in this host";
            return Err(fail(Code::NotOpen, text));
        }
        let host = Host::of(&view.op);
        let usable = |model: &ModelId| {
            let credential = host.as_ref().and_then(|host| host.credential(&model.provider));
            matches!(
                credential,
                Some(CredentialStatus::Present | CredentialStatus::NotNeeded)
            )
        };
        let known = Known {
            catalogue: &view.op.catalogue,
            usable: &usable,
        };
        let fitting = pickers::ranked(choices::of(of.into(), &view.session, &known), typed);
        let more = fitting.len() > MOST;
        let choice = |item: pickers::Item<String>| {
            Ok(Choice {
                value: view.op.text(item.value)?,
                text: view.op.text(shown(&item.text))?,
                detail: view.op.text(shown(&item.detail))?,
                current: item.current,
            })
        };
        let items = fitting.into_iter().take(MOST).map(choice);
        Ok(Self {
            items: items.collect::<Answer<_>>()?,
            more,
        })
    }
}

/// The beginning of a text, on one line.
fn shown(text: &str) -> String {
    let line = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    line.take(SHOWN).collect()
}
