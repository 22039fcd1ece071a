//! A request as Gemini has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::schema::Schema;
use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::conversation::{Block, Kept, Message, Request};
use crate::failure::Failure;
use crate::image::Shown;
use crate::structured::NAME;
use crate::wire::ids::{CallIds, Ids};
use crate::wire::picture::{Data, Picture};
use crate::wire::{HttpRequest, Wire, invalid_request, maker, name, result, schema, service, thinking};

/// What the server takes in place of a signature that it did not give, for calls of other models.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<GenerationConfig<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    Model,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    args: Box<RawValue>,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    response: Outcome<'a>,
    /// Images, which models take here since Gemini 3.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome<'a> {
    Output(&'a str),
    Error(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Schema>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    function_calling_config: Mode,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mode {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'static str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [std::sync::Arc<str>],
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        self.max_output_tokens.is_none()
            && self.response_json_schema.is_none()
            && self.thinking_config.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
}

pub(in crate::wire) fn encode(request: &Request, abilities: &Abilities) -> Result<HttpRequest, Failure> {
    let forced = result::tool(request);
    let functions: Result<Vec<Function<'_>>, Failure> = request
        .tools
        .iter()
        .chain(&forced)
        .map(|tool| {
            let whole = schema::parameters(tool)?;
            let mut whole: Value = serde_json::from_str(whole.get()).unwrap_or_default();
            // The same tool has to be sent as the same bytes, or the server's cache does not know them.
            whole.sort_all_objects();
            Ok(Function {
                name: &tool.name,
                description: &tool.description,
                parameters: Schema::of_tool(&whole),
            })
        })
        .collect();
    let functions = functions?;
    let has_tools = !functions.is_empty();
    let system: Vec<Part<'_>> = request.system.iter().filter_map(|part| text(part)).collect();
    let json_schema = match result::native(request) {
        Some((output, _)) => Some(result::schema(output)?),
        None => None,
    };
    let generation_config = GenerationConfig {
        max_output_tokens: request.max_output_tokens,
        response_mime_type: json_schema.is_some().then_some("application/json"),
        response_json_schema: json_schema,
        thinking_config: thinking_config(request, abilities),
        temperature: request
            .controls
            .temperature
            .and_then(|number| service::json(number.get())),
        top_p: request
            .controls
            .top_p
            .and_then(|number| service::json(number.get())),
        stop_sequences: &request.controls.stop,
    };
    let ids = Ids::of(&request.messages, CallIds::Any);
    let body = Body {
        system_instruction: (!system.is_empty()).then_some(Content {
            role: None,
            parts: system,
        }),
        contents: contents(request, &ids),
        tools: has_tools
            .then_some(Tools {
                function_declarations: functions,
            })
            .into_iter()
            .collect(),
        tool_config: has_tools.then_some(ToolConfig {
            function_calling_config: match forced {
                Some(_) => Mode {
                    mode: "ANY",
                    allowed_function_names: Some([NAME]),
                },
                None => Mode {
                    mode: "AUTO",
                    allowed_function_names: None,
                },
            },
        }),
        generation_config: Some(generation_config).filter(|config| !config.is_empty()),
    };
    let sent = HttpRequest::post(path(&request.model.model)?, &body)?;
    Ok(HttpRequest {
        query: Some("alt=sse"),
        ..sent
    })
}

/// `models/…:streamGenerateContent`. An id is part of the address, and must not lead to another one.
fn path(model: &str) -> Result<String, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@');
    let leads_away = model
        .split('/')
        .any(|segment| segment.is_empty() || segment.starts_with('.'));
    if leads_away || !model.chars().all(fits) {
        return Err(invalid_request(format!(
            "`{model}` is no model of this provider; write it like `gemini-2.5-pro`"
        )));
    }
    let folder = if model.contains('/') { "" } else { "models/" };
    Ok(format!("{folder}{model}{}", super::PATH))
}

fn thinking_config(request: &Request, abilities: &Abilities) -> Option<ThinkingConfig> {
    let support = thinking::support(Wire::Gemini, &request.model, abilities);
    let level = support.clamp(request.thinking);
    let config = |thinking_level, thinking_budget| {
        Some(ThinkingConfig {
            include_thoughts: level != Thinking::Off,
            thinking_level,
            thinking_budget,
        })
    };
    match (&support, level) {
        (ThinkingSupport::Never, _) | (ThinkingSupport::Unknown, Thinking::Default) => None,
        // To be shown what it thinks, one has to ask.
        (_, Thinking::Default) => config(None, None),
        (_, Thinking::Off) => config(None, Some(0)),
        (ThinkingSupport::Budget { least, most, .. }, level) => {
            config(None, Some(thinking::budget(level, *least, *most).into()))
        }
        // As much as it wants to.
        (ThinkingSupport::Switch, _) => config(None, Some(-1)),
        (ThinkingSupport::Levels(_) | ThinkingSupport::Unknown, level) => {
            let level = level.min(Thinking::High);
            config(thinking::effort(level), None)
        }
    }
}

/// The messages, with neighbours of one role made one: all responses of a batch belong into one content.
fn contents<'a>(request: &'a Request, ids: &'a Ids<'_>) -> Vec<Content<'a>> {
    let mut contents: Vec<Content<'_>> = Vec::new();
    for message in &request.messages {
        let (role, parts) = match message {
            Message::User(words) => (Role::User, text(words).into_iter().collect()),
            Message::ToolResult(result) => {
                let response = FunctionResponse {
                    id: ids.get(&result.call),
                    name: name::called(&result.name),
                    response: match result.is_error {
                        true => Outcome::Error(&result.text),
                        false => Outcome::Output(&result.text),
                    },
                    parts: Vec::new(),
                };
                let part = Part {
                    function_response: Some(response),
                    ..Part::default()
                };
                (Role::User, vec![part])
            }
            Message::Image(shown) => {
                let within = is_third(&request.model.model)
                    .then(|| response_of(shown, ids, &mut contents))
                    .flatten();
                match (within, image(shown)) {
                    (Some(response), Some(image)) => {
                        response.parts.push(image);
                        continue;
                    }
                    (_, image) => (Role::User, image.into_iter().collect()),
                }
            }
            Message::Assistant { blocks, model } => {
                let own = maker::understands(&request.model, model);
                (Role::Model, answer(blocks, own, &request.model.model, ids))
            }
        };
        if parts.is_empty() {
            continue;
        }
        match contents.last_mut().filter(|last| last.role == Some(role)) {
            Some(last) => last.parts.extend(parts),
            None => contents.push(Content {
                role: Some(role),
                parts,
            }),
        }
    }
    // Responses come before words, wherever they stood.
    for content in contents
        .iter_mut()
        .filter(|content| content.role == Some(Role::User))
    {
        content.parts.sort_by_key(|part| part.function_response.is_none());
    }
    contents
}

