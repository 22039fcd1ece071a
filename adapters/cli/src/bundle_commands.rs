//! The commands that pack a session into a file, and look into one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::commands::Json;
use crate::reading_commands::Reading;
use crate::session_commands::ShowSession;
use crate::tree_commands::TreeOfSession;

/// Arguments of `bundle`.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// The session
    pub session: String,
    /// The file to write; without it, the session's id in this directory
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// As it was after this commit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub at: Option<u64>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Take nothing out: the record as it is, with everything that is private in it
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `open`.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The file
    pub file: PathBuf,
    /// What is read of it
    #[command(subcommand)]
    pub command: Option<Within>,
    #[command(flatten)]
    pub json: Json,
}

/// What there is to read in a file.
#[derive(Debug, Subcommand)]
pub(crate) enum Within {
    #[command(flatten)]
    Reading(Reading),
    /// What was said and done in a session
    Show(ShowSession),
    /// The tree of a conversation: every entry, and where the conversation stands
    Tree(TreeOfSession),
}
