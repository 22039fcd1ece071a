//! The table of commands: parsing, help, completions and the manual page all come from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use glasswork_ai::decimal::Money;
use glasswork_app_runtime::archive::{Sort, Status};
use glasswork_app_runtime::importing::Format;

use crate::model_commands::Models;

/// A coding agent that you can see through.
#[derive(Debug, Parser)]
#[command(
    name = "glasswork",
    version,
    about = "A coding agent that you can see through",
    long_about = "A coding agent that you can see through: every change of its state goes through one gate, on record, \
                  and can be asked about and replayed.\n\nBegin with `glasswork demo`: it needs no key and no network.",
    after_long_help = HELP_END,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const HELP_END: &str = "\
Models: set ANTHROPIC_API_KEY or OPENAI_API_KEY (and, for other servers that speak the same, ANTHROPIC_BASE_URL or
OPENAI_BASE_URL), or play a script with `--model scripted/FILE.ron`.

SESSION is an id, the beginning of one, or `last`.

Exit codes: 0 done, 1 failed, 2 usage, 3 damaged data, 4 denied, 5 budget or limit, 130 interrupted, 143 terminated.

Sessions and settings lie in the directories of the XDG specification; GLASSWORK_HOME puts them all into one.";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch an agent find and fix a bug, and replay what it did
    ///
    /// In a scratch directory with a failing test, a scripted model (no key, no network) finds the bug and fixes it
    /// with real tools. Then the session is replayed and the states are compared.
    Demo(Demo),
    /// Give the agent something to do in this directory
    ///
    /// The answer goes to standard output, progress to standard error. Where standard input and standard error are a
    /// terminal, you are asked before anything that the mode does not allow by itself; elsewhere it is denied, and
    /// the exit code is 4.
    Run(Run),
    /// Go on with a session: pick one, then say what is to be done
    ///
    /// At a terminal. Type to narrow the list, arrows walk, Enter goes on, Esc leaves, Tab sorts by time of the last
    /// change or of the making, Ctrl-A shows those of other directories too.
    Resume(Resume),
    /// What sessions there are, and what was said in them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// What happened in a session, dispatch by dispatch
    Log(Log),
    /// One dispatch in full: cause, stages, facts, effects, and what it changed
    Trace(Trace),
    /// Why something is as it is: who decided, by which rule, and the chain of causes
    Why(Why),
    /// Ask the graph (GraphQL); `glasswork schema` says what there is
    Query(Query),
    /// Print the schema of the graph
    Schema,
    /// The charts that govern sessions, turns and tool calls
    Charts(Charts),
    /// Decide every event of a session again, and compare
    ///
    /// Touches no network, no tool and no file. Exit code 0: every decision is the same; 1: some differ, each is
    /// named; 3: the journal is damaged.
    Replay(Replay),
    /// The models that can be asked: what they take, cost and can do
    Models(Models),
    /// Every setting: its value, where it comes from, and what it overrode
    Settings(Json),
    /// Look whether everything is in place
    Doctor(Json),
    /// Print the completions of a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (`glasswork man | man -l -`)
    Man,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Let another model try, as `provider/id` or `scripted/FILE.ron`
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to do; read from standard input where it is `-`, or missing and standard input is no terminal
    pub prompt: Option<String>,
    /// Work in this directory
    #[arg(short = 'C', long = "directory", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The model to ask, as `provider/id`
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How much may be done without asking
    #[arg(long, value_name = "MODE", value_enum)]
    pub permission_mode: Option<PermissionMode>,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    pub output_format: OutputFormat,
    /// Most requests to the model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_steps: Option<u32>,
    /// Most that the turn may cost, in US dollars; before a request that would break that, it stops (exit code 5)
    #[arg(long, value_name = "DOLLARS")]
    pub max_budget: Option<Money>,
    /// Go on with the session of this directory in which something happened last; where its turn rests, a prompt may
    /// be left out
    #[arg(long = "continue", conflicts_with = "resume")]
    pub go_on: bool,
    /// Go on with this session, in its directory: its id, the beginning of it, `last`, or words of its title or of
    /// what was said in it; without any, pick one at the terminal
    #[arg(long, value_name = "SESSION", num_args = 0..=1, default_missing_value = "", conflicts_with = "directory")]
    pub resume: Option<String>,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The session, as for `run --resume`; a list to pick from where it is left out, or could be several
    pub session: Vec<String>,
    /// The model to ask, as `provider/id`, instead of the session's own
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How much may be done without asking
    #[arg(long, value_name = "MODE", value_enum)]
    pub permission_mode: Option<PermissionMode>,
}

/// How much may be done without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PermissionMode {
    /// Look, change nothing
    Plan,
    /// Ask before anything is changed or run
    Ask,
    /// Change files in the workspace, ask before commands
    AcceptEdits,
    /// Like accept-edits, as long as there is no sandbox
    Auto,
    /// Never ask
    Yolo,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The answer
    Text,
    /// One JSON document, at the end
    Json,
    /// A line of JSON for everything that happens
    StreamJson,
}

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
    Show {
        /// The session
        session: String,
        /// As it was after this commit
        #[arg(long, value_name = "N")]
        at: Option<u64>,
        #[command(flatten)]
        json: Json,
    },
}

/// What there is to do with the tree of a conversation, and with sessions as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum TreeCommand {
    /// The tree of a conversation: every entry, and where the conversation stands
    Tree {
        /// The session
        session: String,
        #[command(flatten)]
        json: Json,
    },
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
    /// Close a session
    Close {
        /// The session
        session: String,
    },
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
    #[arg(long, value_name = "N")]
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

/// Arguments of `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The session
    pub session: String,
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
    /// A tool call or an entry (`SESSION/412.0`), a dispatch (`SESSION/412`), or a message of a request
    /// (`SESSION/r3/0`)
    pub id: String,
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

/// Arguments of `charts`.
#[derive(Debug, Args)]
pub(crate) struct Charts {
    /// Only this one
    pub name: Option<String>,
    /// How they are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ChartFormat::Text)]
    pub format: ChartFormat,
}

/// How charts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChartFormat {
    /// States and rows
    Text,
    /// A state diagram
    Mermaid,
    /// For programs
    Json,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The session, or the file of a journal
    #[arg(value_name = "SESSION|FILE")]
    pub record: String,
    /// Stop after this commit
    #[arg(long, value_name = "N")]
    pub until: Option<u64>,
    /// Ask the graph about the replayed state (`session(id: "last")` is this one)
    #[arg(long, value_name = "GRAPHQL")]
    pub query: Option<String>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DataFormat::Text)]
    pub format: DataFormat,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// For people, with every value
    Ron,
}

/// Whether data is printed for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Json {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
