//! From what a file says, in its order and with its mistakes, to a conversation that holds.
//!
//! Links are resolved (missing ones lead to what stands before, rings are opened), what is no conversation drops out
//! of the chain of parents, and each answer gets exactly one result for each of its calls, directly behind it. The
//! work is linear in the file, whatever the file says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_engine::Timestamp;

use super::{Answer, Body, CallResult, Entry, Format, Left, PLACES, Transcript, Why};

/// Most blocks of one answer; a longer one becomes several.
const BLOCKS: usize = 128;
/// Longest name of a tool and longest id of a call that every wire takes.
const NAME: usize = 64;
const CALL_ID: usize = 40;
/// Most entries that are walked in search of what summaries keep: a file may have a summary behind every word.
const STEPS: usize = 10_000_000;

/// Counts what is left out.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(Why, String), (u64, Vec<u64>)>);

impl Tally {
    /// Most kinds that are told apart: a file may make up as many as it has lines.
    const KINDS: usize = 200;

    pub(super) fn left(&mut self, why: Why, kind: &str, line: u64) {
        let kind: String = kind.chars().take(80).collect();
        let mut key = (why, kind);
        if self.0.len() >= Self::KINDS && !self.0.contains_key(&key) {
            key.1 = "(further kinds)".to_owned();
        }
        let (count, lines) = self.0.entry(key).or_default();
        *count += 1;
        if lines.len() < PLACES && lines.last() != Some(&line) {
            lines.push(line);
        }
    }

    fn told(self) -> Vec<Left> {
        let left = self.0.into_iter();
        left.map(|((why, kind), (count, lines))| Left {
            why,
            kind,
            count,
            lines,
        })
        .collect()
    }
}

/// What a parser found, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) version: Option<Arc<str>>,
    pub(super) session: Option<Arc<str>>,
    pub(super) title: Option<Arc<str>>,
    pub(super) workspace: Option<Arc<str>>,
    pub(super) started: Option<Timestamp>,
    pub(super) model: Option<ModelId>,
    pub(super) thinking: Option<Thinking>,
    pub(super) items: Vec<Item>,
    /// Where it goes on, by id; `None` is at the last item.
    pub(super) leaf: Option<Leaf>,
    pub(super) tally: Tally,
}

/// Where a conversation goes on.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    /// At this item.
    At(Arc<str>),
    /// Before anything was said.
    Root,
}

/// One thing that a file says.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: Option<Arc<str>>,
    pub(super) parent: Link,
    pub(super) line: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) what: What,
}

/// What an item follows.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// What stands before it.
    Previous,
    /// Nothing.
    Root,
    /// The item with this id.
    Id(Arc<str>),
}

/// What an item is.
#[derive(Debug)]
pub(super) enum What {
    /// Someone's words; sent to the model or not.
    Prompt(Arc<str>, bool),
    /// An answer; sent to the model or not.
    Answer(Answer, bool),
    /// Results of calls.
    Results(Vec<Found>),
    /// What stands for the items before it, but for those from `kept` on.
    Summary(Arc<str>, Option<Arc<str>>),
    /// What stands for a branch that was left, and the id of its end: part of the conversation like a prompt.
    BranchSummary(Arc<str>, Option<Arc<str>>),
    /// No conversation: only links go through it.
    Passed,
}

/// A result as a file has it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) call: Arc<str>,
    pub(super) text: Arc<str>,
    pub(super) is_error: bool,
}

/// Arranges what was found.
pub(super) fn arrange(format: Format, draft: Draft) -> Transcript {
    let mut tally = draft.tally;
    let mut items = draft.items;
    drop_empty(&mut items, &mut tally);
    let ids = ids(&mut items, &mut tally);
    let parents = parents(&items, &ids, &mut tally);
    let results = results(&mut items, &mut tally);
    let leaf = match &draft.leaf {
        Some(Leaf::Root) => None,
        Some(Leaf::At(id)) => ids.get(id).copied().or(items.len().checked_sub(1)),
        None => items.len().checked_sub(1),
    };
    let mut writer = Writer {
        items: &mut items,
        ids: &ids,
        parents: &parents,
        results,
        entries: vec![],
        ends: vec![],
        calls: BTreeSet::new(),
        tally: &mut tally,
        model: draft.model.clone(),
        steps: STEPS,
    };
    writer.write();
    let (entries, ends) = (writer.entries, writer.ends);
    let leaf = leaf.and_then(|leaf| ends.get(leaf).copied().flatten());
    Transcript {
        format,
        version: draft.version,
        session: draft.session,
        title: draft.title,
        workspace: draft.workspace,
        started: draft
            .started
            .or_else(|| entries.iter().find_map(|entry| entry.at)),
        model: draft.model,
        thinking: draft.thinking,
        sent: sent(leaf, &entries),
        leaf,
        entries,
        left: tally.told(),
    }
}

