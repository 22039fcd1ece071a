//! How many turns clients run at a time, and who waits for one of them to end, in which order.

use glasswork_engine::{Moment, ScopeId, Timestamp};
use im::OrdMap;
use serde::{Deserialize, Serialize};

use super::Fact;
use crate::rejection::Rejection;

/// How many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Most turns that clients have run at a time.
    pub running: u32,
    /// Most that wait.
    pub waiting: u32,
}

/// A turn that runs, or that waits to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The connection that asked for it; `None` where the host's own user did, who needs none.
    pub connection: Option<u64>,
    /// The session.
    pub session: ScopeId,
    /// Since when.
    pub since: Timestamp,
}

/// The turns of clients, each by the commit that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Places {
    /// How many there may be, as was said last.
    pub limits: Limits,
    /// Those that run.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub running: OrdMap<u64, Place>,
    /// Those that wait, in this order.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub waiting: OrdMap<u64, Place>,
}

impl Places {
    /// Whether nobody has ever asked for one.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        *self == Self::default()
    }

    /// How many have their turn before this one, and it: 1 is the next. `None` where it does not wait.
    #[must_use]
    pub fn in_line(&self, place: u64) -> Option<usize> {
        let before = self.waiting.keys().position(|waiting| *waiting == place)?;
        Some(before + 1)
    }

    pub(super) fn wait(&mut self, connection: Option<u64>, session: ScopeId, limits: Limits, moment: Moment) {
        self.limits = limits;
        let place = Place {
            connection,
            session,
            since: moment.at,
        };
        self.waiting.insert(moment.seq, place);
    }

    pub(super) fn begin(&mut self, place: u64) {
        if let Some(begun) = self.waiting.remove(&place) {
            self.running.insert(place, begun);
        }
    }

    pub(super) fn end(&mut self, place: u64) {
        self.waiting.remove(&place);
        self.running.remove(&place);
    }
}

/// Gives a place where one is free and nobody waits; else lets wait, unless too many do.
pub(super) fn ask(
    places: &Places,
    connection: Option<u64>,
    session: ScopeId,
    limits: Limits,
    seq: u64,
) -> Result<Vec<Fact>, Rejection> {
    let fits = |count: usize, most: u32| u32::try_from(count).is_ok_and(|count| count < most);
    let free = places.waiting.is_empty() && fits(places.running.len(), limits.running);
    if !free && !fits(places.waiting.len(), limits.waiting) {
        return Err(Rejection::TooManyWaiting(limits.waiting));
    }
    let waits = Fact::TurnWaits {
        connection,
        session,
        limits,
    };
    Ok(match free {
        true => vec![waits, Fact::TurnPlaced { place: seq }],
        false => vec![waits],
    })
}

/// Ends places, and gives what is free to those who wait, in their order.
pub(super) fn over(places: &Places, over: &[u64], speaks_for: impl Fn(Option<u64>) -> bool) -> Vec<Fact> {
    let mut left = places.clone();
    let mut facts = Vec::new();
    for place in over {
        let known = left.running.get(place).or_else(|| left.waiting.get(place));
        if known.is_some_and(|known| speaks_for(known.connection)) {
            left.end(*place);
            facts.push(Fact::TurnOver { place: *place });
        }
    }
    let most = usize::try_from(left.limits.running).unwrap_or(usize::MAX);
    while left.running.len() < most
        && let Some(next) = left.waiting.keys().next().copied()
    {
        left.begin(next);
        facts.push(Fact::TurnPlaced { place: next });
    }
    facts
}
