//! What can be picked where a slash command wants an argument, or a prompt a file: the same list for every client, as the
//! words that would be typed.

use std::path::Path;

use glasswork_ai::abilities::ThinkingSupport;
use glasswork_ai::catalogue::Catalogue;
use glasswork_ai::controls::{Effort, Speed};
use glasswork_ai::model::ModelId;
use glasswork_session_state::settings::{Mode, Setting};
use glasswork_session_state::state::Session;
use strum::VariantArray as _;

use crate::model_list::Listed;
use crate::pickers::{self, Item};
use crate::projection::dialogs::{self, Asks};
use crate::projection::tree;
use crate::settings;
use crate::slash_commands::ArgumentKind;

/// What is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// What a command wants.
    Argument(ArgumentKind),
    /// A file of the workspace, for a prompt to name.
    File,
}

/// What choices are made of, besides the session.
pub struct Known<'a> {
    /// What is known of models.
    pub catalogue: &'a Catalogue,
    /// Whether a model can be asked now.
    pub usable: &'a dyn Fn(&ModelId) -> bool,
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

/// What can be picked in a session. Nothing where only a person knows what to say. Looks at the disk for files, and only
/// for them.
#[must_use]
pub fn of(what: Of, session: &Session, known: &Known<'_>) -> Vec<Item<String>> {
    let kind = match what {
        Of::Argument(kind) => kind,
        Of::File => return pickers::files(Path::new(&*session.meta.workspace)),
    };
    let set = &session.settings;
    match kind {
        ArgumentKind::Words => Vec::new(),
        ArgumentKind::Call => calls(session),
        ArgumentKind::Model => named(pickers::models(models(known), set.model.value.as_ref())),
        ArgumentKind::Thinking => {
            let asked = set.model.value.as_ref();
            let model = asked.and_then(|model| known.catalogue.get(model));
            let support = model.map_or(ThinkingSupport::Unknown, |model| model.abilities.thinking);
            named(pickers::thinking(&support, set.thinking.value))
        }
        ArgumentKind::Mode => words(Mode::VARIANTS, Some(set.mode.value)),
        ArgumentKind::Effort => words(Effort::VARIANTS, set.effort.value),
        ArgumentKind::Speed => words(Speed::VARIANTS, set.speed.value),
        ArgumentKind::Setting => all_settings(session),
        ArgumentKind::Entry | ArgumentKind::ForkPoint => entries(session),
        ArgumentKind::Place => {
            let start = Item {
                value: "start".to_owned(),
                text: "start".to_owned(),
                detail: "before anything was said".to_owned(),
                current: session.tree.leaf().is_none(),
            };
            std::iter::once(start).chain(entries(session)).collect()
        }
        ArgumentKind::Command => {
            let commands = pickers::commands().into_iter();
            commands
                .map(|item| item.map(|command| command.name.to_owned()))
                .collect()
        }
    }
}

/// What is typed is what is shown.
fn named<T>(items: Vec<Item<T>>) -> Vec<Item<String>> {
    let named = |item: Item<T>| {
        let text = item.text.clone();
        item.map(|_| text)
    };
    items.into_iter().map(named).collect()
}

fn words<T: Copy + PartialEq + Into<&'static str>>(all: &[T], current: Option<T>) -> Vec<Item<String>> {
    let item = |word: &T| {
        let name: &'static str = (*word).into();
        Item {
            value: name.to_owned(),
            text: name.to_owned(),
            detail: String::new(),
            current: current == Some(*word),
        }
    };
    all.iter().map(item).collect()
}

fn models(known: &Known<'_>) -> Vec<Listed> {
    let ids = known.catalogue.ids().into_iter();
    let mut listed: Vec<Listed> = ids
        .filter_map(|id| {
            Some(Listed {
                usable: (known.usable)(&id),
                model: known.catalogue.get(&id)?,
            })
        })
        .collect();
    // Those first that can be asked.
    listed.sort_by_key(|listed| !listed.usable);
    listed
}

fn calls(session: &Session) -> Vec<Item<String>> {
    let dialogs = dialogs::of(session).into_iter();
    let calls = dialogs.filter_map(|dialog| match dialog.asks {
        Asks::Permission {
            call,
            tool,
            arguments,
            judgement_text,
            ..
        } => Some(Item {
            value: call.to_string(),
            text: format!("{tool} {arguments}"),
            detail: judgement_text.unwrap_or_default(),
            current: false,
        }),
        Asks::Question { call, question } => Some(Item {
            value: call.to_string(),
            text: question.question.to_string(),
            detail: String::new(),
            current: false,
        }),
        Asks::Resume { .. } => None,
    });
    calls.collect()
}

fn entries(session: &Session) -> Vec<Item<String>> {
    let entries = pickers::entries(&tree::of(session)).into_iter();
    entries.map(|item| item.map(|entry| entry.to_string())).collect()
}

/// The settings of a session, with what each is.
fn all_settings(session: &Session) -> Vec<Item<String>> {
    let item = |setting: &Setting| Item {
        value: setting.name().to_owned(),
        text: setting.name().to_owned(),
        detail: settings::value_text(setting).unwrap_or_else(|| "none".to_owned()),
        current: false,
    };
    session.settings.all().iter().map(item).collect()
}
