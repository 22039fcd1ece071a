//! Clients that are attached to the host's sessions: who, to which session, and what they may do; and whose turn it is.

pub mod places;

use std::sync::Arc;

use glasswork_engine::{Context, Moment, Origin, ScopeId, Timestamp};
use places::Limits;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::rejection::Rejection;

/// Most attachments at a time.
pub const CLIENTS_CAP: usize = 256;
/// Longest name of a client, in bytes.
pub const NAME_BYTES: usize = 128;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Say things to the agent, stop it, and answer for its calls.
    Controller,
    /// Look.
    Observer,
}

/// What a client is given of what was before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// The conversation, and what the session waits for.
    Full,
    /// What the session waits for.
    Pending,
    /// Nothing.
    None,
}

/// Why a client is not attached any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// It said so.
    Detached,
    /// Its connection ended.
    ConnectionEnded,
}

/// A client, attached to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its connection, by number: the origin of what it asks for.
    pub connection: u64,
    /// What it calls itself.
    pub name: Arc<str>,
    /// The session.
    pub session: ScopeId,
    /// What it may do.
    pub role: Role,
    /// What it was given of what was before.
    pub history: History,
    /// Since when.
    pub since: Timestamp,
}

/// What happens to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A client attaches. The number of the commit names the attachment.
    Attached {
        /// Its connection.
        connection: u64,
        /// What it calls itself.
        name: Arc<str>,
        /// The session.
        session: ScopeId,
        /// What it may do.
        role: Role,
        /// What it is given of what was before.
        history: History,
    },
    /// A client is not attached any more.
    Detached {
        /// The attachment.
        attachment: u64,
        /// Why.
        why: Left,
    },
    /// A client may do something else now.
    RoleChanged {
        /// The attachment.
        attachment: u64,
        /// What it may do.
        role: Role,
    },
    /// A connection has ended, and with it whatever it was attached to.
    ConnectionEnded {
        /// The connection.
        connection: u64,
    },
    /// A client asks for a place to run a turn in. The number of the commit names the place.
    TurnAsked {
        /// Its connection; `None` where the host's own user asks.
        connection: Option<u64>,
        /// The session.
        session: ScopeId,
        /// How many places there are.
        limits: Limits,
    },
    /// Places are not needed any more: the turns have ended, or nobody waits for them.
    TurnsOver {
        /// The places, by the commits that asked for them.
        places: Vec<u64>,
    },
}

/// What was decided of clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A client is attached; the number of the commit names the attachment.
    Attached {
        /// Its connection.
        connection: u64,
        /// What it calls itself.
        name: Arc<str>,
        /// The session.
        session: ScopeId,
        /// What it may do.
        role: Role,
        /// What it is given of what was before.
        history: History,
    },
    /// It is not any more.
    Detached {
        /// The attachment.
        attachment: u64,
        /// Why.
        why: Left,
    },
    /// It may do this now.
    RoleChanged {
        /// The attachment.
        attachment: u64,
        /// What it may do.
        role: Role,
    },
    /// A client waits for a place to run a turn in; the number of the commit names the place.
    TurnWaits {
        /// Its connection; `None` where the host's own user waits.
        connection: Option<u64>,
        /// The session.
        session: ScopeId,
        /// How many places there are.
        limits: Limits,
    },
    /// It has its place.
    TurnPlaced {
        /// The place.
        place: u64,
    },
    /// It needs none any more.
    TurnOver {
        /// The place.
        place: u64,
    },
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Attached {
                connection,
                name,
                session,
                role,
                history,
            } => {
                let client = Client {
                    connection: *connection,
                    name: Arc::clone(name),
                    session: *session,
                    role: *role,
                    history: *history,
                    since: moment.at,
                };
                host.clients.insert(moment.seq, client);
            }
            Self::Detached { attachment, .. } => {
                host.clients.remove(attachment);
            }
            Self::RoleChanged { attachment, role } => {
                if let Some(client) = host.clients.get_mut(attachment) {
                    client.role = *role;
                }
            }
            Self::TurnWaits {
                connection,
                session,
                limits,
            } => host.places.wait(*connection, *session, *limits, moment),
            Self::TurnPlaced { place } => host.places.begin(*place),
            Self::TurnOver { place } => host.places.end(*place),
        }
    }
}

/// Decides what happens to clients. A client speaks for its own connection; the user of the host for all of them.
pub(crate) fn decide(host: &Host, event: &Event, context: &Context<'_>) -> Result<Vec<Fact>, Rejection> {
    let speaks_for = |connection: u64| match context.origin {
        Origin::Client(own) => *own == connection,
        _ => true,
    };
    let speaks_for_turn = |connection: Option<u64>| match (context.origin, connection) {
        (Origin::Client(own), Some(connection)) => *own == connection,
        (Origin::Client(_), None) => false,
        _ => true,
    };
    let known = |attachment: u64| {
        let client = host.clients.get(&attachment);
        client
            .filter(|client| speaks_for(client.connection))
            .ok_or(Rejection::NotAttached(attachment))
    };
    Ok(match event {
        Event::Attached {
            connection,
            name,
            session,
            role,
            history,
        } => {
            if host.clients.len() >= CLIENTS_CAP {
                return Err(Rejection::TooManyClients);
            }
            if !speaks_for(*connection) {
                return Err(Rejection::NotAttached(context.id.seq));
            }
            let end = name.floor_char_boundary(NAME_BYTES);
            vec![Fact::Attached {
                connection: *connection,
                name: name.get(..end).unwrap_or_default().into(),
                session: *session,
                role: *role,
                history: *history,
            }]
        }
        Event::Detached { attachment, why } => {
            known(*attachment)?;
            vec![Fact::Detached {
                attachment: *attachment,
                why: *why,
            }]
        }
        Event::RoleChanged { attachment, role } => {
            if known(*attachment)?.role == *role {
                return Ok(vec![]);
            }
            vec![Fact::RoleChanged {
                attachment: *attachment,
                role: *role,
            }]
        }
        Event::ConnectionEnded { connection } => {
            let own = host.clients.iter();
            own.filter(|(_, client)| client.connection == *connection && speaks_for(*connection))
                .map(|(attachment, _)| Fact::Detached {
                    attachment: *attachment,
                    why: Left::ConnectionEnded,
                })
                .collect()
        }
        Event::TurnAsked {
            connection,
            session,
            limits,
        } => {
            if !speaks_for_turn(*connection) {
                return Err(Rejection::NotAttached(context.id.seq));
            }
            places::ask(&host.places, *connection, *session, *limits, context.id.seq)?
        }
        Event::TurnsOver { places } => places::over(&host.places, places, speaks_for_turn),
    })
}
