//! Chats and checkpoints of Gemini CLI.
//!
//! Three shapes. A chat is a document `{sessionId, messages: [...]}`, or since 2026 a log of lines: a message is
//! written again under its id whenever it grows, `{"$rewindTo": id}` takes back that message and what follows it,
//! `{"$set": {...}}` changes what is known of the chat, its messages included. A checkpoint is the history itself: a
//! list of `{role, parts}`, or `{history: [...]}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::conversation::{Block, Thought, ToolCall};
use glasswork_ai::stream::{StopReason, Usage};
use serde_json::Value;
use serde_json::value::RawValue;

use super::draft::{Draft, Found, Item, Leaf, Link, Tally, What};
use super::text::{arguments, content, count, is_set, members, model, text, time, told};
use super::{Answer, MAX_LINE, Why, lines};

pub(super) fn recognises(line: &Value) -> bool {
    let has = |name| line.get(name).is_some();
    let is_header = has("sessionId") && (has("projectHash") || has("startTime")) && !has("uuid");
    is_header || has("$set") || has("$rewindTo") || text(line, "type") == "gemini"
}

/// A document over many lines.
pub(super) fn recognises_document(bytes: &[u8]) -> bool {
    Document::read(bytes).is_some()
}

/// A document, its messages unparsed, so that each has a place.
struct Document<'a> {
    about: Value,
    messages: Vec<&'a RawValue>,
}

impl<'a> Document<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        if text.starts_with('[') {
            let messages: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let first: Value = serde_json::from_str(messages.first()?.get()).ok()?;
            let about = Value::Null;
            return first.get("parts").is_some().then_some(Self { about, messages });
        }
        if !text.starts_with('{') {
            return None;
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        let raw = members.get("messages").or_else(|| members.get("history"))?;
        let messages: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
        let others = members
            .iter()
            .filter(|(name, _)| *name != "messages" && *name != "history");
        let about =
            others.filter_map(|(name, raw)| Some((name.clone(), serde_json::from_str(raw.get()).ok()?)));
        let mut about = Value::Object(about.collect());
        about.sort_all_objects();
        Some(Self { about, messages })
    }
}

pub(super) fn read(bytes: &[u8]) -> Draft {
    let mut reading = Reading::default();
    let mut tally = Tally::default();
    let unicode = String::from_utf8_lossy(bytes);
    match Document::read(unicode.as_bytes()) {
        Some(document) => {
            if matches!(unicode, Cow::Owned(_)) {
                tally.left(Why::Mended, "document", 1);
            }
            reading.set(&document.about);
            let mut places = Places::of(unicode.as_bytes());
            for raw in document.messages {
                let line = places.line_of(raw.get());
                if raw.get().len() > MAX_LINE {
                    tally.left(Why::TooLong, "message", line);
                    continue;
                }
                match lines::value(raw.get().as_bytes()) {
                    Ok((message, mended)) => {
                        if mended {
                            tally.left(Why::Mended, "message", line);
                        }
                        reading.only_message(line, message, &mut tally);
                    }
                    Err(lines::Unreadable::NoJson) => tally.left(Why::Unreadable, "message", line),
                    Err(lines::Unreadable::TooDeep) => {
                        tally.left(Why::Unreadable, "message of too many levels", line);
                    }
                }
            }
        }
        None => lines::objects(bytes, &mut tally, |line, value, tally| {
            reading.line(line, value, tally)
        }),
    }
    reading.draft(tally)
}

/// Tells on which line a piece of a document begins. Pieces come in order.
struct Places<'a> {
    bytes: &'a [u8],
    seen: usize,
    line: u64,
}

impl<'a> Places<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            seen: 0,
            line: 1,
        }
    }

    fn line_of(&mut self, piece: &str) -> u64 {
        let offset = (piece.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize);
        let between = self.bytes.get(self.seen..offset).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', between).count();
        self.line += u64::try_from(newlines).unwrap_or(0);
        self.seen = self.seen.max(offset);
        self.line
    }
}

/// A message as it was last written.
struct Record {
    /// The one before it, when it was first written.
    before: Option<usize>,
    line: u64,
    value: Value,
}

#[derive(Default)]
struct Reading {
    draft: Draft,
    records: Vec<Record>,
    /// The records that have an id, by it; of several the last.
    by_id: BTreeMap<Arc<str>, usize>,
    tail: Option<usize>,
}

