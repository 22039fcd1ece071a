//! `bash`: a shell command, with all that it starts.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, sleep_until};

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::Place;
use super::output::{Output, Said};
use super::truncation::size;
use super::{Context, Desk, Details, Outcome, terminal};
use crate::blobs::BlobRef;
use crate::processes::{self, Ended, Exit, Process, Running};
use crate::secrets::Origin;

pub(crate) const DESCRIPTION: &str = "Run a bash command in the workspace, without input. Gives output and errors as \
    they came, of long output the last 2000 lines or 50 KiB. Ends after 120 seconds unless timeout says otherwise. \
    What it leaves running is ended with it.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "command": {"type": "string", "description": "The command"},
    "timeout": {"type": "integer", "minimum": 1, "maximum": 3600, "description": "Seconds after which it is ended; 120 if left out"}
  },
  "required": ["command"],
  "additionalProperties": false
}"#;

/// Arguments of `bash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BashArguments {
    /// The command.
    pub command: String,
    /// Seconds after which it is ended.
    pub timeout: Option<u64>,
}

impl BashArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        let arguments = Self {
            command: fields.needed_text("command", &["command", "timeout"])?,
            timeout: fields.number("timeout", 1, 3600)?,
        };
        if arguments.command.contains('\0') {
            return Err(Unfit::Misfit {
                field: "command".to_owned(),
                expected: "a command without NUL characters".to_owned(),
                got: "one with".to_owned(),
            });
        }
        Ok(arguments)
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// How it ended.
    pub end: End,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// All bytes that it said.
    pub output_bytes: u64,
    /// Whether the model was told only the last of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// All that it said, where that was too long to tell; or the first part of it, if it is shorter than
    /// `output_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<BlobRef>,
    /// What still ran when the command had ended by itself, and was ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Process>,
    /// What could not be ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<Process>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this code.
    Exited(u32),
    /// By a signal of this number, 0 where that is not known: a terminal of an editor says so.
    Signalled(u8),
    /// It was ended after so many milliseconds.
    TimedOut(u64),
    /// It was ended because the call was cancelled.
    Cancelled,
    /// Its code is not known: it killed the shell that watches over it.
    Unknown,
}

/// Variables with these names are not given to commands, nor any whose name ends with `_API_KEY`: they are keys of
/// model providers, which nothing in a workspace needs and everything that a model writes could send away.
const SECRETS: &[&str] = &[
    "ANTHROPIC_AUTH_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "HF_TOKEN",
    "OPENAI_ACCESS_TOKEN",
    "REPLICATE_API_TOKEN",
];

fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with("_API_KEY") || SECRETS.contains(&&*name)
}

/// Variables for a command in a terminal of an editor, which has its own environment besides.
pub(crate) fn environment_of_terminal(call: &str) -> Vec<(String, String)> {
    let mut emptied: Vec<String> = SECRETS.iter().map(|name| (*name).to_owned()).collect();
    let own = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    emptied.extend(own.filter(|name| is_secret(OsStr::new(name)) && !SECRETS.contains(&&**name)));
    let emptied = emptied.into_iter().map(|name| (name, String::new()));
    let ours = OURS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mark = (processes::MARK.to_owned(), processes::unique(call));
    emptied.chain(ours).chain([mark]).collect()
}

// Nothing may wait for someone at a terminal; and programs may know who runs them.
const OURS: [(&str, &str); 4] = [
    ("AI_AGENT", "glasswork"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
        .filter(|(name, _)| !is_secret(name))
        .chain(OURS.map(|(name, value)| (name.into(), value.into())))
}

/// `bash`, or `sh` where there is none.
pub(crate) fn shell() -> &'static str {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("bash").is_file()));
    if found { "bash" } else { "sh" }
}

pub(crate) async fn run(
    id: &str,
    arguments: BashArguments,
    directory: &Path,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    if let Desk::Editor(editor) = &context.desk {
        return terminal::run(id, arguments, directory, editor, context).await;
    }
    if context.cancel.is_cancelled() {
        return Err(ToolFailure::Cancelled);
    }
    Place::find(directory)?.open_directory()?;
    let unstartable = |error| ToolFailure::io("start a shell in", directory, error);
    let (ours, theirs) = std::io::pipe().map_err(unstartable)?;
    let mut pipe = Some(pipe::Receiver::from_owned_fd(ours.into()).map_err(unstartable)?);
    let command = [shell(), "-c", &arguments.command].map(OsStr::new);
    let begun = Instant::now();
    let mut running = Running::start(&command, directory, environment(), id, theirs).map_err(unstartable)?;

    let time = arguments
        .timeout
        .map_or(context.limits.command_time, Duration::from_secs);
    let mut too_late = pin!(sleep(time));
    let mut output = Output::new(
        context.blobs.clone(),
        context.limits.clone(),
        context.secrets.masking.stream(Origin::Elsewhere),
    );
    let mut report = Report {
        due: None,
        last: None,
    };
    let end = loop {
        // In this order, so that a command that never stops talking still hears that it shall end.
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => break End::Cancelled,
            () = &mut too_late => break End::TimedOut(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            exit = running.exit() => break match exit {
                Exit::Code(code) => End::Exited(code.into()),
                Exit::Unknown => End::Unknown,
            },
            () = until(report.due) => report.give(&output, context),
            piece = heard(&mut pipe) => {
                output.push(&piece).await;
                report.ask(context);
            }
        }
    };
    let ended = {
        let mut ending = pin!(running.end(context.limits.grace));
        loop {
            tokio::select! {
                biased;
                ended = &mut ending => break ended,
                // A process that cannot get rid of its last words might not end.
                piece = heard(&mut pipe) => output.push(&piece).await,
            }
        }
    };
    // What was said is in the pipe; whoever might hold that open even now is not waited for.
    drain(&mut pipe, &mut output).await;
    Ok(outcome(
        end,
        begun.elapsed(),
        output.finish().await,
        ended,
        context,
    ))
}

