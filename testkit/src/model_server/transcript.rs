//! A played turn of a script as the bytes that a true server would send.

use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::scripted::{Cue, Play};
use glasswork_ai::stream::{BlockKind, Progress, StopReason, StreamEvent, Usage};
use glasswork_ai::wire::Wire;
use serde_json::{Value, json};

use super::reply::Reply;

/// The reply that a turn gives on a wire.
pub(super) fn reply(wire: Wire, play: Play) -> Reply {
    let mut transcript = Transcript {
        wire,
        body: String::new(),
        blocks: Vec::new(),
        texts: Vec::new(),
        items: Vec::new(),
        response: None,
        usage: Usage::default(),
    };
    let mut connected = false;
    for cue in play {
        match cue {
            Cue::Wait(_) => {}
            Cue::Stall if connected => return Reply::stream(transcript.body).stall(),
            Cue::Stall => return Reply::never(),
            Cue::Say(Progress::Connected) => connected = true,
            Cue::Say(Progress::Step(StreamEvent::Failed(failure))) => {
                return transcript.broken_off(&failure, connected);
            }
            Cue::Say(Progress::Step(step)) => transcript.step(step),
        }
    }
    Reply::stream(transcript.body)
}

struct Transcript {
    wire: Wire,
    body: String,
    /// The kinds of blocks by number, and whether each is still open.
    blocks: Vec<(BlockKind, bool)>,
    /// What has come of each.
    texts: Vec<String>,
    /// Responses: the complete items.
    items: Vec<Value>,
    /// Id and model of the answer.
    response: Option<(Value, Value)>,
    usage: Usage,
}

