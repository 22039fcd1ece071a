//! A request as Chat Completions has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::abilities::{Abilities, Thinking};
use crate::controls::{After, Cache};
use crate::conversation::{Block, Kept, Message, Request, Thought};
use crate::failure::Failure;
use crate::image::Shown;
use crate::structured::NAME;
use crate::wire::caching::CacheControl;
use crate::wire::differences::{MaxTokensField, ThinkingBack, ThinkingSwitch};
use crate::wire::ids::Ids;
use crate::wire::picture::{Picture, Url};
use crate::wire::service::Service;
use crate::wire::{Differences, HttpRequest, Server, maker, name, result, schema, thinking};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format>,
    #[serde(flatten)]
    thinking: Switch,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(flatten)]
    service: Service<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [std::sync::Arc<str>],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

/// The tool that has to be called.
#[derive(Serialize)]
struct Choice {
    r#type: &'static str,
    function: Chosen,
}

#[derive(Serialize)]
struct Chosen {
    name: &'static str,
}

/// What the answer has to be.
#[derive(Serialize)]
struct Format {
    r#type: &'static str,
    json_schema: OfSchema,
}

#[derive(Serialize)]
struct OfSchema {
    name: &'static str,
    strict: bool,
    schema: Box<RawValue>,
}

#[derive(Serialize, Default)]
struct Switch {
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<TypeOnly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_thinking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template_kwargs: Option<TemplateArguments>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Reasoning {
    Effort(&'static str),
    Enabled(bool),
}

#[derive(Serialize)]
struct TypeOnly {
    r#type: &'static str,
}

#[derive(Serialize)]
struct TemplateArguments {
    enable_thinking: bool,
    thinking: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Entry<'a> {
    System {
        content: Content<'a>,
    },
    Developer {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<String>,
        #[serde(flatten)]
        thinking: Back<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Cow<'a, str>>,
        content: Content<'a>,
    },
}

/// A text, as a list of parts only where it has a breakpoint, or images beside it.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(flatten)]
    content: PartContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PartContent<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Url<'a>,
}

impl<'a> From<PartContent<'a>> for Part<'a> {
    fn from(content: PartContent<'a>) -> Self {
        Self {
            content,
            cache_control: None,
        }
    }
}

/// A model's own thinking, in the field where its server looks for it.
#[derive(Serialize, Default)]
struct Back<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: CalledFunction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent<'a>>,
}

/// What Gemini gives with a call behind this wire, and wants back.
#[derive(Serialize)]
struct ExtraContent<'a> {
    google: Google<'a>,
}

#[derive(Serialize)]
struct Google<'a> {
    thought_signature: &'a str,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

pub(in crate::wire) fn encode(
    request: &Request,
    server: &Server,
    abilities: &Abilities,
) -> Result<HttpRequest, Failure> {
    let differences = server.differences;
    let forced = result::tool(request);
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
        .chain(&forced)
        .map(|tool| {
            Ok(Tool {
                r#type: "function",
                function: Function {
                    name: &tool.name,
                    description: &tool.description,
                    parameters: schema::parameters(tool)?,
                    strict: differences.strict_field.then_some(false),
                },
            })
        })
        .collect();
    let support = thinking::support(server.wire, &request.model, abilities);
    let ids = Ids::of(&request.messages, differences.call_ids);
    let messages = entries(request, &differences, &ids);
    let limit = |field| {
        request
            .max_output_tokens
            .filter(|_| differences.max_tokens_field == field)
    };
    let body = Body {
        model: &request.model.model,
        messages,
        tools: tools?,
        tool_choice: forced.is_some().then_some(Choice {
            r#type: "function",
            function: Chosen { name: NAME },
        }),
        response_format: format(request)?,
        thinking: switch(differences.thinking_switch, support.clamp(request.thinking)),
        max_completion_tokens: limit(MaxTokensField::MaxCompletionTokens),
        max_tokens: limit(MaxTokensField::MaxTokens),
        service: Service::of(&request.controls, &differences),
        stop: &request.controls.stop,
        stream: true,
        stream_options: differences
            .usage_in_stream
            .then_some(StreamOptions { include_usage: true }),
    };
    HttpRequest::post(super::PATH, &body)
}

fn format(request: &Request) -> Result<Option<Format>, Failure> {
    let Some((output, strict)) = result::native(request) else {
        return Ok(None);
    };
    Ok(Some(Format {
        r#type: "json_schema",
        json_schema: OfSchema {
            name: NAME,
            strict,
            schema: result::schema(output)?,
        },
    }))
}

