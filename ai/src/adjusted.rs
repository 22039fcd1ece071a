//! What was asked of a request and is sent otherwise, or not at all: as data, so that it can be shown before anything is
//! sent, and long after.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One thing that was asked for and is sent otherwise, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjusted {
    /// What.
    pub control: Control,
    /// What was asked for, in the words of the settings.
    pub asked: Arc<str>,
    /// What is sent; `None` where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Arc<str>>,
    /// Why.
    pub why: Why,
}

/// What can be asked of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Control {
    /// How much the model shall think.
    Thinking,
    /// How freely the next token is chosen.
    Temperature,
    /// Among which tokens it is chosen.
    TopP,
    /// Texts at which the answer ends.
    Stop,
    /// How much work the answer is worth.
    Effort,
    /// How fast it shall come.
    Speed,
    /// What the server is asked to keep.
    Cache,
}

/// Why something is not sent as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The model, or its server, does not take it.
    NotTaken,
    /// The model takes it only where it does not think.
    Thinks,
    /// The model takes less.
    TooMuch,
    /// The server takes so many.
    TooMany {
        /// How many.
        most: u8,
    },
    /// The server takes no blank ones.
    Blank,
    /// The model does not take it together with a temperature.
    HasTemperature,
    /// With this provider that is the thinking, of which something else was said.
    IsThinking,
    /// With this provider that is the thinking, of which nothing else was said.
    AsThinking,
    /// The server decides by itself what it keeps, and how long.
    ServerKeeps,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTaken => "the model or its server does not take it",
            Self::Thinks => "the model takes it only where it does not think",
            Self::TooMuch => "the model does not take so much",
            Self::TooMany { most } => return write!(f, "the server takes at most {most}"),
            Self::Blank => "the server takes no blank ones",
            Self::HasTemperature => "the model does not take it together with a temperature",
            Self::IsThinking => "with this provider effort is thinking, and `thinking` is set",
            Self::AsThinking => "with this provider effort is thinking",
            Self::ServerKeeps => "the server decides by itself what it keeps, and how long",
        })
    }
}

impl fmt::Display for Adjusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control: &str = self.control.into();
        match &self.sent {
            Some(sent) => write!(f, "{control} {} is sent as {sent}: {}", self.asked, self.why),
            None => write!(f, "{control} {} is not sent: {}", self.asked, self.why),
        }
    }
}
