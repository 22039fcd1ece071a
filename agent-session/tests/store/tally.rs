//! A small domain: sums of amounts, and payments that cost money. Shared by tests and the bench.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use glasswork_engine::journal::Journal;
use glasswork_engine::trace::TraceSink;
use glasswork_engine::upgrade::{Upgrade, unchanged};
use glasswork_engine::{
    Class, Clock, Context, Deadline, Decision, Domain, Durability, EffectKey, Engine, Handle, Job, Limits,
    Loss, Moment, Origin, Parts, Party, Recovery, Runner, ScopeId, SystemClock, Timestamp, Transition,
    VirtualClock,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq)]
pub struct Tally;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Tally,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub total: u64,
    pub entries: u64,
    pub paying: Option<EffectKey>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Told when written.
    Add {
        amount: u64,
        note: String,
    },
    /// Told when synced.
    Pledge {
        amount: u64,
    },
    /// Releases an effect of class *once*.
    Pay {
        note: String,
    },
    Paid,
    PaymentLost,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Added(u64),
    Paying(u64),
    Settled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payment;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct No(pub String);

impl Domain for Tally {
    const SCHEMA: u32 = 3;
    const UPGRADES: &'static [Upgrade] = &[Upgrade {
        from: 2,
        event: |event| renamed(event, "plus", "add"),
        fact: |fact| renamed(fact, "sum", "added"),
        effect: unchanged,
    }];
    type Kind = Kind;
    type State = Sum;
    type Event = Event;
    type Fact = Fact;
    type Effect = Payment;
    type Grant = String;
    type DeadlineKey = u8;
    type Reply = u64;
    type Rejection = No;
    type Breach = No;

    fn vacant(_: Kind, _: ScopeId) -> Sum {
        Sum::default()
    }
    fn event_name(event: &Event) -> &'static str {
        match event {
            Event::Add { .. } => "add",
            Event::Pledge { .. } => "pledge",
            Event::Pay { .. } => "pay",
            Event::Paid => "paid",
            Event::PaymentLost => "payment_lost",
        }
    }
    fn permit(_: &Sum, _: &Event, _: &Origin) -> Result<String, String> {
        Ok("all".to_owned())
    }
    fn decide(state: &Sum, event: &Event, context: &Context<'_>) -> Result<Decision<Self>, No> {
        match event {
            Event::Add { amount: 0, .. } | Event::Pledge { amount: 0 } => {
                Err(No("nothing to add".to_owned()))
            }
            Event::Add { amount, .. } | Event::Pledge { amount } => {
                Ok(Decision::of(vec![Fact::Added(*amount)], state.total + amount))
            }
            Event::Pay { .. } if state.paying.is_some() => Err(No("one payment at a time".to_owned())),
            Event::Pay { .. } => Ok(Decision {
                effects: vec![Payment],
                ..Decision::of(vec![Fact::Paying(context.id.seq)], state.total)
            }),
            Event::Paid | Event::PaymentLost => Ok(Decision {
                closes: state.paying.into_iter().collect(),
                ..Decision::of(vec![Fact::Settled], state.total)
            }),
        }
    }
    fn evolve(state: &mut Sum, fact: &Fact, _: Moment) {
        match fact {
            Fact::Added(amount) => {
                state.total = state.total.wrapping_add(*amount);
                state.entries += 1;
            }
            Fact::Paying(seq) => {
                state.paying = Some(EffectKey {
                    seq: *seq,
                    ordinal: 0,
                })
            }
            Fact::Settled => state.paying = None,
        }
    }
    fn check(_: &Sum, _: &[Fact]) -> Result<(), No> {
        Ok(())
    }
    fn audit(_: &Sum) -> Result<(), No> {
        Ok(())
    }
    fn row(_: &Fact) -> Option<Transition<'_>> {
        None
    }
    fn deadlines(_: &Sum, _: &mut dyn FnMut(u8, Deadline)) {}
    fn deadline_reached(_: u8, _: Deadline) -> Event {
        Event::Paid
    }
    fn class(_: &Payment) -> Class {
        Class::Once
    }
    fn lost(_: EffectKey, _: &Payment, _: Loss) -> Event {
        Event::PaymentLost
    }
    fn recover(state: &Sum, open: &[(EffectKey, &Payment)]) -> Vec<Recovery<Self>> {
        let lost = |(key, _): &(EffectKey, &Payment)| Recovery {
            cause: key.seq,
            event: Event::PaymentLost,
        };
        open.iter().filter(|_| state.paying.is_some()).map(lost).collect()
    }
    fn merge_progress(waiting: &mut Event, later: Event) {
        *waiting = later;
    }
    fn is_urgent(_: &Event) -> bool {
        false
    }
    fn is_delta(_: &Event) -> bool {
        false
    }
    fn acknowledged(event: &Event) -> Durability {
        match event {
            Event::Add { .. } => Durability::Written,
            _ => Durability::Synced,
        }
    }
}

/// What schema 2 called `old`.
fn renamed(value: &mut serde_json::Value, old: &str, new: &str) {
    if let Some(fields) = value.as_object_mut()
        && let Some(inner) = fields.remove(old)
    {
        fields.insert(new.to_owned(), inner);
    }
}

/// Pays at once, and counts.
#[derive(Debug, Clone, Default)]
pub struct Till(pub Arc<AtomicU64>);

impl Runner<Tally> for Till {
    fn run(&self, job: Job<Tally>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        job.port.finish(Event::Paid);
    }
}

/// 2026-11-21 04:45:11 UTC.
pub const NOW: Timestamp = Timestamp(1_795_236_311_000_000);

pub fn scope(number: u128) -> ScopeId {
    ScopeId::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + number)
}

pub fn add(amount: u64) -> Event {
    Event::Add {
        amount,
        note: format!("note {amount}"),
    }
}

/// An engine on this journal, with the real clock or one that stands still.
pub fn engine(
    journal: impl Journal + 'static,
    trace: Box<dyn TraceSink>,
    till: &Till,
    real: bool,
) -> Engine<Tally> {
    let clock: Arc<dyn Clock> = if real {
        Arc::new(SystemClock::default())
    } else {
        Arc::new(VirtualClock::at(NOW))
    };
    Engine::start(Parts {
        journal: Box::new(journal),
        runner: Arc::new(till.clone()),
        clock,
        trace,
        limits: Limits::default(),
    })
    .unwrap()
}

/// Waits for a future on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Sends one event and waits for its answer.
pub fn send(handle: &Handle<Tally>, scope: ScopeId, event: Event) -> glasswork_engine::Answer<Tally> {
    handle.submit(scope, event)?.answer_blocking()
}

pub fn user(engine: &Engine<Tally>) -> Handle<Tally> {
    engine.handle(Party::User)
}
