//! Strict replay: every recorded event is decided again, and compared with what was decided then.
//!
//! The state after a difference follows the record, so that all differences are found, not only the first.
//!
//! Of an archived journal the deltas are gone. Until the effects that they told of have ended, a decision may have
//! looked at what they said: one that comes out otherwise there is counted apart, as [`Replayed::unsure`].
//!
//! A journal that was recovered after damage has [gaps](Gap): of the commits in them nothing is known. Everything
//! outside of them is decided again. What comes before the first of them is compared as ever; behind it a decision may
//! have looked at what is gone, so there, too, one that comes out otherwise is counted as unsure. An event that cannot
//! be read is a difference wherever it stands.

use serde::Serialize;

use crate::commit::Commit;
use crate::domain::Domain;
use crate::envelope::{Context, DispatchId, EffectKey, ScopeId};
use crate::line::{self, Chain, Folded, RecordedCommit};
use crate::load::{Damage, DamageKind, Fold, Loaded, Met, each_line};
use crate::pipeline::panic_text;
use crate::root::Scope;
use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What replay found at one commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The commit.
    pub seq: u64,
    /// The event's name; empty where it no longer parses.
    pub event: String,
    /// What differs.
    pub kind: DifferenceKind,
}

/// How a decision can differ from the recorded one. Values are JSON: they may be of a version that this build lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// This build cannot read the event.
    UnreadableEvent {
        /// Why.
        error: String,
    },
    /// This build refuses what was accepted then: a guard, a row or a rule changed.
    NowRejected {
        /// The rejection.
        rejection: String,
    },
    /// The handler panics.
    Panicked {
        /// The panic's message.
        panic: String,
    },
    /// A fact differs. `None` where one side has none at that place.
    Fact {
        /// Its place among the facts.
        index: usize,
        /// What was decided then.
        recorded: Option<serde_json::Value>,
        /// What is decided now.
        decided: Option<serde_json::Value>,
    },
    /// An effect differs.
    Effect {
        /// Its place among the effects.
        index: usize,
        /// What was released then.
        recorded: Option<serde_json::Value>,
        /// What would be released now.
        decided: Option<serde_json::Value>,
    },
    /// The effects that are asked to stop, or closed, differ.
    Ends {
        /// Stops and closes then.
        recorded: serde_json::Value,
        /// Stops and closes now.
        decided: serde_json::Value,
    },
    /// A recorded consequence is not what its cause asks for now.
    Consequence {
        /// The event that is asked for now, if any.
        decided: Option<serde_json::Value>,
        /// The recorded event.
        recorded: serde_json::Value,
    },
}

/// Commits that were lost before the journal was recovered: nothing is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
}

/// What a strict replay came to.
#[derive(Debug)]
pub struct Replayed<D: Domain> {
    /// The state that the record leads to.
    pub loaded: Loaded<D>,
    /// How many commits were decided again.
    pub commits: u64,
    /// The differences, in order, at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// How many differences there were in all.
    pub difference_count: u64,
    /// Runs of deltas that were folded away, and so not decided again.
    pub folded_runs: u64,
    /// How many commits those were.
    pub folded: u64,
    /// The gaps of a recovered journal, in order, at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// How many commits were lost in all gaps.
    pub lost: u64,
    /// How many decisions came out otherwise that may have looked at what the journal has no more.
    pub unsure: u64,
}

/// How many gaps a replay keeps; it counts the commits in the others.
pub const MAX_GAPS: usize = 1_000;

/// How many differences a replay keeps; it counts the rest.
pub const MAX_DIFFERENCES: usize = 1_000;

/// Replays a journal line by line.
#[derive(Debug)]
pub struct Replay<D: Domain> {
    fold: Fold<D>,
    until: Option<u64>,
    /// Where the lines of a fork were decided.
    lineage: Vec<DispatchId>,
    commits: u64,
    differences: Vec<Difference>,
    difference_count: u64,
    /// Consequences that were asked for and not met yet. A refused one leaves no line, so they are few, and old ones
    /// are dropped.
    expected: VecDeque<(DispatchId, u16, D::Event)>,
    folded_runs: u64,
    folded: u64,
    gaps: Vec<Gap>,
    lost: u64,
    unsure: u64,
    /// Effects with deltas that were folded away, and that have not ended yet.
    clouded: BTreeSet<EffectKey>,
}

