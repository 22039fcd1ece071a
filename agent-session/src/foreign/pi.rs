//! Sessions of pi and Hamr, versions 1 to 3.
//!
//! A header, then entries. Since version 2 they are a tree (`id`, `parentId`); before, each follows the one before it.
//! The leaf is the last entry of any kind. What a model is sent is the path to it: from the last `compaction` on that
//! path its summary, the entries from `firstKeptEntryId` (version 1: `firstKeptEntryIndex`, counted with the header)
//! up to it, and those after it. Answers that failed or were aborted are kept but not sent. A `label` names an entry.

use std::sync::Arc;

use glasswork_ai::stream::{StopReason, Usage};
use serde_json::Value;

use super::draft::{Draft, Found, Item, Label, Leaf, Link, Tally, What};
use super::text::{blocks, content, count, is_set, members, model, text, thinking, time, told};
use super::{Answer, Why, lines};

pub(super) fn recognises(line: &Value) -> bool {
    text(line, "type") == "session" && (line.get("cwd").is_some() || line.get("version").is_some())
}

pub(super) fn read(bytes: &[u8]) -> Draft {
    let mut draft = Draft::default();
    let mut tally = std::mem::take(&mut draft.tally);
    // The place in the file, counted as version 1 does: unreadable lines are none.
    let mut index = 0;
    let mut version = 1;
    lines::objects(bytes, &mut tally, |line, value, tally| {
        let place = index;
        index += 1;
        if text(&value, "type") == "session" {
            if place > 0 && draft.session.is_some() {
                tally.left(Why::Unknown, "second session header", line);
                return;
            }
            version = value.get("version").and_then(Value::as_u64).unwrap_or(1);
            header(&mut draft, &value, version);
            return;
        }
        let in_order = version < 2 && value.get("id").is_none();
        let id = match in_order {
            true => Some(numbered(place)),
            false => told(&value, "id"),
        };
        let parent = match value.get("parentId") {
            _ if in_order => Link::Previous,
            Some(Value::String(parent)) => Link::Id(parent.as_str().into()),
            Some(Value::Null) => Link::Root,
            _ => Link::Previous,
        };
        let what = entry(&mut draft, &value, line, tally);
        let at = value.get("timestamp").and_then(time);
        let item = Item {
            id,
            parent,
            line,
            at,
            what,
        };
        draft.items.push(item);
    });
    draft.tally = tally;
    draft
}

fn numbered(place: usize) -> Arc<str> {
    format!("#{place}").into()
}

fn header(draft: &mut Draft, value: &Value, version: u64) {
    draft.version = Some(version.to_string().into());
    draft.session = told(value, "id");
    draft.workspace = told(value, "cwd");
    draft.started = value.get("timestamp").and_then(time);
    draft.model = model(text(value, "provider"), text(value, "modelId"));
    draft.thinking = thinking(text(value, "thinkingLevel"));
}

fn entry(draft: &mut Draft, value: &Value, line: u64, tally: &mut Tally) -> What {
    // Whatever comes after it, a moved leaf is where the conversation goes on, until something is said there.
    let kind = text(value, "type");
    if kind != "leaf" && kind != "label" && kind != "session_info" {
        draft.leaf = None;
    }
    match kind {
        "message" => return message(draft, value.get("message").unwrap_or(&Value::Null), line, tally),
        "custom_message" => {
            return What::Prompt(content(value.get("content"), line, tally).into(), true);
        }
        "compaction" => {
            let kept = told(value, "firstKeptEntryId").or_else(|| {
                let index = value.get("firstKeptEntryIndex").and_then(Value::as_u64)?;
                Some(numbered(usize::try_from(index).ok()?))
            });
            return What::Summary(text(value, "summary").into(), kept);
        }
        "branch_summary" => return branch_summary(value),
        "model_change" => {
            let changed = model(text(value, "provider"), text(value, "modelId"));
            draft.model = changed.or_else(|| draft.model.take());
        }
        "thinking_level_change" => {
            let changed = thinking(text(value, "thinkingLevel"));
            draft.thinking = changed.or(draft.thinking);
        }
        "session_info" => draft.title = told(value, "name").or_else(|| draft.title.take()),
        "leaf" => {
            let leaf = match told(value, "targetId") {
                Some(target) => Some(Leaf::At(target)),
                None if value.get("targetId") == Some(&Value::Null) => Some(Leaf::Root),
                None => None,
            };
            if leaf.is_none() {
                tally.left(Why::Unattached, "leaf", line);
            }
            draft.leaf = leaf.map(|leaf| (leaf, line));
        }
        "label" => match told(value, "targetId") {
            Some(target) => {
                let text = told(value, "label");
                draft.labels.push(Label { target, text, line });
            }
            None => tally.left(Why::Unattached, "label", line),
        },
        "custom" | "spawn_point" | "active_tools_change" => {
            tally.left(Why::NotConversation, kind, line);
        }
        "" => tally.left(Why::Unknown, &members(value), line),
        kind => tally.left(Why::Unknown, kind, line),
    }
    What::Passed
}

