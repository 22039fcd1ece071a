//! Random events against a small reference model; and after every prefix of the journal, loading and strict replay
//! give what was live.

use std::time::Duration;

use glasswork_engine::Job;
use glasswork_engine::test_support::assert_every_prefix;
use proptest::prelude::*;

use crate::elevator::chart::Phase;
use crate::elevator::{DOOR_MS, Effect, Elevator, Event, car, ledger};
use crate::{Building, booked};

#[derive(Debug, Clone)]
enum Op {
    Call(u16),
    Hold,
    DoorCloses,
    Weigh(u32),
    Pass(u16),
    Arrive(u16),
    Halt,
    Fail,
    Lose,
    Repair,
    Reread,
    Retire,
    Book(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u16..12).prop_map(Op::Call),
        2 => Just(Op::Hold),
        6 => Just(Op::DoorCloses),
        5 => (0u32..1_000).prop_map(Op::Weigh),
        3 => (0u16..10).prop_map(Op::Pass),
        5 => (0u16..10).prop_map(Op::Arrive),
        2 => Just(Op::Halt),
        1 => Just(Op::Fail),
        1 => Just(Op::Lose),
        2 => Just(Op::Repair),
        1 => Just(Op::Reread),
        1 => Just(Op::Retire),
        3 => (0u32..700).prop_map(Op::Book),
    ]
}

/// The building as one would sketch it on paper: no chart, no facts.
#[derive(Debug, Clone, PartialEq)]
struct Sketch {
    phase: Phase,
    position: u16,
    queue: Vec<u16>,
    held: u8,
    load: u32,
    calls: [u32; 10],
    visits: [u32; 10],
    open_cents: i64,
    settled_cents: i64,
}

impl Sketch {
    fn new() -> Self {
        Self {
            phase: Phase::Parked,
            position: 0,
            queue: vec![],
            held: 0,
            load: 0,
            calls: [0; 10],
            visits: [0; 10],
            open_cents: 0,
            settled_cents: 0,
        }
    }

    fn seen(building: &Building) -> Self {
        let car = building.car();
        let ledger = building.fixture.scope(building.ledger).state.ledger().clone();
        let each = |of: fn(&car::Floor) -> u32| std::array::from_fn(|floor| of(&car.floors[&(floor as u16)]));
        Self {
            phase: car.phase,
            position: car.position,
            queue: car.queue.iter().copied().collect(),
            held: car.held,
            load: car.load,
            calls: each(|floor| floor.calls),
            visits: each(|floor| floor.visits),
            open_cents: ledger.open,
            settled_cents: ledger.settled,
        }
    }

    fn opens_at(&mut self, floor: u16) {
        self.visits[usize::from(floor)] += 1;
        self.queue.retain(|queued| *queued != floor);
        self.held = 0;
        self.phase = Phase::Boarding;
    }

    fn goes_on(&mut self) {
        self.phase = if self.queue.is_empty() {
            Phase::Parked
        } else {
            Phase::Moving
        };
    }

    /// Whether it can happen; and then it has.
    fn step(&mut self, op: &Op) -> bool {
        use Phase::*;
        let in_service = !matches!(self.phase, OutOfOrder | Retired);
        match *op {
            Op::Call(floor) => {
                if floor > 9 || !in_service {
                    return false;
                }
                self.calls[usize::from(floor)] += 1;
                if self.phase == Parked && floor == self.position {
                    self.opens_at(floor);
                    return true;
                }
                if !self.queue.contains(&floor) {
                    self.queue.push(floor);
                }
                if self.phase == Parked {
                    self.phase = Moving;
                }
            }
            Op::Hold if self.phase == Boarding && self.held < 3 => self.held += 1,
            Op::DoorCloses if self.phase == Boarding => self.phase = Weighing,
            Op::Weigh(kg) if self.phase == Weighing => {
                self.load = kg;
                if kg > 600 {
                    self.phase = Boarding;
                } else {
                    self.goes_on();
                }
            }
            Op::Pass(floor) if matches!(self.phase, Moving | Halting) => self.position = floor,
            Op::Arrive(floor) if self.phase == Moving => {
                self.position = floor;
                self.opens_at(floor);
            }
            Op::Arrive(floor) if self.phase == Halting => {
                self.position = floor;
                self.phase = Parked;
            }
            Op::Halt if self.phase == Moving => self.phase = Halting,
            Op::Fail if in_service => self.phase = OutOfOrder,
            Op::Lose if matches!(self.phase, Weighing | Moving | Halting) => self.phase = OutOfOrder,
            Op::Repair if self.phase == OutOfOrder => self.phase = Parked,
            Op::Reread if self.phase == Weighing => {}
            Op::Retire if matches!(self.phase, Parked | Boarding | Weighing) && self.queue.is_empty() => {
                self.phase = Retired;
            }
            Op::Book(cents) => {
                self.open_cents += i64::from(cents);
                if self.open_cents >= ledger::PAGE {
                    self.settled_cents += std::mem::take(&mut self.open_cents);
                }
            }
            _ => return false,
        }
        true
    }
}

