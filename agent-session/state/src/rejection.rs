//! Why a handler refused.

use std::sync::Arc;

use glasswork_agent_core::compaction::Hindrance;
use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_agent_core::json_schema::SchemaError;
use glasswork_agent_core::question::NoAnswer;
use glasswork_engine::chart::InvalidTransition;
use glasswork_engine::{EffectKey, ScopeId};
use serde::Serialize;

use crate::budget::Exhausted;
use crate::clients::CLIENTS_CAP;
use crate::closing::{CLOSINGS_CAP, TREE_CAP};
use crate::compaction::FOCUS_BYTES;
use crate::fork::CHILDREN_CAP;
use crate::keys::KEY_BYTES;
use crate::mcp::{COMMAND_BYTES, NAME_BYTES as SERVER_NAME_BYTES, SERVERS_CAP};
use crate::prompt::IMAGES_CAP;
use crate::queue::LANE_CAP;
use crate::sign_in::PROVIDERS_CAP;
use crate::tree::LABEL_BYTES;

/// Why a handler refused. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// A chart has no row for it.
    #[error(transparent)]
    Transition(InvalidTransition),
    /// The session was not opened.
    #[error("this session is not open; open it first")]
    NotOpen,
    /// There is no turn to which it could apply.
    #[error("nothing is running in this session; send a prompt to begin a turn")]
    NoTurn,
    /// A turn is open already.
    #[error("a turn is running; steer it, queue a follow-up, or stop it first")]
    Busy,
    /// A turn rests, and can go on.
    #[error("its turn is paused; resume it, or cancel it first")]
    Paused,
    /// A summary is being made already.
    #[error("the conversation is being compacted; wait until that is done, or cancel it")]
    Compacting,
    /// The conversation cannot be made shorter.
    #[error("the conversation cannot be compacted: {0}")]
    CannotCompact(Hindrance),
    /// The conversation does not stand at a compaction.
    #[error("the conversation does not stand at a compaction; {}", elsewhere(*.before))]
    NoCompactionHere {
        /// The entry before the last compaction on the branch.
        before: Option<EntryId>,
    },
    /// What the summary shall not miss is too long.
    #[error("what a summary shall not miss is told in at most {FOCUS_BYTES} bytes")]
    FocusTooLong,
    /// No model is chosen.
    #[error("no model is chosen; set `model` to `provider/id`")]
    NoModel,
    /// A budget allows no request.
    #[error("{0}")]
    Budget(Exhausted),
    /// The schema of the result is none.
    #[error("the schema of the result: {0}")]
    Schema(SchemaError),
    /// More images came with a prompt than are taken.
    #[error("a prompt comes with at most {IMAGES_CAP} images; name the others in later ones")]
    TooManyImages,
    /// What is said of an image cannot be: its digest is none, or its name too long.
    #[error(
        "an image is named by the digest of its bytes, 64 hexadecimal digits, and by a name of at most 255 bytes"
    )]
    UnsoundImage,
    /// There is nothing in the text.
    #[error("the text is empty")]
    EmptyText,
    /// The limit of steps is none.
    #[error("`max_steps` must be at least 1")]
    NoSteps,
    /// Too many words wait already.
    #[error("{LANE_CAP} messages wait already; let the agent take some in first")]
    QueueFull,
    /// The idempotency key is too long.
    #[error("an idempotency key has at most {KEY_BYTES} bytes")]
    KeyTooLong,
    /// The idempotency key was used: this happened already.
    #[error("this was done already, by commit {first}")]
    Repeated {
        /// The commit that did it.
        first: u64,
    },
    /// There is no such call.
    #[error("there is no tool call `{0}` in this session")]
    UnknownCall(CallId),
    /// The call asks nothing.
    #[error("the tool call `{0}` asks nothing that could be answered; approve or refuse it")]
    NoQuestion(CallId),
    /// What was said is no answer.
    #[error(transparent)]
    NoAnswer(NoAnswer),
    /// There is no such entry.
    #[error("there is no entry `{0}` in this session's conversation")]
    UnknownEntry(EntryId),
    /// The entry is no prompt.
    #[error("entry {0} is no prompt; only a prompt can be taken back")]
    NotAPrompt(EntryId),
    /// The entry stands between calls and their results.
    #[error("entry {entry} stands between tool calls and their results; {}", beside(*.before, *.after))]
    InsideCalls {
        /// The entry.
        entry: EntryId,
        /// The last entry before the calls.
        before: Option<EntryId>,
        /// The last of the results.
        after: Option<EntryId>,
    },
    /// The label is too long.
    #[error("a label has at most {LABEL_BYTES} bytes")]
    LabelTooLong,
    /// A conversation can only be imported into a session that nobody has opened.
    #[error("this session has begun already; import into a new one")]
    NotVacant,
    /// Nothing is being imported.
    #[error("nothing is being imported into this session")]
    NoImport,
    /// The import of its conversation was not finished.
    #[error("only a part of this session was imported; import the same file again, and it goes on")]
    HalfImported,
    /// The entries are not those that come next.
    #[error("{expected} entries are here; those that come next must follow them")]
    ImportOutOfStep {
        /// How many are here.
        expected: u32,
    },
    /// What is to be imported does not hold together.
    #[error("what is to be imported does not hold together: {0}")]
    ImportMisfit(&'static str),
    /// There is no such commit yet.
    #[error("there is no commit {asked} to fork at: the first one is 1, the last one {last}")]
    NoSuchCommit {
        /// What was asked for.
        asked: u64,
        /// The last one.
        last: u64,
    },
    /// There are too many forks.
    #[error("{CHILDREN_CAP} forks were made of this session already; fork one of them instead")]
    TooManyChildren,
    /// The session is being moved into the trash, or out of it.
    #[error("session {0} cannot be moved now: a move is under way; wait for it")]
    MovesAlready(ScopeId),
    /// The tree has too many sessions.
    #[error(
        "{0} sessions cannot be closed together, at most {TREE_CAP} can; close one of the forks with its own first"
    )]
    TreeTooLarge(usize),
    /// Too many trees are being closed.
    #[error("{CLOSINGS_CAP} trees of sessions are being closed already; wait for one of them")]
    TooManyClosings,
    /// Nobody is signed in there.
    #[error("nobody is signed in at `{0}`; `glasswork auth status` says where somebody is")]
    NotSignedIn(Arc<str>),
    /// Somebody is signed in at too many providers.
    #[error("somebody is signed in at {PROVIDERS_CAP} providers already; sign out of one")]
    TooManySignIns,
    /// There are too many clients.
    #[error("{CLIENTS_CAP} clients are attached already; wait until one of them leaves")]
    TooManyClients,
    /// There are too many turns of clients that wait to begin.
    #[error("{0} turns wait to begin already; ask again when one of them has")]
    TooManyWaiting(u32),
    /// No such client of this connection is attached.
    #[error("attachment {0} is none of this connection; attach first")]
    NotAttached(u64),
    /// The result names work that is not what the sender does.
    #[error("effect {0} does not do this work, or has ended")]
    NotYours(EffectKey),
    /// The deadline was moved or is gone.
    #[error("this deadline does not run any more")]
    DeadlineMoved,
    /// Two tools have one name.
    #[error("there are two tools with the name `{0}`; give each its own")]
    ToolTwice(Arc<str>),
    /// A tool of the session itself is called like one of a server.
    #[error("no tool but those of MCP servers has a name like `{0}`")]
    ToolOfServer(Arc<str>),
    /// There is no such server.
    #[error("this session has no MCP server `{0}`; `glasswork mcp` lists those that it has")]
    UnknownServer(Arc<str>),
    /// Two servers have one name.
    #[error("there are two MCP servers with the name `{0}`; give each its own")]
    ServerTwice(Arc<str>),
    /// There are too many servers.
    #[error("a session has at most {SERVERS_CAP} MCP servers")]
    TooManyServers,
    /// A server has no name or no command, or they are too long.
    #[error(
        "an MCP server has a name of 1 to {SERVER_NAME_BYTES} bytes and a command, with its arguments at most          {COMMAND_BYTES} bytes"
    )]
    UnsoundServer,
    /// The event belongs to another kind of scope.
    #[error("`{event}` is not for {scope} scopes")]
    WrongScope {
        /// The event's name.
        event: &'static str,
        /// The kind of this scope.
        scope: &'static str,
    },
}

impl From<InvalidTransition> for Rejection {
    fn from(invalid: InvalidTransition) -> Self {
        Self::Transition(invalid)
    }
}

fn elsewhere(before: Option<EntryId>) -> String {
    match before {
        Some(before) => {
            format!(
                "more was said since the last one; to go on from before it, move the leaf to entry {before}"
            )
        }
        None => "there is none on this branch".to_owned(),
    }
}

fn beside(before: Option<EntryId>, after: Option<EntryId>) -> String {
    let before = before.map_or("the beginning".to_owned(), |entry| format!("entry {entry}"));
    match after {
        Some(after) => format!("move to entry {after}, after them, or to {before}, before them"),
        None => format!("move to {before}, before them"),
    }
}
