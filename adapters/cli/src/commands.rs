//! The table of commands: parsing, help, completions and the manual page all come from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use glasswork_ai::decimal::Money;

use crate::answering::Answering;
use crate::attach::Attach;
use crate::bundle_commands::{Bundle, Open};
use crate::model_commands::Models;
use crate::reading_commands::{At, Reading};
use crate::serve::Serve;
use crate::session_commands::SessionsCommand;

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
OPENAI_BASE_URL), sign in with `glasswork login`, or play a script with `--model scripted/FILE.ron`.

SESSION is an id, the beginning of one, or `last`.

Exit codes: 0 done, 1 failed, 2 usage, 3 damaged data, 4 denied, 5 budget or limit, 6 not the result of --schema, 130 interrupted, 143 terminated.

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
    /// Be the agent of an editor: speak the Agent Client Protocol on standard input and output
    ///
    /// An editor starts this by itself; `docs/acp.md` says what to put into its settings. It ends when the editor
    /// leaves; what works then is cancelled.
    Acp(Acp),
    /// Wait for clients, and have sessions for them
    ///
    /// Stays in the foreground. SIGTERM and Ctrl-C have it begin no more turns, wait for those that run, and end.
    Serve(Serve),
    /// The hosts that live: every `run` and `serve`
    Hosts(Json),
    /// Join a session of a live host: watch it, say something, answer for its calls
    Attach(Attach),
    /// What sessions there are, and what was said in them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    #[command(flatten)]
    Reading(Reading),
    /// Print the schema of the graph
    Schema,
    /// The charts that govern sessions, turns and tool calls
    Charts(Charts),
    /// Decide every event of a session again, and compare
    ///
    /// Touches no network, no tool and no file. Exit code 0: every decision is the same; 1: some differ, each is
    /// named; 3: the journal is damaged.
    Replay(Replay),
    /// Pack a session into one file that can be given away: what is secret or private is taken out, and listed
    ///
    /// The file has the journal without its deltas, the blobs that it names, what is kept of its traces, and a manifest
    /// with the digest of each. `glasswork open FILE` reads it anywhere.
    Bundle(Bundle),
    /// Look into a file that `bundle` or `sessions export` has made, without taking it in
    ///
    /// Every byte is checked against the manifest first. Without a command it says what is in the file; with one, that
    /// command reads the session in it, which is called `last`: `glasswork open FILE why last/412.0`.
    Open(Open),
    /// The MCP servers that are set, or those of a session: where they stand, and which tools they have
    Mcp(Mcp),
    /// The models that can be asked: what they take, cost and can do
    Models(Models),
    /// Every setting: its value, where it comes from, and what it overrode
    Settings(Json),
    /// Sign in at a provider of models
    ///
    /// With a browser, with a code that is typed on any device, or by storing a key; nothing of it is shown, recorded or
    /// told to a model. Without a flag: with the browser where that is known of the provider, otherwise with a key.
    Login(Login),
    /// Sign out: forget what is stored for a provider
    Logout {
        /// The provider
        provider: String,
    },
    /// Where somebody is signed in
    #[command(subcommand)]
    Auth(Auth),
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

/// Arguments of `mcp`.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    /// The session; without one, the servers that your settings name
    pub session: Option<String>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub json: Json,
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
    /// A model to ask for the rest of the turn where the model gives no answer; say it again for the next one
    #[arg(long, value_name = "MODEL")]
    pub fallback_model: Vec<String>,
    /// How much may be done without asking
    #[arg(long, value_name = "MODE", value_enum)]
    pub permission_mode: Option<PermissionMode>,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text)]
    pub output_format: OutputFormat,
    /// Ask for a result: the last answer has to be a value of the JSON Schema in this file. Standard output is that
    /// value alone, on one line; where there is none, the exit code is 6
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Show the model this image with the prompt (PNG, JPEG, GIF or WebP); may be given several times
    #[arg(long = "image", value_name = "FILE")]
    pub images: Vec<PathBuf>,
    #[command(flatten)]
    pub answering: Answering,
    /// Most requests to the model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_steps: Option<u32>,
    /// Most that the turn may cost, in US dollars; before a request that would break that, it stops (exit code 5)
    #[arg(long, value_name = "DOLLARS", allow_negative_numbers = true)]
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
    /// A model to ask for the rest of the turn where the model gives no answer; say it again for the next one
    #[arg(long, value_name = "MODEL")]
    pub fallback_model: Vec<String>,
    /// How much may be done without asking
    #[arg(long, value_name = "MODE", value_enum)]
    pub permission_mode: Option<PermissionMode>,
}

/// Arguments of `acp`.
#[derive(Debug, Args)]
pub(crate) struct Acp {
    /// The model to ask, as `provider/id`, in every session; the client can choose another one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How much may be done without asking; the client can change that
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

/// Arguments of `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The provider: `anthropic`, `openai`, `openai-codex`, `github-copilot`, or one of `sign_in` in the settings
    pub provider: String,
    /// Store a key, typed without being shown, or read from standard input where that is no terminal
    #[arg(long, group = "way")]
    pub key: bool,
    /// Type a code on any device that has a browser
    #[arg(long, group = "way")]
    pub device: bool,
    /// Open the address in a browser anywhere, and paste what that ends with
    #[arg(long, group = "way")]
    pub paste: bool,
    /// Keep it in the keyring of the system (the Secret Service, or the Keychain of macOS), and nowhere else
    #[arg(long, group = "place")]
    pub keyring: bool,
    /// Keep it in a file that only you can read; this is so where nothing was kept in the keyring before
    #[arg(long, group = "place")]
    pub file: bool,
}

/// What is asked about sign-ins.
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Where somebody is signed in, with what, and until when
    Status(Json),
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
    /// The session, or a file: a journal, or what `bundle` or `sessions export` has made
    #[arg(value_name = "SESSION|FILE")]
    pub record: String,
    /// Stop after this commit
    #[arg(long, visible_alias = "at", value_name = "N")]
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
