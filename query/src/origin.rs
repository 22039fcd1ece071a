//! Who asked.

use async_graphql::{Enum, ID, SimpleObject};
use glasswork_engine::{self as engine, ScopeId};

use crate::id;
use crate::scalar::Long;

/// Kinds of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum OriginKind {
    /// The person at this process, or the program that runs it on their behalf.
    User,
    /// An attached client.
    Client,
    /// An extension.
    Extension,
    /// An agent outside this process.
    Agent,
    /// The runner of an effect.
    Effect,
    /// The watcher of deadlines.
    Deadline,
    /// Recovery, after a session was loaded.
    Recovery,
}

/// Who asked for a change. Bound to the door through which the event came; callers cannot choose it.
#[derive(Debug, SimpleObject)]
pub(crate) struct Origin {
    /// The kind.
    kind: OriginKind,
    /// The number of the connection, of a client.
    connection: Option<Long>,
    /// The name, of an extension or an agent.
    name: Option<String>,
    /// The effect, of a runner's word.
    effect: Option<ID>,
}

impl OriginKind {
    pub(crate) fn of(origin: &engine::Origin) -> Self {
        match origin {
            engine::Origin::User => Self::User,
            engine::Origin::Client(_) => Self::Client,
            engine::Origin::Extension(_) => Self::Extension,
            engine::Origin::Agent(_) => Self::Agent,
            engine::Origin::Effect(_) => Self::Effect,
            engine::Origin::Deadline => Self::Deadline,
            engine::Origin::Recovery => Self::Recovery,
        }
    }
}

impl Origin {
    pub(crate) fn of(session: ScopeId, origin: &engine::Origin) -> Self {
        let mut shown = Self {
            kind: OriginKind::of(origin),
            connection: None,
            name: None,
            effect: None,
        };
        match origin {
            engine::Origin::Client(connection) => shown.connection = Some(Long(*connection)),
            engine::Origin::Extension(name) | engine::Origin::Agent(name) => shown.name = Some(name.clone()),
            engine::Origin::Effect(key) => shown.effect = Some(id::effect(session, *key)),
            engine::Origin::User | engine::Origin::Deadline | engine::Origin::Recovery => {}
        }
        shown
    }
}
