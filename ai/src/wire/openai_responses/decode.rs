//! The stream of events, and the one document that a relay may send in place of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::conversation::Kept;
use crate::failure::Failure;
use crate::sse;
use crate::stream::{BlockKind, StopReason, Usage};
use crate::wire::blocks::{Answer, argument_text};
use crate::wire::{protocol_failure, refusal};

/// Most items in one answer.
const MOST_ITEMS: usize = 4096;

/// What is open in the answer.
#[derive(Debug, Default)]
pub(in crate::wire) struct Decoder {
    /// Items by the server's number.
    items: BTreeMap<u64, Item>,
    calls: bool,
    refused: bool,
}

#[derive(Debug)]
enum Item {
    /// A text, or a refusal. Its block opens with its first words.
    Message(Growing),
    Reasoning(Growing),
    Call(u32, Growing),
    /// It is complete, or of a kind that is not known.
    Over,
}

/// The text of an item.
#[derive(Debug, Default)]
struct Growing {
    block: Option<u32>,
    /// How many bytes have come of the part that grows.
    of_part: usize,
    /// The number of that part.
    part: u64,
}

// An unknown event may have anything in the fields of the known ones. So its type is read first, and nothing of an event
// that is not known.

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct Whole {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    error: Option<Value>,
    incomplete_details: Option<Incomplete>,
    usage: Option<Tokens>,
    output: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ItemEvent {
    output_index: u64,
    item: Box<RawValue>,
}

#[derive(Deserialize)]
struct Delta {
    output_index: u64,
    /// The number of the part: of a message, or of a summary.
    #[serde(alias = "summary_index")]
    content_index: Option<u64>,
    delta: String,
}

#[derive(Deserialize)]
struct MessageItem {
    content: Option<Vec<Part>>,
    phase: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningItem {
    id: Option<String>,
    summary: Option<Vec<Part>>,
    content: Option<Vec<Part>>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize)]
struct CallItem {
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

impl Decoder {
    pub(in crate::wire) fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        if let Err(error) = self.read(event, answer) {
            answer.fail(not_an_event(&error));
        }
    }

    fn read(&mut self, event: &sse::Event, answer: &mut Answer) -> Result<(), serde_json::Error> {
        let data = event.data.trim();
        if event.event == "error" && !data.starts_with('{') {
            answer.fail(refusal::from_body(&Value::String(data.to_owned())));
        }
        if !data.starts_with('{') {
            // `[DONE]` of a relay, or its way to keep the connection alive.
            return Ok(());
        }
        let Ok(Kind { r#type: kind }) = serde_json::from_str::<Kind>(data) else {
            let value: Value = serde_json::from_str(data)?;
            if event.event == "error" || value.get("error").is_some() {
                answer.fail(refusal::from_body(&value));
            }
            return Ok(());
        };
        match kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                let Whole { response } = serde_json::from_str(data)?;
                answer.start(response.id.as_deref(), response.model.as_deref());
            }
            "response.output_item.added" => {
                let ItemEvent { output_index, item } = serde_json::from_str(data)?;
                self.open(output_index, &item, answer)?;
            }
            "response.output_item.done" => {
                let ItemEvent { output_index, item } = serde_json::from_str(data)?;
                self.close(output_index, &item, answer)?;
            }
            "response.output_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta"
            | "response.function_call_arguments.delta" => {
                self.grow(&serde_json::from_str(data)?, answer);
            }
            "response.refusal.delta" => {
                self.refused = true;
                self.grow(&serde_json::from_str(data)?, answer);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let Whole { response } = serde_json::from_str(data)?;
                self.end(response, answer)?;
            }
            "error" => answer.fail(refusal::from_body(&serde_json::from_str(data)?)),
            // What says again what was said, the server's own tools, and whatever comes to be.
            _ => {}
        }
        Ok(())
    }

    pub(in crate::wire) fn document(&mut self, body: &[u8], answer: &mut Answer) {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        if value.get("output").is_none() {
            answer.fail(match value.get("error").is_some_and(|error| !error.is_null()) {
                true => refusal::from_body(&value),
                false => protocol_failure("the server sent a document that is no response"),
            });
            return;
        }
        let read = serde_json::from_slice(body).and_then(|response: Response| self.end(response, answer));
        if let Err(error) = read {
            answer.fail(not_an_event(&error));
        }
    }

    fn open(&mut self, index: u64, item: &RawValue, answer: &mut Answer) -> Result<(), serde_json::Error> {
        if self.items.contains_key(&index) {
            return Ok(());
        }
        if self.items.len() >= MOST_ITEMS {
            answer.fail(protocol_failure(&format!(
                "the answer has more than {MOST_ITEMS} items"
            )));
            return Ok(());
        }
        let opened = match serde_json::from_str::<Kind>(item.get())?.r#type.as_str() {
            "message" => Item::Message(Growing::default()),
            "reasoning" => Item::Reasoning(Growing::default()),
            "function_call" => {
                let call: CallItem = serde_json::from_str(item.get())?;
                self.calls = true;
                let kind = BlockKind::ToolCall {
                    id: answer.call_id(&call.call_id.unwrap_or_default()),
                    name: call.name.unwrap_or_default().into(),
                };
                Item::Call(answer.open(kind), Growing::default())
            }
            // The server's own tools, and whatever comes to be: none of it is executed here.
            _ => Item::Over,
        };
        self.items.insert(index, opened);
        Ok(())
    }

    fn grow(&mut self, delta: &Delta, answer: &mut Answer) {
        let part = delta.content_index.unwrap_or(0);
        match self.items.get_mut(&delta.output_index) {
            Some(Item::Message(growing)) => growing.add(BlockKind::Text, part, &delta.delta, answer),
            Some(Item::Reasoning(growing)) => growing.add(BlockKind::Thinking, part, &delta.delta, answer),
            Some(Item::Call(block, growing)) => {
                growing.of_part += delta.delta.len();
                answer.delta(*block, &delta.delta);
            }
            Some(Item::Over) | None => {}
        }
    }

    /// An item is complete. What of it was not streamed is taken from here.
    fn close(&mut self, index: u64, item: &RawValue, answer: &mut Answer) -> Result<(), serde_json::Error> {
        self.open(index, item, answer)?;
        let Some(open) = self.items.insert(index, Item::Over) else {
            return Ok(());
        };
        match open {
            Item::Message(mut growing) => {
                let message: MessageItem = serde_json::from_str(item.get())?;
                for (number, part) in (0..).zip(message.content.into_iter().flatten()) {
                    self.refused |= part.refusal.is_some();
                    growing.rest(BlockKind::Text, number, part.text.or(part.refusal), answer);
                }
                if let Some(block) = growing.block {
                    answer.finish(block);
                    if let Some(phase) = message.phase {
                        answer.keep(Kept::Phase(phase.into()));
                    }
                }
            }
            Item::Reasoning(mut growing) => {
                let reasoning: ReasoningItem = serde_json::from_str(item.get())?;
                let summary = reasoning.summary.filter(|summary| !summary.is_empty());
                let parts = summary.or(reasoning.content);
                for (number, part) in (0..).zip(parts.into_iter().flatten()) {
                    growing.rest(BlockKind::Thinking, number, part.text, answer);
                }
                if let Some(block) = growing.block {
                    answer.finish(block);
                }
                if let Some(id) = reasoning.id.filter(|id| !id.is_empty()) {
                    answer.keep(Kept::Reasoning {
                        id: id.into(),
                        encrypted: reasoning.encrypted_content.map(Into::into),
                    });
                }
            }
            Item::Call(block, growing) => {
                let call: CallItem = serde_json::from_str(item.get())?;
                if growing.of_part == 0
                    && let Some(arguments) = &call.arguments
                {
                    answer.delta(block, &argument_text(arguments)?);
                }
                if call.status.as_deref() != Some("incomplete") {
                    answer.finish(block);
                }
            }
            Item::Over => {}
        }
        Ok(())
    }

    fn end(&mut self, response: Response, answer: &mut Answer) -> Result<(), serde_json::Error> {
        answer.start(response.id.as_deref(), response.model.as_deref());
        let failed = response.status.as_deref() == Some("failed");
        if !failed {
            for (index, item) in (0..).zip(response.output.iter().flatten()) {
                self.close(index, item, answer)?;
            }
        }
        if let Some(tokens) = response.usage {
            answer.usage(tokens.normalised());
        }
        let reason = match (response.status.as_deref(), response.incomplete_details) {
            (Some("failed"), _) => {
                let error = response.error.unwrap_or_default();
                answer.fail(refusal::from_body(&error));
                return Ok(());
            }
            (Some("incomplete"), details) => match details.and_then(|details| details.reason).as_deref() {
                Some("max_output_tokens" | "max_tokens") | None => StopReason::Length,
                Some("content_filter") => StopReason::Refusal,
                Some(other) => StopReason::Other(other.into()),
            },
            (Some("cancelled"), _) => StopReason::Other("cancelled".into()),
            _ if self.calls => StopReason::ToolUse,
            _ if self.refused => StopReason::Refusal,
            _ => StopReason::EndOfTurn,
        };
        answer.stop(reason);
        answer.end(protocol_failure("the server ended its answer without saying why"));
        Ok(())
    }
}

