//! The commands below `sessions` that find, move and mend sessions.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use glasswork_app_runtime::archive::{Sort, Status};
use glasswork_app_runtime::importing::Format;

use crate::commands::Json;
use crate::reading_commands::At;
use crate::tree_commands::TreeCommand;

/// What there is to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Sessions, those first in which something happened last
    List(ListSessions),
    /// Search in what was said: prompts, answers and results of tools
    ///
    /// All words must occur in one message. `word*` finds what begins so, \"a phrase\" words that follow each other;
    /// nothing else is an operator.
    Search(SearchSessions),
    /// Read all journals again for lists and searches
    ///
    /// Never needed but where the index is doubted: it is kept in step by itself, and made anew where it is missing,
    /// damaged or of another version.
    Reindex(Json),
    /// Write a session as a file: an archive, its journal, Markdown or HTML
    ///
    /// An archive and a journal are the record itself, and can be imported again. Markdown and HTML are for people:
    /// paths below the home directory are shortened, and nothing in them is executed or loaded. What was found in it
    /// that you may not want to give away is told on standard error.
    Export(Export),
    /// Take in sessions: exported ones, and conversations of pi, Hamr, Claude Code, Codex and Gemini CLI
    ///
    /// Reads the files that they have written, and nothing else: no agent, no network. A file that is here already is
    /// not imported again. What is not known in a file is counted, with its lines.
    Import(Import),
    /// Have a model summarise what is old of a conversation, so that it takes less room
    ///
    /// Nothing is lost: `--undo` goes back to the whole conversation, as long as nothing was said since.
    Compact(CompactSession),
    /// Repair a damaged session: what is sound stays, the rest is moved aside
    ///
    /// Nothing is thrown away. Lines that were only moved, doubled or parted by strange ones are put in order again.
    /// Where a line is gone or was changed, the session ends before it; what is sound behind it is kept in a file, and,
    /// where that is possible, in a session of its own.
    Repair(RepairSession),
    #[command(flatten)]
    Tree(TreeCommand),
    /// What was said and done in a session
    Show(ShowSession),
}

/// Arguments of `sessions show`.
#[derive(Debug, Args)]
pub(crate) struct ShowSession {
    /// The session
    pub session: String,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions compact`.
#[derive(Debug, Args)]
pub(crate) struct CompactSession {
    /// The session
    pub session: String,
    /// What the summary shall not miss
    #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
    pub focus: Option<String>,
    /// Undo the compaction at which the conversation stands
    #[arg(long)]
    pub undo: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions repair`.
#[derive(Debug, Args)]
pub(crate) struct RepairSession {
    /// The session
    pub session: String,
    /// Only say what is damaged and what would be done; then the exit code is 3
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions list`.
#[derive(Debug, Args)]
pub(crate) struct ListSessions {
    /// Those in which nothing was said, too
    #[arg(long)]
    pub all: bool,
    /// Only those that work in this directory
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Only those that stand so
    #[arg(long, value_name = "STATUS", value_parser = names::<Status>())]
    pub status: Option<String>,
    /// Only those that ask this model, as `provider/id`
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// By what they are sorted
    #[arg(long, value_name = "BY", value_parser = names::<Sort>(), default_value = "updated")]
    pub sort: String,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// What follows this row: its `cursor`, as `--json` has it
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `sessions export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The session
    pub session: String,
    /// What it becomes
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ExportFormat::Archive)]
    pub format: ExportFormat,
    /// The file to write; `-` for standard output. Without it, the session's id in this directory
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// As it was after this commit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub at: Option<u64>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Leave everything as it is, and look for nothing
    #[arg(long)]
    pub raw: bool,
    /// Print what was written and found as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What a session becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One file with journal, blobs and traces (tar, zstd)
    Archive,
    /// The lines of its journal
    Jsonl,
    /// A transcript as Markdown
    Markdown,
    /// A transcript as one HTML page
    Html,
}

/// Arguments of `sessions import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Whose files they are
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ImportFormat::Auto)]
    pub format: ImportFormat,
    /// Work in this directory, instead of the one in which the other agent worked
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Read them, and import nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Make a new session, whatever is here already
    #[arg(long)]
    pub as_new: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Whose files are imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// As they look
    Auto,
    /// Our own: an archive, or a journal
    Glasswork,
    /// pi and Hamr
    Pi,
    /// Claude Code
    ClaudeCode,
    /// Codex
    Codex,
    /// Gemini CLI
    Gemini,
}

impl ImportFormat {
    /// The format of another agent, where one was named.
    pub(crate) fn foreign(self) -> Option<Format> {
        match self {
            Self::Auto | Self::Glasswork => None,
            Self::Pi => Some(Format::Pi),
            Self::ClaudeCode => Some(Format::ClaudeCode),
            Self::Codex => Some(Format::Codex),
            Self::Gemini => Some(Format::Gemini),
        }
    }
}

/// Arguments of `sessions search`.
#[derive(Debug, Args)]
pub(crate) struct SearchSessions {
    /// The words
    #[arg(required = true)]
    pub query: Vec<String>,
    /// Only in sessions that work in this directory
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// How many hits at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// What follows this hit: its `cursor`, as `--json` has it
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<i64>,
    #[command(flatten)]
    pub json: Json,
}

/// The names of an enum, as what an argument may be.
fn names<E: strum::VariantArray + Copy + Into<&'static str>>() -> clap::builder::PossibleValuesParser {
    let names: Vec<&'static str> = E::VARIANTS.iter().map(|variant| (*variant).into()).collect();
    names.into()
}