const MAX_EXPECTED: usize = 1_024;

impl<D: Domain> Default for Replay<D> {
    fn default() -> Self {
        Self {
            fold: Fold::with_deltas(),
            until: None,
            lineage: Vec::new(),
            commits: 0,
            differences: Vec::new(),
            difference_count: 0,
            expected: VecDeque::new(),
            folded_runs: 0,
            folded: 0,
            gaps: Vec::new(),
            lost: 0,
            unsure: 0,
            clouded: BTreeSet::new(),
        }
    }
}

impl<D: Domain> Replay<D> {
    /// A replay of the whole journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A replay that stops after commit `seq`.
    #[must_use]
    pub fn until(seq: u64) -> Self {
        Self {
            until: Some(seq),
            ..Self::default()
        }
    }

    /// The state before the next line.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope<D>> {
        self.fold.scope()
    }

    /// The chain after the last line that was taken.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.fold.chain()
    }

    /// Whether the commit to stop after was taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.until
            .is_some_and(|until| self.fold.header().is_some() && self.fold.reached() >= until)
    }

    /// Takes the next line (without its newline).
    ///
    /// # Errors
    /// [`Damage`] of the line.
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        if self.is_done() {
            return Ok(());
        }
        let Self {
            fold,
            lineage,
            commits,
            differences,
            difference_count,
            expected,
            folded_runs,
            folded: gone,
            gaps,
            lost,
            unsure,
            clouded,
            ..
        } = self;
        fold.line_with(bytes, |scope, met| match met {
            Met::Folded(folded) if folded.is_lost() => {
                let Folded { from, to, .. } = *folded;
                *lost += to - from + 1;
                if gaps.len() < MAX_GAPS {
                    gaps.push(Gap { from, to });
                }
            }
            Met::Folded(folded) => {
                *folded_runs += 1;
                *gone += folded.to - folded.from + 1;
                clouded.extend(folded.of.iter().filter(|of| scope.open.contains_key(*of)));
            }
            Met::Commit(recorded) => {
                *commits += 1;
                let mut found = Vec::new();
                let decided_in = line::decided_in(lineage, recorded.seq, scope.id);
                decide_again(scope, recorded, decided_in, bytes.len(), expected, &mut found);
                if *lost > 0 || !clouded.is_empty() {
                    let before = found.len();
                    found.retain(|difference| {
                        matches!(difference.kind, DifferenceKind::UnreadableEvent { .. })
                    });
                    *unsure += u64::from(found.len() < before);
                }
                for key in recorded.ends() {
                    clouded.remove(&key);
                }
                *difference_count += found.len() as u64;
                let room = MAX_DIFFERENCES.saturating_sub(differences.len());
                differences.extend(found.into_iter().take(room));
            }
        })?;
        if let Some(header) = fold.header()
            && lineage.len() != header.lineage.len()
        {
            lineage.clone_from(&header.lineage);
        }
        Ok(())
    }

    /// The last commit that was taken, or folded away.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.fold.reached()
    }

    /// Ends the replay.
    ///
    /// # Errors
    /// [`DamageKind::Empty`] where there was not even a header.
    pub fn finish(self) -> Result<Replayed<D>, Damage> {
        Ok(Replayed {
            loaded: self.fold.finish()?,
            commits: self.commits,
            differences: self.differences,
            difference_count: self.difference_count,
            folded_runs: self.folded_runs,
            folded: self.folded,
            gaps: self.gaps,
            lost: self.lost,
            unsure: self.unsure,
        })
    }
}

/// Replays a whole journal from memory.
///
/// # Errors
/// The first [`Damage`].
pub fn replay<D: Domain>(journal: &[u8]) -> Result<Replayed<D>, Damage> {
    let mut replay = Replay::new();
    each_line(
        journal,
        |line| replay.line(line),
        |line, offset| Damage {
            line,
            offset,
            kind: DamageKind::TornTail,
        },
    )?;
    replay.finish()
}

