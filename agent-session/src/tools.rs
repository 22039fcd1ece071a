//! What a model can do in a workspace: a closed set of tools, their schemas, and running them.
//!
//! A call is run in two steps with a decision in between: [`evidence()`] finds out what the call is about, and [`run`]
//! does it, on the very path that the evidence named. Both know nothing of sessions.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use glasswork_ai::image::Image;
use glasswork_ai::model::ToolSpec;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use crate::blobs::BlobStore;
use crate::secrets::{Masking, Origin};

pub mod arguments;
pub mod bash;
pub mod edit;
mod evidence;
mod failure;
mod file_lock;
pub mod file_names;
pub mod find;
pub mod grep;
pub mod in_editor;
mod limits;
pub mod ls;
mod nearest_text;
mod open;
mod output;
mod path;
pub mod read;
mod replacement;
mod terminal;
mod truncation;
mod walk;
pub mod write;

pub use arguments::{Arguments, Unfit};
pub use evidence::{CommandEvidence, Evidence, FileEvidence, Found, evidence};
pub use failure::ToolFailure;
pub use file_lock::FileLocks;
pub use in_editor::{Desk, InEditor};
pub use limits::Limits;
pub use open::FileKind;
pub use path::Unresolvable;
pub use replacement::Change;
pub(crate) use truncation::{head, size};

/// The tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Reads a text file.
    Read,
    /// Replaces exact pieces of a file.
    Edit,
    /// Writes a whole file.
    Write,
    /// Runs a shell command.
    Bash,
    /// Lists a directory.
    Ls,
    /// Searches in files.
    Grep,
    /// Searches for files.
    Find,
}

/// Whether a call may be issued again when nobody knows how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// It changes nothing: again.
    Again,
    /// It may have changed something: never again.
    Once,
}

impl Tool {
    /// All of them, in the order in which models are told.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Edit,
        Self::Write,
        Self::Bash,
        Self::Ls,
        Self::Grep,
        Self::Find,
    ];

    /// The name that a model calls.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Edit => "edit",
            Self::Write => "write",
            Self::Bash => "bash",
            Self::Ls => "ls",
            Self::Grep => "grep",
            Self::Find => "find",
        }
    }

    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The tool as a model is told of it.
    #[must_use]
    pub fn spec(self) -> ToolSpec {
        let (description, parameters) = match self {
            Self::Read => (read::DESCRIPTION, read::SCHEMA),
            Self::Edit => (edit::DESCRIPTION, edit::SCHEMA),
            Self::Write => (write::DESCRIPTION, write::SCHEMA),
            Self::Bash => (bash::DESCRIPTION, bash::SCHEMA),
            Self::Ls => (ls::DESCRIPTION, ls::SCHEMA),
            Self::Grep => (grep::DESCRIPTION, grep::SCHEMA),
            Self::Find => (find::DESCRIPTION, find::SCHEMA),
        };
        ToolSpec {
            name: self.name().into(),
            description: description.into(),
            parameters: parameters.into(),
        }
    }

    /// Whether a call may be issued again when nobody knows how it ended.
    #[must_use]
    pub fn repeat(self) -> Repeat {
        match self {
            Self::Read | Self::Ls | Self::Grep | Self::Find => Repeat::Again,
            Self::Edit | Self::Write | Self::Bash => Repeat::Once,
        }
    }

    /// Whether calls may run beside other calls. Writers of different files may: [`FileLocks`] has one writer per
    /// file. What a command touches nobody knows.
    #[must_use]
    pub fn is_parallel_safe(self) -> bool {
        self != Self::Bash
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tool {
    type Err = Unfit;

    fn from_str(name: &str) -> Result<Self, Unfit> {
        Self::ALL
            .into_iter()
            .find(|tool| tool.name() == name)
            .ok_or_else(|| Unfit::UnknownTool {
                name: name.to_owned(),
                nearest: arguments::nearest(name, Self::ALL.map(Self::name)).map(str::to_owned),
            })
    }
}

/// A call that was allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Names the call, in the environment of what it starts.
    pub id: String,
    /// What to do.
    pub arguments: Arguments,
    /// With what: [`FileEvidence::resolved`] or [`CommandEvidence::directory`]. It is opened as it stands; a symlink
    /// in it is refused.
    pub path: PathBuf,
}

