//! Transcripts of Claude Code.
//!
//! Every line has a `type`. `user` and `assistant` carry a message of Anthropic's API and link to what they follow by
//! `parentUuid`; an answer is written block by block, in several lines with one `message.id`; results come as `user`
//! lines. A `compact_boundary` begins a new chain whose logical parent is in `logicalParentUuid`, and the next `user`
//! line with `isCompactSummary` stands for everything before. Lines with `isSidechain` are conversations of agents that
//! this one called, each with an `agentId` or its own chain of parents; where there is nothing else, the file is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::stream::{StopReason, Usage};
use serde_json::Value;

use super::draft::{AsideFound, Draft, Found, Item, Link, Tally, What};
use super::text::{blocks, content, count, is_set, members, model, text, time, told};
use super::{ASIDES, Answer, Why, lines};

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
    let mut main = Reading::default();
    let mut asides = Asides::default();
    let mut tally = Tally::default();
    lines::objects(bytes, &mut tally, |line, value, tally| {
        if !is_set(&value, "isSidechain") {
            main.line(line, &value, tally);
        } else if !asides.line(line, &value, main.draft.items.len().checked_sub(1)) {
            tally.left(
                Why::NotConversation,
                "sidechain beyond those that are taken",
                line,
            );
        }
    });
    let mut asides = asides.found;
    if !main.says_something() && !asides.is_empty() {
        // A file of its own, which each agent that another one has called gets since version 2.
        let aside = asides.remove(0);
        tally.add(aside.tally);
        let before = std::mem::replace(&mut main, aside.reading);
        for (title, kept) in before.titles.into_iter().zip(&mut main.titles) {
            *kept = kept.take().or(title);
        }
        asides.iter_mut().for_each(|aside| aside.before = None);
        // What it follows is in the conversation of who called it.
        if let Some(first) = main.draft.items.first_mut() {
            first.parent = Link::Root;
        }
    }
    let mut draft = main.draft;
    draft.title = main.titles.into_iter().flatten().next();
    draft.asides = asides
        .into_iter()
        .map(|aside| {
            // Who called it says so with the result, or before by the same words.
            let by_result = aside.agent.as_ref().and_then(|agent| main.agents.get(agent));
            let by_words = aside.words.as_ref().and_then(|words| main.calls.get(words));
            let called = by_words.map(|(item, _)| *item);
            AsideFound {
                title: by_words.and_then(|(_, title)| title.clone()),
                lines: aside.lines,
                item: by_result.copied().or(called).or(aside.before),
            }
        })
        .collect();
    draft.tally = tally;
    draft
}

/// The conversations of agents that others have called.
#[derive(Debug, Default)]
struct Asides {
    found: Vec<Held>,
    by_agent: BTreeMap<Arc<str>, usize>,
    by_uuid: BTreeMap<Arc<str>, usize>,
}

/// One of them.
#[derive(Debug, Default)]
struct Held {
    agent: Option<Arc<str>>,
    /// What was said first.
    words: Option<Arc<str>>,
    lines: Vec<u64>,
    /// The item of the main conversation that stands before it.
    before: Option<usize>,
    reading: Reading,
    tally: Tally,
}

impl Asides {
    /// Reads a line of one of them: of the agent that it names, else of that whose line it follows. Says whether there
    /// is room for it.
    fn line(&mut self, line: u64, value: &Value, before: Option<usize>) -> bool {
        let (agent, uuid) = (told(value, "agentId"), told(value, "uuid"));
        let parent = told(value, "parentUuid");
        let known = match &agent {
            Some(agent) => self.by_agent.get(agent),
            None => parent.and_then(|parent| self.by_uuid.get(&parent)),
        };
        let place = match known {
            Some(place) => *place,
            None if self.found.len() == ASIDES => return false,
            None => {
                self.found.push(Held {
                    agent: agent.clone(),
                    before,
                    ..Held::default()
                });
                self.found.len() - 1
            }
        };
        if let Some(agent) = agent {
            self.by_agent.insert(agent, place);
        }
        if let Some(uuid) = uuid {
            self.by_uuid.insert(uuid, place);
        }
        if let Some(aside) = self.found.get_mut(place) {
            aside.lines.push(line);
            aside.reading.line(line, value, &mut aside.tally);
            if aside.words.is_none()
                && let Some(What::Prompt(words, _)) = aside.reading.draft.items.last().map(|item| &item.what)
            {
                aside.words = Some(Arc::clone(words));
            }
        }
        true
    }
}