fn json<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn decide_again<D: Domain>(
    scope: &Scope<D>,
    recorded: &RecordedCommit<'_, D>,
    decided_in: ScopeId,
    size: usize,
    expected: &mut VecDeque<(DispatchId, u16, D::Event)>,
    found: &mut Vec<Difference>,
) {
    let commit = match recorded.parse(decided_in, size) {
        Ok(commit) => commit,
        Err(error) => {
            found.push(Difference {
                seq: recorded.seq,
                event: String::new(),
                kind: DifferenceKind::UnreadableEvent {
                    error: error.to_string(),
                },
            });
            return;
        }
    };
    let event = D::event_name(&commit.event).to_owned();
    let mut differs = |kind| {
        found.push(Difference {
            seq: commit.id.seq,
            event: event.clone(),
            kind,
        })
    };

    if let (Some(cause), Some(ordinal)) = (commit.cause, commit.consequence) {
        let place = expected
            .iter()
            .position(|(id, place, _)| (*id, *place) == (cause, ordinal));
        let asked = place
            .and_then(|place| expected.remove(place))
            .map(|(_, _, event)| event);
        if asked.as_ref() != Some(&commit.event) {
            differs(DifferenceKind::Consequence {
                decided: asked.as_ref().map(json),
                recorded: json(&commit.event),
            });
        }
    }

    let context = Context {
        id: commit.id,
        at: commit.at,
        origin: &commit.origin,
    };
    let decision = match catch_unwind(AssertUnwindSafe(|| {
        D::decide(&scope.state, &commit.event, &context)
    })) {
        Ok(Ok(decision)) => decision,
        Ok(Err(rejection)) => {
            differs(DifferenceKind::NowRejected {
                rejection: rejection.to_string(),
            });
            return;
        }
        Err(payload) => {
            differs(DifferenceKind::Panicked {
                panic: panic_text(&*payload),
            });
            return;
        }
    };
    if let Some((index, recorded, decided)) = first_difference(&commit.facts, &decision.facts) {
        differs(DifferenceKind::Fact {
            index,
            recorded,
            decided,
        });
    }
    if let Some((index, recorded, decided)) = first_difference(&commit.effects, &decision.effects) {
        differs(DifferenceKind::Effect {
            index,
            recorded,
            decided,
        });
    }
    if (&commit.stops, &commit.closes) != (&decision.stops, &decision.closes) {
        differs(DifferenceKind::Ends {
            recorded: json(&(&commit.stops, &commit.closes)),
            decided: json(&(&decision.stops, &decision.closes)),
        });
    }
    for (ordinal, event) in (0u16..).zip(decision.consequences) {
        if expected.len() >= MAX_EXPECTED {
            expected.pop_front();
        }
        expected.push_back((commit.id, ordinal, event));
    }
}

type Pair = (usize, Option<serde_json::Value>, Option<serde_json::Value>);

fn first_difference<T: PartialEq + Serialize>(recorded: &[T], decided: &[T]) -> Option<Pair> {
    (0..recorded.len().max(decided.len()))
        .find(|index| recorded.get(*index) != decided.get(*index))
        .map(|index| (index, recorded.get(index).map(json), decided.get(index).map(json)))
}

/// Reads the commits of a journal, events parsed, for people and for the graph.
///
/// # Errors
/// The first [`Damage`]; commits before it were given to `each`.
pub fn commits<D: Domain>(journal: &[u8], mut each: impl FnMut(Commit<D>)) -> Result<(), Damage> {
    let mut fold = Fold::<D>::with_deltas();
    each_line(
        journal,
        |line| {
            let mut parsed = None;
            fold.line_with(line, |scope, met| {
                if let Met::Commit(recorded) = met {
                    parsed = recorded.parse(scope.id, line.len()).ok();
                }
            })?;
            if let Some(commit) = parsed {
                each(commit);
            }
            Ok(())
        },
        |line, offset| Damage {
            line,
            offset,
            kind: DamageKind::TornTail,
        },
    )
}
