//! What servers do to streams, on every wire: one table, written to each protocol by a writer of its own.

use std::fmt::Write as _;

use glasswork_ai::conversation::Block;
use glasswork_ai::port::ModelPort;
use glasswork_ai::stream::StreamEvent;
use glasswork_ai::wire::Wire;
use glasswork_testkit::model_server::Reply;
use serde_json::{Value, json};

use super::{request, rest, serving};

/// What a server says.
#[derive(Debug, Clone, Copy)]
enum Say {
    /// A text, in pieces.
    Text(&'static [&'static str]),
    /// A call: id, name, and its arguments in pieces.
    Call(&'static str, &'static str, &'static [&'static str]),
    /// Calls that have neither id nor number, at once: name and arguments.
    Nameless(&'static [(&'static str, &'static str)]),
    /// A call whose arguments are a JSON object, and not text that holds one.
    Object(&'static str, &'static str, &'static str),
    /// Why it stopped.
    Stop(Why),
    /// How many tokens there were, 100 in and 5 out; a chunk of its own, where the protocol can do that.
    Usage,
    /// Too many requests, said in the middle.
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    End,
    Tools,
    Length,
}

use Say::{Call, Error, Nameless, Object, Stop, Text, Usage};
use Why::{End, Length, Tools};

/// How it sends that.
#[derive(Debug, Clone, Copy)]
enum How {
    Stream,
    /// As one document in place of a stream.
    Document,
    /// Each event over several lines.
    Lines,
    /// The connection breaks where this first stands in the body.
    CutAt(&'static str),
}

/// A case: its name, what is said and how, what all wires make of it, and what some do.
type Case = (
    &'static str,
    &'static [Say],
    How,
    &'static [&'static str],
    &'static [(&'static [Wire], &'static [&'static str])],
);

const CASES: &[Case] = &[
    (
        "S01 tokens are counted after the reason",
        &[Text(&["Hi"]), Stop(End), Usage],
        How::Stream,
        &["text \"Hi\"", "usage 100/5", "finished EndOfTurn"],
        &[],
    ),
    (
        "S02 the connection drops in a text",
        &[Text(&["Hel", "lo world"]), Stop(End)],
        How::CutAt(" world"),
        &["failed Transport"],
        &[],
    ),
    (
        "S03 the connection drops in arguments",
        &[
            Call("a", "write", &["{\"path\": \"x\", ", "\"text\": \"all of it\"}"]),
            Stop(Tools),
        ],
        How::CutAt("all of"),
        &["failed Transport"],
        &[],
    ),
    (
        "S03 the connection drops between a whole call and the reason",
        &[Call("a", "write", &["{\"path\": \"x\"}"]), Stop(Tools)],
        How::CutAt("REASON"),
        &["failed Transport"],
        &[],
    ),
    (
        "S04 the limit is reached in arguments",
        &[
            Call("a", "write", &["{\"path\": \"x\", ", "\"text\": \"half"]),
            Stop(Length),
        ],
        How::Stream,
        &["finished Length"],
        &[],
    ),
    (
        "S04 the limit is reached behind a whole call",
        &[Call("a", "read", &["{\"path\"", ": \"x\"}"]), Stop(Length)],
        How::Stream,
        &["call a read {\"path\": \"x\"}", "finished Length"],
        &[],
    ),
    (
        "S05 each delta says the text so far",
        &[Text(&["Hel", "Hello", "Hello world"]), Stop(End)],
        How::Stream,
        // Where deltas are deltas that is what was said.
        &["text \"HelHelloHello world\"", "finished EndOfTurn"],
        &[(
            &[Wire::OpenAiCompatible],
            &["text \"Hello world\"", "finished EndOfTurn"],
        )],
    ),
    (
        "S05 each delta says the arguments so far",
        &[
            Call(
                "a",
                "write",
                &["{\"pa", "{\"path\": \"x", "{\"path\": \"x\", \"text\": \"y\"}"],
            ),
            Stop(Tools),
        ],
        How::Stream,
        &[
            "call a write {\"pa{\"path\": \"x{\"path\": \"x\", \"text\": \"y\"}",
            "finished ToolUse",
        ],
        &[
            (
                &[Wire::OpenAiCompatible],
                &[
                    "call a write {\"path\": \"x\", \"text\": \"y\"}",
                    "finished ToolUse",
                ],
            ),
            // Its arguments come whole, and these are none.
            (&[Wire::Gemini], &["failed Protocol"]),
        ],
    ),
    (
        "S06 a document in place of a stream",
        &[
            Text(&["Hi"]),
            Call("a", "read", &["{\"path\": \"x\"}"]),
            Stop(Tools),
            Usage,
        ],
        How::Document,
        &[
            "text \"Hi\"",
            "call a read {\"path\": \"x\"}",
            "usage 100/5",
            "finished ToolUse",
        ],
        &[],
    ),
    (
        "S07 an event over several lines",
        &[
            Text(&["Hi"]),
            Call("a", "read", &["{\"path\"", ": \"x\"}"]),
            Stop(Tools),
        ],
        How::Lines,
        &["text \"Hi\"", "call a read {\"path\": \"x\"}", "finished ToolUse"],
        // Its arguments are part of the lines.
        &[(
            &[Wire::Gemini],
            &[
                "text \"Hi\"",
                "call a read {\n                \"path\": \"x\"\n              }",
                "finished ToolUse",
            ],
        )],
    ),
    (
        "S08 an error in the stream",
        &[Text(&["Hi"]), Call("a", "read", &["{\"path\": \"x\"}"]), Error],
        How::Stream,
        &["text \"Hi\"", "failed RateLimit"],
        &[],
    ),
    (
        "S09 two calls without id or number",
        &[
            Nameless(&[("read", "{\"path\": \"x\"}"), ("read", "{\"path\": \"y\"}")]),
            Stop(Tools),
        ],
        How::Stream,
        &[
            "call call_1_0 read {\"path\": \"x\"}",
            "call call_1_1 read {\"path\": \"y\"}",
            "finished ToolUse",
        ],
        &[],
    ),
    (
        "S10 arguments that are an object",
        &[Object("a", "read", "{\"path\": \"x\", \"n\": 1.50}"), Stop(Tools)],
        How::Stream,
        &["call a read {\"path\": \"x\", \"n\": 1.50}", "finished ToolUse"],
        &[],
    ),
];

