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
    usage: Usage,
}

impl Transcript {
    fn step(&mut self, step: StreamEvent) {
        match step {
            // The usage is sent where the wire has it.
            StreamEvent::Usage(usage) => self.usage = usage,
            StreamEvent::BlockStarted { index, kind } => {
                self.blocks.push((kind.clone(), true));
                self.block_started(index, &kind);
            }
            StreamEvent::Delta { index, text } => self.delta(index, &text),
            StreamEvent::BlockFinished { index, .. } => self.block_finished(index),
            StreamEvent::Started { response, model } => match self.wire {
                Wire::Anthropic => self.event(&json!({"type": "message_start", "message": {
                    "id": response, "type": "message", "role": "assistant", "model": model, "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
                }})),
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
            (Wire::Anthropic, kind) => {
                let block = match kind {
                    BlockKind::Text => json!({"type": "text", "text": ""}),
                    BlockKind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                    BlockKind::ToolCall { id, name } => {
                        json!({"type": "tool_use", "id": id, "name": name, "input": {}})
                    }
                };
                self.event(&json!({"type": "content_block_start", "index": index, "content_block": block}));
            }
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
        let kind = self.kind(index);
        match self.wire {
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
        if self.wire == Wire::Anthropic {
            self.event(&json!({"type": "content_block_stop", "index": index}));
        }
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
            Wire::OpenAiChat | Wire::OpenAiCompatible => {
                let reason = match reason {
                    StopReason::EndOfTurn | StopReason::StopSequence => "stop",
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
            FailureClass::Unavailable | FailureClass::Transport => (500, "api_error"),
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
            .filter(|_| self.wire == Wire::Anthropic)
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
