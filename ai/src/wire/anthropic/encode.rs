//! A request as Messages has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::conversation::{Block, Message, Request, Thought, ToolResult};
use crate::failure::Failure;
use crate::model::Thinking;
use crate::wire::{HttpRequest, invalid_request, name, schema};

/// Tokens to answer with where the request does not say: the wire wants a number, and every model since Claude 4
/// takes this one.
pub(in crate::wire) const DEFAULT_MAX_TOKENS: u32 = 32_000;
/// The least that the server takes as a budget for thinking.
const LEAST_BUDGET: u32 = 1024;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Part<'a>>,
    messages: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    stream: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ThinkingMode {
    Disabled,
    Adaptive,
    Enabled { budget_tokens: u32 },
}

#[derive(Serialize)]
struct OutputConfig {
    effort: &'static str,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: Box<RawValue>,
}

#[derive(Serialize)]
struct Entry<'a> {
    role: Role,
    content: Vec<Part<'a>>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    Assistant,
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(flatten)]
    content: Content<'a>,
    /// Up to here the server may keep the request in its cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: &'a str,
        #[serde(skip_serializing_if = "is_false")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

pub(in crate::wire) fn encode(request: &Request) -> Result<HttpRequest, Failure> {
    let max_tokens = request.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let (thinking, output_config) = thinking(request, max_tokens);
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
        .map(|tool| {
            Ok(Tool {
                name: &tool.name,
                description: &tool.description,
                input_schema: schema::parameters(tool)?,
            })
        })
        .collect();
    let mut system: Vec<Part<'_>> = request.system.iter().filter_map(|part| text(part)).collect();
    let mut messages = entries(request);
    let last_message = messages.last_mut().and_then(|entry| entry.content.last_mut());
    for part in system.last_mut().into_iter().chain(last_message) {
        // The server takes no breakpoint on thinking.
        if !matches!(
            part.content,
            Content::Thinking { .. } | Content::RedactedThinking { .. }
        ) {
            part.cache_control = Some(CacheControl { r#type: "ephemeral" });
        }
    }
    let body = Body {
        model: &request.model.model,
        max_tokens,
        tools: tools?,
        system,
        messages,
        thinking,
        output_config,
        stream: true,
    };
    let body = serde_json::to_vec(&body).map_err(|error| invalid_request(error.to_string()))?;
    Ok(HttpRequest {
        method: "POST",
        path: super::PATH,
        headers: &[
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("anthropic-version", "2023-06-01"),
        ],
        body: body.into(),
    })
}

/// Claude 4.6 and later decide themselves how much to think, within an effort; the models before have a budget.
fn thinking(request: &Request, max_tokens: u32) -> (Option<ThinkingMode>, Option<OutputConfig>) {
    let (effort, budget) = match request.thinking {
        Thinking::Default => return (None, None),
        Thinking::Off => return (Some(ThinkingMode::Disabled), None),
        Thinking::Minimal | Thinking::Low => ("low", 4096),
        Thinking::Medium => ("medium", 10_240),
        Thinking::High => ("high", 24_576),
        Thinking::Xhigh => ("max", 32_768),
    };
    if !has_budget(&request.model.model) {
        return (Some(ThinkingMode::Adaptive), Some(OutputConfig { effort }));
    }
    // The budget is part of `max_tokens`, and some must be left for the answer.
    match budget.min(max_tokens / 2) {
        too_small if too_small < LEAST_BUDGET => (Some(ThinkingMode::Disabled), None),
        budget_tokens => (Some(ThinkingMode::Enabled { budget_tokens }), None),
    }
}

fn has_budget(model: &str) -> bool {
    [
        "claude-3",
        "-4-0",
        "-4-1",
        "-4-5",
        "claude-opus-4-2025",
        "claude-sonnet-4-2025",
    ]
    .iter()
    .any(|mark| model.contains(mark))
}

/// The messages, with neighbours of one role made one: all results of a batch belong into one message, before text.
fn entries(request: &Request) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for message in &request.messages {
        let (role, content) = match message {
            Message::User(words) => (Role::User, text(words).into_iter().collect()),
            Message::ToolResult(result) => (Role::User, vec![tool_result(result)]),
            Message::Assistant { blocks, model } => {
                let own = *model == request.model;
                let parts: Vec<Part<'_>> = blocks.iter().filter_map(|block| part(block, own)).collect();
                (Role::Assistant, parts)
            }
        };
        if content.is_empty() {
            continue;
        }
        match entries.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.extend(content),
            None => entries.push(Entry { role, content }),
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.role == Role::User) {
        entry
            .content
            .sort_by_key(|part| !matches!(part.content, Content::ToolResult { .. }));
    }
    entries
}

fn part(block: &Block, own: bool) -> Option<Part<'_>> {
    match block {
        Block::Text(words) => text(words),
        Block::Thinking(thought) => thought_part(thought, own),
        Block::Kept(_) => None,
        Block::ToolCall(call) => Some(plain(Content::ToolUse {
            id: id(&call.id),
            name: name::called(&call.name),
            input: schema::arguments(&call.arguments)?,
        })),
    }
}

/// Thinking goes back as it came to the model that signed it; to any other, its text does.
fn thought_part(thought: &Thought, own: bool) -> Option<Part<'_>> {
    match (&thought.redacted, &thought.signature) {
        (Some(data), _) if own => Some(plain(Content::RedactedThinking { data })),
        (None, Some(signature)) if own => Some(plain(Content::Thinking {
            thinking: &thought.text,
            signature,
        })),
        _ => text(&thought.text),
    }
}

fn tool_result(result: &ToolResult) -> Part<'_> {
    plain(Content::ToolResult {
        tool_use_id: id(&result.call),
        content: if result.text.trim().is_empty() {
            ""
        } else {
            &result.text
        },
        is_error: result.is_error,
    })
}

/// A text, unless it is blank: the server takes none of those.
fn text(text: &str) -> Option<Part<'_>> {
    (!text.trim().is_empty()).then(|| plain(Content::Text { text }))
}

fn plain(content: Content<'_>) -> Part<'_> {
    Part {
        content,
        cache_control: None,
    }
}

/// The server takes `[a-zA-Z0-9_-]+`; calls that another provider named may have other characters.
fn id(id: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|c| if allowed(c) { c } else { '_' }).collect())
}

fn is_false(value: &bool) -> bool {
    !value
}
