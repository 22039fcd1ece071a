//! What goes over the socket: what is asked with, answered and told. The schemas are made of these types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Say things to the agent, stop it, and answer for its calls.
    #[default]
    Controller,
    /// Look.
    Observer,
}

/// What a client is given of what was before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// The conversation, and what the session does and waits for.
    #[default]
    Full,
    /// What the session does and waits for.
    Pending,
    /// Nothing.
    None,
}

/// Nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostInfo {
    /// Its scope.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// The version that runs.
    pub version: String,
    /// What it was started as: `run`, `serve` …
    pub command: String,
    /// The sessions that are open in it.
    pub sessions: Vec<SessionInfo>,
    /// Who is attached.
    pub clients: Vec<ClientInfo>,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionInfo {
    /// Its id.
    pub session: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// The directory in which it works.
    pub workspace: String,
    /// Its last commit.
    pub seq: u64,
    /// Whether a turn runs in it.
    pub running: bool,
}

/// A client that is attached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientInfo {
    /// The number of the attachment: the commit of the host that has it on record.
    pub attachment: u64,
    /// The number of its connection: the origin of what it asks for.
    pub connection: u64,
    /// What it calls itself.
    pub name: String,
    /// The session.
    pub session: String,
    /// What it may do.
    pub role: Role,
}

/// A new session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct New {
    /// The directory in which it works, absolute.
    pub directory: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// Its id.
    pub session: String,
}

/// What a client has seen, of a connection that it had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The epoch of the session then.
    pub epoch: u32,
    /// The last commit that it has seen.
    pub seq: u64,
}

/// To attach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The session: its id, the beginning of it, or `last`.
    pub session: String,
    /// What the client calls itself.
    pub name: String,
    /// What it wants to do.
    #[serde(default)]
    pub role: Role,
    /// What it wants of what was before.
    #[serde(default)]
    pub history: History,
    /// What it has seen already. What came since follows; where that is not kept any more, a gap; where the session was
    /// opened anew since, `_glasswork/resync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// Attached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attached {
    /// The number of the attachment.
    pub attachment: u64,
    /// The number of the connection: the origin, in the record, of what this client asks for.
    pub connection: u64,
    /// The session, by its whole id.
    pub session: String,
    /// The epoch of the session: how often its journal had been opened for writing.
    pub epoch: u32,
    /// The last commit that the client has seen, or need not see: what comes is of the next one.
    pub seq: u64,
    /// The session as of that commit, as much of it as was asked for; null where `seen` was given.
    pub base: Option<Map<String, Value>>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its number.
    pub attachment: u64,
}

/// Another role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// The attachment.
    pub attachment: u64,
    /// What it may do from now on.
    pub role: Role,
}

/// Words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The attachment.
    pub attachment: u64,
    /// The words.
    pub text: String,
    /// Names the request: what was done under a key is not done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A call that waits for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The attachment.
    pub attachment: u64,
    /// The call.
    pub call: String,
}

/// The answer to a call that asks something: a choice, or words, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The attachment.
    pub attachment: u64,
    /// The call.
    pub call: String,
    /// Labels of what is offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<String>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// A call that waits for an answer, and shall not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// The attachment.
    pub attachment: u64,
    /// The call.
    pub call: String,
    /// What the model is told of why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The turn shall stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Interrupt {
    /// The attachment.
    pub attachment: u64,
    /// Whether it stops at once; else at the next safe point.
    #[serde(default)]
    pub at_once: bool,
}

/// A slash command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The attachment.
    pub attachment: u64,
    /// The line: `/refuse 412.1 not here`. The graph's `commands` has all that there are.
    pub line: String,
    /// Names the request: what was done under a key is not done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a slash command came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Performed {
    /// The dispatch, where it was one of this session: `SESSION/412`.
    pub dispatch: Option<String>,
    /// What the person who gave it is told.
    pub text: Option<String>,
    /// The session that was made.
    pub session: Option<String>,
    /// Whether the attachment has ended by it.
    pub left: bool,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dispatched {
    /// The dispatch: `SESSION/412`.
    pub dispatch: String,
    /// Its number in the session.
    pub seq: u64,
}

/// Most differences that an answer lists.
pub const DIFFERENCES: usize = 16;

/// To decide a session again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The session: its id, the beginning of it, or `last`.
    pub session: String,
    /// The last commit that is decided again; all of them where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// What came of that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replayed {
    /// The session, by its whole id.
    pub session: String,
    /// Whether everything came out as it is recorded.
    pub equal: bool,
    /// How many commits were decided again.
    pub commits: u64,
    /// How many of them came out otherwise.
    pub difference_count: u64,
    /// The first of those, at most 16, as `glasswork replay --format json` has them.
    pub differences: Vec<Map<String, Value>>,
}

/// A query of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The query, in GraphQL.
    pub query: String,
    /// The values of its variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Map<String, Value>>,
    /// Which of its operations is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What the graph answers: `data` and `errors`, as GraphQL has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer(pub Map<String, Value>);

/// What a commit brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Update {
    /// The attachment.
    pub attachment: u64,
    /// The epoch of the session.
    pub epoch: u32,
    /// The commit. Each comes once, in order, or lies in a gap.
    pub seq: u64,
    /// Who asked for it: `"user"`, `{"client": 3}` for a connection, `{"effect": …}` …
    pub origin: Value,
    /// What happened, in order; empty where it is nothing that is shown. As the lines of `run --output-format stream-json`.
    pub updates: Vec<Value>,
    /// What of the session may have changed, and is asked for anew by whoever shows it: `status`, `transcript`, `tree`,
    /// `footer`, `context`, `dialogs`, `plan`, `notifications`, `activity`. What is not named is as it was.
    pub touches: Vec<String>,
}

/// Commits that do not come: the client was too slow, or they are not kept any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The attachment.
    pub attachment: u64,
    /// The epoch of the session.
    pub epoch: u32,
    /// The first one.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The session as of the last one, as much of it as was asked for.
    pub base: Map<String, Value>,
}

/// What the client has seen is of another opening of the session: it begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resync {
    /// The attachment.
    pub attachment: u64,
    /// The epoch of the session now.
    pub epoch: u32,
    /// The commit as of which the base is.
    pub seq: u64,
    /// The session as of that commit.
    pub base: Map<String, Value>,
}

/// Nothing more comes of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// The attachment.
    pub attachment: u64,
    /// The last commit that came.
    pub seq: u64,
    /// Why.
    pub reason: String,
}

/// A prompt waits for a turn to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiting {
    /// The attachment.
    pub attachment: u64,
    /// Its place: 1 is the next.
    pub place: u64,
}

/// The host stops: no turn begins any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stopping {
    /// How long turns that run may take, in seconds; then they are paused.
    pub deadline_seconds: u64,
}