/// The body of a case, and where `REASON` stands in it: before the event that says why it stopped.
fn written(wire: Wire, says: &[Say], how: How) -> Vec<u8> {
    let (events, reason) = match wire {
        Wire::OpenAiChat | Wire::OpenAiCompatible => chat(says),
        Wire::OpenAiResponses => responses(says),
        Wire::Anthropic => anthropic(says),
        Wire::Gemini => gemini(says),
    };
    if let How::Document = how {
        return document(wire, says).into_bytes();
    }
    let mut body = String::new();
    let mut reason_at = 0;
    for (place, event) in events.iter().enumerate() {
        if place == reason {
            reason_at = body.len();
        }
        match how {
            How::Lines => {
                let value: Value = serde_json::from_str(event).unwrap_or(Value::String(event.clone()));
                let text = match &value {
                    Value::String(text) => text.clone(),
                    value => serde_json::to_string_pretty(value).unwrap(),
                };
                for line in text.lines() {
                    writeln!(body, "data: {line}").unwrap();
                }
                body.push('\n');
            }
            _ => write!(body, "data: {event}\n\n").unwrap(),
        }
    }
    match how {
        How::CutAt("REASON") => body.truncate(reason_at),
        How::CutAt(mark) => body.truncate(body.find(mark).expect(mark)),
        _ => {}
    }
    body.into_bytes()
}

/// A text, a call and their end, as short as may be.
pub(super) fn short(wire: Wire) -> Vec<u8> {
    let says = [Text(&["é"]), Call("a", "ls", &["{\"p\"", ":1}"]), Stop(Tools)];
    written(wire, &says, How::Stream)
}

/// Arguments as a JSON text of their own, spaces kept.
fn raw(arguments: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(arguments.to_owned()).unwrap()
}

