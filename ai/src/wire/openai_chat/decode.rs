//! The stream of chunks, and the one document that some servers send in place of it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::cumulative::Unrepeated;
use super::details::Details;
use crate::controls::Life;
use crate::conversation::Kept;
use crate::failure::{Failure, FailureClass};
use crate::sse;
use crate::stream::{BlockKind, StopReason, Usage};
use crate::wire::blocks::{Answer, argument_text};
use crate::wire::{protocol_failure, refusal};

/// Most calls in one answer.
const MOST_CALLS: usize = 1024;
/// Most bytes of a tool's name that is put together from parts.
const MOST_NAME: usize = 1024;

/// What is open in the answer.
#[derive(Debug)]
pub(in crate::wire) struct Decoder {
    text: Option<u32>,
    thinking: Option<u32>,
    calls: Vec<Call>,
    /// What was said and thought, each without what the server says again.
    said: Unrepeated,
    thought: Unrepeated,
    /// Whether a delta may hold all so far again.
    repeats: bool,
    details: Details,
    refused: bool,
    stopped: bool,
    /// How long what was written to the cache stays there.
    life: Life,
}

/// A call that grows. Its block opens with the first of its arguments: until then its name may still grow.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    block: Option<u32>,
    /// Its arguments, without what the server says again.
    arguments: Arguments,
    /// Bytes of them so far.
    bytes: usize,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Chunk {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u64>,
    delta: Option<Part>,
    message: Option<Part>,
    finish_reason: Option<String>,
    /// Where Moonshot puts it.
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Part {
    content: Option<Value>,
    refusal: Option<String>,
    reasoning_content: Option<Value>,
    reasoning: Option<Value>,
    thinking: Option<Value>,
    reasoning_details: Option<Vec<Value>>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize)]
struct CallPart {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionPart>,
    extra_content: Option<Value>,
}

