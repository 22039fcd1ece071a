//! The ledger of a building: trips are booked, and every full page is settled.

use glasswork_engine::Decision;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::Elevator;

/// How much may stand open before the page is settled, in cents.
pub(crate) const PAGE: i64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Booked, not settled, in cents.
    pub open: i64,
    pub settled: i64,
    pub bookings: u32,
    pub notes: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Event {
    Booked { cents: u32 },
    Settled,
    Noted { text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    Booked { cents: u32 },
    Settled { cents: i64 },
    Noted,
}

pub(crate) fn decide<const RULES: u8>(ledger: &Ledger, event: &Event) -> Decision<Elevator<RULES>> {
    let fact = match event {
        Event::Booked { cents } => Fact::Booked { cents: *cents },
        Event::Settled => Fact::Settled { cents: ledger.open },
        Event::Noted { .. } => Fact::Noted,
    };
    let full = matches!(event, Event::Booked { cents } if ledger.open + i64::from(*cents) >= PAGE);
    let mut decision = Decision::of(vec![super::Fact::Ledger(fact)], None);
    if full {
        decision.consequences = vec![super::Event::Ledger(Event::Settled)];
    }
    decision
}

pub(crate) fn evolve(ledger: &mut Ledger, fact: &Fact) {
    match fact {
        Fact::Booked { cents } => {
            ledger.open += i64::from(*cents);
            ledger.bookings += 1;
        }
        Fact::Settled { cents } => {
            ledger.open -= cents;
            ledger.settled += cents;
        }
        Fact::Noted => ledger.notes += 1,
    }
}
