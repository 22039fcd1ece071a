//! The stream of events, and the one document that a relay may send in place of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::conversation::Kept;
use crate::failure::Failure;
use crate::sse;
use crate::stream::{BlockKind, StopReason, Usage};
use crate::wire::blocks::Answer;
use crate::wire::{protocol_failure, refusal};

/// What is open in the answer.
#[derive(Debug, Default)]
pub(in crate::wire) struct Decoder {
    /// The server's numbers of open blocks, and what they are here. Blocks of kinds that are not known have none.
    open: BTreeMap<u64, Open>,
    /// Calls that ended before any argument came. They have none, or were cut there: the stop reason tells.
    empty: Vec<u32>,
    tokens: Tokens,
}

#[derive(Debug)]
enum Open {
    Block {
        block: u32,
        /// The arguments that came with the start of a call. They stand if none are streamed.
        input: Option<Box<RawValue>>,
    },
    /// A block of a kind that is not known here, to be kept whole: of the server's own tools, and whatever comes to be.
    /// None of it is executed here.
    Item {
        /// As it began.
        start: Box<RawValue>,
        /// What came of its input.
        input: String,
    },
}

// An unknown event may have anything in the fields of the known ones. So its type is read first, and nothing of an
// event that is not known.

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct MessageStart {
    message: Start,
}

#[derive(Deserialize)]
struct BlockStart {
    index: u64,
    content_block: Box<RawValue>,
}

#[derive(Deserialize)]
struct BlockDelta {
    index: u64,
    delta: Box<RawValue>,
}

#[derive(Deserialize)]
struct BlockStop {
    index: u64,
}

#[derive(Deserialize)]
struct MessageDelta {
    delta: End,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Start {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct TextDelta {
    text: String,
}

#[derive(Deserialize)]
struct InputDelta {
    partial_json: String,
}

#[derive(Deserialize)]
struct ThinkingDelta {
    thinking: String,
}

#[derive(Deserialize)]
struct SignatureDelta {
    signature: String,
}

/// A block as it starts, or as a document has it whole.
#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Document {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Tokens>,
    content: Vec<Box<RawValue>>,
    stop_reason: Option<String>,
}

/// Counts are cumulative; one that is missing stays as it was.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Written>,
}

/// What was written to the cache, by how long it stays there.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Written {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Written {
    fn all(self) -> u64 {
        let short = self.ephemeral_5m_input_tokens.unwrap_or(0);
        short.saturating_add(self.long())
    }

    fn long(self) -> u64 {
        self.ephemeral_1h_input_tokens.unwrap_or(0)
    }
}