fn message(draft: &mut Draft, value: &Value, line: u64, tally: &mut Tally) -> What {
    match text(value, "role") {
        "user" => What::Prompt(content(value.get("content"), line, tally).into(), true),
        // Version 2 called what version 3 calls `custom` a `hookMessage`.
        "custom" | "hookMessage" => What::Prompt(content(value.get("content"), line, tally).into(), true),
        "assistant" => {
            let answer = answer(value, line, tally);
            if answer.model.is_some() {
                draft.model.clone_from(&answer.model);
            }
            let sent = !matches!(text(value, "stopReason"), "error" | "aborted");
            What::Answer(answer, sent)
        }
        "toolResult" => What::Results(vec![Found {
            call: text(value, "toolCallId").into(),
            text: content(value.get("content"), line, tally).into(),
            is_error: is_set(value, "isError"),
        }]),
        "bashExecution" => {
            let sent = !is_set(value, "excludeFromContext");
            What::Prompt(command(value).into(), sent)
        }
        "branchSummary" => branch_summary(value),
        "compactionSummary" => What::Summary(text(value, "summary").into(), None),
        "" => {
            tally.left(Why::Unknown, &format!("message {}", members(value)), line);
            What::Passed
        }
        role => {
            tally.left(Why::Unknown, &format!("message of {role}"), line);
            What::Passed
        }
    }
}

/// `fromId` is what the branch was left for, in files of pi itself, or the end of that branch, in files of others.
fn branch_summary(value: &Value) -> What {
    What::BranchSummary(text(value, "summary").into(), told(value, "fromId"))
}

/// A command that the person ran themselves.
fn command(value: &Value) -> String {
    let end = match (
        is_set(value, "cancelled"),
        value.get("exitCode").and_then(Value::as_i64),
    ) {
        (true, _) => "It was cancelled.".to_owned(),
        (false, Some(code)) => format!("Its exit code was {code}."),
        (false, None) => "Its exit code is not known.".to_owned(),
    };
    let (ran, output) = (text(value, "command"), text(value, "output"));
    format!("I ran this command myself:\n{ran}\nIts output:\n{output}\n{end}")
}

fn answer(value: &Value, line: u64, tally: &mut Tally) -> Answer {
    let blocks = blocks(value.get("content"), ("toolCall", "arguments"), line, tally);
    let usage = value.get("usage").filter(|usage| usage.is_object());
    let (stop, cancelled) = match text(value, "stopReason") {
        "stop" => (Some(StopReason::EndOfTurn), false),
        "length" => (Some(StopReason::Length), false),
        "toolUse" => (Some(StopReason::ToolUse), false),
        "error" | "aborted" => (None, true),
        "" => (None, false),
        other => (Some(StopReason::Other(other.into())), false),
    };
    Answer {
        blocks,
        model: model(text(value, "provider"), text(value, "model")),
        usage: usage.map(|usage| Usage {
            input: count(usage, "input"),
            output: count(usage, "output"),
            cache_read: count(usage, "cacheRead"),
            cache_write: count(usage, "cacheWrite"),
            cache_write_1h: 0,
        }),
        stop,
        cancelled,
    }
}
