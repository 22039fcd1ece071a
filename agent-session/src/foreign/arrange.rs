//! From what a file says, in its order and with its mistakes, to a conversation that holds.
//!
//! Links are resolved (missing ones lead to what stands before, rings are opened), what is no conversation drops out
//! of the chain of parents, and each answer gets exactly one result for each of its calls, directly behind it. The
//! work is linear in the file, whatever the file says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::model::ModelId;
use glasswork_engine::Timestamp;

use super::draft::{Draft, Found, Item, Label, Leaf, Tally, What};
use super::links::{ids, parents};
use super::pairs::{Results, results};
use super::{Answer, Aside, Body, CallResult, Entry, Format, Transcript, Why};

/// Most blocks of one answer; a longer one becomes several.
const BLOCKS: usize = 128;
/// Longest name of a tool and longest id of a call that every wire takes.
const NAME: usize = 64;
const CALL_ID: usize = 40;
/// Most entries that are walked in search of what summaries keep: a file may have a summary behind every word.
const STEPS: usize = 10_000_000;

/// Arranges what was found.
pub(super) fn arrange(format: Format, draft: Draft) -> Transcript {
    let mut tally = draft.tally;
    let mut items = draft.items;
    drop_empty(&mut items, &mut tally);
    let ids = ids(&mut items, &mut tally);
    let parents = parents(&items, &ids, &mut tally);
    let results = results(&mut items, &mut tally);
    let leaf = match &draft.leaf {
        Some((Leaf::Root, _)) => None,
        Some((Leaf::At(id), line)) => {
            let known = ids.get(id).copied();
            if known.is_none() {
                tally.left(Why::Unattached, "leaf", *line);
            }
            known.or(items.len().checked_sub(1))
        }
        None => items.len().checked_sub(1),
    };
    let mut writer = Writer {
        items: &mut items,
        ids: &ids,
        parents: &parents,
        results,
        entries: vec![],
        ends: vec![],
        stands: vec![],
        calls: BTreeSet::new(),
        tally: &mut tally,
        model: draft.model.clone(),
        steps: STEPS,
    };
    writer.write();
    let (mut entries, ends, stands) = (writer.entries, writer.ends, writer.stands);
    let stands = |item: usize| stands.get(item).copied().flatten();
    for Label { target, text, line } in draft.labels {
        let place = ids.get(&target).and_then(|item| stands(*item));
        match place.and_then(|place| entries.get_mut(place)) {
            Some(entry) => entry.label = text,
            None => tally.left(Why::Unattached, "label", line),
        }
    }
    let asides = draft.asides.into_iter().map(|found| Aside {
        title: found.title,
        entry: found.item.and_then(stands),
        lines: found.lines,
    });
    let asides = asides.collect();
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
        asides,
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

struct Writer<'a> {
    items: &'a mut [Item],
    ids: &'a BTreeMap<Arc<str>, usize>,
    parents: &'a [Option<usize>],
    results: Results,
    entries: Vec<Entry>,
    /// The entry behind which what follows an item goes. What is no conversation, or is not sent, is passed by: it
    /// hangs beside the branch.
    ends: Vec<Option<usize>>,
    /// The first entry that says what an item says.
    stands: Vec<Option<usize>>,
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
        self.stands = vec![None; count];
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
                    self.push(parent, line, at, body);
                    parent = Some(first);
                }
                self.stand(place, self.entries.len());
                self.answer(place, answer, line, at, parent);
                return self.entries.len().checked_sub(1).filter(|_| sent);
            }
        };
        self.push(parent, line, at, body);
        self.stand(place, first);
        (!passed).then_some(first)
    }

    fn push(&mut self, parent: Option<usize>, line: u64, at: Option<Timestamp>, body: Body) {
        self.entries.push(Entry {
            parent,
            line,
            at,
            label: None,
            body,
        });
    }

    /// An item begins to stand at an entry; of several that say it at the first.
    fn stand(&mut self, item: usize, entry: usize) {
        if let Some(stands) = self.stands.get_mut(item) {
            stands.get_or_insert(entry);
        }
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
                let of = found
                    .as_ref()
                    .map_or((line, at, None), |told| (told.line, told.at, Some(told.item)));
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
            for (body, (line, at, item)) in std::iter::once((body, (line, at, None))).chain(told) {
                if let Some(item) = item {
                    self.stand(item, self.entries.len());
                }
                self.push(parent, line, at, body);
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
