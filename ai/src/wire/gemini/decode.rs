//! The stream of chunks, and the one document that comes in place of it: a chunk, or an array of them.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::conversation::Kept;
use crate::failure::{Failure, FailureClass};
use crate::sse;
use crate::stream::{BlockKind, StopReason, Usage};
use crate::wire::blocks::Answer;
use crate::wire::{protocol_failure, refusal};

/// Most calls in one answer.
const MOST_CALLS: usize = 1024;

/// What is open in the answer.
#[derive(Debug, Default)]
pub(in crate::wire) struct Decoder {
    /// The block that grows, and whether it is thinking.
    open: Option<(u32, bool)>,
    calls: usize,
    stopped: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    response_id: Option<String>,
    model_version: Option<String>,
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    index: Option<u64>,
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    thought: Option<bool>,
    function_call: Option<FunctionCall>,
    #[serde(alias = "thought_signature")]
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: Option<String>,
    args: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

impl Decoder {
    pub(in crate::wire) fn event(&mut self, event: &sse::Event, answer: &mut Answer) {
        let data = event.data.trim();
        if event.event == "error" {
            let value = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
            answer.fail(refusal::from_body(&value));
        } else if data.starts_with('{') {
            match serde_json::from_str(data) {
                Ok(chunk) => self.chunk(chunk, answer),
                Err(error) => answer.fail(not_a_chunk(&error)),
            }
        }
        // Anything else is a relay's way to end, or to keep the connection alive.
    }

    pub(in crate::wire) fn document(&mut self, body: &[u8], answer: &mut Answer) {
        let chunks: Result<Vec<Chunk>, serde_json::Error> = match body.first() {
            Some(b'[') => serde_json::from_slice(body),
            _ => serde_json::from_slice(body).map(|chunk| vec![chunk]),
        };
        match chunks {
            Ok(chunks) => {
                if chunks.is_empty() {
                    answer.fail(protocol_failure("the server sent a document that is no answer"));
                }
                for chunk in chunks {
                    if chunk.candidates.is_none() && chunk.prompt_feedback.is_none() && chunk.error.is_none()
                    {
                        answer.fail(protocol_failure("the server sent a document that is no answer"));
                    }
                    self.chunk(chunk, answer);
                }
            }
            Err(error) => answer.fail(not_a_chunk(&error)),
        }
    }

    fn chunk(&mut self, chunk: Chunk, answer: &mut Answer) {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            answer.fail(refusal::from_body(&error));
            return;
        }
        answer.start(chunk.response_id.as_deref(), chunk.model_version.as_deref());
        let counted = chunk.usage_metadata.is_some();
        if let Some(tokens) = chunk.usage_metadata {
            answer.usage(tokens.normalised());
        }
        if let Some(reason) = chunk
            .prompt_feedback
            .as_ref()
            .and_then(|feedback| feedback.block_reason.as_deref())
        {
            let said = chunk
                .prompt_feedback
                .as_ref()
                .and_then(|feedback| feedback.block_reason_message.as_deref())
                .map(|said| format!(": {}", refusal::readable(said)))
                .unwrap_or_default();
            answer.fail(Failure::new(
                FailureClass::Invalid,
                format!(
                    "the provider does not pass the conversation on to the model ({}{said}); say it in other words, or \
                     go back before what it objects to",
                    refusal::readable(reason)
                ),
            ));
            return;
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            if candidate.index.unwrap_or(0) != 0 || self.stopped {
                continue;
            }
            let parts = candidate.content.and_then(|content| content.parts);
            for part in parts.into_iter().flatten() {
                self.part(part, answer);
            }
            if let Some(reason) = candidate.finish_reason.filter(|reason| !reason.is_empty()) {
                self.stop(&reason, candidate.finish_message.as_deref(), answer);
            }
        }
        // This wire has no mark of its end. The tokens are counted in the last chunk, or after it.
        if self.stopped && counted {
            answer.end(protocol_failure("the server ended its answer without saying why"));
        }
    }

    fn part(&mut self, part: Part, answer: &mut Answer) {
        if let Some(call) = part.function_call {
            self.close(answer);
            self.calls += 1;
            if self.calls > MOST_CALLS {
                answer.fail(protocol_failure(&format!(
                    "the answer has more than {MOST_CALLS} tool calls"
                )));
                return;
            }
            let block = answer.open(BlockKind::ToolCall {
                id: answer.call_id(&call.id.unwrap_or_default()),
                name: call.name.unwrap_or_default().into(),
            });
            let arguments = call.args.as_deref().map_or("{}", RawValue::get);
            answer.delta(block, arguments);
            answer.finish(block);
        } else if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let thinks = part.thought == Some(true);
            if self.open.is_some_and(|(_, thought)| thought != thinks) {
                self.close(answer);
            }
            let (block, _) = *self.open.get_or_insert_with(|| {
                let kind = match thinks {
                    true => BlockKind::Thinking,
                    false => BlockKind::Text,
                };
                (answer.open(kind), thinks)
            });
            answer.delta(block, &text);
        }
        // A signature is of its part; the one that comes in a part of its own is of what was said before it.
        if let Some(signature) = part.thought_signature.filter(|signature| !signature.is_empty()) {
            self.close(answer);
            answer.keep(Kept::ThoughtSignature(signature.into()));
        }
    }

    fn close(&mut self, answer: &mut Answer) {
        if let Some((block, _)) = self.open.take() {
            answer.finish(block);
        }
    }

    fn stop(&mut self, reason: &str, message: Option<&str>, answer: &mut Answer) {
        self.stopped = true;
        self.close(answer);
        let reason = match reason {
            "STOP" if self.calls > 0 => StopReason::ToolUse,
            "STOP" => StopReason::EndOfTurn,
            "MAX_TOKENS" => StopReason::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
                StopReason::Refusal
            }
            // The model wrote what its own server cannot read: another try may do better.
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "UNEXPECTED_TOOL_CALL" => {
                let said = message
                    .map(|said| format!(": {}", refusal::readable(said)))
                    .unwrap_or_default();
                answer.fail(Failure::new(
                    FailureClass::Unavailable,
                    format!("the model wrote a call that its server cannot read ({reason}{said})"),
                ));
                return;
            }
            other => StopReason::Other(other.into()),
        };
        answer.stop(reason);
    }
}

impl Tokens {
    /// `promptTokenCount` counts what came from the cache too, `candidatesTokenCount` no thinking.
    fn normalised(&self) -> Usage {
        let counted =
            |one: Option<u64>, other: Option<u64>| one.unwrap_or(0).saturating_add(other.unwrap_or(0));
        let input = counted(self.prompt_token_count, self.tool_use_prompt_token_count);
        let cache_read = self.cached_content_token_count.unwrap_or(0).min(input);
        Usage {
            input: input - cache_read,
            output: counted(self.candidates_token_count, self.thoughts_token_count),
            cache_read,
            cache_write: 0,
            cache_write_1h: 0,
        }
    }
}

fn not_a_chunk(error: &serde_json::Error) -> Failure {
    protocol_failure(&format!("the server sent what is no answer of Gemini ({error})"))
}
