//! Asking a client whether a call may run.

use agent_client_protocol::v1::schema::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, RequestPermissionRequest,
    RequestPermissionResponse,
};
use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::Said;
use glasswork_engine::ScopeId;
use glasswork_session_state::call::Call;
use glasswork_session_state::evidence::Access;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::state::Session;

use super::tool_calls::Shown;

const ALLOW: &str = "allow";
const ALLOW_EDITS: &str = "allow-edits";
const REJECT: &str = "reject";

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may run.
    Allow,
    /// It may run, and so may every change of a file in the workspace from now on.
    AllowEdits,
    /// To what it asks, this.
    Said(Said),
    /// It may not run, or is not answered.
    Reject,
    /// Nothing, because the client has no way to ask this.
    Cannot,
    /// Nothing: the turn shall end.
    Cancelled,
    /// Nothing, because the client is gone.
    Gone,
    /// Nothing that is known here.
    None,
}

/// The question. What is offered is what there is: an answer about this call, and for changes in the workspace the mode
/// that does not ask about them. Nothing is remembered about commands, so nothing of that is offered.
pub(super) fn request(
    id: ScopeId,
    session: &Session,
    call_id: CallId,
    call: &Call,
) -> RequestPermissionRequest {
    let mut options = vec![PermissionOption::new(
        ALLOW,
        "Allow",
        PermissionOptionKind::AllowOnce,
    )];
    if call.access() == Some(Access::Write) && session.settings.mode.value == Mode::Ask {
        let name = "Allow, and all changes of files in the workspace";
        options.push(PermissionOption::new(
            ALLOW_EDITS,
            name,
            PermissionOptionKind::AllowAlways,
        ));
    }
    options.push(PermissionOption::new(
        REJECT,
        "Reject",
        PermissionOptionKind::RejectOnce,
    ));
    let shown = Shown::new(session, call_id, &call.call.name, &call.call.arguments);
    RequestPermissionRequest::new(id.to_string(), shown.update(), options)
}

/// What an answer means.
pub(super) fn answer(answer: &RequestPermissionResponse) -> Answer {
    match &answer.outcome {
        RequestPermissionOutcome::Selected(selected) => match &*selected.option_id.0 {
            ALLOW => Answer::Allow,
            ALLOW_EDITS => Answer::AllowEdits,
            REJECT => Answer::Reject,
            _ => Answer::None,
        },
        RequestPermissionOutcome::Cancelled => Answer::Cancelled,
        _ => Answer::None,
    }
}

/// What [`Answer::AllowEdits`] sets.
pub(super) fn accept_edits() -> Setting {
    Setting::Mode(Sourced::from_layer(Mode::AcceptEdits, Layer::Session))
}
