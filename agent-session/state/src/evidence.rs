//! What a tool call would touch, as found out before it is judged. Gathered outside the writer; here it is data.

use std::sync::Arc;

use glasswork_agent_core::question::Question;
use serde::{Deserialize, Serialize};

/// What is known of a tool call before it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It reads or writes below a path.
    File(FileEvidence),
    /// It runs a command.
    Command(CommandEvidence),
    /// It only looks at this session itself (the tool `graph`).
    Session,
    /// It only writes the agent's plan.
    Plan,
    /// It asks a person this, and touches nothing.
    Question(Arc<Question>),
    /// It has an MCP server do something.
    Server(ServerEvidence),
    /// It cannot run: there is no such tool, or its arguments are not JSON or do not fit.
    Misfit {
        /// What is wrong and what would be right; the model is told this.
        message: Arc<str>,
    },
}

/// A path as asked for and as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEvidence {
    /// Whether it would be read or written.
    pub access: FileAccess,
    /// The path as the model wrote it.
    pub requested: Arc<str>,
    /// The path with every symbolic link followed; of a file that does not exist the directory's, and its name.
    /// This one is judged, and this one is opened.
    pub resolved: Arc<str>,
    /// Whether the resolved path lies in the workspace.
    pub inside_workspace: bool,
    /// What is there.
    pub kind: FileKind,
    /// BLAKE3 of the content in hexadecimal, where it was small enough to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Arc<str>>,
}

/// What a file tool does with its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileAccess {
    /// It reads or lists.
    Read,
    /// It creates, replaces or changes.
    Write,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, socket or device.
    Special,
}

/// A command as it would be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEvidence {
    /// The command's text.
    pub command: Arc<str>,
    /// The directory in which it would run.
    pub directory: Arc<str>,
    /// How long the call lets it run, in milliseconds; `None` where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// A tool of an MCP server, as it would be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEvidence {
    /// The server.
    pub server: Arc<str>,
    /// The tool's name there.
    pub tool: Arc<str>,
    /// The digest of its description and schema.
    pub digest: Arc<str>,
}

impl Evidence {
    /// What the call does, as far as the policy tells calls apart; `None` for one that cannot run.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        match self {
            Self::File(file) => Some(match (file.access, file.inside_workspace) {
                (FileAccess::Read, true) => Access::Read,
                (FileAccess::Read, false) => Access::ReadOutside,
                (FileAccess::Write, true) => Access::Write,
                (FileAccess::Write, false) => Access::WriteOutside,
            }),
            Self::Command(_) => Some(Access::Execute),
            Self::Session => Some(Access::Inspect),
            Self::Plan => Some(Access::Plan),
            Self::Question(_) => Some(Access::Question),
            Self::Server(_) => Some(Access::AskServer),
            Self::Misfit { .. } => None,
        }
    }

    /// The resolved path, of a call that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Arc<str>> {
        match self {
            Self::File(file) => Some(&file.resolved),
            Self::Command(_)
            | Self::Session
            | Self::Plan
            | Self::Question(_)
            | Self::Server(_)
            | Self::Misfit { .. } => None,
        }
    }
}

/// What a call does, as far as the policy tells calls apart.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::VariantArray, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Access {
    /// Reads in the workspace.
    Read,
    /// Reads outside the workspace.
    ReadOutside,
    /// Looks at this session.
    Inspect,
    /// Writes the agent's plan, and touches nothing else.
    Plan,
    /// Asks a person something, and touches nothing.
    Question,
    /// Writes in the workspace.
    Write,
    /// Writes outside the workspace.
    WriteOutside,
    /// Runs a command.
    Execute,
    /// Has an MCP server do something; nobody knows what.
    AskServer,
}

impl Access {
    /// Whether running the call twice does no harm.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        match self {
            Self::Read | Self::ReadOutside | Self::Inspect | Self::Plan | Self::Question => true,
            Self::Write | Self::WriteOutside | Self::Execute | Self::AskServer => false,
        }
    }

    /// Whether the call changes a file that it names.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::WriteOutside)
    }
}
