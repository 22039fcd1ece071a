//! A request as Responses has it. Fields are structs, so their order is the order written here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::conversation::{Block, Kept, Message, Request};
use crate::failure::Failure;
use crate::wire::ids::{CallIds, Ids};
use crate::wire::service::Service;
use crate::wire::{HttpRequest, Server, Wire, maker, name, schema, thinking};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    instructions: String,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
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
        content: [Part<'a>; 1],
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
        output: &'a str,
    },
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
}

pub(in crate::wire) fn encode(
    request: &Request,
    server: &Server,
    abilities: &Abilities,
) -> Result<HttpRequest, Failure> {
    let tools: Result<Vec<Tool<'_>>, Failure> = request
        .tools
        .iter()
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

fn items<'a>(request: &'a Request, ids: &'a Ids<'_>) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for message in &request.messages {
        match message {
            Message::User(text) => items.extend(said("user", text, None)),
            Message::ToolResult(result) => items.push(Item::FunctionCallOutput {
                call_id: ids.get(&result.call),
                output: &result.text,
            }),
            Message::Assistant { blocks, model } => {
                let own = maker::understands(&request.model, model);
                answer(blocks, own, ids, &mut items);
            }
        }
    }
    items
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
        content: [match role {
            "user" => Part::Input { text },
            _ => Part::Output { text },
        }],
        phase,
    })
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
