//! A request as Responses has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::conversation::{Block, Kept, Message, Request};
use crate::failure::Failure;
use crate::structured::NAME;
use crate::wire::ids::{CallIds, Ids};
use crate::wire::picture::{Picture, Url};
use crate::wire::service::Service;
use crate::wire::{HttpRequest, Server, Wire, maker, name, result, schema, thinking};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    instructions: String,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(flatten)]
    service: Service<'a>,
    store: bool,
    stream: bool,
}

/// The tool that has to be called.
#[derive(Serialize)]
struct Choice {
    r#type: &'static str,
    name: &'static str,
}

/// What the answer has to be.
#[derive(Serialize)]
struct Text {
    format: Format,
}

#[derive(Serialize)]
struct Format {
    r#type: &'static str,
    name: &'static str,
    strict: bool,
    schema: Box<RawValue>,
}

#[derive(Serialize)]
struct Reasoning {
    effort: &'static str,
    /// Without it the server thinks in silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: &'a str,
    description: &'a str,
    parameters: Box<RawValue>,
    /// Where it is missing, the server takes it for set, and refuses most schemas.
    strict: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Message {
        role: &'static str,
        content: Vec<Part<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<&'a str>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<Part<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: &'a str,
    },
    FunctionCallOutput {
        call_id: Cow<'a, str>,
        output: Output<'a>,
    },
}

/// What a call gave: a text, or a text and images.
#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Part<'a> {
    #[serde(rename = "input_text")]
    Input { text: &'a str },
    #[serde(rename = "output_text")]
    Output { text: &'a str },
    #[serde(rename = "summary_text")]
    Summary { text: &'a str },
    #[serde(rename = "input_image")]
    Image {
        image_url: Url<'a>,
        detail: &'static str,
    },
}

pub(in crate::wire) fn encode(
    request: &Request,
    server: &Server,
    abilities: &Abilities,
) -> Result<HttpRequest, Failure> {
    let forced = result::tool(request);
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
        .chain(&forced)
        .map(|tool| {
            Ok(Tool {
                r#type: "function",
                name: &tool.name,
                description: &tool.description,
                parameters: schema::parameters(tool)?,
                strict: false,
            })
        })
        .collect();
    let support = thinking::support(Wire::OpenAiResponses, &request.model, abilities);
    let level = support.clamp(request.thinking);
    let system: Vec<&str> = request
        .system
        .iter()
        .map(|part| &**part)
        .filter(|part| !is_blank(part))
        .collect();
    let ids = Ids::of(&request.messages, CallIds::Word);
    let body = Body {
        model: &request.model.model,
        instructions: system.join("\n\n"),
        input: items(request, &ids),
        tools: tools?,
        tool_choice: forced.is_some().then_some(Choice {
            r#type: "function",
            name: NAME,
        }),
        text: text(request)?,
        reasoning: thinking::effort(level).map(|effort| Reasoning {
            effort,
            summary: (level != Thinking::Off).then_some("auto"),
        }),
        // A model that does not think has nothing to encrypt, and the server refuses to be asked for it.
        include: match support {
            ThinkingSupport::Never => &[],
            _ => &["reasoning.encrypted_content"],
        },
        max_output_tokens: request.max_output_tokens,
        service: Service::of(&request.controls, &server.differences),
        store: false,
        stream: true,
    };
    HttpRequest::post(super::PATH, &body)
}

fn text(request: &Request) -> Result<Option<Text>, Failure> {
    let Some((output, strict)) = result::native(request) else {
        return Ok(None);
    };
    let format = Format {
        r#type: "json_schema",
        name: NAME,
        strict,
        schema: result::schema(output)?,
    };
    Ok(Some(Text { format }))
}

fn items<'a>(request: &'a Request, ids: &'a Ids<'_>) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for message in &request.messages {
        match message {
            Message::User(text) => match items.last_mut() {
                // Images that the user shows come with the words about them.
                Some(Item::Message { content, .. })
                    if matches!(content.last(), Some(Part::Image { .. })) && !is_blank(text) =>
                {
                    content.push(Part::Input { text });
                }
                _ => items.extend(said("user", text, None)),
            },
            Message::ToolResult(result) => items.push(Item::FunctionCallOutput {
                call_id: ids.get(&result.call),
                output: Output::Text(&result.text),
            }),
            Message::Image(shown) => {
                let Some(picture) = Picture::of(shown) else {
                    continue;
                };
                let image = Part::Image {
                    image_url: picture.url(),
                    detail: "auto",
                };
                show(image, shown.call.as_deref().map(|call| ids.get(call)), &mut items);
            }
            Message::Assistant { blocks, model } => {
                let own = maker::understands(&request.model, model);
                answer(blocks, own, ids, &mut items);
            }
        }
    }
    items
}

/// Puts an image into the output of the call that shows it, or among the images of the user before it.
fn show<'a>(image: Part<'a>, call: Option<Cow<'_, str>>, items: &mut Vec<Item<'a>>) {
    match items.last_mut() {
        Some(Item::FunctionCallOutput { call_id, output }) if Some(&*call_id) == call.as_ref() => {
            match output {
                Output::Text(words) if is_blank(words) => *output = Output::Parts(vec![image]),
                Output::Text(text) => *output = Output::Parts(vec![Part::Input { text }, image]),
                Output::Parts(parts) => parts.push(image),
            }
        }
        Some(Item::Message { content, .. }) if matches!(content.last(), Some(Part::Image { .. })) => {
            content.push(image);
        }
        _ => items.push(Item::Message {
            role: "user",
            content: vec![image],
            phase: None,
        }),
    }
}

fn answer<'a>(blocks: &'a [Block], own: bool, ids: &'a Ids<'_>, items: &mut Vec<Item<'a>>) {
    let mut before: Option<&Block> = None;
    for (number, block) in blocks.iter().enumerate() {
        let next = blocks.get(number + 1).filter(|_| own);
        match block {
            Block::Text(text) => {
                let phase = match next {
                    Some(Block::Kept(Kept::Phase(phase))) => Some(&**phase),
                    _ => None,
                };
                items.extend(said("assistant", text, phase));
            }
            // A model's own thinking goes back with the item that it sums up; what another thought, as text.
            Block::Thinking(thought) if !own => items.extend(said("assistant", &thought.text, None)),
            Block::Kept(Kept::Reasoning { id, encrypted }) if own => items.push(Item::Reasoning {
                id,
                summary: match before {
                    Some(Block::Thinking(thought)) if !is_blank(&thought.text) => {
                        vec![Part::Summary { text: &thought.text }]
                    }
                    _ => vec![],
                },
                encrypted_content: encrypted.as_deref(),
            }),
            Block::ToolCall(call) => items.push(Item::FunctionCall {
                call_id: ids.get(&call.id),
                name: name::called(&call.name),
                arguments: if call.arguments.is_empty() {
                    "{}"
                } else {
                    &call.arguments
                },
            }),
            Block::Thinking(_) | Block::Kept(_) => {}
        }
        before = Some(block);
    }
    // The server takes no thinking that led to nothing, as where what it led to was cut off.
    while items
        .pop_if(|item| matches!(item, Item::Reasoning { .. }))
        .is_some()
    {}
}

fn said<'a>(role: &'static str, text: &'a str, phase: Option<&'a str>) -> Option<Item<'a>> {
    (!is_blank(text)).then_some(Item::Message {
        role,
        content: vec![match role {
            "user" => Part::Input { text },
            _ => Part::Output { text },
        }],
        phase,
    })
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