#[derive(Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    /// DeepSeek's name for it.
    prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot's.
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl Decoder {
    /// A decoder. `repeats` says that each delta may hold the text so far again; `life` is what was asked of the cache.
    pub(in crate::wire) fn new(repeats: bool, life: Life) -> Self {
        Self {
            text: None,
            thinking: None,
            calls: Vec::new(),
            said: Unrepeated::new(repeats),
            thought: Unrepeated::new(repeats),
            repeats,
            details: Details::default(),
            refused: false,
            stopped: false,
            life,
        }
    }

    pub(in crate::wire) fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        let data = event.data.trim();
        if data == "[DONE]" {
            answer.end(Failure::new(
                FailureClass::Transport,
                "the server ended its answer without saying why; it may be cut",
            ));
        } else if event.event == "error" {
            match serde_json::from_str(data) {
                Ok(error) => answer.fail(refusal::from_body(&error)),
                Err(_) => answer.fail(refusal::from_body(&Value::String(data.to_owned()))),
            }
        } else if data.starts_with('{') {
            match serde_json::from_str(data) {
                Ok(chunk) => self.chunk(chunk, answer),
                Err(error) => answer.fail(not_a_chunk(&error)),
            }
        }
        // Anything else is a relay's way to keep the connection alive.
    }

    pub(in crate::wire) fn document(&mut self, body: &[u8], answer: &mut Answer) {
        match serde_json::from_slice::<Chunk>(body) {
            Ok(mut chunk) if chunk.error.is_none() && chunk.choices.is_some() => {
                // A document that arrived whole is whole, also where it does not say why it ends.
                for choice in chunk.choices.iter_mut().flatten() {
                    choice.finish_reason.get_or_insert_with(|| "stop".to_owned());
                }
                self.chunk(chunk, answer);
            }
            Ok(_) => self.no_answer(body, answer),
            Err(error) if !body.starts_with(b"[") => answer.fail(not_a_chunk(&error)),
            Err(_) => self.no_answer(body, answer),
        }
    }

    /// A document without choices: an error in one of its forms, or nothing of this protocol.
    fn no_answer(&self, body: &[u8], answer: &mut Answer) {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let first = value.as_array().and_then(|items| items.first()).unwrap_or(&value);
        if ["error", "message", "detail"]
            .iter()
            .any(|key| first.get(key).is_some())
        {
            answer.fail(refusal::from_body(&value));
        } else {
            answer.fail(protocol_failure("the server sent a document that is no answer"));
        }
    }

    fn chunk(&mut self, chunk: Chunk, answer: &mut Answer) {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            answer.fail(refusal::from_body(&error));
            return;
        }
        answer.start(chunk.id.as_deref(), chunk.model.as_deref());
        for choice in chunk.choices.into_iter().flatten() {
            if let Some(tokens) = choice.usage {
                answer.usage(tokens.normalised(self.life));
            }
            if choice.index.unwrap_or(0) != 0 || self.stopped {
                continue;
            }
            if let Some(part) = choice.delta.or(choice.message) {
                self.part(part, answer);
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.stop(&reason, answer);
            }
        }
        if let Some(tokens) = chunk.usage {
            answer.usage(tokens.normalised(self.life));
        }
    }

    fn part(&mut self, part: Part, answer: &mut Answer) {
        // One field of these, under the name that the server has for it; some send two with the same words.
        let fields = [part.reasoning_content, part.reasoning, part.thinking];
        let mut thoughts = fields
            .iter()
            .flatten()
            .filter_map(|field| field.as_str().filter(|text| !text.is_empty()));
        let thought = thoughts.next();
        if let Some(text) = thought {
            self.think(text, answer);
        }
        for detail in part.reasoning_details.into_iter().flatten() {
            if thought.is_none()
                && let Some(text) = Details::text(&detail)
            {
                self.think(text, answer);
            }
            answer.count(self.details.add(detail));
        }
        match part.content {
            Some(Value::String(text)) => self.say(&text, answer),
            Some(Value::Array(parts)) => {
                for part in parts {
                    // Mistral's thinking is a part that has parts.
                    let thoughts = part.get("thinking").and_then(Value::as_array);
                    for thought in thoughts.into_iter().flatten() {
                        self.think(
                            thought.get("text").and_then(Value::as_str).unwrap_or_default(),
                            answer,
                        );
                    }
                    if let Some(text) = part.get("text").and_then(Value::as_str) {
                        self.say(text, answer);
                    }
                }
            }
            _ => {}
        }
        if let Some(text) = part.refusal {
            self.refused |= !text.is_empty();
            self.say(&text, answer);
        }
        for call in part.tool_calls.into_iter().flatten() {
            self.call(call, answer);
        }
    }

    fn think(&mut self, text: &str, answer: &mut Answer) {
        let text = self.thought.next(text);
        if text.is_empty() {
            return;
        }
        self.close(answer, false, true);
        let block = *self
            .thinking
            .get_or_insert_with(|| answer.open(BlockKind::Thinking));
        answer.delta(block, &text);
    }

    fn say(&mut self, text: &str, answer: &mut Answer) {
        let text = self.said.next(text);
        if text.is_empty() {
            return;
        }
        self.close(answer, true, false);
        let block = *self.text.get_or_insert_with(|| answer.open(BlockKind::Text));
        answer.delta(block, &text);
    }

    /// What was held back until it was clear whether the server repeats itself.
    fn release(&mut self, answer: &mut Answer) {
        for (held, kind) in [
            (self.thought.rest(), BlockKind::Thinking),
            (self.said.rest(), BlockKind::Text),
        ] {
            let open = match kind {
                BlockKind::Thinking => &mut self.thinking,
                _ => &mut self.text,
            };
            if !held.is_empty() {
                let block = *open.get_or_insert_with(|| answer.open(kind));
                answer.delta(block, &held);
            }
        }
    }

    fn close(&mut self, answer: &mut Answer, thinking: bool, text: bool) {
        let thinking = self.thinking.take_if(|_| thinking);
        let text = self.text.take_if(|_| text);
        for block in thinking.into_iter().chain(text) {
            answer.finish(block);
        }
    }

    fn call(&mut self, part: CallPart, answer: &mut Answer) {
        self.release(answer);
        self.close(answer, true, true);
        let (name, arguments) = match part.function {
            Some(function) => (function.name.unwrap_or_default(), function.arguments),
            None => (String::new(), None),
        };
        let id = part.id.unwrap_or_default();
        let place = match self.place(part.index, &id, &name) {
            Some(place) => place,
            None if self.calls.len() >= MOST_CALLS => {
                answer.fail(protocol_failure(&format!(
                    "the answer has more than {MOST_CALLS} tool calls"
                )));
                return;
            }
            None => {
                self.calls.push(Call {
                    index: part.index,
                    id: id.clone(),
                    name: String::new(),
                    block: None,
                    arguments: Arguments::new(self.repeats),
                    bytes: 0,
                    signature: None,
                });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(place) else {
            return;
        };
        if call.block.is_none() {
            if call.id.is_empty() {
                call.id = id;
            }
            // Some send a name in parts, some the whole name again.
            if call.name != name && call.name.len() + name.len() <= MOST_NAME {
                call.name.push_str(&name);
            }
        }
        let arguments = match arguments.as_deref().map(argument_text).transpose() {
            Ok(arguments) => arguments.unwrap_or_default(),
            Err(error) => {
                answer.fail(not_a_chunk(&error));
                return;
            }
        };
        if let Some(signature) = part
            .extra_content
            .as_ref()
            .and_then(|extra| extra.pointer("/google/thought_signature"))
            .and_then(Value::as_str)
        {
            answer.count(signature.len());
            call.signature = Some(signature.to_owned());
        }
        if !arguments.is_empty() {
            let block = call.open(answer);
            // Some send all of the arguments again at their end.
            if call.bytes == arguments.len() && answer.has_whole(block, &arguments) {
                return;
            }
            let new = call.arguments.next(&arguments);
            call.bytes += new.len();
            answer.delta(block, &new);
        }
    }

    /// The call that a part continues; `None` where it begins one.
    fn place(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let continues = |call: &Call| {
            // Another id with a name begins a call, whatever the index: some servers count none.
            id.is_empty() || name.is_empty() || call.id == id || call.id.is_empty()
        };
        if index.is_some() {
            return self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|place| self.calls.get(*place).is_some_and(continues));
        }
        if !id.is_empty() {
            return self.calls.iter().rposition(|call| call.id == id);
        }
        if name.is_empty() {
            self.calls.len().checked_sub(1)
        } else {
            None
        }
    }

    fn stop(&mut self, reason: &str, answer: &mut Answer) {
        self.stopped = true;
        self.release(answer);
        self.close(answer, true, true);
        if let Some(details) = self.details.take() {
            answer.keep(Kept::ReasoningDetails(details.into()));
        }
        for call in &mut self.calls {
            let block = call.open(answer);
            answer.delta(block, &call.arguments.rest());
            answer.finish(block);
        }
        let reason = match reason {
            // The latter two are DeepSeek's and Z.ai's.
            "error" | "insufficient_system_resource" | "network_error" => {
                answer.fail(refusal::from_body(&Value::Null));
                return;
            }
            _ if self.refused => StopReason::Refusal,
            // `eos` is Together's.
            "stop" | "eos" | "tool_calls" | "function_call" if !self.calls.is_empty() => StopReason::ToolUse,
            "stop" | "eos" | "tool_calls" | "function_call" => StopReason::EndOfTurn,
            "length" | "model_length" => StopReason::Length,
            "content_filter" | "sensitive" => StopReason::Refusal,
            other => StopReason::Other(other.into()),
        };
        answer.stop(reason);
    }
}