/// A level as a server is told it. One that can only be told whether, is.
fn switch(form: ThinkingSwitch, level: Thinking) -> Switch {
    let Some(effort) = thinking::effort(level) else {
        return Switch::default();
    };
    let on = level != Thinking::Off;
    let nothing = Switch::default();
    match form {
        ThinkingSwitch::None => nothing,
        ThinkingSwitch::ReasoningEffort => Switch {
            reasoning_effort: Some(effort),
            ..nothing
        },
        ThinkingSwitch::ReasoningEffortLowToHigh => {
            let known = if on {
                level.clamp(Thinking::Low, Thinking::High)
            } else {
                level
            };
            switch(ThinkingSwitch::ReasoningEffort, known)
        }
        ThinkingSwitch::ReasoningObject => Switch {
            reasoning: Some(Reasoning::Effort(effort)),
            ..nothing
        },
        ThinkingSwitch::ReasoningEnabled => Switch {
            reasoning: Some(Reasoning::Enabled(on)),
            ..nothing
        },
        ThinkingSwitch::ThinkingType => Switch {
            thinking: Some(TypeOnly {
                r#type: if on { "enabled" } else { "disabled" },
            }),
            ..nothing
        },
        ThinkingSwitch::ThinkingTypeEffort if !on => switch(ThinkingSwitch::ThinkingType, level),
        ThinkingSwitch::ThinkingTypeEffort => Switch {
            reasoning_effort: Some(if level == Thinking::Xhigh { "max" } else { effort }),
            ..switch(ThinkingSwitch::ThinkingType, level)
        },
        ThinkingSwitch::EnableThinking => Switch {
            enable_thinking: Some(on),
            ..nothing
        },
        ThinkingSwitch::ChatTemplate => Switch {
            chat_template_kwargs: Some(TemplateArguments {
                enable_thinking: on,
                thinking: on,
            }),
            ..nothing
        },
    }
}

fn entries<'a>(request: &'a Request, differences: &Differences, ids: &'a Ids<'_>) -> Vec<Entry<'a>> {
    let system: Vec<&str> = request
        .system
        .iter()
        .map(|part| &**part)
        .filter(|part| !is_blank(part))
        .collect();
    // A server that takes no breakpoints would refuse them.
    let none = Cache::default();
    let cache = match differences.cache_control {
        true => &request.controls.cache,
        false => &none,
    };
    let mut entries = Vec::new();
    if !system.is_empty() {
        let mut content = Content::Text(system.join("\n\n").into());
        if let Some(mark) = cache.mark(After::System) {
            content.mark(mark);
        }
        entries.push(match differences.developer_role {
            true => Entry::Developer { content },
            false => Entry::System { content },
        });
    }
    // A result is text on this wire, and nothing may stand between the results of one answer: images wait for their end.
    let mut images: Vec<Part<'_>> = Vec::new();
    for (place, message) in request.messages.iter().enumerate() {
        if matches!(message, Message::Assistant { .. }) {
            push(&mut entries, shown(&mut images), differences);
        }
        let mut entry = match message {
            Message::User(text) if is_blank(text) => None,
            Message::User(text) => Some(Entry::User {
                content: match std::mem::take(&mut images) {
                    none if none.is_empty() => Content::Text((&**text).into()),
                    mut parts => {
                        let text = Cow::Borrowed(&**text);
                        parts.push(PartContent::Text { text }.into());
                        Content::Parts(parts)
                    }
                },
            }),
            Message::Image(shown) => {
                images.extend(image(shown));
                None
            }
            Message::ToolResult(result) => Some(Entry::Tool {
                tool_call_id: ids.get(&result.call),
                name: differences.tool_result_name.then(|| name::called(&result.name)),
                content: Content::Text((&*result.text).into()),
            }),
            Message::Assistant { blocks, model } => {
                let own = maker::understands(&request.model, model);
                assistant(blocks, own, differences.thinking_back, ids)
            }
        };
        if let (Some(Entry::User { content } | Entry::Tool { content, .. }), Some(mark)) =
            (&mut entry, cache.mark_message(place))
        {
            content.mark(mark);
        }
        push(&mut entries, entry, differences);
    }
    push(&mut entries, shown(&mut images), differences);
    entries
}

fn push<'a>(entries: &mut Vec<Entry<'a>>, entry: Option<Entry<'a>>, differences: &Differences) {
    let Some(entry) = entry else { return };
    if differences.assistant_after_tool_result
        && matches!(entry, Entry::User { .. })
        && matches!(entries.last(), Some(Entry::Tool { .. }))
    {
        entries.push(Entry::Assistant {
            content: Some("I have the results.".to_owned()),
            thinking: Back::default(),
            tool_calls: Vec::new(),
        });
    }
    entries.push(entry);
}