/// Takes what says nothing out of the conversation, not out of the chain.
fn drop_empty(items: &mut [Item], tally: &mut Tally) {
    for item in items {
        let kind = match &mut item.what {
            What::Prompt(text, _) if text.trim().is_empty() => "prompt",
            What::Summary(text, _) | What::BranchSummary(text, _) if text.trim().is_empty() => "summary",
            What::Answer(answer, _) => {
                answer.blocks.retain(|block| match block {
                    Block::Text(text) => !text.trim().is_empty(),
                    Block::Thinking(thought) => !thought.text.trim().is_empty(),
                    Block::ToolCall(_) => true,
                    Block::Kept(_) => false,
                });
                if !answer.blocks.is_empty() {
                    continue;
                }
                "answer"
            }
            _ => continue,
        };
        tally.left(Why::Empty, kind, item.line);
        item.what = What::Passed;
    }
}

fn ids(items: &mut [Item], tally: &mut Tally) -> BTreeMap<Arc<str>, usize> {
    let mut ids = BTreeMap::new();
    for (place, item) in items.iter_mut().enumerate() {
        let Some(id) = &item.id else { continue };
        if ids.contains_key(id) {
            tally.left(Why::DuplicateId, "entry", item.line);
            item.what = What::Passed;
        } else {
            ids.insert(Arc::clone(id), place);
        }
    }
    ids
}

fn parents(items: &[Item], ids: &BTreeMap<Arc<str>, usize>, tally: &mut Tally) -> Vec<Option<usize>> {
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let before = place.checked_sub(1);
        parents.push(match &item.parent {
            Link::Previous => before,
            Link::Root => None,
            Link::Id(id) => match ids.get(id) {
                Some(parent) => Some(*parent),
                None => {
                    tally.left(Why::MissingParent, "entry", item.line);
                    before
                }
            },
        });
    }
    open_rings(items, &mut parents, tally);
    parents
}

/// Walks up from each item; who meets its own walk closes a ring.
fn open_rings(items: &[Item], parents: &mut [Option<usize>], tally: &mut Tally) {
    const NEVER: usize = usize::MAX;
    let mut walked = vec![NEVER; parents.len()];
    for start in 0..parents.len() {
        let mut next = Some(start);
        while let Some(place) = next {
            match walked.get(place) {
                Some(&NEVER) => {}
                Some(walk) if *walk == start => {
                    tally.left(Why::Cycle, "entry", items.get(place).map_or(0, |item| item.line));
                    if let Some(parent) = parents.get_mut(place) {
                        *parent = None;
                    }
                    break;
                }
                _ => break,
            }
            if let Some(mark) = walked.get_mut(place) {
                *mark = start;
            }
            next = parents.get(place).copied().flatten();
        }
    }
}

/// The result of each call, by the answer's place and the number of the call in it.
type Results = BTreeMap<(usize, usize), Told>;

/// A result with its place in the file.
struct Told {
    found: Found,
    line: u64,
    at: Option<Timestamp>,
}

/// Finds to each result the call that it answers: the latest one before it with that id and no result yet, else the
/// first one after it.
fn results(items: &mut [Item], tally: &mut Tally) -> Results {
    let mut calls: BTreeMap<Arc<str>, Open> = BTreeMap::new();
    for (place, item) in items.iter().enumerate() {
        let What::Answer(answer, _) = &item.what else {
            continue;
        };
        for (number, call) in calls_of(answer).enumerate() {
            let open = calls.entry(Arc::clone(&call.id)).or_default();
            open.entry(place).or_default().push_back(number);
        }
    }
    let mut results = Results::new();
    for (place, item) in items.iter_mut().enumerate() {
        let (line, at) = (item.line, item.at);
        let What::Results(found) = &mut item.what else {
            continue;
        };
        for found in std::mem::take(found) {
            let Some(open) = calls.get_mut(&found.call) else {
                tally.left(Why::OrphanResult, "result", item.line);
                continue;
            };
            let latest = open.range(..place).next_back().map(|(answer, _)| *answer);
            let answer = latest.or_else(|| open.keys().next().copied());
            let number = answer.and_then(|answer| open.get_mut(&answer).and_then(VecDeque::pop_front));
            match answer.zip(number) {
                Some((answer, number)) => {
                    if open.get(&answer).is_some_and(VecDeque::is_empty) {
                        open.remove(&answer);
                    }
                    results.insert((answer, number), Told { found, line, at });
                }
                None => tally.left(Why::DuplicateResult, "result", item.line),
            }
        }
    }
    results
}