fn chat(says: &[Say]) -> (Vec<String>, usize) {
    let chunk = |delta: &str, reason: &str| {
        format!("{{\"id\":\"r\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}")
    };
    let mut events = Vec::new();
    let mut reason = usize::MAX;
    let mut index = 0;
    for say in says {
        match say {
            Text(pieces) => {
                events.extend(pieces.iter().map(|piece| chunk(&json!({"content": piece}).to_string(), "null")));
            }
            Call(id, name, pieces) => {
                let head = json!({"index": index, "id": id, "function": {"name": name, "arguments": ""}});
                events.push(chunk(&json!({"tool_calls": [head]}).to_string(), "null"));
                for piece in *pieces {
                    let part = json!({"index": index, "function": {"arguments": piece}});
                    events.push(chunk(&json!({"tool_calls": [part]}).to_string(), "null"));
                }
                index += 1;
            }
            Nameless(calls) => {
                let calls: Vec<Value> = calls
                    .iter()
                    .map(|(name, arguments)| json!({"function": {"name": name, "arguments": arguments}}))
                    .collect();
                events.push(chunk(&json!({"tool_calls": calls}).to_string(), "null"));
            }
            Object(id, name, arguments) => events.push(chunk(
                &format!("{{\"tool_calls\":[{{\"index\":0,\"id\":\"{id}\",\"function\":{{\"name\":\"{name}\",\"arguments\":{arguments}}}}}]}}"),
                "null",
            )),
            Stop(why) => {
                reason = events.len();
                let why = match why {
                    End => "\"stop\"",
                    Tools => "\"tool_calls\"",
                    Length => "\"length\"",
                };
                events.push(chunk("{}", why));
            }
            Usage => events.push(
                json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 5}}).to_string(),
            ),
            Error => events
                .push(json!({"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}).to_string()),
        }
    }
    events.push("[DONE]".to_owned());
    (events, reason)
}

fn responses(says: &[Say]) -> (Vec<String>, usize) {
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}).to_string(),
    ];
    let mut reason = usize::MAX;
    let mut index = 0;
    let usage = says.iter().any(|say| matches!(say, Usage));
    for say in says {
        let mut item = |events: &mut Vec<String>, head: Value, deltas: Vec<Value>, whole: String| {
            events.push(
                json!({"type": "response.output_item.added", "output_index": index, "item": head})
                    .to_string(),
            );
            for mut delta in deltas {
                delta["output_index"] = json!(index);
                events.push(delta.to_string());
            }
            events.push(format!(
                "{{\"type\":\"response.output_item.done\",\"output_index\":{index},\"item\":{whole}}}"
            ));
            index += 1;
        };
        match say {
            Text(pieces) => {
                let deltas = pieces.iter().map(
                    |piece| json!({"type": "response.output_text.delta", "content_index": 0, "delta": piece}),
                );
                let whole =
                    json!({"type": "message", "content": [{"type": "output_text", "text": pieces.concat()}]});
                item(
                    &mut events,
                    json!({"type": "message", "content": []}),
                    deltas.collect(),
                    whole.to_string(),
                );
            }
            Call(id, name, pieces) => {
                let deltas = pieces
                    .iter()
                    .map(|piece| json!({"type": "response.function_call_arguments.delta", "delta": piece}));
                let complete = !says.iter().any(|say| matches!(say, Stop(Length)))
                    || serde_json::from_str::<Value>(&pieces.concat()).is_ok();
                let status = if complete { "completed" } else { "incomplete" };
                let whole = json!({"type": "function_call", "call_id": id, "name": name, "arguments": pieces.concat(),
                    "status": status});
                let head = json!({"type": "function_call", "call_id": id, "name": name, "arguments": ""});
                item(&mut events, head, deltas.collect(), whole.to_string());
            }
            Nameless(calls) => {
                for (name, arguments) in *calls {
                    let head = json!({"type": "function_call", "name": name, "arguments": ""});
                    let whole = json!({"type": "function_call", "name": name, "arguments": arguments});
                    item(&mut events, head, vec![], whole.to_string());
                }
            }
            Object(id, name, arguments) => {
                let head = json!({"type": "function_call", "call_id": id, "name": name});
                let whole = format!(
                    "{{\"type\":\"function_call\",\"call_id\":\"{id}\",\"name\":\"{name}\",\"arguments\":{arguments}}}"
                );
                item(&mut events, head, vec![], whole);
            }
            Stop(why) => {
                reason = events.len();
                let mut response = match why {
                    End | Tools => json!({"id": "r", "status": "completed"}),
                    Length => json!({"id": "r", "status": "incomplete",
                        "incomplete_details": {"reason": "max_output_tokens"}}),
                };
                if usage {
                    // This protocol has no other place for it.
                    response["usage"] = json!({"input_tokens": 100, "output_tokens": 5});
                }
                let kind = format!("response.{}", response["status"].as_str().unwrap());
                events.push(json!({"type": kind, "response": response}).to_string());
            }
            Usage => {}
            Error => events.push(
                json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}).to_string(),
            ),
        }
    }
    (events, reason)
}

