//! A request as Messages has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::controls::{After, Controls, Effort, Speed};
use crate::conversation::{Block, Kept, Message, Request, Thought, ToolResult};
use crate::failure::Failure;
use crate::image::Shown;
use crate::structured::NAME;
use crate::wire::caching::CacheControl;
use crate::wire::ids::{CallIds, Ids};
use crate::wire::picture::{Data, Picture};
use crate::wire::{HttpRequest, Server, Wire, maker, name, result, schema, service, thinking};

/// Tokens to answer with where the request does not say: the wire wants a number, and every model since Claude 4
/// takes this one.
pub(in crate::wire) const DEFAULT_MAX_TOKENS: u32 = 32_000;
/// The header that asks for what is not in every version of the wire.
const BETA: &str = "anthropic-beta";
/// Lets a model with a budget think between its calls too. Later models do so by themselves.
const INTERLEAVED: &str = "interleaved-thinking-2025-05-14";
/// Lets a model be asked to be fast.
const FAST: &str = "fast-mode-2026-02-01";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Part<'a>>,
    messages: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(flatten)]
    controls: Told<'a>,
    stream: bool,
}

/// The controls that the server knows.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [std::sync::Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<&'static str>,
}

impl<'a> From<&'a Controls> for Told<'a> {
    fn from(controls: &'a Controls) -> Self {
        Self {
            temperature: controls
                .temperature
                .and_then(|number| service::json(number.get())),
            top_p: controls.top_p.and_then(|number| service::json(number.get())),
            stop_sequences: &controls.stop,
            service_tier: (controls.speed == Some(Speed::Standard)).then_some("standard_only"),
            speed: (controls.speed == Some(Speed::Fast)).then_some("fast"),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ThinkingMode {
    Disabled,
    Adaptive {
        /// Some models else think in silence.
        display: &'static str,
    },
    Enabled {
        budget_tokens: u32,
    },
}

#[derive(Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
}

/// What the answer has to be.
#[derive(Serialize)]
struct Format {
    r#type: &'static str,
    schema: Box<RawValue>,
}

/// The tool that has to be called.
#[derive(Serialize)]
struct Choice {
    r#type: &'static str,
    name: &'static str,
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Entry<'a> {
    role: Role,
    content: Vec<Part<'a>>,
}

impl Entry<'_> {
    /// Makes an answer that the server shall go on with end as it takes it: without blanks.
    fn end(&mut self) {
        if let Some(Part::Known {
            content: Content::Text { text },
            ..
        }) = self.content.last_mut()
        {
            *text = text.trim_end();
        }
    }
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    Assistant,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Known {
        #[serde(flatten)]
        content: Content<'a>,
        /// Up to here the server may keep the request in its cache.
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// A block as it came.
    Item(Box<RawValue>),
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
        #[serde(skip_serializing_if = "Said::is_empty")]
        content: Said<'a>,
        #[serde(skip_serializing_if = "is_false")]
        is_error: bool,
    },
    Image {
        source: Source<'a>,
    },
}

/// What a result says: a text, or a text and images.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

impl Said<'_> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(""))
    }
}

/// Where an image comes from.
#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'static str,
    data: Data<'a>,
}

pub(in crate::wire) fn encode(
    request: &Request,
    server: &Server,
    abilities: &Abilities,
) -> Result<HttpRequest, Failure> {
    let max_tokens = request.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let forced = result::tool(request);
    let (thinking, by_thinking) = match &forced {
        // No tool can be forced upon a model that thinks.
        Some(_) => (off(request, abilities), None),
        None => thinking(request, abilities, max_tokens),
    };
    let effort = request.controls.effort.map(effort).or(by_thinking);
    let format = match result::native(request) {
        Some((output, _)) => Some(Format {
            r#type: "json_schema",
            schema: result::schema(output)?,
        }),
        None => None,
    };
    let output_config = (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format });
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
        .chain(&forced)
        .map(|tool| {
            Ok(Tool {
                name: &tool.name,
                description: &tool.description,
                input_schema: schema::parameters(tool)?,
                cache_control: None,
            })
        })
        .collect();
    let mut tools = tools?;
    let mut system: Vec<Part<'_>> = request.system.iter().filter_map(|part| text(part)).collect();
    let ids = Ids::of(&request.messages, CallIds::Word);
    let messages = entries(request, &ids);
    mark_head(request, &mut tools, &mut system);
    let mut betas: Vec<&str> = server.betas.iter().map(String::as_str).collect();
    if matches!(thinking, Some(ThinkingMode::Enabled { .. })) && !tools.is_empty() {
        betas.push(INTERLEAVED);
    }
    if request.controls.speed == Some(Speed::Fast) {
        betas.push(FAST);
    }
    let body = Body {
        model: &request.model.model,
        max_tokens,
        tools,
        tool_choice: forced.is_some().then_some(Choice {
            r#type: "tool",
            name: NAME,
            disable_parallel_tool_use: true,
        }),
        system,
        messages,
        thinking,
        output_config,
        controls: (&request.controls).into(),
        stream: true,
    };
    let mut sent = HttpRequest::post(super::PATH, &body)?;
    sent.headers.push(("anthropic-version", "2023-06-01".into()));
    if !betas.is_empty() {
        sent.headers.push((BETA, betas.join(",").into()));
    }
    Ok(sent)
}

