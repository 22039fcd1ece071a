//! The script as data, and how it is read.

use std::sync::Arc;

use serde::Deserialize;

use super::arguments::Arguments;
use crate::failure::FailureClass;
use crate::stream::{StopReason, Usage};

/// Most bytes of a script.
const LIMIT: usize = 4 << 20;

/// What a scripted model answers. The [module](crate::scripted) has the format.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Characters in one delta.
    #[serde(default = "default_chunk")]
    pub chunk: u32,
    /// Pause before each delta, in milliseconds.
    #[serde(default)]
    pub pace_ms: u32,
    /// The n-th answers the n-th request of a conversation.
    pub turns: Vec<Turn>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What the first attempts get instead, in order.
    #[serde(default)]
    pub first: Vec<Before>,
    /// What the model must have been told last for the turn to be played at all.
    #[serde(default)]
    pub expect: Option<Arc<str>>,
    /// What it must have been told last for `say`; without it, `otherwise` is played.
    #[serde(default)]
    pub when: Option<Arc<str>>,
    /// What it answers.
    pub say: Arc<[Step]>,
    /// What it answers where `when` does not hold.
    #[serde(default)]
    pub otherwise: Arc<[Step]>,
    /// The tokens that it reports; counted as characters / 4 where absent.
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// What some attempts get before the turn itself is played.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// How many attempts.
    #[serde(default = "once")]
    pub times: u32,
    /// What they get.
    pub say: Arc<[Step]>,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// An answer.
    Text(Arc<str>),
    /// Thinking.
    Thinking(Arc<str>),
    /// A tool call: tool and arguments.
    Call(Arc<str>, Arguments),
    /// A tool call: tool and the text of the arguments.
    CallJson(Arc<str>, Arc<str>),
    /// A block whose last character never arrives.
    Partial(Said),
    /// Nothing, for so many milliseconds.
    Wait(u32),
    /// The server takes the request.
    Connected,
    /// The answer ends.
    Stop(StopReason),
    /// The connection breaks.
    Cut,
    /// Nothing more.
    Stall,
    /// The request fails.
    Fail {
        /// How.
        class: FailureClass,
        /// In words.
        #[serde(default)]
        message: Option<Arc<str>>,
        /// The HTTP status.
        #[serde(default)]
        status: Option<u16>,
        /// How long the server asks to wait, in milliseconds.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
}

/// What can be said in part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// An answer.
    Text(Arc<str>),
    /// Thinking.
    Thinking(Arc<str>),
    /// A tool call: tool and arguments.
    Call(Arc<str>, Arguments),
    /// A tool call: tool and the text of the arguments.
    CallJson(Arc<str>, Arc<str>),
}

/// Why a script cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is not what the format wants.
    #[error("line {line}, column {column}: {message}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It is too long.
    #[error("the script has {0} bytes; at most {LIMIT} are read")]
    TooLong(usize),
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Where it is malformed, and how.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        if text.len() > LIMIT {
            return Err(ScriptError::TooLong(text.len()));
        }
        ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(text)
            .map_err(|error| ScriptError::Malformed {
                line: error.span.start.line,
                column: error.span.start.col,
                message: error.code.to_string(),
            })
    }

    /// A script of these turns, with the default chunks and no pauses.
    #[must_use]
    pub fn of(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self {
            chunk: default_chunk(),
            pace_ms: 0,
            turns: turns.into_iter().collect(),
        }
    }
}

impl Turn {
    /// A turn that says this.
    #[must_use]
    pub fn says(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            say: steps.into_iter().collect(),
            ..Self::default()
        }
    }
}

fn default_chunk() -> u32 {
    24
}

fn once() -> u32 {
    1
}
