//! The engine's own domain for tests, benchmarks and reading: a building with elevator cars and one ledger.
//!
//! A **car** is a scope governed by a chart (`chart.rs`): it is called, drives (an effect of class *once*, with progress
//! per floor), opens its door, which must close after [`DOOR_MS`], weighs who came in (class *again*) and goes on. A
//! **ledger** is a scope without a chart: trips are booked, and a full page is settled by a consequence.
//!
//! `RULES` stands for a later version of the program with other rules over the same journals.

// Named by path, for benches take this file in from another folder.
#[path = "elevator/car.rs"]
pub(crate) mod car;
#[path = "elevator/chart.rs"]
pub(crate) mod chart;
#[path = "elevator/ledger.rs"]
pub(crate) mod ledger;

use std::fmt;

use glasswork_engine::chart::InvalidTransition;
use glasswork_engine::{
    Class, Context, Deadline, Decision, Domain, Durability, EffectKey, Loss, Moment, Origin, Recovery,
    ScopeId, Transition,
};
use serde::{Deserialize, Serialize};

use car::Car;
use ledger::Ledger;

/// How long a door stays open.
pub(crate) const DOOR_MS: u64 = 10_000;

/// The rules as they were when the journals of the tests are written.
pub(crate) const AS_WRITTEN: u8 = 0;
/// A guard is stricter: the door may be held once, not three times.
pub(crate) const STRICTER_GUARD: u8 = 1;
/// A fact is different: the door stays open for two seconds longer.
pub(crate) const OTHER_FACT: u8 = 2;

/// The domain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Elevator<const RULES: u8 = AS_WRITTEN>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Car,
    Ledger,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Car(Car),
    Ledger(Ledger),
}