/// The images that wait, as a message of the user.
fn shown<'a>(images: &mut Vec<Part<'a>>) -> Option<Entry<'a>> {
    let content = Content::Parts(std::mem::take(images));
    match &content {
        Content::Parts(parts) if parts.is_empty() => None,
        _ => Some(Entry::User { content }),
    }
}

/// An image; of one that a result shows it is said what it is, because it does not stand there.
fn image(shown: &Shown) -> Vec<Part<'_>> {
    let Some(picture) = Picture::of(shown) else {
        return Vec::new();
    };
    let url = picture.url();
    let image = PartContent::ImageUrl {
        image_url: ImageUrl { url },
    };
    let told = shown.call.as_ref().map(|_| PartContent::Text {
        text: format!("[image from a tool result above: {}]", shown.image.name).into(),
    });
    told.into_iter().chain([image]).map(Part::from).collect()
}

fn assistant<'a>(blocks: &'a [Block], own: bool, back: ThinkingBack, ids: &'a Ids<'_>) -> Option<Entry<'a>> {
    // What another model thought is told as text; a model's own goes where its server looks for it.
    let as_text = !own || back == ThinkingBack::AsText;
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text(text) => Some(&**text),
            Block::Thinking(thought) if as_text => Some(&*thought.text),
            Block::Thinking(_) | Block::ToolCall(_) | Block::Kept(_) => None,
        })
        .filter(|text| !is_blank(text))
        .collect();
    let calls = blocks
        .iter()
        .enumerate()
        .filter_map(|(number, block)| match block {
            Block::ToolCall(call) => Some((call, blocks.get(number + 1))),
            Block::Text(_) | Block::Thinking(_) | Block::Kept(_) => None,
        });
    let tool_calls: Vec<Call<'_>> = calls
        .map(|(call, next)| Call {
            id: ids.get(&call.id),
            r#type: "function",
            function: CalledFunction {
                name: name::called(&call.name),
                arguments: if call.arguments.is_empty() {
                    "{}"
                } else {
                    &call.arguments
                },
            },
            extra_content: match next {
                Some(Block::Kept(Kept::ThoughtSignature(signature))) if own => Some(ExtraContent {
                    google: Google {
                        thought_signature: signature,
                    },
                }),
                _ => None,
            },
        })
        .collect();
    if texts.is_empty() && tool_calls.is_empty() {
        return None;
    }
    Some(Entry::Assistant {
        content: (!texts.is_empty()).then(|| texts.join("\n\n")),
        thinking: if own {
            thought(blocks, back)
        } else {
            Back::default()
        },
        tool_calls,
    })
}

fn thought(blocks: &[Block], back: ThinkingBack) -> Back<'_> {
    let thoughts = blocks.iter().filter_map(|block| match block {
        Block::Thinking(Thought { text, .. }) => Some(&**text).filter(|text| !is_blank(text)),
        _ => None,
    });
    let thoughts: Vec<&str> = thoughts.collect();
    let text = (!thoughts.is_empty()).then(|| thoughts.join("\n\n"));
    let details = blocks.iter().find_map(|block| match block {
        Block::Kept(Kept::ReasoningDetails(details)) => serde_json::from_str(details).ok(),
        _ => None,
    });
    let nothing = Back::default();
    match back {
        ThinkingBack::Never | ThinkingBack::AsText => nothing,
        ThinkingBack::ReasoningContent => Back {
            reasoning_content: text,
            ..nothing
        },
        ThinkingBack::ReasoningDetails if details.is_some() => Back {
            reasoning_details: details,
            ..nothing
        },
        ThinkingBack::Reasoning | ThinkingBack::ReasoningDetails => Back {
            reasoning: text,
            ..nothing
        },
        ThinkingBack::Thinking => Back {
            thinking: text,
            ..nothing
        },
    }
}

impl Content<'_> {
    /// Marks up to where the server behind the relay may keep the request in its cache.
    fn mark(&mut self, cache_control: CacheControl) {
        match self {
            // The server takes no breakpoint on a text that is blank.
            Self::Text(text) if is_blank(text) => {}
            Self::Text(text) => {
                let text = std::mem::take(text);
                *self = Self::Parts(vec![Part {
                    content: PartContent::Text { text },
                    cache_control: Some(cache_control),
                }]);
            }
            Self::Parts(parts) => {
                if let Some(last) = parts.last_mut() {
                    last.cache_control = Some(cache_control);
                }
            }
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