impl Reading {
    fn line(&mut self, line: u64, value: Value, tally: &mut Tally) {
        if let Some(target) = value.get("$rewindTo") {
            let target = target.as_str().and_then(|id| self.by_id.get(id)).copied();
            if target.is_none() {
                // The program takes back everything then.
                tally.left(Why::Unattached, "rewind", line);
            }
            self.tail = target.and_then(|place| self.records.get(place)?.before);
            return;
        }
        let about = value.get("$set").cloned();
        let is_about = about.is_some() || (value.get("sessionId").is_some() && value.get("type").is_none());
        if !is_about {
            return self.message(line, value, tally);
        }
        let about = about.unwrap_or(value);
        self.set(&about);
        if let Some(Value::Array(messages)) = about.get("messages") {
            // These are the messages now; what was said before stays as a branch.
            self.tail = None;
            for message in messages {
                self.message(line, message.clone(), tally);
            }
        }
    }

    fn set(&mut self, about: &Value) {
        let draft = &mut self.draft;
        draft.session = told(about, "sessionId").or_else(|| draft.session.take());
        draft.title = told(about, "summary").or_else(|| draft.title.take());
        draft.started = about.get("startTime").and_then(time).or(draft.started);
        let folder = about.get("directories").and_then(|folders| folders.get(0));
        if let Some(Value::String(folder)) = folder {
            draft.workspace.get_or_insert_with(|| folder.as_str().into());
        }
    }

    /// A message of a document, which has each once: of two with one id both stay.
    fn only_message(&mut self, line: u64, mut value: Value, tally: &mut Tally) {
        let known = told(&value, "id").is_some_and(|id| self.by_id.contains_key(&id));
        if known && let Value::Object(members) = &mut value {
            tally.left(Why::DuplicateId, "message", line);
            members.remove("id");
        }
        self.message(line, value, tally);
    }

    fn message(&mut self, line: u64, value: Value, tally: &mut Tally) {
        if !value.is_object() {
            tally.left(Why::Unknown, &members(&value), line);
            return;
        }
        let id = told(&value, "id");
        if let Some(known) = id.as_ref().and_then(|id| self.by_id.get(id)).copied() {
            let follows = self
                .records
                .get(known)
                .is_some_and(|record| record.before == self.tail);
            let is_on_path = self.is_on_path(known);
            if (follows || is_on_path)
                && let Some(record) = self.records.get_mut(known)
            {
                record.value = value;
                record.line = line;
                if !is_on_path {
                    self.tail = Some(known);
                }
                return;
            }
        }
        let place = self.records.len();
        if let Some(id) = &id {
            self.by_id.insert(Arc::clone(id), place);
        }
        let before = self.tail.replace(place);
        self.records.push(Record { before, line, value });
    }

    /// Whether a message is among the last ones: only those are written again.
    fn is_on_path(&self, wanted: usize) -> bool {
        let mut next = self.tail;
        for _ in 0..256 {
            match next {
                Some(place) if place == wanted => return true,
                Some(place) => next = self.records.get(place).and_then(|record| record.before),
                None => return false,
            }
        }
        false
    }

    fn draft(mut self, mut tally: Tally) -> Draft {
        let numbered = |place: usize| -> Arc<str> { format!("#{place}").into() };
        let records = std::mem::take(&mut self.records);
        for (place, record) in records.into_iter().enumerate() {
            let line = record.line;
            let at = record.value.get("timestamp").and_then(time);
            let parent = record
                .before
                .map_or(Link::Root, |before| Link::Id(numbered(before)));
            let mut whats = self.whats(&record.value, line, &mut tally);
            let last = whats.pop().unwrap_or(What::Passed);
            // Results of one message come behind its answer; the last item has the message's name.
            let mut parent = parent;
            for (number, what) in whats.into_iter().enumerate() {
                let id: Arc<str> = format!("#{place}.{number}").into();
                let link = std::mem::replace(&mut parent, Link::Id(Arc::clone(&id)));
                let id = Some(id);
                self.draft.items.push(Item {
                    id,
                    parent: link,
                    line,
                    at,
                    what,
                });
            }
            let id = Some(numbered(place));
            self.draft.items.push(Item {
                id,
                parent,
                line,
                at,
                what: last,
            });
        }
        self.draft.leaf = self
            .tail
            .map(|tail| (Leaf::At(numbered(tail)), 1))
            .or(Some((Leaf::Root, 1)));
        self.draft.tally = tally;
        self.draft
    }

    /// What a message says, in order.
    fn whats(&mut self, value: &Value, line: u64, tally: &mut Tally) -> Vec<What> {
        if value.get("parts").is_some() {
            return self.turn(value, line, tally);
        }
        match text(value, "type") {
            "user" => vec![What::Prompt(
                content(value.get("content"), line, tally).into(),
                true,
            )],
            "gemini" => self.answer(value, line, tally),
            kind @ ("info" | "error" | "warning") => {
                tally.left(Why::NotConversation, kind, line);
                vec![]
            }
            "" => {
                tally.left(Why::Unknown, &members(value), line);
                vec![]
            }
            kind => {
                tally.left(Why::Unknown, kind, line);
                vec![]
            }
        }
    }

