//! A conversation that was had elsewhere, taken in from a file.
//!
//! It comes in batches, each within a line of the journal, into a session that nobody has opened yet. The session is
//! closed while they come, and can be opened once the last one has: so a half-imported one is never gone on with, and
//! the import of the same file goes on where it stopped. Entries name each other by their place in the file's
//! conversation; here each gets an [`EntryId`], and keeps the line that it comes from.

use std::sync::Arc;

use glasswork_agent_core::branch_summary::BranchSummary;
use glasswork_agent_core::compaction::{Carried, Compaction, Paths, Why};
use glasswork_agent_core::id::{CallId, EntryId, RequestId, TurnId};
use glasswork_agent_core::session::{State as SessionState, Trigger};
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::{Assistant, Body, Via};
use glasswork_ai::conversation::{Block, ToolResult};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::{Moment, ScopeId, Timestamp};
use im::Vector;
use serde::{Deserialize, Serialize};

use crate::call::{BlobRef, Call, Outcome};
use crate::domain::Reply;
use crate::draft::Draft;
use crate::fork::{CHILDREN_CAP, Child};
use crate::rejection::Rejection;
use crate::session;
use crate::settings::{Layer, Setting, Sourced};
use crate::state::Session;
use crate::tree::LABEL_BYTES;

/// What is done to take a conversation in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It begins.
    Begun(Box<Begun>),
    /// More of it.
    Taken {
        /// How many entries came before.
        from: u32,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// That was all.
    Finished {
        /// The entry at which it goes on, by its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaf: Option<u32>,
        /// The sessions that the conversations of agents become that it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        called: Vec<Called>,
    },
}

/// An agent that was called, whose conversation stands in the same file and becomes a session of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// That session.
    pub session: ScopeId,
    /// The entry that had it called, by its place.
    pub entry: u32,
}

/// What is known of a conversation before it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Where it comes from.
    pub origin: Origin,
    /// The directory in which the session works.
    pub workspace: Arc<str>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The model that was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// How much it was to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
}

/// The file that a conversation comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where it lay.
    pub file: Arc<str>,
    /// Its format: `pi`, `claude-code`, `codex`, `gemini`.
    pub format: Arc<str>,
    /// The version of the format, or of the program that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// What the other program calls the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<str>>,
    /// Its content.
    pub content: BlobRef,
    /// The blob of the session that has a copy of it, secrets masked.
    pub kept: BlobRef,
    /// How many entries it has.
    pub entries: u32,
    /// What of it is not in the conversation, or not as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
}

/// Something of a file that is not in the conversation, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Why, as a name.
    pub why: Arc<str>,
    /// Which kind of thing, as the file names it.
    pub kind: Arc<str>,
    /// How often.
    pub count: u64,
    /// The first lines that say it, from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u64>,
}

/// An entry of a conversation that is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry before it, by its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The line of the file, from 1.
    pub line: u64,
    /// When it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What somebody called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Arc<str>>,
    /// What it says.
    pub said: Said,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Someone's words, or what stands for a part of the conversation.
    Prompt(Arc<str>),
    /// What stands for everything before it on its branch.
    Compaction {
        /// The summary.
        summary: Arc<str>,
        /// The model that was asked then.
        model: ModelId,
        /// The first entry before it, by its place, for which it does not stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<u32>,
    },
    /// What stands for a branch that was left.
    BranchSummary {
        /// The summary.
        summary: Arc<str>,
        /// The model that was asked then.
        model: ModelId,
        /// The end of that branch, by its place, where the file tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u32>,
    },
    /// A model's answer.
    Answer {
        /// Its blocks.
        blocks: Vec<Block>,
        /// The model.
        model: ModelId,
        /// What its provider counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Why it stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<StopReason>,
        /// Whether it was cut off.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cancelled: bool,
    },
    /// The result of a call of an answer of the same batch.
    Result {
        /// The answer, by its place.
        answer: u32,
        /// The block of the answer that is the call.
        block: u16,
        /// What the model was told.
        text: Arc<str>,
        /// How the call ended.
        ended: Ended,
    },
}

