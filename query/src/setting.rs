//! What is set, and where each value comes from.

use async_graphql::{Enum, SimpleObject};
use glasswork_app_runtime::settings::value_text;
use glasswork_session_state::settings;

/// Layers of settings. What comes later here overrides what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "settings::Layer")]
pub(crate) enum Layer {
    /// Built in.
    Default,
    /// The user's settings.
    User,
    /// The project's settings.
    Project,
    /// An environment variable.
    Environment,
    /// A flag of the command line.
    Flag,
    /// A client named it as it opened the session.
    Client,
    /// Changed while the session was open.
    Session,
}

/// How much may be done without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "settings::Mode")]
pub(crate) enum Mode {
    /// Look, do not touch.
    Plan,
    /// Ask before anything is changed.
    Ask,
    /// Change files, ask before commands.
    AcceptEdits,
    /// Like `ACCEPT_EDITS` until there is a sandbox for commands.
    Auto,
    /// Never ask.
    Yolo,
}

/// Where a value comes from.
#[derive(Debug, SimpleObject)]
pub(crate) struct Source {
    /// The layer.
    layer: Layer,
    /// The file, where there is one.
    file: Option<String>,
    /// The line in it, from 1.
    line: Option<u32>,
}

impl From<&settings::Source> for Source {
    fn from(source: &settings::Source) -> Self {
        Self {
            layer: source.layer.into(),
            file: source.file.as_deref().map(str::to_owned),
            line: source.line,
        }
    }
}

/// One setting of a session.
#[derive(Debug, SimpleObject)]
pub(crate) struct Setting {
    /// Its name, as settings files have it.
    pub(crate) name: &'static str,
    /// Its value as text; null where there is none. Durations are in milliseconds.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    source: Source,
}

impl From<&settings::Setting> for Setting {
    fn from(setting: &settings::Setting) -> Self {
        Self {
            name: setting.name(),
            value: value_text(setting),
            source: setting.from().into(),
        }
    }
}