/// Marks the head up to where the server may keep it.
fn mark_head(request: &Request, tools: &mut [Tool<'_>], system: &mut [Part<'_>]) {
    let cache = &request.controls.cache;
    if let Some(tool) = tools.last_mut() {
        tool.cache_control = cache.mark(After::Tools);
    }
    if let (Some(part), Some(mark)) = (system.last_mut(), cache.mark(After::System)) {
        part.mark(mark);
    }
}

/// Does not let a model think that would, unless it is told not to.
fn off(request: &Request, abilities: &Abilities) -> Option<ThinkingMode> {
    let support = thinking::support(Wire::Anthropic, &request.model, abilities);
    (support != ThinkingSupport::Never).then_some(ThinkingMode::Disabled)
}

fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh => "max",
    }
}

/// Claude 4.6 and later decide themselves how much to think, within an effort; the models before have a budget.
fn thinking(
    request: &Request,
    abilities: &Abilities,
    max_tokens: u32,
) -> (Option<ThinkingMode>, Option<&'static str>) {
    let support = thinking::support(Wire::Anthropic, &request.model, abilities);
    let level = support.clamp(request.thinking);
    let effort = match level {
        Thinking::Default => return (None, None),
        Thinking::Off => return (Some(ThinkingMode::Disabled), None),
        Thinking::Minimal | Thinking::Low => "low",
        Thinking::Medium => "medium",
        Thinking::High => "high",
        Thinking::Xhigh => "max",
    };
    let ThinkingSupport::Budget { least, most, .. } = support else {
        let adaptive = ThinkingMode::Adaptive {
            display: "summarized",
        };
        return (Some(adaptive), Some(effort));
    };
    // The budget is part of `max_tokens`, and some must be left for the answer. In the middle of a batch the server
    // takes no thinking where the answer before did not begin with some, as that of another model.
    match thinking::budget(level, least, most).min(max_tokens / 2) {
        too_small if too_small < least => (Some(ThinkingMode::Disabled), None),
        _ if !may_think_on(request) => (Some(ThinkingMode::Disabled), None),
        budget_tokens => (Some(ThinkingMode::Enabled { budget_tokens }), None),
    }
}

/// Whether the answer that called the tools whose results come last began with thinking that goes back.
fn may_think_on(request: &Request) -> bool {
    // Images of results stand behind them.
    let of_result = |message: &&Message| matches!(message, Message::Image(shown) if shown.call.is_some());
    let mut messages = request.messages.iter().rev().skip_while(of_result);
    if !matches!(messages.next(), Some(Message::ToolResult(_))) {
        return true;
    }
    let answers = messages.find_map(|message| match message {
        Message::Assistant { blocks, model } => Some((blocks, model)),
        Message::User(_) | Message::ToolResult(_) | Message::Image(_) => None,
    });
    let Some((blocks, model)) = answers else {
        return true;
    };
    let own = maker::understands(&request.model, model);
    let no_ids = Ids::of(&[], CallIds::Any);
    let first = blocks.iter().find_map(|block| part(block, own, &no_ids));
    matches!(
        first,
        Some(Part::Known {
            content: Content::Thinking { .. } | Content::RedactedThinking { .. },
            ..
        })
    )
}