impl Entry {
    /// Every text of it that somebody said or that came out of a tool, to be changed.
    pub(crate) fn each_text_mut(&mut self, each: &mut dyn FnMut(&mut Arc<str>)) {
        self.label.iter_mut().for_each(&mut *each);
        match &mut self.said {
            Said::Prompt(text)
            | Said::Compaction { summary: text, .. }
            | Said::BranchSummary { summary: text, .. }
            | Said::Result { text, .. } => each(text),
            Said::Answer { blocks, .. } => blocks.iter_mut().for_each(|block| match block {
                Block::Text(text) => each(text),
                Block::Thinking(thought) => each(&mut thought.text),
                Block::ToolCall(call) => {
                    each(&mut call.arguments);
                    if let Some(reading) = &mut call.reading {
                        let reading = Arc::make_mut(reading);
                        each(&mut reading.raw);
                        reading.refused.iter_mut().for_each(&mut *each);
                    }
                }
                // Nobody reads it, and imports bring none.
                Block::Kept(_) => {}
            }),
        }
    }

    /// Every text of it that somebody said or that came out of a tool.
    pub(crate) fn each_text(&self, each: &mut dyn FnMut(&str)) {
        self.label.iter().for_each(|label| each(label));
        match &self.said {
            Said::Prompt(text)
            | Said::Compaction { summary: text, .. }
            | Said::BranchSummary { summary: text, .. }
            | Said::Result { text, .. } => each(text),
            Said::Answer { blocks, .. } => blocks.iter().for_each(|block| match block {
                Block::Text(text) => each(text),
                Block::Thinking(thought) => each(&thought.text),
                Block::ToolCall(call) => each(&call.arguments),
                // Nobody reads it, and imports bring none.
                Block::Kept(_) => {}
            }),
        }
    }
}

/// How a call ended that was made elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// The file does not say.
    Unknown,
}

/// What was decided of a conversation that is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It comes from this file.
    Begun {
        /// The file.
        origin: Origin,
        /// When it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started: Option<Timestamp>,
    },
    /// These entries are in the tree; their numbers are their places here.
    Taken {
        /// The entries.
        entries: Vec<Entry>,
    },
    /// It is here, and goes on at this entry.
    Finished {
        /// The entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaf: Option<EntryId>,
        /// The session itself, where it called agents: a fork of it has its lines, but not its children.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<ScopeId>,
        /// The sessions of these agents, each with the commit that has the entry that had it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        children: Vec<(ScopeId, u64)>,
    },
}

/// Where the conversation of a session was imported from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The file.
    pub origin: Origin,
    /// Its entries, in order.
    pub sources: Vector<Source>,
    /// Whether all of them are here.
    pub finished: bool,
}

/// Which line an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The entry.
    pub entry: EntryId,
    /// The line, from 1.
    pub line: u64,
}

impl Import {
    /// The line of the file that says an entry; `None` for one that was not imported.
    #[must_use]
    pub fn line_of(&self, entry: EntryId) -> Option<u64> {
        let place = self
            .sources
            .binary_search_by(|source| source.entry.cmp(&entry))
            .ok()?;
        self.sources.get(place).map(|source| source.line)
    }

    /// How many entries are here.
    #[must_use]
    pub fn taken(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap_or(u32::MAX)
    }

    /// The entry at a place of the file's conversation.
    #[must_use]
    pub fn entry(&self, place: u32) -> Option<EntryId> {
        let place = usize::try_from(place).ok()?;
        self.sources.get(place).map(|source| source.entry)
    }
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Begun { origin, started } => {
                Arc::make_mut(&mut session.meta).created = started.unwrap_or(moment.at);
                session.import = Some(Arc::new(Import {
                    origin: origin.clone(),
                    sources: Vector::new(),
                    finished: false,
                }));
            }
            Self::Taken { entries } => {
                // Taken out, so that what it holds is not copied.
                let Some(mut import) = session.import.take() else {
                    return;
                };
                let imported = Arc::make_mut(&mut import);
                for (entry, ordinal) in entries.iter().zip(0u16..) {
                    let id = EntryId {
                        seq: moment.seq,
                        ordinal,
                    };
                    session.take_in(imported, id, entry, moment);
                    imported.sources.push_back(Source {
                        entry: id,
                        line: entry.line,
                    });
                }
                session.import = Some(import);
            }
            Self::Finished { leaf, of, children } => {
                if let Some(of) = of.filter(|of| *of == session.id) {
                    for (child, at) in children {
                        let (at, effect) = (*at, None);
                        session.children.insert(*child, Child { of, at, effect });
                    }
                }
                if let Some(import) = &mut session.import {
                    Arc::make_mut(import).finished = true;
                }
                session.tree.move_to(*leaf);
                session.context.follow(&session.tree, session.tree.leaf());
            }
        }
    }
}

