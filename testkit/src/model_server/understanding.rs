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
    // Each wire has its own name for the list, for its members' words, and for who speaks.
    let messages = ["messages", "input", "contents"]
        .iter()
        .find_map(|key| body.get(key)?.as_array());
    let mut said: Vec<Message> = Vec::new();
    for message in messages.into_iter().flatten() {
        let mut words = Vec::new();
        for key in ["content", "parts", "output"] {
            collect_words(message.get(key).unwrap_or(&Value::Null), &mut words);
        }
        let words = words.join("\n");
        let role = message.get("role").and_then(Value::as_str);
        let is_answer = match role.or(message.get("type").and_then(Value::as_str)) {
            Some("assistant" | "model" | "function_call" | "reasoning") => true,
            Some("system" | "developer") => continue,
            _ => false,
        };
        match (is_answer, said.last_mut()) {
            // Responses has an answer as several items.
            (true, Some(Message::Assistant { blocks, .. })) => blocks.push(Block::Text(words.into())),
            (true, _) => said.push(Message::Assistant {
                blocks: vec![Block::Text(words.into())],
                model: model.clone(),
            }),
            (false, _) => said.push(Message::User(words.into())),
        }
    }
    Request {
        output: None,
        system: Vec::new(),
        messages: said,
        tools: Vec::new(),
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
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
                let response = part.pointer("/functionResponse/response");
                for key in ["output", "error"] {
                    let said = response.and_then(|response| response.get(key));
                    collect_words(said.unwrap_or(&Value::Null), words);
                }
            }
        }
        _ => {}
    }
}
