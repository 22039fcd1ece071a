//! Stage *permission*: who may send what.

use std::fmt;

use glasswork_engine::Origin;
use serde::{Deserialize, Serialize};

use crate::domain::Event;

/// Why an event was permitted or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// People may do what people do.
    Person,
    /// Effects may report on their work.
    Effect,
    /// The watcher of deadlines may report that one was reached.
    Clock,
    /// Recovery may settle what was left open.
    Recovery,
    /// An MCP server may have it told what became of it.
    Server,
    /// It is not for this origin.
    NotFor(Asker),
    /// Extensions and foreign agents have no grant.
    NoGrant,
}

/// Kinds of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// A person.
    Person,
    /// The runner of an effect.
    Effect,
    /// The watcher of deadlines.
    Clock,
    /// Recovery.
    Recovery,
    /// The MCP server of which it tells.
    Server,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "people may do this",
            Self::Effect => "effects may report on their work",
            Self::Clock => "the watcher of deadlines may report that one was reached",
            Self::Recovery => "recovery may settle what was left open",
            Self::Server => "an MCP server may have it told what became of it",
            Self::NotFor(Asker::Person) => "people may not send this; it is reported from inside",
            Self::NotFor(Asker::Effect) => "effects may only report on their work",
            Self::NotFor(Asker::Clock) => "the watcher of deadlines may only report that one was reached",
            Self::NotFor(Asker::Recovery) => "recovery may only settle what was left open",
            Self::NotFor(Asker::Server) => "an MCP server may only have it told what became of itself",
            Self::NoGrant => {
                "extensions and foreign agents may send nothing unless a grant says so; there is none"
            }
        })
    }
}

/// May this origin send this event?
pub(crate) fn permit(event: &Event, origin: &Origin) -> Result<Grant, Grant> {
    let asker = match origin {
        Origin::User | Origin::Client(_) => Asker::Person,
        Origin::Effect(_) => Asker::Effect,
        Origin::Deadline => Asker::Clock,
        Origin::Recovery => Asker::Recovery,
        Origin::Extension(name) if name.starts_with(SERVER) => {
            return match server_of(event) {
                Some(server) if name.strip_prefix(SERVER) == Some(server) => Ok(Grant::Server),
                _ => Err(Grant::NotFor(Asker::Server)),
            };
        }
        Origin::Extension(_) | Origin::Agent(_) => return Err(Grant::NoGrant),
    };
    match (asker, belongs_to(event)) {
        (Asker::Person, Asker::Person) => Ok(Grant::Person),
        (Asker::Effect, Asker::Effect) => Ok(Grant::Effect),
        (Asker::Clock, Asker::Clock) => Ok(Grant::Clock),
        (Asker::Recovery, Asker::Recovery) => Ok(Grant::Recovery),
        (asker, _) => Err(Grant::NotFor(asker)),
    }
}

/// How the origin of what is told of an MCP server begins; its name follows.
pub const SERVER: &str = "mcp:";

/// The server of which an event tells what became of it: it is the only extension that may.
#[must_use]
pub fn server_of(event: &Event) -> Option<&str> {
    use crate::mcp::Event as Mcp;
    match event {
        Event::Mcp(Mcp::Listed { server, .. } | Mcp::Ended { server, .. }) => Some(server),
        _ => None,
    }
}

fn belongs_to(event: &Event) -> Asker {
    use crate::closing::Event as Closing;
    use crate::fork::Event as Fork;
    use crate::mcp::Event as Mcp;
    use crate::tools::Event as Tools;
    use crate::trash::Event as Trash;
    match event {
        Event::Session(_)
        | Event::Prompt(_)
        | Event::Tree(_)
        | Event::Checkout(_)
        | Event::Compaction(_)
        | Event::Import(_)
        | Event::Failover(_)
        | Event::Question(_)
        | Event::SignIn(_)
        | Event::Client(_)
        | Event::Host(_) => Asker::Person,
        Event::Tools(Tools::Approved { .. } | Tools::Refused { .. }) => Asker::Person,
        Event::Fork(Fork::Requested { .. } | Fork::Entered { .. }) => Asker::Person,
        Event::Trash(Trash::Requested { .. }) => Asker::Person,
        Event::Closing(Closing::Requested { .. }) => Asker::Person,
        Event::Fork(Fork::Made { .. } | Fork::Failed { .. }) => Asker::Effect,
        Event::Trash(Trash::Moved { .. } | Trash::Failed { .. }) => Asker::Effect,
        Event::Closing(Closing::Closed { .. } | Closing::Stayed { .. }) => Asker::Effect,
        Event::Tools(
            Tools::EvidenceGathered { .. }
            | Tools::ToolProgressed { .. }
            | Tools::ToolPlaced { .. }
            | Tools::ToolSettled { .. }
            | Tools::ToolLost { .. },
        )
        | Event::Model(_)
        | Event::Plan(_) => Asker::Effect,
        Event::Mcp(Mcp::Given { .. } | Mcp::Needed | Mcp::StartRequested { .. }) => Asker::Person,
        Event::Mcp(Mcp::Introduced { .. } | Mcp::Failed { .. }) => Asker::Effect,
        Event::Mcp(Mcp::Listed { .. } | Mcp::Ended { .. }) => Asker::Server,
        Event::DeadlineReached { .. } => Asker::Clock,
        Event::Recovery(_) => Asker::Recovery,
    }
}