impl Session {
    fn take_in(&mut self, import: &Import, id: EntryId, entry: &Entry, moment: Moment) {
        let at = entry.at.unwrap_or(moment.at);
        let parent = entry.parent.and_then(|parent| import.entry(parent));
        let body = match &entry.said {
            Said::Prompt(text) => Some(Body::Prompt {
                text: Arc::clone(text),
                via: Via::Prompt,
                images: vec![],
            }),
            Said::Compaction { summary, model, kept } => Some(Body::Compaction(Arc::new(Compaction {
                why: Why::Imported,
                summary: Arc::clone(summary),
                model: model.clone(),
                request: RequestId(0),
                // Where nothing is kept, it is the first itself.
                first_kept: kept.and_then(|kept| import.entry(kept)).unwrap_or(id),
                tokens_before: 0,
                tokens_after: 0,
                carried: Carried::default(),
            }))),
            Said::BranchSummary { summary, model, from } => {
                Some(Body::BranchSummary(Arc::new(BranchSummary {
                    from: from.and_then(|from| import.entry(from)),
                    summary: Arc::clone(summary),
                    model: model.clone(),
                    request: RequestId(0),
                    changed: Paths::default(),
                    read: Paths::default(),
                })))
            }
            Said::Answer {
                blocks,
                model,
                usage,
                stop,
                cancelled,
            } => {
                let answer = Assistant {
                    blocks: blocks.clone(),
                    model: model.clone(),
                    request: None,
                    usage: *usage,
                    stop: stop.clone(),
                    cancelled: *cancelled,
                };
                self.note_calls(id, &answer, at);
                Some(Body::Assistant(answer))
            }
            Said::Result {
                answer,
                block,
                text,
                ended,
            } => import
                .entry(*answer)
                .and_then(|answer| self.settle(Call::id(answer, *block), id, text, *ended)),
        };
        if let Some(body) = body {
            self.tree.graft(id, parent, at, body);
            if entry.label.is_some() {
                self.tree.label(id, entry.label.clone());
            }
        }
    }

    fn note_calls(&mut self, entry: EntryId, answer: &Assistant, at: Timestamp) {
        for (block, call) in answer.calls() {
            let call = Call {
                turn: TurnId(0),
                entry,
                call: call.clone(),
                state: tool_call::State::UnknownOutcome,
                since: at,
                effect: None,
                deadline: None,
                judgement: None,
                answer: None,
                reply: None,
                timed_out: false,
                tail: None,
                editor: None,
                outcome: None,
                result: None,
            };
            self.calls.insert(Call::id(entry, block), Arc::new(call));
        }
    }

    fn settle(&mut self, id: CallId, entry: EntryId, text: &Arc<str>, ended: Ended) -> Option<Body> {
        let call = Arc::make_mut(self.calls.get_mut(&id)?);
        let is_error = ended != Ended::Succeeded;
        call.state = match ended {
            Ended::Succeeded => tool_call::State::Succeeded,
            Ended::Failed => tool_call::State::Failed,
            Ended::Unknown => tool_call::State::UnknownOutcome,
        };
        call.outcome = Some(Outcome {
            text: Arc::clone(text),
            is_error,
            blob: None,
            detail: None,
        });
        call.result = Some(entry);
        Some(Body::ToolResult {
            call: id,
            result: ToolResult {
                call: Arc::clone(&call.call.id),
                name: Arc::clone(&call.call.name),
                text: Arc::clone(text),
                is_error,
            },
            images: vec![],
        })
    }
}

