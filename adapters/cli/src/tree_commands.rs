//! The commands below `sessions` for the tree of a conversation, and for sessions as a whole.

use clap::{Args, Subcommand};

use crate::commands::Json;
use crate::reading_commands::At;

/// What there is to do with the tree of a conversation, and with sessions as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum TreeCommand {
    /// The tree of a conversation: every entry, and where the conversation stands
    Tree(TreeOfSession),
    /// Make a new session that goes on from a commit of this one
    ///
    /// Prints the id of the fork; `run --resume` goes on with it, with `--model` also with another model. What was under
    /// way at that commit is settled as after a crash.
    #[command(visible_alias = "clone")]
    Fork(ForkSession),
    /// Give a session a title
    Rename {
        /// The session
        session: String,
        /// The title
        title: String,
    },
    /// Pin a session, or an entry of it, which a compaction then carries over
    Pin {
        /// The session
        session: String,
        /// The entry, as `sessions tree` names it
        entry: Option<String>,
        /// Do not pin it any more
        #[arg(long)]
        off: bool,
    },
    /// Give an entry a label, or take the one that it has away
    Label {
        /// The session
        session: String,
        /// The entry, as `sessions tree` names it
        entry: String,
        /// The label
        label: Option<String>,
    },
    /// Let a conversation go on elsewhere: below another entry, or from the `start`
    Leaf(LeafOfSession),
    /// Close a session: an open turn is cancelled
    Close(CloseSession),
    /// Put a session into the trash; without one, list what is there, or empty it
    Trash {
        /// The session
        #[arg(conflicts_with = "empty")]
        session: Option<String>,
        /// Remove what is there, for good
        #[arg(long)]
        empty: bool,
        /// Only what has been there for longer than so many days
        #[arg(long, value_name = "DAYS", requires = "empty")]
        older_than: Option<u32>,
        /// Do not ask
        #[arg(long, requires = "empty")]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Take a session out of the trash
    Restore {
        /// The session
        session: String,
    },
}

/// Arguments of `sessions tree`.
#[derive(Debug, Args)]
pub(crate) struct TreeOfSession {
    /// The session
    pub session: String,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions fork`.
#[derive(Debug, Args)]
pub(crate) struct ForkSession {
    /// The session
    pub session: String,
    /// At this commit (`412`), or at the one that added this entry (`412.0`); at the last one where it is missing
    #[arg(long, value_name = "COMMIT|ENTRY")]
    pub at: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions close`.
#[derive(Debug, Args)]
pub(crate) struct CloseSession {
    /// The session
    pub session: String,
    /// Close all that were forked from it, too, children before their parents
    ///
    /// What is in the middle of a turn, or open in another process, stays open and is named; then the exit code is 1.
    #[arg(long)]
    pub tree: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions leaf`.
#[derive(Debug, Args)]
pub(crate) struct LeafOfSession {
    /// The session
    pub session: String,
    /// The entry, as `sessions tree` names it, or `start`
    pub entry: String,
    /// Go on before this prompt, and print it, to say it in other words
    #[arg(long)]
    pub edit: bool,
    /// Bring along a summary of the branch that is left; the conversation stays where it is if there is none to be had
    #[arg(long, conflicts_with = "edit")]
    pub summarise: bool,
    /// What that summary shall not miss
    #[arg(long, value_name = "TEXT", requires = "summarise")]
    pub focus: Option<String>,
    #[command(flatten)]
    pub json: Json,
}
