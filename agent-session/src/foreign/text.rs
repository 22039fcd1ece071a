//! Values of JSON as what they mean here.

use std::sync::Arc;

use glasswork_ai::conversation::{Block, Thought, ToolCall};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_engine::Timestamp;
use serde_json::Value;

use super::Why;
use super::draft::Tally;

/// A text member; empty where it is missing or something else.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A text member that says something.
pub(super) fn told(value: &Value, name: &str) -> Option<Arc<str>> {
    let text = text(value, name).trim();
    (!text.is_empty()).then(|| text.into())
}

/// A count.
pub(super) fn count(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// A flag that is set.
pub(super) fn is_set(value: &Value, name: &str) -> bool {
    value.get(name) == Some(&Value::Bool(true))
}

/// A point in time: RFC 3339 text, or milliseconds since 1970.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let at: jiff::Timestamp = text.parse().ok()?;
            Some(Timestamp(at.as_microsecond()))
        }
        Value::Number(number) => {
            let ms = number.as_i64()?;
            // What lies outside the calendar is no time.
            let at = jiff::Timestamp::from_millisecond(ms).ok()?;
            Some(Timestamp(at.as_microsecond()))
        }
        _ => None,
    }
}

/// A model by the name of its provider and its own, if both can be names.
pub(super) fn model(provider: &str, name: &str) -> Option<ModelId> {
    format!("{}/{}", provider.trim(), name.trim()).parse().ok()
}

/// How much to think, by the names that agents have for it.
pub(super) fn thinking(level: &str) -> Option<Thinking> {
    Some(match level {
        "off" | "none" => Thinking::Off,
        "minimal" => Thinking::Minimal,
        "low" => Thinking::Low,
        "medium" => Thinking::Medium,
        "high" => Thinking::High,
        "xhigh" | "max" => Thinking::Xhigh,
        _ => return None,
    })
}

/// Arguments of a call as the text of a JSON object: wires take nothing else.
pub(super) fn arguments(value: Option<&Value>) -> Arc<str> {
    match value {
        None | Some(Value::Null) => "{}".into(),
        Some(object @ Value::Object(_)) => object.to_string().into(),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(_)) => text.trim().into(),
            _ if text.trim().is_empty() => "{}".into(),
            _ => serde_json::json!({ "input": text }).to_string().into(),
        },
        Some(other) => serde_json::json!({ "input": other }).to_string().into(),
    }
}

/// The text of a message's content: a text, or parts of which some are. What is no text leaves a note.
pub(super) fn content(value: Option<&Value>, line: u64, tally: &mut Tally) -> String {
    let mut pieces: Vec<String> = vec![];
    match value {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => pieces.push(text.clone()),
        Some(Value::Array(parts)) => {
            for part in parts {
                pieces.extend(part_text(part, line, tally));
            }
        }
        Some(part) => pieces.extend(part_text(part, line, tally)),
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces.join("\n")
}

fn part_text(part: &Value, line: u64, tally: &mut Tally) -> Option<String> {
    if let Value::String(text) = part {
        return Some(text.clone());
    }
    let kind = text(part, "type");
    let words = part.get("text").and_then(Value::as_str);
    match (kind, words) {
        ("" | "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text", Some(words)) => {
            Some(words.to_owned())
        }
        _ => {
            let kind = match kind {
                "" => members(part),
                kind => kind.to_owned(),
            };
            tally.left(Why::NoText, &kind, line);
            Some(format!("[{kind}: not text, so not imported]"))
        }
    }
}

/// What a value without a type is, by its members.
pub(super) fn members(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).take(4).collect();
            format!("{{{}}}", names.join(", "))
        }
        Value::Array(_) => "a list".to_owned(),
        _ => "a value".to_owned(),
    }
}

/// The blocks of an answer, as pi and Claude Code have them: both took the shape from Anthropic's wire, and name the
/// block of a call and its arguments in their own way.
pub(super) fn blocks(
    found: Option<&Value>,
    (call, input): (&str, &str),
    line: u64,
    tally: &mut Tally,
) -> Vec<Block> {
    let Some(Value::Array(parts)) = found else {
        return vec![Block::Text(content(found, line, tally).into())];
    };
    let mut blocks = vec![];
    for part in parts {
        match text(part, "type") {
            "text" => blocks.push(Block::Text(text(part, "text").into())),
            "thinking" => blocks.push(Block::Thinking(Thought {
                text: text(part, "thinking").into(),
                signature: None,
                redacted: None,
            })),
            kind if kind == call => blocks.push(Block::ToolCall(ToolCall {
                id: text(part, "id").into(),
                name: text(part, "name").into(),
                arguments: arguments(part.get(input)),
            })),
            kind => tally.left(Why::NoText, kind, line),
        }
    }
    blocks
}
