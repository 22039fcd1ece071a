//! What a scripted server understands of a request, whatever its wire: who spoke, and in which words.

use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::model::{ModelId, Thinking};
use serde_json::Value;

/// The request as a script is asked it: enough to choose the turn by.
pub(super) fn request(body: &[u8]) -> Request {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let model = ModelId {
        provider: "scripted".into(),
        model: body
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into(),
    };
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.into_iter().flatten().filter_map(|message| {
        let mut words = Vec::new();
        collect_words(message.get("content").unwrap_or(&Value::Null), &mut words);
        let words = words.join("\n");
        match message.get("role").and_then(Value::as_str)? {
            "assistant" => Some(Message::Assistant {
                blocks: vec![Block::Text(words.into())],
                model: model.clone(),
            }),
            "system" => None,
            _ => Some(Message::User(words.into())),
        }
    });
    Request {
        system: Vec::new(),
        messages: messages.collect(),
        tools: Vec::new(),
        thinking: Thinking::Default,
        max_output_tokens: None,
        model: model.clone(),
    }
}

/// All text in a content, be it a text, or parts, or parts in parts.
fn collect_words<'a>(content: &'a Value, words: &mut Vec<&'a str>) {
    match content {
        Value::String(text) => words.push(text),
        Value::Array(parts) => {
            for part in parts {
                for key in ["text", "content"] {
                    collect_words(part.get(key).unwrap_or(&Value::Null), words);
                }
            }
        }
        _ => {}
    }
}
