//! Rollouts of Codex.
//!
//! Lines of `{timestamp, type, payload}`; before mid-2025 the payload of a `response_item` stood alone. The items are
//! those of OpenAI's Responses API, one after the other: what the model said between two inputs is one answer.
//! `compacted` stands for everything before it; `thread_rolled_back` takes the last turns back. What the program told
//! the model about itself (instructions, environment) is left out, since it would not be true here.

use std::sync::Arc;

use glasswork_ai::conversation::{Block, Thought, ToolCall};
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::Timestamp;
use serde_json::Value;

use super::draft::{Draft, Found, Item, Link, Tally, What};
use super::text::{arguments, content, count, members, model, text, thinking, time, told};
use super::{Answer, Why, lines};

const LINES: [&str; 8] = [
    "session_meta",
    "response_item",
    "event_msg",
    "turn_context",
    "compacted",
    "world_state",
    "inter_agent_communication",
    "inter_agent_communication_metadata",
];

/// How texts begin that the program puts into the person's place.
const INJECTED: [&str; 7] = [
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "<turn_aborted>",
    "<skill>",
    "<collaboration_mode>",
    "# AGENTS.md instructions",
];

pub(super) fn recognises(line: &Value) -> bool {
    let first =
        line.get("instructions").is_some() && line.get("id").is_some() && line.get("timestamp").is_some();
    let known = LINES.contains(&text(line, "type")) && line.get("payload").is_some_and(Value::is_object);
    known || first || line.get("record_type").is_some()
}

pub(super) fn read(bytes: &[u8]) -> Draft {
    let mut reading = Reading::default();
    let mut tally = Tally::default();
    lines::objects(bytes, &mut tally, |line, value, tally| {
        reading.line(line, &value, tally)
    });
    let mut draft = reading.draft;
    draft.tally = tally;
    draft
}

#[derive(Debug, Default)]
struct Reading {
    draft: Draft,
    provider: Option<Arc<str>>,
    /// Whether the last item is an answer that may go on.
    answering: bool,
    /// The item that the next one follows, where it is not the last.
    behind: Option<Link>,
}

impl Reading {
    fn line(&mut self, line: u64, value: &Value, tally: &mut Tally) {
        let at = value.get("timestamp").and_then(time);
        let kind = text(value, "type");
        let Some(payload) = value.get("payload").filter(|_| LINES.contains(&kind)) else {
            return self.bare(line, value, at, tally);
        };
        match kind {
            "session_meta" => self.meta(line, payload, tally),
            "response_item" => self.item(line, payload, at, tally),
            "event_msg" => self.event(line, payload, tally),
            "turn_context" => self.context(payload),
            "compacted" => {
                let mut told = text(payload, "message").to_owned();
                if told.trim().is_empty() {
                    let history = payload.get("replacement_history").and_then(Value::as_array);
                    let texts = history.into_iter().flatten().map(|item| {
                        let inner = item.get("content").or_else(|| item.get("summary"));
                        content(inner, line, tally)
                    });
                    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
                    told = texts.join("\n\n");
                }
                self.push(line, at, What::Summary(told.into(), None));
            }
            kind => tally.left(Why::NotConversation, kind, line),
        }
    }

    /// A line of the oldest form.
    fn bare(&mut self, line: u64, value: &Value, at: Option<Timestamp>, tally: &mut Tally) {
        if value.get("record_type").is_some() {
            tally.left(Why::NotConversation, text(value, "record_type"), line);
        } else if value.get("instructions").is_some() && self.draft.session.is_none() {
            self.meta(line, value, tally);
        } else if value.get("type").is_some() {
            self.item(line, value, at, tally);
        } else {
            tally.left(Why::Unknown, &members(value), line);
        }
    }

    fn meta(&mut self, line: u64, payload: &Value, tally: &mut Tally) {
        if self.draft.session.is_some() {
            tally.left(Why::NotConversation, "header of what it was forked from", line);
            return;
        }
        self.draft.session = told(payload, "id").or_else(|| told(payload, "session_id"));
        self.draft.workspace = told(payload, "cwd");
        self.draft.version = told(payload, "cli_version");
        self.draft.started = payload.get("timestamp").and_then(time);
        self.provider = told(payload, "model_provider");
    }

