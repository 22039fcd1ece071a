//! Clients that are attached to sessions of the host.

use async_graphql::{Enum, ID, Object};
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::{self, Client};

use crate::error::Answer;
use crate::id;
use crate::operation::Op;
use crate::scalar::{Long, Time};
use crate::session::Session;

/// A client that is attached to a session.
pub(crate) struct AttachedClient {
    op: Op,
    host: ScopeId,
    attachment: u64,
    client: Client,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ClientRole {
    /// Say things to the agent, stop it, and answer for its calls.
    Controller,
    /// Look.
    Observer,
}

/// What a client was given of what was before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ClientHistory {
    /// The conversation, and what the session waits for.
    Full,
    /// What the session waits for.
    Pending,
    /// Nothing.
    None,
}

impl AttachedClient {
    pub(crate) fn of(op: &Op, host: ScopeId, attachment: u64, client: &Client) -> Self {
        Self {
            op: std::sync::Arc::clone(op),
            host,
            attachment,
            client: client.clone(),
        }
    }
}

/// A client that is attached to a session.
#[Object]
impl AttachedClient {
    /// The dispatch of the host that has it on record.
    async fn by(&self) -> ID {
        id::commit(self.host, self.attachment)
    }

    /// The number of its connection: the origin of what it asks for.
    async fn connection(&self) -> Long {
        Long(self.client.connection)
    }

    /// What it calls itself.
    async fn name(&self) -> &str {
        &self.client.name
    }

    /// The session; null where it is not there any more.
    async fn session(&self) -> Answer<Option<Session>> {
        Session::now(&self.op, self.client.session).map(Some)
    }

    /// What it may do.
    async fn role(&self) -> ClientRole {
        match self.client.role {
            clients::Role::Controller => ClientRole::Controller,
            clients::Role::Observer => ClientRole::Observer,
        }
    }

    /// What it was given of what was before.
    async fn history(&self) -> ClientHistory {
        match self.client.history {
            clients::History::Full => ClientHistory::Full,
            clients::History::Pending => ClientHistory::Pending,
            clients::History::None => ClientHistory::None,
        }
    }

    /// Since when.
    async fn since(&self) -> Time {
        Time(self.client.since)
    }
}
