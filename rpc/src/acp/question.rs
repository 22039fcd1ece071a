//! Asking a person what the model wants to know: by a form where the client has forms; where it has none, by the choice
//! with which it asks for permission, as far as there is something to choose from.

use agent_client_protocol::v1::schema::{
    ClientCapabilities, CreateElicitationRequest, CreateElicitationResponse, ElicitationAction,
    ElicitationContentValue, ElicitationFormMode, ElicitationSchema, ElicitationSessionScope, EnumOption,
    MultiSelectPropertySchema, PermissionOption, PermissionOptionKind, RequestPermissionOutcome,
    RequestPermissionRequest, RequestPermissionResponse, StringPropertySchema, ToolCallId,
};
use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::{Question, Said, WORDS_BYTES};
use glasswork_engine::ScopeId;
use glasswork_session_state::call::Call;
use glasswork_session_state::state::Session;

use super::permission::Answer;
use super::tool_calls::Shown;

/// The field of a form for what is offered.
const CHOICE: &str = "choice";
/// The field of a form for other words.
const WORDS: &str = "words";
/// How the ids of what is offered as a choice begin; the number follows.
const OPTION: &str = "option-";
const DECLINE: &str = "decline";
/// What the model is told where a client cannot ask.
pub(super) const CANNOT: &str =
    "the user's client has no way to ask this; decide yourself, and say what you assumed";

/// Whether a client has forms.
pub(super) fn has_forms(client: &ClientCapabilities) -> bool {
    let elicitation = client.elicitation.as_ref();
    elicitation.is_some_and(|elicitation| elicitation.form.is_some())
}

/// The question as a form: a field for what is offered, and one for words.
pub(super) fn form(id: ScopeId, call: CallId, question: &Question) -> CreateElicitationRequest {
    let options = question.options.iter().map(|option| {
        let description = option.description.as_ref().map(ToString::to_string);
        EnumOption::new(&*option.label, &*option.label).description(description)
    });
    let options: Vec<_> = options.collect();
    let most = u32::try_from(WORDS_BYTES / 4).unwrap_or(u32::MAX);
    let words = StringPropertySchema::new().max_length(most);
    let schema = ElicitationSchema::new();
    let schema = match (options.is_empty(), question.multi_select) {
        (true, _) => schema.property(WORDS, words.title("Answer".to_owned()), true),
        (false, several) => {
            let schema = match several {
                true => schema.property(
                    CHOICE,
                    MultiSelectPropertySchema::titled(options).title("Answers".to_owned()),
                    false,
                ),
                false => schema.property(
                    CHOICE,
                    StringPropertySchema::new()
                        .one_of(options)
                        .title("Answer".to_owned()),
                    false,
                ),
            };
            schema.property(WORDS, words.title("In other words".to_owned()), false)
        }
    };
    let scope = ElicitationSessionScope::new(id.to_string()).tool_call_id(ToolCallId::new(call.to_string()));
    CreateElicitationRequest::new(ElicitationFormMode::new(scope, schema), &*question.question)
}

/// What a form that was filled in means.
pub(super) fn filled(response: CreateElicitationResponse) -> Answer {
    let accepted = match response.action {
        ElicitationAction::Accept(accepted) => accepted,
        ElicitationAction::Decline => return Answer::Reject,
        ElicitationAction::Cancel => return Answer::Cancelled,
        _ => return Answer::None,
    };
    let mut content = accepted.content.unwrap_or_default();
    let labels = match content.remove(CHOICE) {
        Some(ElicitationContentValue::String(label)) if label.is_empty() => vec![],
        Some(ElicitationContentValue::String(label)) => vec![label.into()],
        Some(ElicitationContentValue::StringArray(labels)) => labels.into_iter().map(Into::into).collect(),
        _ => vec![],
    };
    let words = match content.remove(WORDS) {
        Some(ElicitationContentValue::String(words)) => Some(words.into()),
        _ => None,
    };
    Answer::Said(Said::Chosen { labels, words })
}

/// The question as a choice; `None` where it offers nothing to choose from.
pub(super) fn choice(
    id: ScopeId,
    session: &Session,
    call_id: CallId,
    call: &Call,
    question: &Question,
) -> Option<RequestPermissionRequest> {
    if question.options.is_empty() {
        return None;
    }
    let offered = question.options.iter().enumerate().map(|(place, option)| {
        let name = match &option.description {
            Some(description) => format!("{} – {description}", option.label),
            None => option.label.to_string(),
        };
        PermissionOption::new(format!("{OPTION}{place}"), name, PermissionOptionKind::AllowOnce)
    });
    let decline = PermissionOption::new(DECLINE, "Do not answer", PermissionOptionKind::RejectOnce);
    let shown = Shown::new(session, call_id, &call.call.name, &call.call.arguments);
    let options = offered.chain([decline]).collect();
    Some(RequestPermissionRequest::new(
        id.to_string(),
        shown.update(),
        options,
    ))
}

/// What was chosen means.
pub(super) fn chosen(response: &RequestPermissionResponse, question: &Question) -> Answer {
    let selected = match &response.outcome {
        RequestPermissionOutcome::Selected(selected) => &*selected.option_id.0,
        RequestPermissionOutcome::Cancelled => return Answer::Cancelled,
        _ => return Answer::None,
    };
    let place = selected
        .strip_prefix(OPTION)
        .and_then(|place| place.parse::<usize>().ok());
    match place.and_then(|place| question.options.get(place)) {
        Some(option) => Answer::Said(Said::Chosen {
            labels: vec![option.label.clone()],
            words: None,
        }),
        None if selected == DECLINE => Answer::Reject,
        None => Answer::None,
    }
}
