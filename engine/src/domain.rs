//! What the engine must be told to govern something: the [`Domain`].

use std::error::Error;
use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::envelope::{Context, Deadline, EffectKey, Moment, Origin, ScopeId};
use crate::upgrade::Upgrade;

/// Data that travels through the gate: comparable, printable, serialisable.
pub trait Data: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T> Data for T where T: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

/// The rules of what the engine governs. All functions are pure: no clock, randomness, I/O, locks or waiting.
///
/// `decide` reads rules; `evolve` applies what was decided and must consult none, so that a journal loads however
/// the rules have changed since.
pub trait Domain: Sized + Send + Sync + 'static {
    /// The version of events and facts that this build writes. Stands in the header of every journal.
    const SCHEMA: u32;
    /// The steps from older versions to this one, in order. None where all that was written still reads as it is.
    const UPGRADES: &'static [Upgrade] = &[];

    /// The version of the state's shape and of what `evolve` makes of facts. States on the disk (checkpoints, digests)
    /// are used only by a build with the same one; raised whenever the same journal would lead to a state that is
    /// written down differently.
    const STATE: u32 = 1;

    /// The kinds of scopes, as a closed enum.
    type Kind: Data + Copy + Eq;
    /// The state of one scope: an enum over the kinds. Cloning must be cheap (persistent collections, `Arc`).
    type State: Data + Eq;
    /// Requests for a change.
    type Event: Data;
    /// What was decided: the smallest statements from which the state follows.
    type Fact: Data;
    /// Work in the outside world, as data.
    type Effect: Data;
    /// Why an event was permitted or denied.
    type Grant: Data + Display;
    /// Names a deadline within a scope.
    type DeadlineKey: Data + Ord;
    /// What the asker is told on success.
    type Reply: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// Why a handler refused. Says what to do.
    type Rejection: Error + Clone + PartialEq + Serialize + Send + Sync + 'static;
    /// Which invariant a candidate broke.
    type Breach: Error + Clone + PartialEq + Serialize + Send + Sync + 'static;

    /// The state of a scope before its first commit.
    fn vacant(kind: Self::Kind, scope: ScopeId) -> Self::State;

    /// The event's stable name, for logs and filters.
    fn event_name(event: &Self::Event) -> &'static str;

    /// Stage *permission*: may this origin send this event to this scope?
    ///
    /// # Errors
    /// The grant (or the lack of one) that denies it.
    fn permit(state: &Self::State, event: &Self::Event, origin: &Origin) -> Result<Self::Grant, Self::Grant>;

    /// Stage *handler*: decides what follows from the event.
    ///
    /// # Errors
    /// A rejection; the state does not change.
    fn decide(
        state: &Self::State,
        event: &Self::Event,
        context: &Context<'_>,
    ) -> Result<Decision<Self>, Self::Rejection>;

    /// Applies one fact. Total: whatever is in a journal applies.
    fn evolve(state: &mut Self::State, fact: &Self::Fact, moment: Moment);

    /// Stage *validate*: checks the invariants that the facts touch, on the candidate.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    fn check(state: &Self::State, facts: &[Self::Fact]) -> Result<(), Self::Breach>;

    /// Checks every invariant; at load and in tests.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    fn audit(state: &Self::State) -> Result<(), Self::Breach>;

    /// The row of a chart that a fact records, by its stable key, with the chart's name.
    fn row(fact: &Self::Fact) -> Option<Transition<'_>>;

    /// Calls `each` for every deadline that runs in this state.
    fn deadlines(state: &Self::State, each: &mut dyn FnMut(Self::DeadlineKey, Deadline));

    /// The event that reports that a deadline was reached.
    fn deadline_reached(key: Self::DeadlineKey, deadline: Deadline) -> Self::Event;

    /// Whether an effect may be run again when its outcome is not known.
    fn class(effect: &Self::Effect) -> Class;

    /// The event that reports that no result of an effect will come.
    fn lost(key: EffectKey, effect: &Self::Effect, loss: Loss) -> Self::Event;

    /// The events that bring a scope to rest after a crash, given the effects that were open. They are dispatched
    /// with [`Origin::Recovery`], in order, each with the commit that it found open as its cause.
    fn recover(state: &Self::State, open: &[(EffectKey, &Self::Effect)]) -> Vec<Recovery<Self>>;

    /// Merges progress that arrived while earlier progress of the same effect still waited.
    fn merge_progress(waiting: &mut Self::Event, later: Self::Event);

    /// Whether the event goes through the urgent lane.
    fn is_urgent(event: &Self::Event) -> bool;

    /// Whether the commit is one of many small steps that a later commit carries whole: such commits are left out
    /// of the ring of past states.
    fn is_delta(event: &Self::Event) -> bool;

    /// Whether a fact says only how an effect is coming along: once that effect is settled or closed, the state is the
    /// same as if the fact had never been. So the commit that ends the effect must carry whole, or void, all that such
    /// facts said. Commits of nothing else are *deltas*: loading leaves them out unparsed once their effect has ended,
    /// and archiving drops them.
    fn is_interim(fact: &Self::Fact) -> bool {
        let _ = fact;
        false
    }

    /// Calls `each` with the name and the digest of every entity in which two states differ (of all where there is no
    /// state before); with no digest where it is gone. Never called on the writer. A domain with much in its state
    /// names what it consists of, and compares what the two share by pointers.
    fn entities(
        before: Option<&Self::State>,
        after: &Self::State,
        each: &mut dyn FnMut(&str, Option<Digest>),
    ) {
        if before != Some(after) {
            each("state", Some(Digest::of(after)));
        }
    }

    /// When the asker is told that the event was accepted.
    fn acknowledged(event: &Self::Event) -> Durability;
}

/// What a handler decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<D: Domain> {
    /// What is now so.
    pub facts: Vec<D::Fact>,
    /// Work to release. The effect with ordinal *n* of commit *seq* gets the key `seq/n`.
    pub effects: Vec<D::Effect>,
    /// Effects whose runners are asked to stop. They stay open until their runner's word.
    pub stops: Vec<EffectKey>,
    /// Effects that are closed without their runner's word, which will be stale. Their runners are told.
    pub closes: Vec<EffectKey>,
    /// Events to run directly after this commit.
    pub consequences: Vec<D::Event>,
    /// What the asker is told.
    pub reply: D::Reply,
}

impl<D: Domain> Decision<D> {
    /// A decision of facts alone.
    pub fn of(facts: Vec<D::Fact>, reply: D::Reply) -> Self {
        Self {
            facts,
            effects: vec![],
            stops: vec![],
            closes: vec![],
            consequences: vec![],
            reply,
        }
    }
}

/// An event of recovery, and what it recovers from.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery<D: Domain> {
    /// The commit that left something open.
    pub cause: u64,
    /// What brings it to rest.
    pub event: D::Event,
}

/// A row of a chart, as a fact records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Transition<'a> {
    /// The chart's name.
    pub chart: &'static str,
    /// The row's stable key.
    pub row: &'a str,
}

/// What recovery may do with an effect whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Idempotent: released when its record is written, reissued by recovery.
    Again,
    /// Never run twice: released when its record is synced, settled as *outcome unknown* by recovery.
    Once,
}

/// Why no result of an effect will come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Its runner ended without a word (a panic, or a dropped port).
    RunnerGone,
    /// Its result was refused by the gate, for this reason.
    ResultRefused(String),
}

/// How safe a commit must be before its asker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The line was handed to the operating system.
    Written,
    /// The line is on the disk.
    Synced,
}