/// A conversation as far as it was read.
#[derive(Debug, Default)]
struct Reading {
    draft: Draft,
    /// Where the answer with a message id stands.
    answers: BTreeMap<Arc<str>, usize>,
    titles: [Option<Arc<str>>; 3],
    /// The item with the result of an agent's work, by the agent.
    agents: BTreeMap<Arc<str>, usize>,
    /// The item that called an agent, and what it was to do in a few words, by what it was told.
    calls: BTreeMap<Arc<str>, (usize, Option<Arc<str>>)>,
}

impl Reading {
    fn says_something(&self) -> bool {
        self.draft
            .items
            .iter()
            .any(|item| !matches!(item.what, What::Passed))
    }

    fn line(&mut self, line: u64, value: &Value, tally: &mut Tally) {
        let kind = text(value, "type");
        about(&mut self.draft, value);
        let what = match kind {
            "user" => {
                let agent = value.get("toolUseResult").and_then(|came| told(came, "agentId"));
                if let Some(agent) = agent {
                    self.agents.entry(agent).or_insert(self.draft.items.len());
                }
                user(value, line, tally)
            }
            "assistant" => {
                self.note_calls(value);
                match assistant(&mut self.draft, value, line, tally, &mut self.answers) {
                    Some(what) => what,
                    None => What::Passed,
                }
            }
            "system" => {
                let subtype = text(value, "subtype");
                tally.left(Why::NotConversation, &format!("system {subtype}"), line);
                What::Passed
            }
            "attachment" | "progress" => {
                tally.left(Why::NotConversation, kind, line);
                What::Passed
            }
            kind => {
                let place = match kind {
                    "custom-title" => told(value, "customTitle").map(|title| (0, title)),
                    "ai-title" => told(value, "aiTitle").map(|title| (1, title)),
                    "summary" => told(value, "summary").map(|title| (2, title)),
                    _ => None,
                };
                match place {
                    Some((place, title)) => {
                        if let Some(kept) = self.titles.get_mut(place) {
                            *kept = Some(title);
                        }
                    }
                    None if is_known(kind) => tally.left(Why::NotConversation, kind, line),
                    None if kind.is_empty() => tally.left(Why::Unknown, &members(value), line),
                    None => tally.left(Why::Unknown, kind, line),
                }
                if value.get("uuid").is_none() {
                    return;
                }
                What::Passed
            }
        };
        self.draft.items.push(Item {
            id: told(value, "uuid"),
            parent: parent(value),
            line,
            at: value.get("timestamp").and_then(time),
            what,
        });
    }

    /// Notes which agents a line of an answer calls.
    fn note_calls(&mut self, value: &Value) {
        let place = self.draft.items.len();
        let message = value.get("message").unwrap_or(&Value::Null);
        let id = told(message, "id");
        // A further line of an answer belongs to where the answer stands.
        let answer = id.and_then(|id| self.answers.get(&id)).copied().unwrap_or(place);
        let parts = message.get("content").and_then(Value::as_array);
        for input in parts.into_iter().flatten().filter_map(|part| part.get("input")) {
            if let Some(Value::String(prompt)) = input.get("prompt") {
                let call = (answer, told(input, "description"));
                self.calls.entry(prompt.as_str().into()).or_insert(call);
            }
        }
    }
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
            cache_write_1h: usage
                .get("cache_creation")
                .map_or(0, |written| count(written, "ephemeral_1h_input_tokens")),
        }),
        stop,
        cancelled: false,
    }
}