impl Growing {
    fn add(&mut self, kind: BlockKind, part: u64, text: &str, answer: &mut Answer) {
        if text.is_empty() {
            return;
        }
        let block = *self.block.get_or_insert_with(|| answer.open(kind.clone()));
        if part != self.part {
            // Parts of a summary are paragraphs; those of an answer follow each other.
            if kind == BlockKind::Thinking && self.of_part > 0 {
                answer.delta(block, "\n\n");
            }
            (self.part, self.of_part) = (part, 0);
        }
        self.of_part += text.len();
        answer.delta(block, text);
    }

    /// A whole part: what was streamed of it is not said again.
    fn rest(&mut self, kind: BlockKind, part: u64, text: Option<String>, answer: &mut Answer) {
        let text = text.unwrap_or_default();
        if self.block.is_none() || part > self.part {
            self.add(kind, part, &text, answer);
        } else if part == self.part {
            let rest = text.get(self.of_part..).unwrap_or_default();
            self.add(kind, part, rest, answer);
        }
    }
}

impl Tokens {
    /// `input_tokens` counts what came from the cache too, `output_tokens` the thinking.
    fn normalised(&self) -> Usage {
        let input = self.input_tokens.unwrap_or(0);
        let details = self.input_tokens_details.as_ref();
        let cache_read = details
            .and_then(|details| details.cached_tokens)
            .unwrap_or(0)
            .min(input);
        let cache_write = details
            .and_then(|details| details.cache_write_tokens)
            .unwrap_or(0)
            .min(input - cache_read);
        Usage {
            input: input - cache_read - cache_write,
            output: self.output_tokens.unwrap_or(0),
            cache_read,
            cache_write,
            cache_write_1h: 0,
        }
    }
}

fn not_an_event(error: &serde_json::Error) -> Failure {
    protocol_failure(&format!("the server sent what is no response ({error})"))
}
