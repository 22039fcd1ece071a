//! Opening, closing, naming and setting.

use std::sync::Arc;

use glasswork_agent_core::context::SystemPart;
use glasswork_agent_core::session::State;
use glasswork_ai::model::ToolSpec;
use serde::{Deserialize, Serialize};

use crate::settings::{Setting, Settings};

/// What people do with a session as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is opened: for the first time, or again with what is set now.
    Opened {
        /// The directory in which it works. Of a session that is opened again the old one stays.
        workspace: Arc<str>,
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<Arc<str>>,
        /// What is set, each value resolved over all layers.
        settings: Box<Settings>,
        /// The system prompt.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        system: Vec<SystemPart>,
        /// The tools that the model may call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<ToolSpec>,
    },
    /// It gets a title.
    Retitled {
        /// The title.
        title: Arc<str>,
    },
    /// A setting is changed.
    SettingChanged(Setting),
    /// It is closed; an open turn is cancelled.
    Closed,
}

/// What was decided of a session as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It works in this directory.
    Placed {
        /// The directory.
        workspace: Arc<str>,
    },
    /// It has this title.
    Titled {
        /// The title.
        title: Arc<str>,
    },
    /// A setting has this value.
    Set(Setting),
    /// The system prompt is this.
    SystemSet {
        /// Its parts.
        parts: Vec<SystemPart>,
    },
    /// The model may call these tools.
    ToolsSet {
        /// The tools.
        tools: Vec<ToolSpec>,
    },
    /// Its chart moved.
    Moved {
        /// The key of the row.
        row: Arc<str>,
        /// Where it leads.
        to: State,
    },
}