impl Decoder {
    pub(in crate::wire) fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        if let Err(error) = self.read(event, answer) {
            answer.fail(not_an_event(&error));
        }
    }

    fn read(&mut self, event: &sse::Event, answer: &mut Answer) -> Result<(), serde_json::Error> {
        let data = event.data.trim();
        // The type stands in the data too, and some relays drop the line with the event's.
        let kind = match serde_json::from_str::<Kind>(data) {
            Ok(kind) => kind.r#type,
            Err(_) => {
                let value = if data.starts_with('{') {
                    serde_json::from_str(data)?
                } else {
                    Value::Null
                };
                if event.event == "error" && value.is_null() {
                    answer.fail(refusal::from_body(&Value::String(data.to_owned())));
                } else if event.event == "error" || value.get("error").is_some() {
                    answer.fail(refusal::from_body(&value));
                }
                // Anything else is a relay's way to keep the connection alive.
                return Ok(());
            }
        };
        match kind.as_str() {
            "message_start" => self.start(serde_json::from_str::<MessageStart>(data)?.message, answer),
            "content_block_start" => {
                let BlockStart { index, content_block } = serde_json::from_str(data)?;
                self.open(index, &content_block, answer)?;
            }
            "content_block_delta" => {
                let BlockDelta { index, delta } = serde_json::from_str(data)?;
                self.grow(index, delta.get(), answer)?;
            }
            "content_block_stop" => self.close(serde_json::from_str::<BlockStop>(data)?.index, answer),
            "message_delta" => {
                let MessageDelta { delta, usage } = serde_json::from_str(data)?;
                self.count(usage.unwrap_or_default(), answer);
                if let Some(reason) = delta.stop_reason {
                    self.stop(&reason, answer);
                }
            }
            "message_stop" => answer.end(protocol_failure("the server ended its answer without saying why")),
            "error" => answer.fail(refusal::from_body(&serde_json::from_str(data)?)),
            // `ping`, and whatever comes to be.
            _ => {}
        }
        Ok(())
    }

    fn grow(&mut self, index: u64, delta: &str, answer: &mut Answer) -> Result<(), serde_json::Error> {
        let Some(open) = self.open.get_mut(&index) else {
            return Ok(());
        };
        let kind = serde_json::from_str::<Kind>(delta)?.r#type;
        let (block, input) = match open {
            Open::Block { block, input } => (*block, input),
            Open::Item { input, .. } => {
                if kind == "input_json_delta" {
                    let text = serde_json::from_str::<InputDelta>(delta)?.partial_json;
                    answer.count(text.len());
                    input.push_str(&text);
                }
                return Ok(());
            }
        };
        match kind.as_str() {
            "text_delta" => answer.delta(block, &serde_json::from_str::<TextDelta>(delta)?.text),
            "thinking_delta" => answer.delta(block, &serde_json::from_str::<ThinkingDelta>(delta)?.thinking),
            "signature_delta" => {
                answer.sign(block, &serde_json::from_str::<SignatureDelta>(delta)?.signature)
            }
            "input_json_delta" => {
                let text = serde_json::from_str::<InputDelta>(delta)?.partial_json;
                if !text.is_empty() {
                    *input = None;
                }
                answer.delta(block, &text);
            }
            // `citations_delta`, and whatever comes to be.
            _ => {}
        }
        Ok(())
    }

    pub(in crate::wire) fn document(&mut self, body: &[u8], answer: &mut Answer) {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        if value.get("type").and_then(Value::as_str) == Some("error") || value.get("error").is_some() {
            answer.fail(refusal::from_body(&value));
            return;
        }
        let document: Document = match serde_json::from_slice(body) {
            Ok(document) => document,
            Err(error) => {
                answer.fail(not_an_event(&error));
                return;
            }
        };
        let start = Start {
            id: document.id,
            model: document.model,
            usage: document.usage,
        };
        self.start(start, answer);
        for (index, content) in (0u64..).zip(&document.content) {
            match self.open(index, content, answer) {
                Ok(()) => self.close(index, answer),
                Err(error) => answer.fail(not_an_event(&error)),
            }
        }
        self.stop(document.stop_reason.as_deref().unwrap_or("end_turn"), answer);
    }

    fn start(&mut self, start: Start, answer: &mut Answer) {
        answer.start(start.id.as_deref(), start.model.as_deref());
        self.count(start.usage.unwrap_or_default(), answer);
    }

    fn open(&mut self, index: u64, content: &RawValue, answer: &mut Answer) -> Result<(), serde_json::Error> {
        let kind = serde_json::from_str::<Kind>(content.get())?.r#type;
        if !matches!(
            kind.as_str(),
            "text" | "thinking" | "redacted_thinking" | "tool_use"
        ) {
            answer.count(content.get().len());
            let start = content.to_owned();
            let input = String::new();
            self.open.insert(index, Open::Item { start, input });
            return Ok(());
        }
        let content: Content = serde_json::from_str(content.get())?;
        let kind = match kind.as_str() {
            "text" => BlockKind::Text,
            "tool_use" => BlockKind::ToolCall {
                id: answer.call_id(&content.id.unwrap_or_default()),
                name: content.name.unwrap_or_default().into(),
            },
            _ => BlockKind::Thinking,
        };
        let block = answer.open(kind);
        let text = content.text.or(content.thinking);
        answer.delta(block, &text.unwrap_or_default());
        if let Some(signature) = content.signature.filter(|signature| !signature.is_empty()) {
            answer.sign(block, &signature);
        }
        if let Some(data) = content.data {
            answer.redact(block, &data);
        }
        let input = content.input;
        self.open.insert(index, Open::Block { block, input });
        Ok(())
    }

    fn close(&mut self, index: u64, answer: &mut Answer) {
        let Some(open) = self.open.remove(&index) else {
            return;
        };
        let (block, input) = match open {
            Open::Block { block, input } => (block, input),
            Open::Item { start, input } => {
                if let Some(item) = item(start.get(), &input) {
                    answer.keep(Kept::Item(item.into()));
                }
                return;
            }
        };
        match input.as_deref().map(RawValue::get) {
            Some("{}") => self.empty.push(block),
            input => {
                answer.delta(block, input.unwrap_or_default());
                answer.finish(block);
            }
        }
    }

    fn stop(&mut self, reason: &str, answer: &mut Answer) {
        let reason = stop_reason(reason);
        if reason != StopReason::Length {
            for block in self.empty.drain(..) {
                answer.delta(block, "{}");
                answer.finish(block);
            }
        }
        answer.stop(reason);
    }

    fn count(&mut self, tokens: Tokens, answer: &mut Answer) {
        let so_far = &mut self.tokens;
        so_far.input_tokens = tokens.input_tokens.or(so_far.input_tokens);
        so_far.output_tokens = tokens.output_tokens.or(so_far.output_tokens);
        so_far.cache_read_input_tokens = tokens.cache_read_input_tokens.or(so_far.cache_read_input_tokens);
        so_far.cache_creation_input_tokens = tokens
            .cache_creation_input_tokens
            .or(so_far.cache_creation_input_tokens);
        so_far.cache_creation = tokens.cache_creation.or(so_far.cache_creation);
        let written = so_far.cache_creation.unwrap_or_default();
        let cache_write = so_far
            .cache_creation_input_tokens
            .unwrap_or_else(|| written.all());
        answer.usage(Usage {
            input: so_far.input_tokens.unwrap_or(0),
            output: so_far.output_tokens.unwrap_or(0),
            cache_read: so_far.cache_read_input_tokens.unwrap_or(0),
            cache_write,
            cache_write_1h: written.long().min(cache_write),
        });
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "end_turn" => StopReason::EndOfTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "stop_sequence" => StopReason::StopSequence,
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Paused,
        other => StopReason::Other(other.into()),
    }
}

/// A block with the input that was streamed after it; `None` where that is broken.
fn item(start: &str, input: &str) -> Option<String> {
    if input.is_empty() {
        return Some(start.to_owned());
    }
    let mut fields: BTreeMap<&str, &RawValue> = serde_json::from_str(start).ok()?;
    fields.insert("input", serde_json::from_str(input).ok()?);
    serde_json::to_string(&fields).ok()
}

fn not_an_event(error: &serde_json::Error) -> Failure {
    protocol_failure(&format!("the server sent what is no message ({error})"))
}