    fn answer(&mut self, value: &Value, line: u64, tally: &mut Tally) -> Vec<What> {
        let mut blocks = vec![];
        for thought in value
            .get("thoughts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let parts = [text(thought, "subject"), text(thought, "description")];
            let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            blocks.push(thinking(&said.join("\n")));
        }
        blocks.push(Block::Text(content(value.get("content"), line, tally).into()));
        let mut results = vec![];
        for call in value
            .get("toolCalls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let id: Arc<str> = text(call, "id").into();
            blocks.push(Block::ToolCall(ToolCall {
                id: Arc::clone(&id),
                name: text(call, "name").into(),
                arguments: arguments(call.get("args")),
                reading: None,
            }));
            let status = text(call, "status");
            let said = told_by(call.get("result"), line, tally)
                .or_else(|| told(call, "resultDisplay").map(|text| text.to_string()));
            if said.is_some() || matches!(status, "success" | "error" | "cancelled") {
                results.push(Found {
                    call: id,
                    text: said.unwrap_or_default().into(),
                    is_error: matches!(status, "error" | "cancelled"),
                });
            }
        }
        let asked = model("google", text(value, "model"));
        if asked.is_some() {
            self.draft.model.clone_from(&asked);
        }
        let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall(_)));
        let usage = value.get("tokens").filter(|tokens| tokens.is_object());
        let answer = Answer {
            blocks,
            model: asked,
            usage: usage.map(|tokens| Usage {
                input: count(tokens, "input").saturating_sub(count(tokens, "cached")),
                output: count(tokens, "output").saturating_add(count(tokens, "thoughts")),
                cache_read: count(tokens, "cached"),
                cache_write: 0,
                cache_write_1h: 0,
            }),
            stop: Some(if calls {
                StopReason::ToolUse
            } else {
                StopReason::EndOfTurn
            }),
            cancelled: false,
        };
        let mut whats = vec![What::Answer(answer, true)];
        if !results.is_empty() {
            whats.push(What::Results(results));
        }
        whats
    }

    /// A turn of a checkpoint.
    fn turn(&mut self, value: &Value, line: u64, tally: &mut Tally) -> Vec<What> {
        let parts = value.get("parts").and_then(Value::as_array);
        let is_model = text(value, "role") == "model";
        let (mut words, mut blocks, mut results) = (vec![], vec![], vec![]);
        for part in parts.into_iter().flatten() {
            if let Some(call) = part.get("functionCall") {
                let name = text(call, "name");
                blocks.push(Block::ToolCall(ToolCall {
                    id: told(call, "id").unwrap_or_else(|| name.into()),
                    name: name.into(),
                    arguments: arguments(call.get("args")),
                    reading: None,
                }));
            } else if let Some(response) = part.get("functionResponse") {
                results.push(Found {
                    call: told(response, "id").unwrap_or_else(|| text(response, "name").into()),
                    text: response_text(response).into(),
                    is_error: response
                        .get("response")
                        .is_some_and(|inner| inner.get("error").is_some()),
                });
            } else {
                let said = content(Some(part), line, tally);
                match (is_set(part, "thought"), is_model) {
                    (true, _) => blocks.push(thinking(&said)),
                    (false, true) => blocks.push(Block::Text(said.into())),
                    (false, false) => words.push(said),
                }
            }
        }
        let said = words.join("\n");
        let mut whats = vec![];
        if is_model {
            let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall(_)));
            let answer = Answer {
                blocks,
                model: None,
                usage: None,
                stop: Some(if calls {
                    StopReason::ToolUse
                } else {
                    StopReason::EndOfTurn
                }),
                cancelled: false,
            };
            whats.push(What::Answer(answer, true));
        }
        if !results.is_empty() {
            whats.push(What::Results(results));
        }
        if !is_model && !said.trim().is_empty() {
            whats.push(What::Prompt(said.into(), true));
        }
        whats
    }
}

fn thinking(said: &str) -> Block {
    Block::Thinking(Thought {
        text: said.into(),
        signature: None,
        redacted: None,
    })
}

/// The text of a call's result: its parts, of which responses of functions are the usual ones.
fn told_by(result: Option<&Value>, line: u64, tally: &mut Tally) -> Option<String> {
    let parts: Vec<&Value> = match result? {
        Value::Null => return None,
        Value::Array(parts) => parts.iter().collect(),
        part => vec![part],
    };
    let texts = parts.into_iter().map(|part| match part.get("functionResponse") {
        Some(response) => response_text(response),
        None => content(Some(part), line, tally),
    });
    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
    Some(texts.join("\n"))
}

fn response_text(response: &Value) -> String {
    let inner = response.get("response").unwrap_or(&Value::Null);
    for name in ["output", "error"] {
        match inner.get(name) {
            Some(Value::String(text)) => return text.clone(),
            Some(other) => return other.to_string(),
            None => {}
        }
    }
    match inner {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
