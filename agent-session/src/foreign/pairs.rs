//! Which result answers which call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_engine::Timestamp;

use super::draft::{Found, Item, Tally, What};
use super::{Answer, Why};

/// The result of each call, by the answer's place and the number of the call in it.
pub(super) type Results = BTreeMap<(usize, usize), Told>;

/// A result with its place in the file.
pub(super) struct Told {
    pub(super) found: Found,
    pub(super) line: u64,
    pub(super) at: Option<Timestamp>,
    /// The item that has it.
    pub(super) item: usize,
}

/// Finds to each result the call that it answers: the latest one before it with that id and no result yet, else the
/// first one after it.
pub(super) fn results(items: &mut [Item], tally: &mut Tally) -> Results {
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
                    results.insert(
                        (answer, number),
                        Told {
                            found,
                            line,
                            at,
                            item: place,
                        },
                    );
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