/// The calls with one id that have no result yet: numbers by answer.
type Open = BTreeMap<usize, VecDeque<usize>>;

fn calls_of(answer: &Answer) -> impl Iterator<Item = &ToolCall> {
    answer.blocks.iter().filter_map(|block| match block {
        Block::ToolCall(call) => Some(call),
        Block::Text(_) | Block::Thinking(_) | Block::Kept(_) => None,
    })
}

struct Writer<'a> {
    items: &'a mut [Item],
    ids: &'a BTreeMap<Arc<str>, usize>,
    parents: &'a [Option<usize>],
    results: Results,
    entries: Vec<Entry>,
    /// The entry behind which what follows an item goes. What is no conversation, or is not sent, is passed by: it
    /// hangs beside the branch.
    ends: Vec<Option<usize>>,
    calls: BTreeSet<Arc<str>>,
    tally: &'a mut Tally,
    model: Option<ModelId>,
    /// How many entries may yet be walked in search of what summaries keep.
    steps: usize,
}

impl Writer<'_> {
    fn write(&mut self) {
        let count = self.items.len();
        self.ends = vec![None; count];
        let mut written = vec![false; count];
        for start in 0..count {
            let mut waiting = vec![];
            let mut next = Some(start);
            while let Some(place) = next.filter(|place| written.get(*place) == Some(&false)) {
                waiting.push(place);
                next = self.parents.get(place).copied().flatten();
            }
            for place in waiting.into_iter().rev() {
                let parent = self.before(place);
                let end = self.unit(place, parent).or(parent);
                if let Some(kept) = self.ends.get_mut(place) {
                    *kept = end;
                }
                if let Some(done) = written.get_mut(place) {
                    *done = true;
                }
            }
        }
    }

    /// The entry behind which an item goes.
    fn before(&self, place: usize) -> Option<usize> {
        let parent = self.parents.get(place).copied().flatten()?;
        self.ends.get(parent).copied().flatten()
    }

    /// Writes an item with all that belongs to it. Returns its last entry, unless the conversation passes it by.
    fn unit(&mut self, place: usize, parent: Option<usize>) -> Option<usize> {
        let item = self.items.get_mut(place)?;
        let (line, at) = (item.line, item.at);
        let first = self.entries.len();
        let mut passed = false;
        let body = match &mut item.what {
            What::Passed | What::Results(_) => return None,
            What::Prompt(text, sent) => {
                passed = !*sent;
                Body::Prompt(Arc::clone(text))
            }
            What::BranchSummary(text, from) => {
                let (text, from) = (Arc::clone(text), from.clone());
                let from = from.and_then(|from| self.left_at(&from, parent));
                Body::BranchSummary { text, from }
            }
            What::Summary(text, kept) => {
                let (text, kept) = (Arc::clone(text), kept.clone());
                let kept = kept.and_then(|kept| self.first_kept(&kept, parent));
                Body::Compaction { text, kept }
            }
            What::Answer(answer, sent) => {
                let (mut answer, sent) = (std::mem::replace(answer, nothing()), *sent);
                answer.model = answer.model.take().or_else(|| self.model.clone());
                let mut parent = parent;
                if parent.is_none() && sent {
                    // No wire takes a conversation that begins with an answer.
                    let text = "(What was said before this answer is not in the imported file.)";
                    let body = Body::Prompt(text.into());
                    self.entries.push(Entry {
                        parent,
                        line,
                        at,
                        body,
                    });
                    parent = Some(first);
                }
                self.answer(place, answer, line, at, parent);
                return self.entries.len().checked_sub(1).filter(|_| sent);
            }
        };
        self.entries.push(Entry {
            parent,
            line,
            at,
            body,
        });
        (!passed).then_some(first)
    }

    /// The end of a branch that was left for `parent`. Some files name as that what the branch was left for.
    fn left_at(&self, from: &Arc<str>, parent: Option<usize>) -> Option<usize> {
        let left = self.ends.get(*self.ids.get(from)?).copied().flatten();
        left.filter(|left| Some(*left) != parent)
    }

    /// The first entry that a summary keeps: the first on the branch, at or behind the item of that name.
    fn first_kept(&mut self, kept: &Arc<str>, parent: Option<usize>) -> Option<usize> {
        let before = self.before(*self.ids.get(kept)?);
        let mut next = parent;
        while let Some(place) = next {
            self.steps = self.steps.checked_sub(1)?;
            let above = self.entries.get(place)?.parent;
            if above == before {
                return Some(place);
            }
            next = above;
        }
        None
    }

    /// Writes an answer, each piece of it with the results of its calls.
    fn answer(
        &mut self,
        place: usize,
        answer: Answer,
        line: u64,
        at: Option<Timestamp>,
        mut parent: Option<usize>,
    ) {
        let Answer {
            blocks,
            model,
            usage,
            stop,
            cancelled,
        } = answer;
        let mut blocks = blocks.into_iter().peekable();
        let mut number = 0;
        let mut usage = usage;
        while blocks.peek().is_some() {
            let mut piece: Vec<Block> = blocks.by_ref().take(BLOCKS).collect();
            let last = blocks.peek().is_none();
            let mut told = vec![];
            for block in &mut piece {
                let Block::ToolCall(call) = block else { continue };
                let found = self.results.remove(&(place, number));
                number += 1;
                call.id = self.call_id(&call.id);
                call.name = name(&call.name);
                let of = found.as_ref().map_or((line, at), |told| (told.line, told.at));
                told.push((self.result(call, found.map(|told| told.found), line), of));
            }
            let body = Body::Answer(Answer {
                blocks: piece,
                model: model.clone(),
                // Counted once.
                usage: usage.take(),
                stop: stop.clone(),
                cancelled: cancelled && last,
            });
            let told = told.into_iter().map(|(result, of)| (Body::Result(result), of));
            for (body, (line, at)) in std::iter::once((body, (line, at))).chain(told) {
                self.entries.push(Entry {
                    parent,
                    line,
                    at,
                    body,
                });
                parent = self.entries.len().checked_sub(1);
            }
        }
    }

    fn result(&mut self, call: &ToolCall, found: Option<Found>, line: u64) -> CallResult {
        let unknown = found.is_none();
        if unknown {
            self.tally.left(Why::NoResult, &call.name, line);
        }
        let found = found.unwrap_or_else(|| Found {
            call: Arc::clone(&call.id),
            text: "The imported file has no result of this call: it is not known whether and how it ended. Look \
                   whether it took effect before doing it again."
                .into(),
            is_error: true,
        });
        CallResult {
            call: Arc::clone(&call.id),
            name: Arc::clone(&call.name),
            text: found.text,
            is_error: found.is_error,
            unknown,
        }
    }

    /// An id that every wire takes, and no other call of the conversation has.
    fn call_id(&mut self, id: &Arc<str>) -> Arc<str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let fits = !id.is_empty() && id.len() <= CALL_ID && id.chars().all(plain);
        let mut id = Arc::clone(id);
        if !fits || self.calls.contains(&id) {
            let mut number = self.calls.len();
            loop {
                id = format!("imported_{number}").into();
                if !self.calls.contains(&id) {
                    break;
                }
                number += 1;
            }
        }
        self.calls.insert(Arc::clone(&id));
        id
    }
}

fn nothing() -> Answer {
    Answer {
        blocks: vec![],
        model: None,
        usage: None,
        stop: None,
        cancelled: false,
    }
}

/// A name of a tool that every wire takes.
fn name(name: &str) -> Arc<str> {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(NAME).map(plain).collect();
    if name.is_empty() {
        "unnamed".into()
    } else {
        name.into()
    }
}

/// What a model would be sent: the last summary, what it kept, and what came after it.
fn sent(leaf: Option<usize>, entries: &[Entry]) -> Vec<usize> {
    let mut sent = vec![];
    let mut summary: Option<(usize, Option<usize>)> = None;
    let mut next = leaf;
    while let Some(place) = next {
        let Some(entry) = entries.get(place) else { break };
        match (&entry.body, summary) {
            (Body::Compaction { kept, .. }, None) => summary = Some((place, *kept)),
            (Body::Compaction { .. }, Some(_)) => {}
            _ => sent.push(place),
        }
        if let Some((_, kept)) = summary
            && kept.is_none_or(|kept| kept == place)
        {
            break;
        }
        next = entry.parent;
    }
    sent.extend(summary.map(|(place, _)| place));
    sent.reverse();
    sent
}