/// Hears the last output of a running call.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Where and within what limits calls run. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Where long output goes.
    pub blobs: BlobStore,
    /// One writer per file, among all that share it.
    pub locks: FileLocks,
    /// Ends the call.
    pub cancel: CancellationToken,
    /// Hears the last output while a command runs.
    pub progress: Progress,
    /// What it may take and give.
    pub limits: Limits,
    /// Masks what is told, and puts back what may be put back.
    pub secrets: Secrets,
    /// Where the call works.
    pub desk: Desk,
}

/// How a call handles secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The session's.
    pub masking: Masking,
    /// The block of the model's answer that is the call: what the model itself wrote there goes back into it.
    pub call: Origin,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the model is told.
    pub text: String,
    /// Whether the call failed.
    pub is_error: bool,
    /// The same for programs.
    pub details: Details,
}

/// What became of a call, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Lines of a file.
    Lines(read::Lines),
    /// An image, which is among the blobs.
    Image(Image),
    /// A file was written.
    Change(Change),
    /// A command was run.
    Command(bash::Command),
    /// Entries or matches.
    Listing(Listing),
    /// It could not be done.
    Failure(ToolFailure),
}

/// How much a listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Entries or matches that are told.
    pub shown: usize,
    /// Whether there are more.
    pub more: bool,
}

/// Runs a call. Ends soon after [`Context::cancel`]; a write that was already under way then ends as what it was.
/// Dropping the future ends what the call started, without the grace that a cancel gives.
pub async fn run(call: Call, context: &Context) -> Outcome {
    let Call { id, arguments, path } = call;
    let arguments = match with_own_secrets(arguments, &context.secrets) {
        Ok(arguments) => arguments,
        Err(failure) => return failed(failure, context),
    };
    let done = match arguments {
        Arguments::Read(arguments) => read::run(arguments, path, context).await,
        Arguments::Edit(arguments) => edit::run(arguments, path, context).await,
        Arguments::Write(arguments) => write::run(arguments, path, context).await,
        Arguments::Bash(arguments) => bash::run(&id, arguments, &path, context).await,
        Arguments::Ls(_) => ls::run(path, context).await,
        Arguments::Grep(arguments) => grep::run(arguments, path, context).await,
        Arguments::Find(arguments) => find::run(arguments, path, context).await,
    };
    let done = done.map(|outcome| match &context.desk {
        Desk::Left(editor) => with_note_of_leaving(outcome, editor),
        Desk::Disk | Desk::Editor(_) => outcome,
    });
    match done {
        // Names of files, for one, are not masked before. What is masked is not masked again.
        Ok(outcome) => match context.secrets.masking.text(&outcome.text, &Origin::Elsewhere) {
            Cow::Borrowed(_) => outcome,
            Cow::Owned(text) => Outcome { text, ..outcome },
        },
        Err(failure) => failed(failure, context),
    }
}

fn failed(failure: ToolFailure, context: &Context) -> Outcome {
    let text = failure.to_string();
    Outcome {
        text: context
            .secrets
            .masking
            .text(&text, &Origin::Elsewhere)
            .into_owned(),
        is_error: true,
        details: Details::Failure(failure),
    }
}

/// Says that this did not come from the editor any more.
fn with_note_of_leaving(mut outcome: Outcome, editor: &str) -> Outcome {
    let note = match outcome.details {
        Details::Command(_) => {
            format!("[The editor `{editor}` has left: this ran in a shell of this machine.]")
        }
        _ => format!(
            "[The editor `{editor}` has left, and with it what was not saved: this is the file on the disk.]"
        ),
    };
    read::add_note(&mut outcome.text, &note);
    outcome
}

