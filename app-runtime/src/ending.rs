//! How a turn ended, and what a program that waited for it exits with. One table.

use glasswork_agent_core::{tool_call, turn};
use glasswork_agent_session::store::StoreError;
use glasswork_session_state::evidence::Access;
use glasswork_session_state::state::{Session, TurnFailure};

use crate::export::ExportError;
use crate::importing::{ImportError, OwnError};
use crate::reading::ReadError;
use crate::runtime::OperationError;

/// Exit codes of the program. Documented in `docs/exit-codes.md` and the man page, from this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line, a setting or a name is wrong.
    Usage = 2,
    /// Data is damaged.
    Damaged = 3,
    /// Something was denied that the work needed.
    Denied = 4,
    /// A budget or a limit was reached.
    Limit = 5,
    /// The last answer is not a value of the schema that was asked for.
    NoResult = 6,
    /// Interrupted (SIGINT).
    Interrupted = 130,
    /// Terminated (SIGTERM).
    Terminated = 143,
}

impl ExitCode {
    /// What it means, in a line.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed; the reason is on standard error",
            Self::Usage => "the command line, a setting or a name is wrong",
            Self::Damaged => "data is damaged; the message names file and position",
            Self::Denied => "a tool call was denied, with nobody there to ask",
            Self::Limit => "a budget or a limit was reached",
            Self::NoResult => "the last answer is not a value of the schema that `--schema` names",
            Self::Interrupted => "interrupted (Ctrl-C); everything that was acknowledged is on the disk",
            Self::Terminated => "terminated (SIGTERM); everything that was acknowledged is on the disk",
        }
    }
}

/// As the number.
impl serde::Serialize for ExitCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl From<&StoreError> for ExitCode {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unknown { .. }
            | StoreError::Ambiguous { .. }
            | StoreError::NotAName(_)
            | StoreError::NoSuchCommit { .. } => Self::Usage,
            StoreError::Damaged { .. } | StoreError::NotAJournal { .. } | StoreError::Misnamed { .. } => {
                Self::Damaged
            }
            StoreError::Owned { .. }
            | StoreError::Exists(_)
            | StoreError::NotAtRest { .. }
            | StoreError::Io { .. } => Self::Failed,
        }
    }
}

impl From<&ReadError> for ExitCode {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::Unknown(_)
            | ReadError::Future { .. }
            | ReadError::NoDispatch(_)
            | ReadError::NotASession(_) => Self::Usage,
        }
    }
}

impl From<&OperationError> for ExitCode {
    fn from(error: &OperationError) -> Self {
        match error {
            OperationError::Store(error) => error.into(),
            OperationError::Read(error) => error.into(),
            OperationError::Workspace { .. } => Self::Usage,
            OperationError::Import(error) => error.into(),
            OperationError::Credentials(_) => Self::Usage,
            OperationError::Refused(_)
            | OperationError::Mount(_)
            | OperationError::Unmount(_)
            | OperationError::NotDone(_)
            | OperationError::Image(_)
            | OperationError::Start(_) => Self::Failed,
        }
    }
}

impl From<&OwnError> for ExitCode {
    fn from(error: &OwnError) -> Self {
        match error {
            OwnError::Store(error) => error.into(),
            OwnError::Damaged(_) | OwnError::FromTheFuture(_) | OwnError::Bomb { .. } => Self::Damaged,
            OwnError::Differs(_) | OwnError::NotOurs(_) => Self::Usage,
            OwnError::Io(_) => Self::Failed,
        }
    }
}

impl From<&ExportError> for ExitCode {
    fn from(error: &ExportError) -> Self {
        match error {
            ExportError::Read(error) => error.into(),
            ExportError::Write(_) => Self::Failed,
        }
    }
}

impl From<&ImportError> for ExitCode {
    fn from(error: &ImportError) -> Self {
        match error {
            ImportError::Unreadable { .. }
            | ImportError::TooLong { .. }
            | ImportError::Foreign { .. }
            | ImportError::NoWorkspace { .. } => Self::Usage,
            ImportError::ReadOtherwise { .. } | ImportError::Blob(_) => Self::Failed,
        }
    }
}

/// The code for a session whose last turn has ended.
#[must_use]
pub fn of_last_turn(session: &Session) -> ExitCode {
    let Some(turn) = &session.turn else {
        return ExitCode::Failed;
    };
    match turn.state {
        turn::State::Completed if denied_unattended(session) => ExitCode::Denied,
        turn::State::Completed => ExitCode::Done,
        turn::State::Interrupted | turn::State::Cancelled | turn::State::Paused => ExitCode::Interrupted,
        turn::State::Failed => match turn.failure {
            Some(
                TurnFailure::Limit { .. }
                | TurnFailure::Budget(_)
                | TurnFailure::Loop { .. }
                | TurnFailure::Paused { .. },
            ) => ExitCode::Limit,
            Some(TurnFailure::NoResult { .. }) => ExitCode::NoResult,
            _ => ExitCode::Failed,
        },
        _ => ExitCode::Failed,
    }
}

/// Whether a call of the last turn was denied only because nobody was there to ask.
fn denied_unattended(session: &Session) -> bool {
    let last = session.turn.as_ref().map(|turn| turn.id);
    session
        .calls
        .values()
        .filter(|call| Some(call.turn) == last)
        .any(|call| {
            call.state == tool_call::State::Denied
                && call
                    .judgement
                    .as_ref()
                    // A question that nobody could answer has denied nothing.
                    .is_some_and(|judgement| {
                        let why = &judgement.explanation;
                        why.unattended && why.access != Access::Question
                    })
        })
}