    fn context(&mut self, payload: &Value) {
        let provider = self.provider.as_deref().unwrap_or("openai");
        let asked = model(provider, text(payload, "model"));
        if asked.is_some() {
            self.draft.model = asked;
        }
        let level = thinking(text(payload, "effort"));
        self.draft.thinking = level.or(self.draft.thinking);
        if self.draft.workspace.is_none() {
            self.draft.workspace = told(payload, "cwd");
        }
    }

    fn push(&mut self, line: u64, at: Option<Timestamp>, what: What) {
        self.answering = matches!(what, What::Answer(..));
        let parent = self.behind.take().unwrap_or(Link::Previous);
        let id = Some(numbered(self.draft.items.len()));
        self.draft.items.push(Item {
            id,
            parent,
            line,
            at,
            what,
        });
    }

    fn item(&mut self, line: u64, item: &Value, at: Option<Timestamp>, tally: &mut Tally) {
        let kind = text(item, "type");
        match kind {
            "message" => match text(item, "role") {
                "assistant" => {
                    let said = content(item.get("content"), line, tally);
                    self.say(line, at, Block::Text(said.into()));
                }
                "user" => {
                    let said = content(item.get("content"), line, tally);
                    match INJECTED
                        .iter()
                        .find(|begin| said.trim_start().starts_with(**begin))
                    {
                        Some(begin) => tally.left(Why::NotConversation, begin, line),
                        None => self.push(line, at, What::Prompt(said.into(), true)),
                    }
                }
                role => tally.left(Why::NotConversation, &format!("message of {role}"), line),
            },
            "reasoning" => {
                let mut thoughts = content(item.get("summary"), line, tally);
                if thoughts.is_empty() {
                    thoughts = content(item.get("content"), line, tally);
                }
                match thoughts.is_empty() {
                    true => tally.left(Why::NotConversation, "encrypted reasoning", line),
                    false => self.say(
                        line,
                        at,
                        Block::Thinking(Thought {
                            text: thoughts.into(),
                            signature: None,
                            redacted: None,
                        }),
                    ),
                }
            }
            "function_call" => self.call(line, at, item, text(item, "name"), item.get("arguments")),
            "custom_tool_call" => self.call(line, at, item, text(item, "name"), item.get("input")),
            "local_shell_call" => self.call(line, at, item, "local_shell", item.get("action")),
            "function_call_output" | "custom_tool_call_output" => {
                let (text, is_error) = output(item.get("output"), line, tally);
                let found = Found {
                    call: text_of_call(item),
                    text: text.into(),
                    is_error,
                };
                // Further calls after a result belong to the next answer.
                self.push(line, at, What::Results(vec![found]));
            }
            "ghost_snapshot"
            | "web_search_call"
            | "image_generation_call"
            | "tool_search_call"
            | "tool_search_output"
            | "compaction"
            | "compaction_trigger"
            | "context_compaction"
            | "additional_tools"
            | "agent_message"
            | "other" => {
                tally.left(Why::NotConversation, kind, line);
            }
            "" => tally.left(Why::Unknown, &members(item), line),
            kind => tally.left(Why::Unknown, kind, line),
        }
    }

    fn call(&mut self, line: u64, at: Option<Timestamp>, item: &Value, name: &str, input: Option<&Value>) {
        let call = ToolCall {
            id: text_of_call(item),
            name: name.into(),
            arguments: arguments(input),
            reading: None,
        };
        self.say(line, at, Block::ToolCall(call));
    }

