//! What a parser finds in a file, in the order of the file and with its mistakes.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::model::{ModelId, Thinking};
use glasswork_engine::Timestamp;

use super::{Answer, Left, PLACES, Why};

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

    /// Counts what another one has counted, too.
    pub(super) fn add(&mut self, other: Self) {
        for ((why, kind), (count, lines)) in other.0 {
            let (sum, places) = self.0.entry((why, kind)).or_default();
            *sum += count;
            places.extend(lines);
            places.sort_unstable();
            places.truncate(PLACES);
        }
    }

    pub(super) fn told(self) -> Vec<Left> {
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
    /// Where it goes on, by id, and the line that says so; `None` is at the last item.
    pub(super) leaf: Option<(Leaf, u64)>,
    pub(super) labels: Vec<Label>,
    pub(super) asides: Vec<AsideFound>,
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

/// What somebody called an item. A later one takes the place of an earlier one.
#[derive(Debug)]
pub(super) struct Label {
    /// The item.
    pub(super) target: Arc<str>,
    /// The label; `None` takes the one it has away.
    pub(super) text: Option<Arc<str>>,
    pub(super) line: u64,
}

/// A conversation of another agent in the same file.
#[derive(Debug)]
pub(super) struct AsideFound {
    pub(super) title: Option<Arc<str>>,
    /// The lines that say it, in order.
    pub(super) lines: Vec<u64>,
    /// The item that had it held, by its place.
    pub(super) item: Option<usize>,
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