/// When to report what a command says.
struct Report {
    due: Option<Instant>,
    last: Option<Instant>,
}

impl Report {
    fn ask(&mut self, context: &Context) {
        let now = Instant::now();
        let soonest = self
            .last
            .map_or(now, |last| last + context.limits.progress_interval);
        self.due.get_or_insert(soonest.max(now));
    }

    fn give(&mut self, output: &Output, context: &Context) {
        (context.progress)(&output.latest());
        self.due = None;
        self.last = Some(Instant::now());
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The next bytes; waits for ever when there can be none, as a command that has closed its output still runs.
async fn heard(pipe: &mut Option<pipe::Receiver>) -> Vec<u8> {
    loop {
        let Some(open) = pipe else {
            return std::future::pending().await;
        };
        if open.readable().await.is_err() {
            *pipe = None;
            continue;
        }
        let mut buffer = vec![0; PIECE];
        match open.try_read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(len) => {
                buffer.truncate(len);
                return buffer;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => *pipe = None,
        }
    }
}

/// As much as a pipe holds on Linux.
const PIECE: usize = 64 * 1024;

/// Takes what is in the pipe now: no more than a pipe can hold, for someone may still be filling it.
async fn drain(pipe: &mut Option<pipe::Receiver>, output: &mut Output) {
    let Some(open) = pipe else { return };
    let mut buffer = vec![0; PIECE];
    let mut left = PIECE;
    while left > 0 {
        match open.try_read(buffer.get_mut(..left).unwrap_or_default()) {
            Ok(len) if len > 0 => {
                output.push(buffer.get(..len).unwrap_or_default()).await;
                left -= len;
            }
            _ => return,
        }
    }
}

pub(crate) fn outcome(end: End, took: Duration, said: Said, ended: Ended, context: &Context) -> Outcome {
    let mut text = said.text;
    if text.is_empty() {
        text.push_str("[no output]\n");
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut note = |line: String| {
        text.push_str(&format!("[{line}]\n"));
    };
    if said.truncated {
        note(format!(
            "Only the end of the output: it had {} lines, {}.",
            said.lines,
            size(said.bytes)
        ));
    }
    match &said.whole {
        Some(Ok(blob)) => {
            let part = if blob.len < said.bytes {
                format!("It was cut: only its first {} are kept", size(blob.len))
            } else {
                "All of it is kept".to_owned()
            };
            note(format!(
                "{part} in {}",
                context.blobs.path(&blob.digest).display()
            ));
        }
        Some(Err(why)) => note(format!("The rest could not be kept: {why}.")),
        None => {}
    }
    let leftovers = if matches!(end, End::Exited(_) | End::Signalled(_) | End::Unknown) {
        ended.found
    } else {
        Vec::new()
    };
    if !leftovers.is_empty() {
        note(format!(
            "Left running by the command, and ended: {}.",
            names(&leftovers)
        ));
    }
    if !ended.survivors.is_empty() {
        note(format!("These could not be ended: {}.", names(&ended.survivors)));
    }
    match end {
        End::Exited(0) => {}
        End::Exited(code @ 129..=255) => note(format!("Exit code {code}, as after signal {}.", code - 128)),
        End::Exited(code) => note(format!("Exit code {code}.")),
        End::Signalled(0) => note("Ended by a signal.".to_owned()),
        End::Signalled(signal) => note(format!("Ended by signal {signal}.")),
        End::TimedOut(_) => note(format!(
            "Ended after {} seconds. Give a longer timeout if it needs one.",
            took.as_secs_f64().round()
        )),
        End::Cancelled => note("Cancelled.".to_owned()),
        End::Unknown if matches!(context.desk, Desk::Editor(_)) => {
            note("The editor does not say how the command ended.".to_owned());
        }
        End::Unknown => {
            note("The command killed the shell that watched over it; how it ended is not known.".to_owned())
        }
    }
    Outcome {
        text,
        is_error: end != End::Exited(0),
        details: Details::Command(Command {
            end,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            output_bytes: said.bytes,
            truncated: said.truncated,
            output: said.whole.and_then(Result::ok),
            leftovers,
            survivors: ended.survivors,
        }),
    }
}

fn names(processes: &[Process]) -> String {
    const MOST: usize = 10;
    let mut names: Vec<String> = processes
        .iter()
        .take(MOST)
        .map(|process| format!("{} ({})", process.name, process.pid))
        .collect();
    if processes.len() > MOST {
        names.push(format!("{} more", processes.len() - MOST));
    }
    names.join(", ")
}