fn answer<'a>(blocks: &'a [Block], own: bool, model: &str, ids: &'a Ids<'_>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let signature = match blocks.get(number + 1) {
            Some(Block::Kept(Kept::ThoughtSignature(signature))) if own => Some(&**signature),
            _ => None,
        };
        let part = match block {
            Block::Text(words) => text(words),
            // Of its own thinking the server needs the signatures alone; what another thought goes as text.
            Block::Thinking(thought) if own => {
                text(&thought.text)
                    .filter(|_| signature.is_some())
                    .map(|part| Part {
                        thought: true,
                        ..part
                    })
            }
            Block::Thinking(thought) => text(&thought.text),
            Block::ToolCall(call) => schema::arguments(&call.arguments).map(|args| Part {
                function_call: Some(FunctionCall {
                    id: ids.get(&call.id),
                    name: name::called(&call.name),
                    args,
                }),
                ..Part::default()
            }),
            // One that no part came before stands for itself.
            Block::Kept(Kept::ThoughtSignature(_)) if own && !follows_a_part(blocks, number) => Some(Part {
                text: Some(""),
                ..Part::default()
            }),
            Block::Kept(_) => None,
        };
        let own_signature = match block {
            Block::Kept(Kept::ThoughtSignature(signature)) => Some(&**signature),
            _ => signature,
        };
        parts.extend(part.map(|part| Part {
            thought_signature: own_signature,
            ..part
        }));
    }
    if is_third(model)
        && let Some(first) = parts.iter_mut().find(|part| part.function_call.is_some())
    {
        first.thought_signature.get_or_insert(NO_SIGNATURE);
    }
    parts
}

fn follows_a_part(blocks: &[Block], number: usize) -> bool {
    number
        .checked_sub(1)
        .and_then(|before| blocks.get(before))
        .is_some_and(|before| match before {
            Block::Text(words) => !words.trim().is_empty(),
            Block::Thinking(thought) => !thought.text.trim().is_empty(),
            Block::ToolCall(_) => true,
            Block::Kept(_) => false,
        })
}

fn image(shown: &Shown) -> Option<Part<'_>> {
    let picture = Picture::of(shown)?;
    Some(Part {
        inline_data: Some(InlineData {
            mime_type: picture.media.mime(),
            data: picture.data(),
        }),
        ..Part::default()
    })
}

/// The response that shows an image, if one does.
fn response_of<'c, 'a>(
    shown: &Shown,
    ids: &Ids<'_>,
    contents: &'c mut [Content<'a>],
) -> Option<&'c mut FunctionResponse<'a>> {
    let call = ids.get(shown.call.as_deref()?);
    let parts = contents.last_mut()?.parts.iter_mut().rev();
    let mut responses = parts.filter_map(|part| part.function_response.as_mut());
    responses.find(|response| response.id == call)
}

/// Whether it is Gemini 3 or later: since then the first call of each answer must be signed, and a response may hold
/// images.
fn is_third(model: &str) -> bool {
    let id = model.rsplit('/').next().unwrap_or_default();
    id.strip_prefix("gemini-")
        .is_some_and(|version| !version.starts_with(['1', '2']))
}

fn text(text: &str) -> Option<Part<'_>> {
    (!text.trim().is_empty()).then(|| Part {
        text: Some(text),
        ..Part::default()
    })
}
