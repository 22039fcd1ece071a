//! The MCP servers of sessions: which they have, and when they are started.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use glasswork_agent_core::mcp_server::State;
use glasswork_agent_session::mcp::News;
pub use glasswork_agent_session::mcp::ServerCommand;
use glasswork_agent_session::secrets::is_credential;
use glasswork_engine::{Engine, Party, ScopeId};
use glasswork_session_state::mcp::{Event as Mcp, Server};
use glasswork_session_state::permission::SERVER;
use glasswork_session_state::{Event, Glasswork};

use secrecy::ExposeSecret as _;

use crate::runtime::{Done, OperationError, Runtime};
use crate::watching::Update;

impl Runtime {
    /// Has a session that does not run an MCP server of its own start it, for one that failed too. Returns when that is
    /// on record; how it goes is in the session.
    ///
    /// # Errors
    /// [`OperationError`]: among others where there is no such server, or it runs.
    pub async fn start_server(&self, session: ScopeId, server: &str) -> Done {
        let server = server.into();
        self.ask(session, Event::Mcp(Mcp::StartRequested { server }))
            .await
    }

    /// Gives a session its servers. Those that it had and that are not among them are gone.
    pub(crate) async fn give_servers(
        &self,
        session: ScopeId,
        given: Vec<ServerCommand>,
        masks: bool,
    ) -> Result<(), OperationError> {
        let before = self.mounted(session);
        if given.is_empty() && before.is_none_or(|session| session.mcp.is_empty()) {
            return Ok(());
        }
        let mut commands: Vec<ServerCommand> = Vec::new();
        for command in given {
            commands.retain(|other| other.name != command.name);
            commands.push(command);
        }
        for (name, value) in commands.iter().flat_map(|command| &command.env) {
            if is_credential(name, value.expose_secret()) {
                self.secrets.learn(session, value);
            }
        }
        let masking = self.secrets.masking(session, masks);
        let servers = commands.iter().map(|command| command.offer(&masking)).collect();
        self.servers.know(session, commands);
        self.ask(session, Event::Mcp(Mcp::Given { servers })).await?;
        Ok(())
    }

    /// Has the servers started that a turn needs, and waits until each has said which tools it has, or has failed. There
    /// is a deadline for that in the session.
    pub(crate) async fn servers_ready(&self, id: ScopeId) -> Result<(), OperationError> {
        if self.mounted(id).is_none() {
            self.mounts.demand(id).await?;
        }
        let Some(session) = self.mounted(id).filter(|session| !session.mcp.is_empty()) else {
            return Ok(());
        };
        // That one does not run any more may be on its way into the session, of one that was mounted just now.
        let wanted = |server: &Arc<Server>| {
            server.wants_start()
                || server.state == State::Ready && !self.servers.is_running(id, &server.offer.name)
        };
        if session.mcp.values().any(wanted) {
            self.ask(id, Event::Mcp(Mcp::Needed)).await?;
        }
        let Some(mut watch) = self.watch(id) else {
            return Ok(());
        };
        let starting = |server: &Arc<Server>| server.state == State::Starting;
        while watch.session().mcp.values().any(starting) {
            let told = watch.next().await.updates;
            let over = |update: &Update| matches!(update, Update::Ended | Update::RecordingFailed { .. });
            if told.iter().any(over) {
                break;
            }
        }
        Ok(())
    }
}

/// Has sessions told what becomes of their servers.
pub(crate) struct Tellings(Weak<Engine<Glasswork>>);

impl Tellings {
    pub(crate) fn of(engine: &Arc<Engine<Glasswork>>) -> Self {
        Self(Arc::downgrade(engine))
    }
}

impl News for Tellings {
    fn tell(&self, session: ScopeId, server: &str, event: Mcp) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let party = Party::Extension(format!("{SERVER}{server}"));
        let handle = self.0.upgrade().map(|engine| engine.handle(party));
        Box::pin(async move {
            let Some(handle) = handle else { return false };
            // A session that was given up meanwhile needs to know nothing.
            handle.dispatch(session, Event::Mcp(event)).await.is_ok()
        })
    }
}
