//! What a request is answered that is not done.

use glasswork_app_runtime::attachments::AttachError;
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::slash_commands::CommandError;
use glasswork_engine::Refusal;
use serde::Serialize;
use serde_json::{Value, json};

/// An error of JSON-RPC. `data.kind` says what it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Fault {
    /// The code.
    pub code: i64,
    /// What is wrong, and what to do.
    pub message: String,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// No JSON.
pub(crate) const PARSE: i64 = -32700;
/// No request.
pub(crate) const REQUEST: i64 = -32600;
/// No method.
pub(crate) const METHOD: i64 = -32601;
/// Not its parameters.
pub(crate) const PARAMS: i64 = -32602;
/// A defect.
pub(crate) const INTERNAL: i64 = -32603;
/// It was understood, and is refused.
pub(crate) const REFUSED: i64 = -32000;

impl Fault {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn refused(kind: &str, message: impl Into<String>) -> Self {
        Self {
            data: Some(json!({ "kind": kind })),
            ..Self::new(REFUSED, message)
        }
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        let kind = match &error {
            CommandError::NotACommand | CommandError::Unknown { .. } => "no_such_command",
            CommandError::Usage { .. } => "usage",
        };
        Self::refused(kind, error.to_string())
    }
}

impl From<AttachError> for Fault {
    fn from(error: AttachError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            AttachError::TooManyConnections(_) => "too_many_connections",
            AttachError::TooManySessions(_) => "too_many_sessions",
            AttachError::TooManyWaiting(_) => "too_many_waiting",
            AttachError::Observer => "observer",
            AttachError::NotAttached => "not_attached",
            AttachError::TakenBack => "taken_back",
            AttachError::NotOpened(_) => "not_opened",
            AttachError::Stopping => "stopping",
            AttachError::Model(_) => "no_such_model",
            AttachError::AnsweredAlready {
                call,
                approved,
                by,
                origin,
                who,
            } => {
                return Self {
                    code: REFUSED,
                    message,
                    data: Some(json!({
                        "kind": "answered_already",
                        "call": call,
                        "approved": approved,
                        "by": by.to_string(),
                        "origin": origin,
                        "who": who,
                    })),
                };
            }
            AttachError::Operation(OperationError::Refused(Refusal::Rejected { id, rejection })) => {
                return Self {
                    code: REFUSED,
                    message,
                    data: Some(json!({
                        "kind": "rejected",
                        "by": id.to_string(),
                        "rejection": rejection,
                    })),
                };
            }
            AttachError::Operation(OperationError::Refused(_)) => "not_accepted",
            AttachError::Operation(OperationError::Store(_) | OperationError::Read(_)) => "not_readable",
            AttachError::Operation(_) => "not_done",
        };
        Self::refused(kind, message)
    }
}
