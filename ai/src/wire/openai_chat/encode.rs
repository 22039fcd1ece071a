//! A request as Chat Completions has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::conversation::{Block, Message, Request};
use crate::failure::Failure;
use crate::model::Thinking;
use crate::wire::{HttpRequest, invalid_request, name, schema};

/// Which names of fields a server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Names {
    /// As OpenAI has them now.
    Current,
    /// As it had them before, and as most other servers still do.
    Older,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Entry<'a> {
    System {
        content: String,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
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
}

pub(in crate::wire) fn encode(request: &Request, names: Names) -> Result<HttpRequest, Failure> {
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
        .map(|tool| {
            Ok(Tool {
                r#type: "function",
                function: Function {
                    name: &tool.name,
                    description: &tool.description,
                    parameters: schema::parameters(tool)?,
                },
            })
        })
        .collect();
    let limit = request.max_output_tokens;
    let body = Body {
        model: &request.model.model,
        messages: entries(request),
        tools: tools?,
        reasoning_effort: match request.thinking {
            Thinking::Default => None,
            Thinking::Off => Some("none"),
            Thinking::Minimal => Some("minimal"),
            Thinking::Low => Some("low"),
            Thinking::Medium => Some("medium"),
            Thinking::High => Some("high"),
            Thinking::Xhigh => Some("xhigh"),
        },
        max_completion_tokens: limit.filter(|_| names == Names::Current),
        max_tokens: limit.filter(|_| names == Names::Older),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
    };
    let body = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(HttpRequest {
        method: "POST",
        path: super::PATH,
        headers: &[
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
        ],
        body: body.into(),
    })
}

fn entries(request: &Request) -> Vec<Entry<'_>> {
    let system: Vec<&str> = request
        .system
        .iter()
        .map(|part| &**part)
        .filter(|part| !is_blank(part))
        .collect();
    let system = (!system.is_empty()).then(|| Entry::System {
        content: system.join("\n\n"),
    });
    let messages = request.messages.iter().filter_map(|message| match message {
        Message::User(text) if is_blank(text) => None,
        Message::User(text) => Some(Entry::User { content: text }),
        Message::ToolResult(result) => Some(Entry::Tool {
            tool_call_id: &result.call,
            content: &result.text,
        }),
        Message::Assistant { blocks, model } => {
            // This wire has no place for a model's own thinking. What another model thought is told as text.
            let foreign = *model != request.model;
            let texts: Vec<&str> = blocks
                .iter()
                .filter_map(|block| match block {
                    Block::Text(text) => Some(&**text),
                    Block::Thinking(thought) if foreign => Some(&*thought.text),
                    Block::Thinking(_) | Block::ToolCall(_) | Block::Kept(_) => None,
                })
                .filter(|text| !is_blank(text))
                .collect();
            let tool_calls: Vec<Call<'_>> = blocks
                .iter()
                .filter_map(|block| match block {
                    Block::ToolCall(call) => Some(Call {
                        id: &call.id,
                        r#type: "function",
                        function: CalledFunction {
                            name: name::called(&call.name),
                            arguments: if call.arguments.is_empty() {
                                "{}"
                            } else {
                                &call.arguments
                            },
                        },
                    }),
                    Block::Text(_) | Block::Thinking(_) | Block::Kept(_) => None,
                })
                .collect();
            if texts.is_empty() && tool_calls.is_empty() {
                return None;
            }
            Some(Entry::Assistant {
                content: (!texts.is_empty()).then(|| texts.join("\n\n")),
                tool_calls,
            })
        }
    });
    system.into_iter().chain(messages).collect()
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
