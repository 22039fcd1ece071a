//! A server as the session knows it.

use std::fmt;
use std::sync::Arc;

use glasswork_agent_core::mcp_server::State;
use glasswork_ai::model::ToolSpec;
use glasswork_engine::{Deadline, EffectKey, Timestamp};
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::settings::Source;

/// How often a server that ended by itself is started again before someone opens the session anew.
pub const MOST_STARTS: u32 = 4;

/// The servers of a session, by name.
pub type Servers = OrdMap<Arc<str>, Arc<Server>>;

/// A server that a session has. The values of its environment are secrets: whoever starts it knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it is called.
    pub name: Arc<str>,
    /// The program.
    pub command: Arc<str>,
    /// Its arguments; what looks like a secret is masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Arc<str>>,
    /// The names of the variables that it gets besides those that every server gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Arc<str>>,
    /// Where it was named.
    pub from: Source,
}

/// A server of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// What is started.
    pub offer: Offer,
    /// Where its chart stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How often it was started since the session was opened.
    #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
    pub starts: u32,
    /// The effect that started it last: names its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<EffectKey>,
    /// By when it must have said which tools it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// What it said of itself last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduction: Option<Arc<Introduction>>,
    /// The tools that it has.
    #[serde(default, skip_serializing_if = "Tools::is_empty")]
    pub tools: Arc<Tools>,
    /// Why it failed or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl Server {
    /// One that was never started.
    #[must_use]
    pub fn new(offer: Offer, at: Timestamp) -> Self {
        Self {
            offer,
            state: State::Stopped,
            since: at,
            starts: 0,
            launch: None,
            deadline: None,
            introduction: None,
            tools: Arc::default(),
            problem: None,
        }
    }

    /// Whether the model is told of its tools. Those of one that is only down for now are: it is started before the next
    /// request, and what is told every time alike is not read every time anew.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        match self.state {
            State::Stopped | State::Starting | State::Ready => true,
            State::Failed | State::Lost => false,
        }
    }

    /// Whether it shall be started before the next turn. One that could not be started is not tried each time.
    #[must_use]
    pub fn wants_start(&self) -> bool {
        match self.state {
            State::Stopped => true,
            State::Lost => self.starts < MOST_STARTS,
            State::Starting | State::Ready | State::Failed => false,
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The version of the protocol that is spoken with it.
    pub protocol: Arc<str>,
    /// The program's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// The tools that a server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tools {
    /// The dispatch that told of them.
    pub by: u64,
    /// Those that the model is told of, in the server's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Those that it is not told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

impl Tools {
    fn is_empty(tools: &Arc<Self>) -> bool {
        **tools == Self::default()
    }
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name at the server.
    pub name: Arc<str>,
    /// As the model is told of it.
    pub spec: ToolSpec,
    /// BLAKE3 of its description and schema, in hexadecimal: another one is another tool.
    pub digest: Arc<str>,
}

/// A tool of which the model is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name at the server, cut where it is long.
    pub name: Arc<str>,
    /// Why.
    pub why: Why,
}

/// Why a model is not told of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its name is empty, or longer than is taken.
    BadName,
    /// Its description and schema are longer than is taken.
    TooLong {
        /// How long they are, in bytes.
        bytes: u64,
    },
    /// Its schema is none of an object.
    BadSchema,
    /// Another tool is called like this one.
    SameName {
        /// The name.
        called: Arc<str>,
    },
    /// There are too many tools, or they are too long together.
    TooMany,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => f.write_str("its name is empty or too long"),
            Self::TooLong { bytes } => write!(f, "its description and schema have {bytes} bytes"),
            Self::BadSchema => f.write_str("its arguments are not those of an object"),
            Self::SameName { called } => write!(f, "another tool is called `{called}` too"),
            Self::TooMany => f.write_str("the tools before it fill all the room that there is"),
        }
    }
}

/// Why a server failed or ended. Texts are what the server or the system said, masked and cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Its program could not be started.
    NoProcess {
        /// What the system said.
        message: Arc<str>,
    },
    /// This process was not told its environment, or nothing of it at all.
    NotTold,
    /// It ended.
    Ended {
        /// With this code, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u8>,
        /// The last that it said on its standard error.
        #[serde(default, skip_serializing_if = "str_is_empty")]
        said: Arc<str>,
    },
    /// It did not say in time which tools it has.
    Silent {
        /// How long it had, in milliseconds.
        after_ms: u64,
    },
    /// It said what the protocol does not allow.
    Protocol {
        /// What was wrong.
        message: Arc<str>,
    },
    /// It said more than is listened to.
    Flooded {
        /// How much, in bytes.
        bytes: u64,
    },
    /// Whoever works with it is gone.
    Abandoned {
        /// What is known.
        message: Arc<str>,
    },
}

fn str_is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProcess { message } => write!(f, "it cannot be started: {message}"),
            Self::NotTold => {
                f.write_str("its environment is not known to this process; open the session with it again")
            }
            Self::Ended { code, said } => {
                match code {
                    Some(code) => write!(f, "it ended with code {code}")?,
                    None => f.write_str("it ended")?,
                }
                match said.trim().lines().next_back() {
                    Some(last) => write!(f, ", and said last: {last}"),
                    None => Ok(()),
                }
            }
            Self::Silent { after_ms } => write!(f, "it did not say within {after_ms} ms which tools it has"),
            Self::Protocol { message } => write!(f, "it does not speak as an MCP server does: {message}"),
            Self::Flooded { bytes } => {
                write!(f, "it said more than {bytes} bytes at once, and was ended")
            }
            Self::Abandoned { message } => write!(f, "it is not known what became of it: {message}"),
        }
    }
}