impl State {
    pub(crate) fn car(&self) -> &Car {
        match self {
            Self::Car(car) => car,
            Self::Ledger(_) => panic!("a ledger, not a car"),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        match self {
            Self::Ledger(ledger) => ledger,
            Self::Car(_) => panic!("a car, not a ledger"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Car(car::Event),
    Ledger(ledger::Event),
    Drill(Drill),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    Car(car::Fact),
    Ledger(ledger::Fact),
    Drill(Drill),
}

/// A drill tries out the gate itself, as a fire drill tries out the doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Drill {
    DecidePanics,
    EvolvePanics,
    CheckPanics,
    /// Panics in what the gate asks besides.
    TermsPanic,
    /// Breaks an invariant, with a change that anyone would see.
    Breach,
    /// A chain of so many consequences.
    Chain(u16),
    /// Two consequences, the first of them a chain of two.
    Fork,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// Drive to a floor. Costs energy, and nobody knows where the car is if the word is lost.
    Drive { to: u16 },
    /// Read the load sensor.
    ReadLoad,
    /// Strike the bell.
    Chime,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grant {
    /// It is their building.
    Tenant,
    /// The engine's own word.
    Machinery,
    /// A guest may call a car.
    Guest(String),
    /// Nothing permits it.
    NotListed(String),
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenants may do everything"),
            Self::Machinery => f.write_str("the machinery reports"),
            Self::Guest(name) => write!(f, "the guest {name} may call a car"),
            Self::NotListed(name) => write!(f, "{name} is not on the list"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeadlineKey {
    Door,
    Alarm,
}

#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rejection {
    #[error(transparent)]
    Chart(#[from] InvalidTransition),
    #[error("there is no floor {floor}; the highest is {highest}")]
    NoSuchFloor { floor: u16, highest: u16 },
    #[error("the car is installed already")]
    Installed,
    #[error("that deadline is not the one that runs")]
    Outdated,
    #[error("this scope does not know such an event")]
    WrongScope,
}

#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Breach {
    #[error("the car stands at floor {0}, which is not there")]
    Astray(u16),
    #[error("the ledger's balance is {0}")]
    Negative(i64),
}

pub(crate) type Decided<const RULES: u8> = Result<Decision<Elevator<RULES>>, Rejection>;

impl<const RULES: u8> Domain for Elevator<RULES> {
    const SCHEMA: u32 = 1;
    type Kind = Kind;
    type State = State;
    type Event = Event;
    type Fact = Fact;
    type Effect = Effect;
    type Grant = Grant;
    type DeadlineKey = DeadlineKey;
    /// The row that was taken, if the chart moved.
    type Reply = Option<&'static str>;
    type Rejection = Rejection;
    type Breach = Breach;

    fn vacant(kind: Kind, _: ScopeId) -> State {
        match kind {
            Kind::Car => State::Car(Car::default()),
            Kind::Ledger => State::Ledger(Ledger::default()),
        }
    }

    fn event_name(event: &Event) -> &'static str {
        match event {
            Event::Car(event) => event.into(),
            Event::Ledger(event) => event.into(),
            Event::Drill(_) => "drill",
        }
    }

    fn permit(_: &State, event: &Event, origin: &Origin) -> Result<Grant, Grant> {
        match origin {
            Origin::User | Origin::Client(_) => Ok(Grant::Tenant),
            Origin::Effect(_) | Origin::Deadline | Origin::Recovery => Ok(Grant::Machinery),
            Origin::Extension(name) if matches!(event, Event::Car(car::Event::Called { .. })) => {
                Ok(Grant::Guest(name.clone()))
            }
            Origin::Extension(name) | Origin::Agent(name) => Err(Grant::NotListed(name.clone())),
        }
    }

    fn decide(state: &State, event: &Event, context: &Context<'_>) -> Decided<RULES> {
        match (state, event) {
            (State::Car(car), Event::Car(event)) => car::decide(car, event, context),
            (State::Ledger(ledger), Event::Ledger(event)) => Ok(ledger::decide(ledger, event)),
            (_, Event::Drill(Drill::DecidePanics)) => panic!("drill: decide"),
            (_, Event::Drill(drill)) => {
                let mut decision = Decision::of(vec![Fact::Drill(*drill)], None);
                if let Drill::Chain(more @ 1..) = drill {
                    decision.consequences = vec![Event::Drill(Drill::Chain(more - 1))];
                }
                if *drill == Drill::Fork {
                    decision.consequences = [Drill::Chain(2), Drill::Chain(0)].map(Event::Drill).into();
                }
                Ok(decision)
            }
            _ => Err(Rejection::WrongScope),
        }
    }

    fn evolve(state: &mut State, fact: &Fact, moment: Moment) {
        match (state, fact) {
            (State::Car(car), Fact::Car(fact)) => car::evolve(car, fact, moment),
            (State::Ledger(ledger), Fact::Ledger(fact)) => ledger::evolve(ledger, fact),
            (_, Fact::Drill(Drill::EvolvePanics)) => panic!("drill: evolve"),
            (State::Car(car), Fact::Drill(Drill::Breach)) => car.position = u16::MAX,
            (State::Ledger(ledger), Fact::Drill(Drill::Breach)) => ledger.open = -1,
            _ => {}
        }
    }

    fn check(state: &State, facts: &[Fact]) -> Result<(), Breach> {
        if facts.contains(&Fact::Drill(Drill::CheckPanics)) {
            panic!("drill: check");
        }
        Self::audit(state)
    }

    fn audit(state: &State) -> Result<(), Breach> {
        match state {
            State::Car(car) if !car.floors.is_empty() && !car.floors.contains_key(&car.position) => {
                Err(Breach::Astray(car.position))
            }
            State::Ledger(ledger) if ledger.open < 0 => Err(Breach::Negative(ledger.open)),
            _ => Ok(()),
        }
    }

    fn row(fact: &Fact) -> Option<Transition<'_>> {
        match fact {
            Fact::Car(car::Fact::Took { row, .. }) => Some(Transition { chart: "car", row }),
            _ => None,
        }
    }

    fn deadlines(state: &State, each: &mut dyn FnMut(DeadlineKey, Deadline)) {
        let State::Car(car) = state else { return };
        let keyed = [(DeadlineKey::Door, car.door), (DeadlineKey::Alarm, car.alarm)];
        for (key, deadline) in keyed {
            if let Some(deadline) = deadline {
                each(key, deadline);
            }
        }
    }

    fn deadline_reached(key: DeadlineKey, deadline: Deadline) -> Event {
        match key {
            DeadlineKey::Door => Event::Car(car::Event::DoorTimedOut { deadline }),
            DeadlineKey::Alarm => Event::Car(car::Event::AlarmRang { deadline }),
        }
    }

    fn class(effect: &Effect) -> Class {
        match effect {
            Effect::Drive { .. } => Class::Once,
            Effect::ReadLoad | Effect::Chime => Class::Again,
        }
    }

    fn lost(_: EffectKey, effect: &Effect, loss: Loss) -> Event {
        let reason = match loss {
            Loss::RunnerGone => format!("{effect:?}: its runner is gone"),
            Loss::ResultRefused(reason) => format!("{effect:?}: its result was refused: {reason}"),
        };
        match effect {
            Effect::Drive { .. } | Effect::ReadLoad => Event::Car(car::Event::Failed { reason }),
            Effect::Chime => Event::Car(car::Event::Chimed),
        }
    }

    fn recover(_: &State, open: &[(EffectKey, &Effect)]) -> Vec<Recovery<Self>> {
        let events = open.iter().map(|(key, effect)| Recovery {
            cause: key.seq,
            event: Event::Car(match effect {
                Effect::Drive { .. } => car::Event::Failed {
                    reason: "nobody knows how the drive ended".to_owned(),
                },
                Effect::ReadLoad => car::Event::Reread,
                Effect::Chime => car::Event::Silenced { chime: *key },
            }),
        });
        events.collect()
    }

    fn merge_progress(waiting: &mut Event, later: Event) {
        match (waiting, later) {
            (Event::Car(car::Event::Passed { floors }), Event::Car(car::Event::Passed { floors: more })) => {
                floors.extend(more);
            }
            (waiting, later) => *waiting = later,
        }
    }

    fn is_urgent(event: &Event) -> bool {
        matches!(event, Event::Car(car::Event::Halted))
    }

    fn is_delta(event: &Event) -> bool {
        assert_ne!(event, &Event::Drill(Drill::TermsPanic), "drill: terms");
        matches!(event, Event::Car(car::Event::Passed { .. }))
    }

    fn acknowledged(event: &Event) -> Durability {
        match event {
            Event::Ledger(ledger::Event::Booked { .. }) => Durability::Synced,
            _ => Durability::Written,
        }
    }
}