impl Transcript {
    fn step(&mut self, step: StreamEvent) {
        match step {
            // The usage is sent where the wire has it.
            StreamEvent::Usage(usage) => self.usage = usage,
            StreamEvent::BlockStarted { index, kind } => {
                self.blocks.push((kind.clone(), true));
                self.texts.push(String::new());
                self.block_started(index, &kind);
            }
            StreamEvent::Delta { index, text } => self.delta(index, &text),
            StreamEvent::BlockFinished { index, .. } => self.block_finished(index),
            StreamEvent::Started { response, model } => match self.wire {
                Wire::Anthropic => self.event(&json!({"type": "message_start", "message": {
                    "id": response, "type": "message", "role": "assistant", "model": model, "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
                }})),
                Wire::OpenAiResponses => {
                    let begun = json!({"id": response, "object": "response", "status": "in_progress", "model": model,
                        "output": []});
                    self.event(&json!({"type": "response.created", "response": begun}));
                    self.response = Some((json!(response), json!(model)));
                }
                Wire::Gemini => self.response = Some((json!(response), json!(model))),
                Wire::OpenAiChat | Wire::OpenAiCompatible => self.event(&json!({
                    "id": response, "object": "chat.completion.chunk", "model": model,
                    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}],
                })),
            },
            StreamEvent::Finished(reason) => self.finished(&reason),
            StreamEvent::Failed(_) => {}
        }
    }

    fn block_started(&mut self, index: u32, kind: &BlockKind) {
        match (self.wire, kind) {
            (_, BlockKind::Kept) => {}
            (Wire::Anthropic, kind) => {
                let block = match kind {
                    BlockKind::Text => json!({"type": "text", "text": ""}),
                    BlockKind::Kept => return,
                    BlockKind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                    BlockKind::ToolCall { id, name } => {
                        json!({"type": "tool_use", "id": id, "name": name, "input": {}})
                    }
                };
                self.event(&json!({"type": "content_block_start", "index": index, "content_block": block}));
            }
            (Wire::OpenAiResponses, kind) => {
                let item = self.item(index, kind, "", "in_progress");
                self.event(
                    &json!({"type": "response.output_item.added", "output_index": index, "item": item}),
                );
            }
            // It comes whole.
            (Wire::Gemini, _) => {}
            (_, BlockKind::ToolCall { id, name }) => {
                let place = self.calls_before(index);
                self.choice(json!({"tool_calls": [{
                    "index": place, "id": id, "type": "function", "function": {"name": name, "arguments": ""},
                }]}));
            }
            (_, BlockKind::Text | BlockKind::Thinking) => {}
        }
    }

    fn delta(&mut self, index: u32, text: &str) {
        if let Some(so_far) = usize::try_from(index)
            .ok()
            .and_then(|index| self.texts.get_mut(index))
        {
            so_far.push_str(text);
        }
        let kind = self.kind(index);
        match self.wire {
            Wire::OpenAiResponses => {
                let kind = match kind {
                    Some(BlockKind::Thinking) => "response.reasoning_summary_text.delta",
                    Some(BlockKind::ToolCall { .. }) => "response.function_call_arguments.delta",
                    _ => "response.output_text.delta",
                };
                self.event(&json!({"type": kind, "output_index": index, "delta": text}));
            }
            Wire::Gemini => {
                let part = match kind {
                    Some(BlockKind::Thinking) => json!({"text": text, "thought": true}),
                    Some(BlockKind::ToolCall { .. }) => return,
                    _ => json!({"text": text}),
                };
                self.part(part);
            }
            Wire::Anthropic => {
                let delta = match kind {
                    Some(BlockKind::Thinking) => json!({"type": "thinking_delta", "thinking": text}),
                    Some(BlockKind::ToolCall { .. }) => {
                        json!({"type": "input_json_delta", "partial_json": text})
                    }
                    _ => json!({"type": "text_delta", "text": text}),
                };
                self.event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
            Wire::OpenAiChat | Wire::OpenAiCompatible => {
                let delta = match kind {
                    Some(BlockKind::Thinking) => json!({"reasoning_content": text}),
                    Some(BlockKind::ToolCall { .. }) => {
                        let place = self.calls_before(index);
                        json!({"tool_calls": [{"index": place, "function": {"arguments": text}}]})
                    }
                    _ => json!({"content": text}),
                };
                self.choice(delta);
            }
        }
    }

    fn block_finished(&mut self, index: u32) {
        if let Some((_, open)) = usize::try_from(index)
            .ok()
            .and_then(|place| self.blocks.get_mut(place))
        {
            *open = false;
        }
        match (self.wire, self.kind(index).cloned()) {
            (Wire::Anthropic, _) => self.event(&json!({"type": "content_block_stop", "index": index})),
            (Wire::OpenAiResponses, Some(kind)) => self.item_done(index, &kind, "completed"),
            (Wire::Gemini, Some(BlockKind::ToolCall { id, name })) => {
                let arguments: Value = serde_json::from_str(&self.text(index)).unwrap_or_else(|_| json!({}));
                self.part(json!({"functionCall": {"id": id, "name": name, "args": arguments}}));
            }
            _ => {}
        }
    }

    /// An item of Responses.
    fn item(&self, index: u32, kind: &BlockKind, text: &str, status: &str) -> Value {
        match kind {
            BlockKind::ToolCall { id, name } => json!({
                "type": "function_call", "id": format!("fc_{index}"), "call_id": id, "name": name, "arguments": text,
                "status": status,
            }),
            BlockKind::Thinking => json!({
                "type": "reasoning", "id": format!("rs_{index}"), "encrypted_content": "b3BhcXVl",
                "summary": match text { "" => json!([]), text => json!([{"type": "summary_text", "text": text}]) },
            }),
            BlockKind::Text | BlockKind::Kept => json!({
                "type": "message", "id": format!("msg_{index}"), "role": "assistant", "status": status,
                "content": match text { "" => json!([]), text => json!([{"type": "output_text", "text": text}]) },
            }),
        }
    }

    fn item_done(&mut self, index: u32, kind: &BlockKind, status: &str) {
        let item = self.item(index, kind, &self.text(index), status);
        self.event(&json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        self.items.push(item);
    }

    /// A part of an answer of Gemini.
    fn part(&mut self, part: Value) {
        self.candidate(
            json!({"content": {"role": "model", "parts": [part]}, "index": 0}),
            None,
        );
    }

    fn candidate(&mut self, candidate: Value, usage: Option<Value>) {
        let (id, model) = self.response.clone().unwrap_or_default();
        let mut chunk = json!({"candidates": [candidate], "modelVersion": model, "responseId": id});
        if let (Some(usage), Some(members)) = (usage, chunk.as_object_mut()) {
            members.insert("usageMetadata".to_owned(), usage);
        }
        self.event(&chunk);
    }

    fn text(&self, index: u32) -> String {
        let text = usize::try_from(index)
            .ok()
            .and_then(|index| self.texts.get(index));
        text.cloned().unwrap_or_default()
    }

    fn finished(&mut self, reason: &StopReason) {
        let usage = self.usage;
        match self.wire {
            Wire::Anthropic => {
                // The server ends a block also where it was cut.
                for index in (0u32..)
                    .zip(self.blocks.clone())
                    .filter_map(|(index, (_, open))| open.then_some(index))
                {
                    self.block_finished(index);
                }
                let reason = match reason {
                    StopReason::EndOfTurn => "end_turn",
                    StopReason::ToolUse => "tool_use",
                    StopReason::Length => "max_tokens",
                    StopReason::StopSequence => "stop_sequence",
                    StopReason::Refusal => "refusal",
                    StopReason::Paused => "pause_turn",
                    StopReason::Other(other) => other,
                };
                let usage = json!({
                    "input_tokens": usage.input, "output_tokens": usage.output,
                    "cache_read_input_tokens": usage.cache_read, "cache_creation_input_tokens": usage.cache_write,
                });
                let delta = json!({"stop_reason": reason, "stop_sequence": null});
                self.event(&json!({"type": "message_delta", "delta": delta, "usage": usage}));
                self.event(&json!({"type": "message_stop"}));
            }
            Wire::OpenAiResponses => {
                for (index, (kind, open)) in (0u32..).zip(self.blocks.clone()) {
                    if open {
                        self.item_done(index, &kind, "incomplete");
                    }
                }
                let (status, details) = match reason {
                    StopReason::Length => ("incomplete", json!({"reason": "max_output_tokens"})),
                    StopReason::Refusal => ("incomplete", json!({"reason": "content_filter"})),
                    StopReason::Other(other) => ("incomplete", json!({"reason": other})),
                    _ => ("completed", Value::Null),
                };
                let (id, model) = self.response.clone().unwrap_or_default();
                let input = usage.input_total();
                let whole = json!({
                    "id": id, "object": "response", "status": status, "model": model, "incomplete_details": details,
                    "output": self.items,
                    "usage": {
                        "input_tokens": input, "output_tokens": usage.output, "total_tokens": input + usage.output,
                        "input_tokens_details": {"cached_tokens": usage.cache_read},
                        "output_tokens_details": {"reasoning_tokens": 0},
                    },
                });
                self.event(&json!({"type": format!("response.{status}"), "response": whole}));
            }
            Wire::Gemini => {
                let reason = match reason {
                    StopReason::Length => "MAX_TOKENS",
                    StopReason::Refusal => "SAFETY",
                    StopReason::Other(other) => other,
                    _ => "STOP",
                };
                let prompt = usage.input_total();
                let candidate =
                    json!({"content": {"role": "model", "parts": []}, "finishReason": reason, "index": 0});
                let usage = json!({
                    "promptTokenCount": prompt, "cachedContentTokenCount": usage.cache_read,
                    "candidatesTokenCount": usage.output, "totalTokenCount": prompt + usage.output,
                });
                self.candidate(candidate, Some(usage));
            }
            Wire::OpenAiChat | Wire::OpenAiCompatible => {
                let reason = match reason {
                    StopReason::Paused | StopReason::EndOfTurn | StopReason::StopSequence => "stop",
                    StopReason::ToolUse => "tool_calls",
                    StopReason::Length => "length",
                    StopReason::Refusal => "content_filter",
                    StopReason::Other(other) => other,
                };
                self.event(&json!({
                    "object": "chat.completion.chunk",
                    "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
                }));
                let prompt = usage.input_total();
                self.event(&json!({"object": "chat.completion.chunk", "choices": [], "usage": {
                    "prompt_tokens": prompt, "completion_tokens": usage.output, "total_tokens": prompt + usage.output,
                    "prompt_tokens_details": {"cached_tokens": usage.cache_read},
                }}));
                self.body.push_str("data: [DONE]\n\n");
            }
        }
    }

    /// A failure as the server would show it: by breaking off, by a status, or by an error in the stream.
    fn broken_off(mut self, failure: &Failure, connected: bool) -> Reply {
        if failure.class == FailureClass::Transport {
            return if connected {
                Reply::stream(self.body).cut()
            } else {
                Reply::refuse()
            };
        }
        let (status, kind) = match failure.class {
            FailureClass::Auth => (401, "authentication_error"),
            FailureClass::RateLimit => (429, "rate_limit_error"),
            FailureClass::Overloaded => (529, "overloaded_error"),
            FailureClass::Timeout => (504, "timeout_error"),
            FailureClass::Invalid => (400, "invalid_request_error"),
            FailureClass::ContextOverflow => (400, "context_length_exceeded"),
            FailureClass::Quota => (402, "billing_error"),
            FailureClass::Refusal => (400, "content_filter"),
            FailureClass::Unavailable | FailureClass::Transport | FailureClass::BreakerOpen => {
                (500, "api_error")
            }
            FailureClass::Protocol => return Reply::stream("<html>no model here</html>"),
        };
        let error = json!({"type": "error", "error": {"type": kind, "message": *failure.message}});
        if connected {
            self.event(&error);
            return Reply::stream(self.body);
        }
        let reply =
            Reply::status(failure.status.unwrap_or(status)).header("content-type", "application/json");
        let reply = match failure.retry_after_ms {
            Some(ms) => reply.header("retry-after-ms", &ms.to_string()),
            None => reply,
        };
        reply.body(error.to_string())
    }

    fn choice(&mut self, delta: Value) {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
        self.event(&json!({"object": "chat.completion.chunk", "choices": [choice]}));
    }

    fn event(&mut self, data: &Value) {
        if let Some(kind) = data
            .get("type")
            .and_then(Value::as_str)
            .filter(|_| matches!(self.wire, Wire::Anthropic | Wire::OpenAiResponses))
        {
            self.body.push_str(&format!("event: {kind}\n"));
        }
        self.body.push_str(&format!("data: {data}\n\n"));
    }

    fn kind(&self, index: u32) -> Option<&BlockKind> {
        Some(&self.blocks.get(usize::try_from(index).ok()?)?.0)
    }

    fn calls_before(&self, index: u32) -> usize {
        let is_call = |(kind, _): &&(BlockKind, bool)| matches!(kind, BlockKind::ToolCall { .. });
        self.blocks
            .iter()
            .take(usize::try_from(index).unwrap_or(0))
            .filter(is_call)
            .count()
    }
}
