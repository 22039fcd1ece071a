//! Deltas that wait, unparsed, for the end of their effect, and the commits between them.
//!
//! Once an effect has ended its deltas mean nothing, so they are dropped as they are. Where it has not ended before
//! the journal does, they are folded in their places. Commits between them wait too, because order counts.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::Domain;
use crate::envelope::{EffectKey, Moment};
use crate::line::RecordedCommit;

/// How much may wait, in bytes of lines; then everything is folded, which is slower and gives the same.
const CAP: usize = 8 << 20;

/// What a commit changes.
#[derive(Debug)]
pub(super) struct Change<D: Domain> {
    pub(super) moment: Moment,
    pub(super) facts: Vec<D::Fact>,
    pub(super) effects: Vec<D::Effect>,
    pub(super) closes: Vec<EffectKey>,
    pub(super) settles: Option<EffectKey>,
}

impl<D: Domain> From<RecordedCommit<'_, D>> for Change<D> {
    fn from(commit: RecordedCommit<'_, D>) -> Self {
        Self {
            moment: Moment {
                seq: commit.seq,
                at: commit.at,
            },
            facts: commit.facts,
            effects: commit.effects,
            closes: commit.closes,
            settles: commit.settles,
        }
    }
}

impl<D: Domain> Change<D> {
    fn ends(&self) -> impl Iterator<Item = &EffectKey> {
        self.settles.iter().chain(&self.closes)
    }
}

/// Where a line stands: its number, from 1, and where it begins, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) offset: u64,
}

/// Something that waits.
#[derive(Debug)]
pub(super) enum Waiting<D: Domain> {
    Delta { of: EffectKey, bytes: Range<usize> },
    Commit(Arc<Change<D>>),
}

impl<D: Domain> Clone for Waiting<D> {
    fn clone(&self) -> Self {
        match self {
            Self::Delta { of, bytes } => Self::Delta {
                of: *of,
                bytes: bytes.clone(),
            },
            Self::Commit(change) => Self::Commit(Arc::clone(change)),
        }
    }
}

/// All that waits, in order.
#[derive(Debug)]
pub(super) struct Held<D: Domain> {
    lines: VecDeque<(Place, Waiting<D>)>,
    /// The lines of the deltas, one after the other.
    raw: Vec<u8>,
    /// The effects with deltas here that have not ended.
    under_way: Vec<EffectKey>,
    bytes: usize,
}

impl<D: Domain> Clone for Held<D> {
    fn clone(&self) -> Self {
        Self {
            lines: self.lines.clone(),
            raw: self.raw.clone(),
            under_way: self.under_way.clone(),
            bytes: self.bytes,
        }
    }
}

impl<D: Domain> Default for Held<D> {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            raw: Vec::new(),
            under_way: Vec::new(),
            bytes: 0,
        }
    }
}

impl<D: Domain> Held<D> {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether nothing has to wait any longer, or no more may.
    pub(super) fn is_over(&self) -> bool {
        self.under_way.is_empty() || self.bytes > CAP
    }

    pub(super) fn delta(&mut self, place: Place, of: EffectKey, line: &[u8]) {
        let begin = self.raw.len();
        self.raw.extend_from_slice(line);
        let bytes = begin..self.raw.len();
        self.lines.push_back((place, Waiting::Delta { of, bytes }));
        if !self.under_way.contains(&of) {
            self.under_way.push(of);
        }
        self.bytes += line.len();
    }

    pub(super) fn commit(&mut self, place: Place, change: Change<D>, length: usize) {
        for key in change.ends() {
            self.under_way.retain(|other| other != key);
        }
        self.lines.push_back((place, Waiting::Commit(Arc::new(change))));
        self.bytes += length;
    }

    /// The next that waits.
    pub(super) fn pop(&mut self) -> Option<(Place, Waiting<D>)> {
        self.lines.pop_front()
    }

    /// The line of a delta that was popped; `None` where its effect has ended.
    pub(super) fn line(&self, of: EffectKey, bytes: Range<usize>) -> Option<&[u8]> {
        self.under_way
            .contains(&of)
            .then(|| self.raw.get(bytes).unwrap_or_default())
    }

    /// Forgets everything, and keeps the memory for what comes next.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.raw.clear();
        self.under_way.clear();
        self.bytes = 0;
    }
}