/// Commands and patterns, with what the model itself wrote in them; files have a say of their own.
fn with_own_secrets(mut arguments: Arguments, secrets: &Secrets) -> Result<Arguments, ToolFailure> {
    let text = match &mut arguments {
        Arguments::Bash(bash) => &mut bash.command,
        Arguments::Grep(grep) => &mut grep.pattern,
        Arguments::Find(find) => &mut find.pattern,
        Arguments::Read(_) | Arguments::Edit(_) | Arguments::Write(_) | Arguments::Ls(_) => {
            return Ok(arguments);
        }
    };
    let own = std::slice::from_ref(&secrets.call);
    if let Cow::Owned(whole) = secrets.masking.put_back_own(text, own)? {
        *text = whole;
    }
    Ok(arguments)
}

/// Does reading work where blocking is allowed. A cancel returns at once, even where the disk does not answer.
async fn reading<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&CancellationToken) -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    // Dropping this future ends the work too.
    let cancel = context.cancel.child_token();
    let _ends = cancel.clone().drop_guard();
    let working = cancel.clone();
    let task = tokio::task::spawn_blocking(move || work(&working));
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ToolFailure::Cancelled),
        done = task => done.unwrap_or_else(|broken| Err(ToolFailure::Broken { message: broken.to_string() })),
    }
}

/// Does writing work, alone on its file. It can be cancelled until it starts; then it ends as what it was.
async fn writing<T: Send + 'static>(
    context: &Context,
    path: &Path,
    work: impl FnOnce() -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    let lock = locked(context, path).await?;
    // The lock goes with the work, so that it is held to the end even when this future is dropped.
    working(move || {
        let _lock = lock;
        work()
    })
    .await
}

/// Waits until the call is alone on a file, unless it is cancelled before.
async fn locked(context: &Context, path: &Path) -> Result<OwnedMutexGuard<()>, ToolFailure> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(ToolFailure::Cancelled),
        lock = context.locks.lock(path) => Ok(lock),
    }
}

/// Does work to its end where blocking is allowed.
async fn working<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    let task = tokio::task::spawn_blocking(work);
    task.await.unwrap_or_else(|broken| {
        Err(ToolFailure::Broken {
            message: broken.to_string(),
        })
    })
}

fn check_cancelled(cancel: &CancellationToken) -> Result<(), ToolFailure> {
    if cancel.is_cancelled() {
        Err(ToolFailure::Cancelled)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use glasswork_engine::ScopeId;

    use super::*;
    use crate::secrets::Vaults;

    fn context() -> Context {
        Context {
            blobs: BlobStore::new("/nonexistent"),
            locks: FileLocks::default(),
            cancel: CancellationToken::new(),
            progress: Arc::new(|_| {}),
            limits: Limits::default(),
            secrets: Secrets {
                masking: Vaults::new(vec![]).masking(ScopeId::mint(), true),
                call: Origin::Elsewhere,
            },
            desk: Desk::Disk,
        }
    }

    #[tokio::test]
    async fn a_write_can_be_cancelled_while_it_waits_and_not_while_it_works() {
        let context = context();
        let path = Path::new("/file");

        let cancel = context.cancel.child_token();
        let running = Context {
            cancel: cancel.clone(),
            ..context.clone()
        };
        let worked = writing(&running, path, move || {
            cancel.cancel();
            Ok("what it was")
        });
        assert_eq!(worked.await, Ok("what it was"));

        let held = context.locks.lock(path).await;
        let cancel = context.cancel.child_token();
        let waiting = Context {
            cancel: cancel.clone(),
            ..context.clone()
        };
        let begun = Arc::new(AtomicBool::new(false));
        let begin = Arc::clone(&begun);
        let (worked, ()) = tokio::join!(
            writing(&waiting, path, move || {
                begin.store(true, Ordering::SeqCst);
                Ok(())
            }),
            async { cancel.cancel() }
        );
        assert_eq!(
            (worked, begun.load(Ordering::SeqCst)),
            (Err(ToolFailure::Cancelled), false)
        );

        // Another file is not waited for.
        assert_eq!(writing(&context, Path::new("/other"), || Ok(())).await, Ok(()));
        drop(held);
        assert_eq!(writing(&context, path, || Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn a_tool_that_breaks_is_a_failure_like_any_other() {
        let broken = reading::<()>(&context(), |_| panic!("on purpose")).await;
        assert!(matches!(broken, Err(ToolFailure::Broken { .. })), "{broken:?}");
    }
}
