//! MCP servers: programs beside a session whose tools the model may call.

use std::sync::Arc;

use async_graphql::{Enum, Object, SimpleObject};
use glasswork_agent_core::mcp_server;
use glasswork_session_state::mcp::{Problem, Server};

use crate::dispatch::Dispatch;
use crate::id;
use crate::scalar::Time;
use crate::session::View;
use crate::setting::Source;
use crate::wait::Deadline;

/// Where an MCP server stands in its chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "mcp_server::State")]
pub(crate) enum McpServerState {
    /// It does not run: it was not started yet, or was stopped.
    Stopped,
    /// It was started, and has not said yet which tools it has.
    Starting,
    /// Its tools can be called.
    Ready,
    /// It could not be started.
    Failed,
    /// It was ready, and ended by itself or had to be ended.
    Lost,
}

/// Kinds of reasons why an MCP server failed or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum McpProblemKind {
    /// Its program could not be started.
    NoProcess,
    /// The process that was to start it was not told its environment.
    NotTold,
    /// It ended.
    Ended,
    /// It did not say in time which tools it has.
    Silent,
    /// It said what the protocol does not allow.
    Protocol,
    /// It said more than is listened to.
    Flooded,
    /// Whoever works with it is gone.
    Abandoned,
}

/// Why an MCP server failed or ended.
#[derive(Debug, SimpleObject)]
pub(crate) struct McpProblem {
    /// The kind of the reason.
    kind: McpProblemKind,
    /// The reason in words.
    text: String,
}

impl From<&Problem> for McpProblem {
    fn from(problem: &Problem) -> Self {
        use McpProblemKind as K;
        Self {
            kind: match problem {
                Problem::NoProcess { .. } => K::NoProcess,
                Problem::NotTold => K::NotTold,
                Problem::Ended { .. } => K::Ended,
                Problem::Silent { .. } => K::Silent,
                Problem::Protocol { .. } => K::Protocol,
                Problem::Flooded { .. } => K::Flooded,
                Problem::Abandoned { .. } => K::Abandoned,
            },
            text: problem.to_string(),
        }
    }
}

/// A tool of an MCP server.
#[derive(Debug, SimpleObject)]
pub(crate) struct McpTool {
    /// Its name at the server.
    name: String,
    /// The name by which the model calls it; `session.tools` has all that the model is told.
    called: String,
    /// What it does, for the model.
    description: String,
    /// BLAKE3 of its description and schema, in hexadecimal: another one is another tool.
    digest: String,
}

/// A tool of an MCP server of which the model is not told.
#[derive(Debug, SimpleObject)]
pub(crate) struct McpToolLeftOut {
    /// Its name at the server, cut where it is long.
    name: String,
    /// Why.
    why: String,
}

/// An MCP server of a session.
pub(crate) struct McpServer {
    view: Arc<View>,
    server: Arc<Server>,
}

impl McpServer {
    pub(crate) fn all(view: &Arc<View>) -> Vec<Self> {
        let servers = view.session.mcp.values();
        servers
            .map(|server| Self {
                view: Arc::clone(view),
                server: Arc::clone(server),
            })
            .collect()
    }
}

/// An MCP server of a session: a program beside it whose tools the model may call.
#[Object]
impl McpServer {
    /// What it is called in the session.
    async fn name(&self) -> &str {
        &self.server.offer.name
    }

    /// The program.
    async fn command(&self) -> &str {
        &self.server.offer.command
    }

    /// Its arguments; what looks like a secret is masked.
    async fn arguments(&self) -> Vec<&str> {
        self.server.offer.arguments.iter().map(|text| &**text).collect()
    }

    /// The names of the variables that it gets besides those that every server gets. Their values are recorded nowhere.
    async fn environment(&self) -> Vec<&str> {
        self.server.offer.environment.iter().map(|name| &**name).collect()
    }

    /// Where it was named.
    async fn source(&self) -> Source {
        (&self.server.offer.from).into()
    }

    /// Where it stands in the chart `mcp_server`.
    async fn state(&self) -> McpServerState {
        self.server.state.into()
    }

    /// Since when it stands there.
    async fn since(&self) -> Time {
        Time(self.server.since)
    }

    /// Why it failed or ended; null where it did not, or was started again.
    async fn problem(&self) -> Option<McpProblem> {
        self.server.problem.as_ref().map(Into::into)
    }

    /// How often it was started since the session was opened.
    async fn starts(&self) -> u32 {
        self.server.starts
    }

    /// The effect that started it last; null where it was never started.
    async fn launch(&self) -> Option<async_graphql::ID> {
        self.server.launch.map(|launch| id::effect(self.view.id, launch))
    }

    /// By when it must have said which tools it has, while it starts.
    async fn deadline(&self) -> Option<Deadline> {
        let deadline = self.server.deadline.as_ref()?;
        Some(Deadline::of(self.view.id, None, deadline))
    }

    /// The version of the protocol that was spoken with it last.
    async fn protocol(&self) -> Option<&str> {
        self.server.introduction.as_ref().map(|known| &*known.protocol)
    }

    /// The program's own name, as it said.
    async fn program(&self) -> Option<&str> {
        self.server.introduction.as_ref()?.name.as_deref()
    }

    /// The program's own version, as it said.
    async fn program_version(&self) -> Option<&str> {
        self.server.introduction.as_ref()?.version.as_deref()
    }

    /// Whether the model is told of its tools.
    async fn offered(&self) -> bool {
        self.server.is_offered()
    }

    /// The tools that it had last, in its own order; at most 128 in a session.
    #[graphql(complexity = "32 * child_complexity")]
    async fn tools(&self) -> Vec<McpTool> {
        let tools = self.server.tools.tools.iter();
        tools
            .map(|tool| McpTool {
                name: tool.name.to_string(),
                called: tool.spec.name.to_string(),
                description: tool.spec.description.to_string(),
                digest: tool.digest.to_string(),
            })
            .collect()
    }

    /// Those of its tools of which the model is not told.
    #[graphql(complexity = "32 * child_complexity")]
    async fn left_out(&self) -> Vec<McpToolLeftOut> {
        let left_out = self.server.tools.left_out.iter();
        left_out
            .map(|left| McpToolLeftOut {
                name: left.name.to_string(),
                why: left.why.to_string(),
            })
            .collect()
    }

    /// The dispatch that told of its tools; null where none has.
    async fn listed_by(&self) -> Option<Dispatch> {
        let by = Some(self.server.tools.by).filter(|by| *by > 0)?;
        Some(Dispatch::commit(&self.view.op, self.view.id, by))
    }
}