fn anthropic(says: &[Say]) -> (Vec<String>, usize) {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "r", "usage": {"input_tokens": 100, "output_tokens": 1}}})
            .to_string(),
    ];
    let mut reason = usize::MAX;
    let mut index = 0;
    for say in says {
        let mut block = |events: &mut Vec<String>, head: String, deltas: Vec<Value>| {
            events.push(format!(
                "{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{head}}}"
            ));
            for delta in deltas {
                events
                    .push(json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string());
            }
            events.push(json!({"type": "content_block_stop", "index": index}).to_string());
            index += 1;
        };
        match say {
            Text(pieces) => {
                let deltas = pieces
                    .iter()
                    .map(|piece| json!({"type": "text_delta", "text": piece}));
                block(
                    &mut events,
                    json!({"type": "text", "text": ""}).to_string(),
                    deltas.collect(),
                );
            }
            Call(id, name, pieces) => {
                let deltas = pieces
                    .iter()
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
                let head = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                block(&mut events, head.to_string(), deltas.collect());
            }
            Nameless(calls) => {
                for (name, arguments) in *calls {
                    let delta = json!({"type": "input_json_delta", "partial_json": arguments});
                    block(
                        &mut events,
                        json!({"type": "tool_use", "name": name}).to_string(),
                        vec![delta],
                    );
                }
            }
            Object(id, name, arguments) => {
                let head = format!(
                    "{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"{name}\",\"input\":{arguments}}}"
                );
                block(&mut events, head, vec![]);
            }
            Stop(why) => {
                reason = events.len();
                let why = match why {
                    End => "end_turn",
                    Tools => "tool_use",
                    Length => "max_tokens",
                };
                events.push(json!({"type": "message_delta", "delta": {"stop_reason": why}}).to_string());
            }
            Usage => events.push(
                json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}}).to_string(),
            ),
            Error => events.push(
                json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})
                    .to_string(),
            ),
        }
    }
    events.push(json!({"type": "message_stop"}).to_string());
    (events, reason)
}

fn gemini(says: &[Say]) -> (Vec<String>, usize) {
    let chunk = |part: &str| {
        format!("{{\"responseId\":\"r\",\"candidates\":[{{\"content\":{{\"parts\":[{part}]}}}}]}}")
    };
    let call = |id: &str, name: &str, arguments: &str| {
        chunk(&format!(
            "{{\"functionCall\":{{{id}\"name\":\"{name}\",\"args\":{arguments}}}}}"
        ))
    };
    let mut events = Vec::new();
    let mut reason = usize::MAX;
    let usage = says.iter().any(|say| matches!(say, Usage));
    for say in says {
        match say {
            Text(pieces) => events.extend(
                pieces
                    .iter()
                    .map(|piece| chunk(&json!({"text": piece}).to_string())),
            ),
            // A call that the limit cut is none here: its server sends whole ones.
            Call(_, _, pieces)
                if serde_json::from_str::<Value>(&pieces.concat()).is_err()
                    && says.iter().any(|say| matches!(say, Stop(Length))) => {}
            Call(id, name, pieces) => events.push(call(&format!("\"id\":\"{id}\","), name, &pieces.concat())),
            Nameless(calls) => events.extend(calls.iter().map(|(name, arguments)| call("", name, arguments))),
            Object(id, name, arguments) => events.push(call(&format!("\"id\":\"{id}\","), name, arguments)),
            Stop(why) => {
                reason = events.len();
                let why = if *why == Length { "MAX_TOKENS" } else { "STOP" };
                let tokens = if usage {
                    json!(null)
                } else {
                    json!({"promptTokenCount": 0})
                };
                events.push(
                    json!({"candidates": [{"finishReason": why}], "usageMetadata": tokens}).to_string(),
                );
            }
            Usage => events.push(
                json!({"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 5}}).to_string(),
            ),
            Error => events.push(
                json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}})
                    .to_string(),
            ),
        }
    }
    (events, reason)
}

