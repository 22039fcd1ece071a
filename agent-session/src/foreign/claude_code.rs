//! Transcripts of Claude Code.
//!
//! Every line has a `type`. `user` and `assistant` carry a message of Anthropic's API and link to what they follow by
//! `parentUuid`; an answer is written block by block, in several lines with one `message.id`; results come as `user`
//! lines. A `compact_boundary` begins a new chain whose logical parent is in `logicalParentUuid`, and the next `user`
//! line with `isCompactSummary` stands for everything before. Lines with `isSidechain` are another conversation.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::stream::{StopReason, Usage};
use serde_json::Value;

use super::arrange::{Draft, Found, Item, Link, Tally, What};
use super::text::{blocks, content, count, is_set, members, model, text, time, told};
use super::{Answer, Why, lines};

pub(super) fn recognises(line: &Value) -> bool {
    let has = |name| line.get(name).is_some();
    match text(line, "type") {
        "user" | "assistant" => has("message") && (has("uuid") || has("sessionId")),
        "summary" => has("leafUuid"),
        "file-history-snapshot" | "queue-operation" => true,
        "system" | "attachment" | "progress" => has("uuid") && has("sessionId"),
        _ => false,
    }
}

pub(super) fn read(bytes: &[u8]) -> Draft {
    let mut draft = Draft::default();
    let mut tally = std::mem::take(&mut draft.tally);
    // Where the answer with a message id stands, and under which uuid.
    let mut answers: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut titles: [Option<Arc<str>>; 3] = [None, None, None];
    lines::objects(bytes, &mut tally, |line, value, tally| {
        let kind = text(&value, "type");
        if is_set(&value, "isSidechain") {
            tally.left(Why::NotConversation, "sidechain", line);
            return;
        }
        about(&mut draft, &value);
        let what = match kind {
            "user" => user(&value, line, tally),
            "assistant" => match assistant(&mut draft, &value, line, tally, &mut answers) {
                Some(what) => what,
                None => What::Passed,
            },
            "system" => {
                let subtype = text(&value, "subtype");
                tally.left(Why::NotConversation, &format!("system {subtype}"), line);
                What::Passed
            }
            "attachment" | "progress" => {
                tally.left(Why::NotConversation, kind, line);
                What::Passed
            }
            kind => {
                let place = match kind {
                    "custom-title" => told(&value, "customTitle").map(|title| (0, title)),
                    "ai-title" => told(&value, "aiTitle").map(|title| (1, title)),
                    "summary" => told(&value, "summary").map(|title| (2, title)),
                    _ => None,
                };
                match place {
                    Some((place, title)) => {
                        if let Some(kept) = titles.get_mut(place) {
                            *kept = Some(title);
                        }
                    }
                    None if is_known(kind) => tally.left(Why::NotConversation, kind, line),
                    None if kind.is_empty() => tally.left(Why::Unknown, &members(&value), line),
                    None => tally.left(Why::Unknown, kind, line),
                }
                if value.get("uuid").is_none() {
                    return;
                }
                What::Passed
            }
        };
        let item = Item {
            id: told(&value, "uuid"),
            parent: parent(&value),
            line,
            at: value.get("timestamp").and_then(time),
            what,
        };
        draft.items.push(item);
    });
    draft.title = titles.into_iter().flatten().next();
    draft.tally = tally;
    draft
}

/// Kinds of lines that say nothing of the conversation.
fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "file-history-snapshot"
            | "queue-operation"
            | "last-prompt"
            | "permission-mode"
            | "mode"
            | "agent-name"
            | "pr-link"
            | "tag"
            | "content-replacement"
    )
}

fn about(draft: &mut Draft, value: &Value) {
    if draft.session.is_none() {
        draft.session = told(value, "sessionId");
    }
    if draft.workspace.is_none() {
        draft.workspace = told(value, "cwd");
    }
    if let Some(version) = told(value, "version") {
        draft.version = Some(version);
    }
}

fn parent(value: &Value) -> Link {
    let id = |name| told(value, name).map(Link::Id);
    match value.get("parentUuid") {
        Some(Value::String(_)) => id("parentUuid").unwrap_or(Link::Root),
        Some(Value::Null) => id("logicalParentUuid").unwrap_or(Link::Root),
        _ => Link::Previous,
    }
}

fn user(value: &Value, line: u64, tally: &mut Tally) -> What {
    let said = value.get("message").and_then(|message| message.get("content"));
    if is_set(value, "isCompactSummary") {
        return What::Summary(content(said, line, tally).into(), None);
    }
    let Some(Value::Array(parts)) = said else {
        return What::Prompt(content(said, line, tally).into(), true);
    };
    let (results, others): (Vec<&Value>, Vec<&Value>) =
        parts.iter().partition(|part| text(part, "type") == "tool_result");
    if results.is_empty() {
        return What::Prompt(content(said, line, tally).into(), true);
    }
    for other in others {
        // What stands beside a result was put there by the program.
        tally.left(
            Why::NotConversation,
            &format!("{} beside a result", text(other, "type")),
            line,
        );
    }
    let found = results.into_iter().map(|result| Found {
        call: text(result, "tool_use_id").into(),
        text: content(result.get("content"), line, tally).into(),
        is_error: is_set(result, "is_error"),
    });
    What::Results(found.collect())
}

/// The answer of which this line is a block. `None` where it goes on with one that stands before it.
fn assistant(
    draft: &mut Draft,
    value: &Value,
    line: u64,
    tally: &mut Tally,
    answers: &mut BTreeMap<Arc<str>, usize>,
) -> Option<What> {
    let message = value.get("message").unwrap_or(&Value::Null);
    if is_set(value, "isApiErrorMessage") || text(message, "model") == "<synthetic>" {
        tally.left(
            Why::NotConversation,
            "message of the program in the model's place",
            line,
        );
        return None;
    }
    let more = answer(message, line, tally);
    if more.model.is_some() {
        draft.model.clone_from(&more.model);
    }
    let id = told(message, "id");
    let before = id.as_ref().and_then(|id| answers.get(id)).copied();
    let before = before.and_then(|place| draft.items.get_mut(place));
    if let Some(What::Answer(answer, _)) = before.map(|item| &mut item.what) {
        answer.blocks.extend(more.blocks);
        // Later lines know more of the same request.
        answer.usage = more.usage.or(answer.usage);
        answer.stop = more.stop.or_else(|| answer.stop.take());
        return None;
    }
    if let Some(id) = id {
        answers.insert(id, draft.items.len());
    }
    Some(What::Answer(more, true))
}

fn answer(message: &Value, line: u64, tally: &mut Tally) -> Answer {
    let blocks = blocks(message.get("content"), ("tool_use", "input"), line, tally);
    let usage = message.get("usage").filter(|usage| usage.is_object());
    let stop = match text(message, "stop_reason") {
        "" => None,
        "end_turn" => Some(StopReason::EndOfTurn),
        "tool_use" => Some(StopReason::ToolUse),
        "max_tokens" => Some(StopReason::Length),
        "stop_sequence" => Some(StopReason::StopSequence),
        "refusal" => Some(StopReason::Refusal),
        other => Some(StopReason::Other(other.into())),
    };
    Answer {
        blocks,
        model: model("anthropic", text(message, "model")),
        usage: usage.map(|usage| Usage {
            input: count(usage, "input_tokens"),
            output: count(usage, "output_tokens"),
            cache_read: count(usage, "cache_read_input_tokens"),
            cache_write: count(usage, "cache_creation_input_tokens"),
        }),
        stop,
        cancelled: false,
    }
}