impl Call {
    fn open(&mut self, answer: &mut Answer) -> u32 {
        if let Some(block) = self.block {
            return block;
        }
        let id = answer.call_id(&self.id);
        let block = answer.open(BlockKind::ToolCall {
            id,
            name: self.name.as_str().into(),
        });
        self.block = Some(block);
        // It belongs to the block before it, so it must come before the next one.
        if let Some(signature) = self.signature.take() {
            answer.keep(Kept::ThoughtSignature(signature.into()));
        }
        block
    }
}

impl Tokens {
    /// `prompt_tokens` counts what came from the cache too. With most servers `completion_tokens` counts the thinking; where
    /// only all together make the total (xAI), it does not.
    fn normalised(&self, life: Life) -> Usage {
        let input = self.prompt_tokens.unwrap_or(0);
        let details = self.prompt_tokens_details.as_ref();
        let cache_read = details
            .and_then(|details| details.cached_tokens)
            .or(self.prompt_cache_hit_tokens)
            .or(self.cached_tokens)
            .unwrap_or(0)
            .min(input);
        let cache_write = details
            .and_then(|details| details.cache_write_tokens)
            .unwrap_or(0)
            .min(input - cache_read);
        let said = self.completion_tokens.unwrap_or(0);
        let thought = self
            .completion_tokens_details
            .as_ref()
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        let all = said.saturating_add(thought);
        let apart = thought > 0 && self.total_tokens == Some(input.saturating_add(all));
        Usage {
            input: input - cache_read - cache_write,
            output: if apart { all } else { said },
            cache_read,
            cache_write,
            // Servers of this wire do not say for how long; they were asked for one time alone.
            cache_write_1h: match life {
                Life::Short => 0,
                Life::Long => cache_write,
            },
        }
    }
}

fn not_a_chunk(error: &serde_json::Error) -> Failure {
    protocol_failure(&format!("the server sent what is no chat completion ({error})"))
}
