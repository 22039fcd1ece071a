//! Work in the outside world. Small: runners read bodies from the state that came with the job.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, RequestId};
use glasswork_engine::{Class, ScopeId};
use serde::{Deserialize, Serialize};

use crate::evidence::Access;
use crate::trash::Way;

/// What a session asks of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Send a prepared request. Progress: [`model::Event::Connected`], [`model::Event::Streamed`]; result:
    /// [`model::Event::Answered`].
    ///
    /// [`model::Event::Connected`]: crate::model::Event::Connected
    /// [`model::Event::Streamed`]: crate::model::Event::Streamed
    /// [`model::Event::Answered`]: crate::model::Event::Answered
    CallModel {
        /// The request; [`Session::render`](crate::state::Session::render) gives its parts.
        request: RequestId,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// Send a prepared request for a summary. Reports as [`CallModel`](Self::CallModel) does.
    Summarise {
        /// The request; [`Session::render`](crate::state::Session::render) gives its parts.
        request: RequestId,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// Find out what a call would touch. Result: [`tools::Event::EvidenceGathered`].
    ///
    /// [`tools::Event::EvidenceGathered`]: crate::tools::Event::EvidenceGathered
    GatherEvidence {
        /// The call.
        call: CallId,
    },
    /// Run a call. Progress: [`tools::Event::ToolProgressed`]; result: [`tools::Event::ToolSettled`].
    ///
    /// [`tools::Event::ToolProgressed`]: crate::tools::Event::ToolProgressed
    /// [`tools::Event::ToolSettled`]: crate::tools::Event::ToolSettled
    RunTool {
        /// The call.
        call: CallId,
        /// What it does, which decides whether it may be run again.
        access: Access,
        /// The path that was judged: this one is opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Arc<str>>,
    },
    /// Start a server of tools, and ask it which it has. Result: [`mcp::Event::Introduced`] or [`mcp::Event::Failed`].
    ///
    /// [`mcp::Event::Introduced`]: crate::mcp::Event::Introduced
    /// [`mcp::Event::Failed`]: crate::mcp::Event::Failed
    StartServer {
        /// The server; the session knows the rest.
        server: Arc<str>,
    },
    /// Make a fork. Result: [`fork::Event::Made`] or [`fork::Event::Failed`].
    ///
    /// [`fork::Event::Made`]: crate::fork::Event::Made
    /// [`fork::Event::Failed`]: crate::fork::Event::Failed
    Fork {
        /// The id that it shall have. One that exists already with this origin is taken as made.
        child: ScopeId,
        /// The session that is forked.
        of: ScopeId,
        /// Its commit at which.
        at: u64,
    },
    /// Move a session into the trash, or out of it. Result: [`trash::Event::Moved`] or [`trash::Event::Failed`].
    ///
    /// [`trash::Event::Moved`]: crate::trash::Event::Moved
    /// [`trash::Event::Failed`]: crate::trash::Event::Failed
    Trash {
        /// The session. One that is there already is taken as moved.
        session: ScopeId,
        /// Which way.
        way: Way,
    },
    /// Close a session in which nothing works. Result: [`closing::Event::Closed`] or [`closing::Event::Stayed`].
    ///
    /// [`closing::Event::Closed`]: crate::closing::Event::Closed
    /// [`closing::Event::Stayed`]: crate::closing::Event::Stayed
    CloseSession {
        /// The session. One that is closed already is taken as closed.
        session: ScopeId,
    },
}

impl Effect {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::GatherEvidence { .. }
            | Self::Fork { .. }
            | Self::Trash { .. }
            | Self::CloseSession { .. } => Class::Again,
            // A request costs money.
            Self::CallModel { .. } | Self::Summarise { .. } => Class::Once,
            // What a program does when it starts nobody knows.
            Self::StartServer { .. } => Class::Once,
            Self::RunTool { access, .. } if access.is_repeatable() => Class::Again,
            Self::RunTool { .. } => Class::Once,
        }
    }
}
