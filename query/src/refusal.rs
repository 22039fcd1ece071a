//! Why an operation did not happen, as an error of the graph: with a code, the refusal's name, and the reason as data.

use async_graphql::{Error, ErrorExtensions, Value};
use glasswork_app_runtime::attachments::AttachError;
use glasswork_app_runtime::reading::ReadError;
use glasswork_app_runtime::runtime::OperationError;
use glasswork_engine::{DispatchId, Refusal};
use glasswork_session_state::Glasswork;

use crate::error::{Code, fail};

/// The error of something that a client asked for.
pub(crate) fn of_client(error: &AttachError) -> Error {
    let code = match error {
        AttachError::Operation(error) => return of(error),
        AttachError::TooManyConnections(_)
        | AttachError::TooManySessions(_)
        | AttachError::TooManyWaiting(_) => Code::Overloaded,
        AttachError::TakenBack => Code::TakenBack,
        AttachError::Stopping => Code::Stopped,
        AttachError::Observer
        | AttachError::NotAttached
        | AttachError::NotOpened(_)
        | AttachError::AnsweredAlready { .. }
        | AttachError::Model(_) => Code::NotDone,
    };
    fail(code, error.to_string())
}

/// The error of an operation. Its text says what to do; `extensions.dispatch` names the refusal, which is on record,
/// and `extensions.reason` has what a handler said, as data.
pub(crate) fn of(error: &OperationError) -> Error {
    let code = match error {
        OperationError::Refused(refusal) => code(refusal),
        OperationError::Read(ReadError::Unknown(_)) => Code::NotFound,
        OperationError::Read(ReadError::Future { .. }) => Code::Future,
        OperationError::Workspace { .. } | OperationError::Image(_) => Code::Invalid,
        _ => Code::NotDone,
    };
    let told = fail(code, error.to_string());
    let OperationError::Refused(refusal) = error else {
        return told;
    };
    told.extend_with(|_, extensions| {
        if let Some(id) = dispatch(refusal) {
            extensions.set("dispatch", id.to_string());
        }
        if let Refusal::Rejected { rejection, .. } = refusal
            && let Ok(reason) = serde_json::to_value(rejection)
            && let Ok(reason) = Value::from_json(reason)
        {
            extensions.set("reason", reason);
        }
    })
}

fn code(refusal: &Refusal<Glasswork>) -> Code {
    match refusal {
        Refusal::Denied { .. } => Code::Denied,
        Refusal::Rejected { .. } | Refusal::Stale { .. } => Code::Rejected,
        Refusal::Invalid { .. } | Refusal::Failed { .. } => Code::Internal,
        Refusal::TooLarge { .. } => Code::QueryTooLarge,
        Refusal::JournalUnavailable { .. } => Code::JournalUnavailable,
        Refusal::Overloaded => Code::Overloaded,
        Refusal::NotMounted(_) => Code::NotOpen,
        Refusal::Stopped => Code::Stopped,
    }
}

fn dispatch(refusal: &Refusal<Glasswork>) -> Option<DispatchId> {
    match refusal {
        Refusal::Denied { id, .. }
        | Refusal::Rejected { id, .. }
        | Refusal::Invalid { id, .. }
        | Refusal::Failed { id, .. }
        | Refusal::Stale { id, .. }
        | Refusal::TooLarge { id, .. } => Some(*id),
        Refusal::JournalUnavailable { id, .. } => *id,
        Refusal::Overloaded | Refusal::NotMounted(_) | Refusal::Stopped => None,
    }
}