/// The one document for a text, a call, its reason and its tokens.
fn document(wire: Wire, says: &[Say]) -> String {
    let [Text(text), Call(id, name, pieces), Stop(Tools), Usage] = says else {
        panic!("no writer of this document: {says:?}");
    };
    let (text, arguments) = (text.concat(), pieces.concat());
    let object = raw(&arguments);
    match wire {
        Wire::OpenAiChat | Wire::OpenAiCompatible => {
            let call =
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
            json!({"id": "r", "choices": [{"index": 0, "message": {"content": text, "tool_calls": [call]},
                "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 100, "completion_tokens": 5}})
            .to_string()
        }
        Wire::OpenAiResponses => json!({"id": "r", "status": "completed", "output": [
            {"type": "message", "content": [{"type": "output_text", "text": text}]},
            {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}],
            "usage": {"input_tokens": 100, "output_tokens": 5}})
        .to_string(),
        Wire::Anthropic => format!(
            "{{\"id\":\"r\",\"type\":\"message\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}},\
             {{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"{name}\",\"input\":{object}}}],\
             \"stop_reason\":\"tool_use\",\"usage\":{{\"input_tokens\":100,\"output_tokens\":5}}}}"
        ),
        Wire::Gemini => format!(
            "[{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}},\
             {{\"functionCall\":{{\"id\":\"{id}\",\"name\":\"{name}\",\"args\":{object}}}}}]}},\
             \"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":100,\"candidatesTokenCount\":5}}}}]"
        ),
    }
}

/// The finished blocks, the tokens as they were last counted, and the end, a line each.
fn lines(steps: &[StreamEvent]) -> Vec<String> {
    let mut usage = None;
    let mut lines: Vec<String> = Vec::new();
    for step in steps {
        match step {
            StreamEvent::BlockFinished { block, .. } => lines.push(match block {
                Block::Text(text) => format!("text {text:?}"),
                Block::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments),
                other => format!("{other:?}"),
            }),
            StreamEvent::Usage(tokens) => usage = Some(*tokens),
            StreamEvent::Finished(reason) => {
                // Anthropic counts from the start; what counts is the last.
                lines.extend(
                    usage
                        .filter(|usage| usage.output == 5)
                        .map(|usage| format!("usage {}/{}", usage.input_total(), usage.output)),
                );
                lines.push(format!("finished {reason:?}"));
            }
            StreamEvent::Failed(failure) => lines.push(format!("failed {:?}", failure.class)),
            _ => {}
        }
    }
    lines
}

#[tokio::test]
async fn every_wire_makes_the_same_of_what_servers_do() {
    for (name, says, how, expected, others) in CASES {
        for wire in Wire::ALL {
            let bytes = written(wire, says, *how);
            let reply = match how {
                How::CutAt(_) => Reply::stream(bytes).cut(),
                _ => Reply::stream(bytes).in_pieces_of(13),
            };
            let (_server, provider) = serving(wire, [reply]).await;
            let steps = rest(Vec::new(), &mut provider.call(request(), 1)).await;
            let other = others.iter().find(|(wires, _)| wires.contains(&wire));
            let expected = other.map_or(*expected, |(_, lines)| *lines);
            assert_eq!(lines(&steps), expected, "{name}: {wire:?}\n{steps:#?}");
        }
    }
    // Each of the cases that are known by number is here.
    for number in 1..=10 {
        assert!(
            CASES
                .iter()
                .any(|(name, ..)| name.starts_with(&format!("S{number:02} "))),
            "S{number:02}"
        );
    }
}