/// The messages, with neighbours of one role made one: all results of a batch belong into one message, before text.
fn entries<'a>(request: &'a Request, ids: &'a Ids<'_>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (place, message) in request.messages.iter().enumerate() {
        let (role, mut content) = match message {
            Message::User(words) => (Role::User, text(words).into_iter().collect()),
            Message::ToolResult(result) => (Role::User, vec![tool_result(result, ids)]),
            Message::Image(shown) => {
                match image(shown).and_then(|image| into_result(image, shown, ids, &mut entries)) {
                    Some(image) => (Role::User, vec![image]),
                    None => continue,
                }
            }
            Message::Assistant { blocks, model } => {
                let own = maker::understands(&request.model, model);
                let whole = |place: &usize| has_its_result(blocks, *place);
                let parts = (0..blocks.len())
                    .filter(whole)
                    .filter_map(|place| part(blocks.get(place)?, own, ids));
                (Role::Assistant, parts.collect())
            }
        };
        if let (Some(part), Some(mark)) = (content.last_mut(), request.controls.cache.mark_message(place)) {
            part.mark(mark);
        }
        if content.is_empty() {
            continue;
        }
        match entries.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.extend(content),
            None => entries.push(Entry { role, content }),
        }
    }
    if let Some(last) = entries.last_mut().filter(|last| last.role == Role::Assistant) {
        last.end();
    }
    for entry in entries.iter_mut().filter(|entry| entry.role == Role::User) {
        entry.content.sort_by_key(|part| {
            !matches!(
                part,
                Part::Known {
                    content: Content::ToolResult { .. },
                    ..
                }
            )
        });
    }
    entries
}

#[derive(Deserialize)]
struct Ends<'a> {
    id: Option<Cow<'a, str>>,
    tool_use_id: Option<Cow<'a, str>>,
}

/// Whether a call of one of the server's own tools has its result in the answer. The server takes none without, but for
/// the last thing of an answer that it interrupted itself.
fn has_its_result(blocks: &[Block], place: usize) -> bool {
    let ends = |block: &Block| match block {
        Block::Kept(Kept::Item(item)) => serde_json::from_str::<Ends<'_>>(item).ok().map(|ends| {
            (
                ends.id.map(Cow::into_owned),
                ends.tool_use_id.map(Cow::into_owned),
            )
        }),
        _ => None,
    };
    let Some((Some(id), None)) = blocks.get(place).and_then(ends) else {
        return true;
    };
    let mut after = blocks.iter().skip(place + 1).peekable();
    after.peek().is_none() || after.any(|block| matches!(ends(block), Some((_, Some(of))) if of == id))
}

fn part<'a>(block: &'a Block, own: bool, ids: &'a Ids<'_>) -> Option<Part<'a>> {
    match block {
        Block::Text(words) => text(words),
        Block::Thinking(thought) => thought_part(thought, own),
        Block::Kept(Kept::Item(item)) if own => RawValue::from_string(item.to_string()).ok().map(Part::Item),
        Block::Kept(_) => None,
        Block::ToolCall(call) => Some(plain(Content::ToolUse {
            id: ids.get(&call.id),
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

fn tool_result<'a>(result: &'a ToolResult, ids: &'a Ids<'_>) -> Part<'a> {
    plain(Content::ToolResult {
        tool_use_id: ids.get(&result.call),
        content: Said::Text(if result.text.trim().is_empty() {
            ""
        } else {
            &result.text
        }),
        is_error: result.is_error,
    })
}

fn image(shown: &Shown) -> Option<Part<'_>> {
    let picture = Picture::of(shown)?;
    let source = Source {
        r#type: "base64",
        media_type: picture.media.mime(),
        data: picture.data(),
    };
    Some(plain(Content::Image { source }))
}

/// Puts an image into the result that shows it. Gives back one that the user shows, and one of a call that failed: the
/// server takes nothing but text in a result that is an error.
fn into_result<'a>(
    image: Part<'a>,
    shown: &Shown,
    ids: &Ids<'_>,
    entries: &mut [Entry<'a>],
) -> Option<Part<'a>> {
    let Some(call) = shown.call.as_deref().map(|call| ids.get(call)) else {
        return Some(image);
    };
    let parts = entries
        .last_mut()
        .into_iter()
        .flat_map(|entry| &mut entry.content);
    for part in parts.rev() {
        if let Part::Known {
            content:
                Content::ToolResult {
                    tool_use_id,
                    content,
                    is_error: false,
                },
            ..
        } = part
            && *tool_use_id == call
        {
            match content {
                Said::Text(words) => *content = Said::Parts(text(words).into_iter().chain([image]).collect()),
                Said::Parts(parts) => parts.push(image),
            }
            return None;
        }
    }
    Some(image)
}

/// A text, unless it is blank: the server takes none of those.
fn text(text: &str) -> Option<Part<'_>> {
    (!text.trim().is_empty()).then(|| plain(Content::Text { text }))
}

fn plain(content: Content<'_>) -> Part<'_> {
    Part::Known {
        content,
        cache_control: None,
    }
}

impl Part<'_> {
    /// Sets a breakpoint; the server takes none on thinking.
    fn mark(&mut self, mark: CacheControl) {
        match self {
            Self::Known {
                content: Content::Thinking { .. } | Content::RedactedThinking { .. },
                ..
            }
            | Self::Item(_) => {}
            Self::Known { cache_control, .. } => *cache_control = Some(mark),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