struct Run {
    building: Building,
    sketch: Sketch,
    work: Option<Job<Elevator>>,
}

impl Run {
    fn perform(&mut self, op: &Op) {
        let possible = self.sketch.step(op);
        let b = &self.building;
        let ask = |event| b.fixture.ask(b.car, Event::Car(event)).is_ok();
        let accepted = match *op {
            Op::Call(floor) => ask(car::Event::Called { floor }),
            Op::Hold => ask(car::Event::Held),
            Op::Halt => ask(car::Event::Halted),
            Op::Fail => ask(car::Event::Failed {
                reason: "smoke".into(),
            }),
            Op::Repair => ask(car::Event::Repaired),
            Op::Reread => ask(car::Event::Reread),
            Op::Retire => ask(car::Event::Retired),
            Op::Book(cents) => b.fixture.ask(b.ledger, booked(cents)).is_ok(),
            Op::DoorCloses => {
                let next = b.seq() + 1;
                b.fixture.clock.advance(Duration::from_millis(DOOR_MS));
                if possible {
                    b.fixture.reach(b.car, next);
                }
                possible
            }
            Op::Weigh(kg) => self.report(possible, |job| {
                job.port.finish(Event::Car(car::Event::Weighed { kg }))
            }),
            Op::Arrive(floor) => self.report(possible, |job| {
                job.port.finish(Event::Car(car::Event::Arrived { floor }))
            }),
            Op::Lose => self.report(possible, drop),
            Op::Pass(floor) => {
                if possible && let Some(job) = &self.work {
                    let floors = vec![floor];
                    job.port.progress(Event::Car(car::Event::Passed { floors }));
                }
                possible
            }
        };
        assert_eq!(accepted, possible, "{op:?}");
        self.building.fixture.fence();
        // Work that was replaced or abandoned is dropped here; its last word is stale, and harmless.
        if let Some(job) = self.building.fixture.runner.try_next() {
            self.work = Some(job);
        }
        self.building.fixture.fence();
        assert_eq!(Sketch::seen(&self.building), self.sketch, "after {op:?}");
        let works = matches!(
            self.sketch.phase,
            Phase::Weighing | Phase::Moving | Phase::Halting
        );
        let open = &self.building.fixture.scope(self.building.car).open;
        assert_eq!(open.len(), usize::from(works), "after {op:?}: {open:?}");
    }

    fn report(&mut self, possible: bool, how: impl FnOnce(Job<Elevator>)) -> bool {
        if possible {
            let job = self.work.take().expect("something is at work");
            assert_ne!(*job.effect, Effect::Chime);
            how(job);
        }
        possible
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_events_do_what_the_sketch_does_and_every_prefix_replays(ops in prop::collection::vec(op(), 1..80)) {
        let mut run = Run {
            building: Building::new(),
            sketch: Sketch::new(),
            work: None,
        };
        for op in &ops {
            run.perform(op);
        }
        let Building { fixture, car, ledger } = &run.building;
        for scope in [*car, *ledger] {
            // The ring leaves deltas out; every other commit is there.
            assert_every_prefix::<Elevator>(&fixture.journal.bytes(scope), |seq| {
                fixture.reader.at(scope, seq).filter(|kept| kept.seq == seq)
            });
        }
    }
}