/// Decides what is done to take a conversation in.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    match event {
        Event::Begun(begun) => begin(draft, begun)?,
        Event::Taken { from, entries } => {
            let import = unfinished(draft)?;
            if import.taken() != *from {
                let expected = import.taken();
                return Err(Rejection::ImportOutOfStep { expected });
            }
            fits(&import, entries)?;
            let mut entries = entries.clone();
            for entry in &mut entries {
                // Nobody is there to say it shorter.
                let cut = |label: Arc<str>| -> Arc<str> {
                    let end = label.floor_char_boundary(LABEL_BYTES);
                    label.get(..end).map_or(Arc::clone(&label), Arc::from)
                };
                entry.label = entry.label.take().map(cut);
            }
            draft.fact(Fact::Taken { entries }.into());
        }
        Event::Finished { leaf, called } => {
            let import = unfinished(draft)?;
            if import.taken() != import.origin.entries {
                let expected = import.taken();
                return Err(Rejection::ImportOutOfStep { expected });
            }
            let leaf = leaf.map(|leaf| {
                import
                    .entry(leaf)
                    .ok_or(Rejection::ImportMisfit("its leaf is not there"))
            });
            let leaf = leaf.transpose()?;
            if called.len() > CHILDREN_CAP {
                return Err(Rejection::TooManyChildren);
            }
            let child = |called: &Called| {
                let entry = import.entry(called.entry);
                let entry = entry.ok_or(Rejection::ImportMisfit("who called an agent is not there"))?;
                Ok((called.session, entry.seq))
            };
            let children = called.iter().map(child).collect::<Result<Vec<_>, Rejection>>()?;
            let of = (!children.is_empty()).then_some(draft.session.id);
            draft.fact(Fact::Finished { leaf, of, children }.into());
        }
    }
    Ok(Reply::Done)
}

fn begin(draft: &mut Draft<'_>, begun: &Begun) -> Result<(), Rejection> {
    if draft.session.state != SessionState::Vacant {
        return Err(Rejection::NotVacant);
    }
    session::advance(draft, Trigger::Import)?;
    let workspace = Arc::clone(&begun.workspace);
    draft.fact(session::Fact::Placed { workspace }.into());
    if let Some(title) = &begun.title {
        let title = Arc::clone(title);
        draft.fact(session::Fact::Titled { title }.into());
    }
    if begun.model.is_some() {
        let model = Sourced::from_layer(begun.model.clone(), Layer::Session);
        draft.fact(session::Fact::Set(Setting::Model(model)).into());
    }
    if let Some(thinking) = begun.thinking {
        let thinking = Sourced::from_layer(thinking, Layer::Session);
        draft.fact(session::Fact::Set(Setting::Thinking(thinking)).into());
    }
    let (origin, started) = (begun.origin.clone(), begun.started);
    draft.fact(Fact::Begun { origin, started }.into());
    Ok(())
}

fn unfinished(draft: &Draft<'_>) -> Result<Arc<Import>, Rejection> {
    let import = draft.session.import.as_ref().filter(|import| !import.finished);
    import.cloned().ok_or(Rejection::NoImport)
}

/// Whether entries may be taken in: all that they name stands before them, and each call has its result. Calls are
/// named by commit and block, so that a batch has at most one answer with calls.
fn fits(import: &Import, entries: &[Entry]) -> Result<(), Rejection> {
    let misfit = |what| Err(Rejection::ImportMisfit(what));
    let mut calling: Option<(u32, Vec<u16>)> = None;
    if entries.len() > usize::from(u16::MAX) {
        return misfit("a batch has more entries than there are numbers");
    }
    for (entry, place) in entries.iter().zip(import.taken()..) {
        if place >= import.origin.entries {
            return misfit("there are more entries than were announced");
        }
        if entry.parent.is_some_and(|parent| parent >= place) {
            return misfit("an entry stands before its parent");
        }
        match &entry.said {
            Said::Prompt(_) => {}
            Said::Compaction { kept, .. } => {
                if kept.is_some_and(|kept| kept >= place) {
                    return misfit("a summary keeps what comes after it");
                }
            }
            Said::BranchSummary { from, .. } => {
                if from.is_some_and(|from| from >= place) {
                    return misfit("a summary is of a branch that comes after it");
                }
            }
            Said::Answer { blocks, .. } => {
                let numbered = blocks.iter().zip(0u16..);
                let calls = numbered.filter(|(block, _)| matches!(block, Block::ToolCall(_)));
                let calls: Vec<u16> = calls.map(|(_, number)| number).collect();
                if !calls.is_empty() && calling.replace((place, calls)).is_some() {
                    return misfit("a batch has two answers with calls");
                }
            }
            Said::Result { answer, block, .. } => {
                let open = calling.as_mut().filter(|(calling, _)| calling == answer);
                let at = open
                    .as_ref()
                    .and_then(|(_, calls)| calls.iter().position(|call| call == block));
                match open.zip(at) {
                    Some(((_, calls), at)) => {
                        calls.remove(at);
                    }
                    None => {
                        return misfit("a result belongs to no call of its batch, or is the second of one");
                    }
                }
            }
        }
    }
    match calling {
        Some((_, calls)) if !calls.is_empty() => misfit("a call has no result in its batch"),
        _ => Ok(()),
    }
}