    /// The model says something: more of its answer, or the beginning of one.
    fn say(&mut self, line: u64, at: Option<Timestamp>, block: Block) {
        if self.answering
            && let Some(What::Answer(answer, _)) = self.draft.items.last_mut().map(|item| &mut item.what)
        {
            answer.blocks.push(block);
            answer.stop = stop(&answer.blocks);
            return;
        }
        let blocks = vec![block];
        let answer = Answer {
            stop: stop(&blocks),
            blocks,
            model: self.draft.model.clone(),
            usage: None,
            cancelled: false,
        };
        self.push(line, at, What::Answer(answer, true));
    }

    fn event(&mut self, line: u64, event: &Value, tally: &mut Tally) {
        let kind = text(event, "type");
        match kind {
            "token_count" => {
                let last = event.get("info").and_then(|info| info.get("last_token_usage"));
                if let Some(usage) = last {
                    self.count(usage);
                }
            }
            "thread_rolled_back" => match event.get("num_turns").and_then(Value::as_u64) {
                Some(turns) => self.roll_back(turns),
                None => tally.left(Why::Unknown, "rollback of nobody knows how much", line),
            },
            "thread_name_updated" => {
                self.draft.title = told(event, "thread_name").or_else(|| self.draft.title.take());
            }
            "" => tally.left(Why::Unknown, &format!("event {}", members(event)), line),
            // What they tell stands in the response items too, or is no conversation.
            kind => tally.left(Why::NotConversation, &format!("event {kind}"), line),
        }
    }

    /// The usage of the last answer that has none.
    fn count(&mut self, usage: &Value) {
        let recent = self.draft.items.iter_mut().rev().take(64);
        let answer = recent.into_iter().find_map(|item| match &mut item.what {
            What::Answer(answer, _) => Some(answer),
            _ => None,
        });
        if let Some(answer) = answer.filter(|answer| answer.usage.is_none()) {
            let cached = count(usage, "cached_input_tokens");
            answer.usage = Some(Usage {
                input: count(usage, "input_tokens").saturating_sub(cached),
                output: count(usage, "output_tokens"),
                cache_read: cached,
                cache_write: 0,
                cache_write_1h: 0,
            });
        }
    }

    /// Goes on before the last `turns` prompts; they stay as a branch.
    fn roll_back(&mut self, turns: u64) {
        let Some(last) = usize::try_from(turns).ok().and_then(|turns| turns.checked_sub(1)) else {
            return;
        };
        self.answering = false;
        let prompts = self.draft.items.iter().enumerate().rev();
        let mut prompts = prompts.filter(|(_, item)| matches!(item.what, What::Prompt(..)));
        self.behind = Some(match prompts.nth(last) {
            Some((place, item)) => match &item.parent {
                Link::Previous if place > 0 => Link::Id(numbered(place - 1)),
                other => other.clone(),
            },
            None => Link::Root,
        });
    }
}

fn numbered(place: usize) -> Arc<str> {
    format!("#{place}").into()
}

fn text_of_call(item: &Value) -> Arc<str> {
    told(item, "call_id")
        .or_else(|| told(item, "id"))
        .unwrap_or_default()
}

fn stop(blocks: &[Block]) -> Option<StopReason> {
    let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall(_)));
    Some(if calls {
        StopReason::ToolUse
    } else {
        StopReason::EndOfTurn
    })
}

/// What came of a call, and whether it failed: text, parts, or text that is JSON with an exit code.
fn output(value: Option<&Value>, line: u64, tally: &mut Tally) -> (String, bool) {
    let (inner, failed) = match value {
        Some(Value::Object(object)) => {
            let failed = object.get("success") == Some(&Value::Bool(false));
            (object.get("content").or_else(|| object.get("output")), failed)
        }
        other => (other, false),
    };
    let said = content(inner, line, tally);
    if said.trim_start().starts_with('{')
        && let Ok(Value::Object(shell)) = serde_json::from_str::<Value>(&said)
        && let Some(Value::String(printed)) = shell.get("output")
    {
        let code = shell
            .get("metadata")
            .and_then(|metadata| metadata.get("exit_code"));
        let code = code.and_then(Value::as_i64);
        return (printed.clone(), failed || code.is_some_and(|code| code != 0));
    }
    (said, failed)
}
