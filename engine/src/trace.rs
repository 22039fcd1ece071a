//! What is remembered of each dispatch beside the commit itself: refusals, stage times, the life of effects.
//!
//! Traces are for people. They are bounded, may be lost, and replay never needs them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::envelope::{DispatchId, EffectKey, Origin, ScopeId, Timestamp};
use crate::pipeline::Stage;

/// One record of the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceRecord {
    /// A dispatch, from receipt to its end.
    Dispatch(Box<DispatchTrace>),
    /// Something in the life of an effect.
    Effect(EffectTrace),
    /// A scope was mounted.
    Mounted {
        /// The scope.
        scope: ScopeId,
        /// Its epoch.
        epoch: u32,
        /// Its last commit.
        seq: u64,
        /// CRC chain of its journal at that commit.
        digest: String,
        /// When.
        at: Timestamp,
    },
    /// A scope was unmounted.
    Unmounted {
        /// The scope.
        scope: ScopeId,
        /// Its last commit.
        seq: u64,
        /// When.
        at: Timestamp,
    },
    /// Askers were turned away at the door since the last such record.
    Overload {
        /// The scope that the first of them asked for.
        scope: ScopeId,
        /// How many.
        refused: u64,
        /// When the first was.
        at: Timestamp,
    },
    /// The journal of a scope failed.
    JournalFailed {
        /// The scope.
        scope: ScopeId,
        /// The first commit that was not written.
        seq: u64,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

impl TraceRecord {
    /// The scope that the record is about.
    #[must_use]
    pub fn scope(&self) -> ScopeId {
        match self {
            Self::Dispatch(dispatch) => dispatch.id.scope,
            Self::Effect(effect) => effect.scope,
            Self::Mounted { scope, .. }
            | Self::Unmounted { scope, .. }
            | Self::Overload { scope, .. }
            | Self::JournalFailed { scope, .. } => *scope,
        }
    }

    /// Roughly what it occupies, in bytes.
    #[cfg(feature = "writer")]
    pub(crate) fn weight(&self) -> usize {
        let beside = match self {
            Self::Dispatch(dispatch) => {
                let outcome = match &dispatch.outcome {
                    // Parsed JSON takes several times the room of its text.
                    Outcome::Rejected { data, text } | Outcome::Invalid { data, text } => {
                        text.len() + 4 * data.to_string().len()
                    }
                    Outcome::Failed { panic: text } | Outcome::JournalUnavailable { reason: text } => {
                        text.len()
                    }
                    Outcome::Denied { grant, digest } => grant.len() + digest.len(),
                    Outcome::Committed | Outcome::Stale { .. } | Outcome::TooLarge { .. } => 0,
                };
                let origin = match &dispatch.origin {
                    Origin::Extension(name) | Origin::Agent(name) => name.len(),
                    _ => 0,
                };
                size_of::<DispatchTrace>() + outcome + origin
            }
            Self::JournalFailed { reason, .. } => reason.len(),
            _ => 0,
        };
        size_of::<Self>() + beside
    }
}

/// The record of a dispatch. Opened on receipt, closed on every path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchTrace {
    /// Its name.
    pub id: DispatchId,
    /// The event's name.
    pub event: Cow<'static, str>,
    /// Who asked.
    pub origin: Origin,
    /// The dispatch that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<DispatchId>,
    /// When the writer received it.
    pub received: Timestamp,
    /// Time spent in each stage, in nanoseconds, by [`Stage`]; 0 where it did not come so far.
    pub stages: [u64; Stage::COUNT],
    /// Time between sealing and the journal's word, in nanoseconds.
    pub journal: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// How many facts it decided; the facts, and the rows of charts among them, are in the commit.
    pub facts: u32,
    /// Effects that it released.
    pub effects: u32,
    /// Whether the writer was busy with it for longer than [`SLOW`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub slow: bool,
}

/// A dispatch that keeps the writer longer than this, in nanoseconds, is marked: something in it is not small.
pub const SLOW: u64 = 5_000_000;

/// How a dispatch ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the root and in the journal.
    Committed,
    /// Its origin may not. The payload is not kept.
    Denied {
        /// The grant that denied it.
        grant: String,
        /// BLAKE3 of the event's canonical text.
        digest: String,
    },
    /// The handler refused.
    Rejected {
        /// The reason, for people.
        text: String,
        /// The reason, as data.
        data: serde_json::Value,
    },
    /// The candidate broke an invariant.
    Invalid {
        /// The breach, for people.
        text: String,
        /// The breach, as data.
        data: serde_json::Value,
    },
    /// The handler panicked.
    Failed {
        /// The panic's message.
        panic: String,
    },
    /// It was the word of a closed effect.
    Stale {
        /// The effect.
        effect: EffectKey,
    },
    /// Its line would be longer than a journal takes.
    TooLarge {
        /// Length, in bytes.
        bytes: usize,
    },
    /// Nothing can be written to the scope's journal.
    JournalUnavailable {
        /// Why.
        reason: String,
    },
}

/// Something in the life of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectTrace {
    /// The scope.
    pub scope: ScopeId,
    /// The effect.
    pub effect: EffectKey,
    /// What happened.
    pub phase: EffectPhase,
    /// When.
    pub at: Timestamp,
}

/// What can happen to an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectPhase {
    /// Given to its runner.
    Started,
    /// Reported progress.
    Progressed,
    /// Asked to stop.
    Stopping,
    /// Reported its result.
    Finished,
    /// Closed without its runner's word.
    Closed,
    /// Its runner ended without a word.
    Lost,
}

/// Where traces go besides memory. Must not block; may drop.
pub trait TraceSink: Send {
    /// Takes a record.
    fn record(&mut self, record: &TraceRecord);
}

/// Keeps nothing.
impl TraceSink for () {
    fn record(&mut self, _: &TraceRecord) {}
}
