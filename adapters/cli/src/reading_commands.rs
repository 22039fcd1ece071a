//! The commands that read a session and change nothing: of this machine, or in a file that `open` looks into.

use clap::{ArgGroup, Args, Subcommand};

use crate::commands::Json;

/// What there is to read of a session.
#[derive(Debug, Subcommand)]
pub(crate) enum Reading {
    /// What happened in a session, dispatch by dispatch
    Log(Log),
    /// One dispatch in full: cause, stages, facts, effects, and what it changed
    Trace(Trace),
    /// Why something is as it is: who decided, by which rule, and the chain of causes
    Why(Why),
    /// What differs between two moments of a session
    Diff(Diff),
    /// Which commit made something so: the first after which it holds
    ///
    /// What is asked is a selection on the session in the language of the graph, and is asked of its state after each
    /// commit: `glasswork bisect last --query 'turn { state }' --is failed`. With one field in it that is the value; of
    /// several, `--path` says which. Exit code 0: found, or it held from the first commit on; 1: it never holds.
    Bisect(Bisect),
    /// What a model was sent, part by part; with another request, what differs and why a cache could not be used
    Request(Request),
    /// What is waited for, since when, and on whom
    ///
    /// Without a session: in all in which a turn is open. Exit code 0: nothing waits in the middle of a turn; 1:
    /// something does.
    Stuck(Stuck),
    /// Ask the graph (GraphQL); `glasswork schema` says what there is
    ///
    /// As of a commit: `session(id: "last", at: 412) { … }`.
    Query(Query),
}

/// As of when something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct At {
    /// As it was after this commit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub at: Option<u64>,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The session
    pub session: String,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The dispatch: `SESSION/412`, or `SESSION/412!1` for a refusal
    pub dispatch: String,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// A tool call or an entry (`SESSION/412.0`), a dispatch (`SESSION/412`), or a part of a request: a message
    /// (`SESSION/r3/0`), a part of its system prompt (`SESSION/r3/system/0`), a tool (`SESSION/r3/tool/0`)
    pub id: String,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The session
    pub session: String,
    /// The commit of the earlier state; 0 is the empty session
    pub from: u64,
    /// The commit of the later state; the last one if it is not said
    pub to: Option<u64>,
    /// Most differences that are shown
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `bisect`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("wanted"))]
pub(crate) struct Bisect {
    /// The session
    pub session: String,
    /// What is asked of the session after each commit, as fields of the graph: `turn { state }`
    #[arg(long, value_name = "FIELDS")]
    pub query: String,
    /// Which value of the answer is looked at: names and places in lists, with dots between them
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// It holds where the value is this one: JSON, or the bare text of a name. Without `--is` and `--above` the value
    /// has to be a truth value
    #[arg(long, value_name = "VALUE", group = "wanted", allow_hyphen_values = true)]
    pub is: Option<String>,
    /// It holds where the value is a number above this one
    #[arg(long, value_name = "NUMBER", group = "wanted", allow_negative_numbers = true)]
    pub above: Option<f64>,
    /// Only the commits from this one on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub from: u64,
    /// Only the commits up to this one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub to: Option<u64>,
    /// Once it holds it holds on: find the commit by halving, and look at a few states only
    #[arg(long)]
    pub monotone: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `request`.
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The session
    pub session: String,
    /// The number of the request, from 1; without it, what would be sent now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub step: Option<u64>,
    /// Compare with this earlier request
    #[arg(long, value_name = "M", requires = "step", value_parser = clap::value_parser!(u64).range(1..))]
    pub diff: Option<u64>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `stuck`.
#[derive(Debug, Args)]
pub(crate) struct Stuck {
    /// The session
    pub session: Option<String>,
    /// As it was after this commit
    #[arg(long, value_name = "N", requires = "session", value_parser = clap::value_parser!(u64).range(1..))]
    pub at: Option<u64>,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The query; read from standard input where it is `-`
    #[arg(value_name = "GRAPHQL")]
    pub query: String,
    /// The values of its variables, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub variables: Option<String>,
}
