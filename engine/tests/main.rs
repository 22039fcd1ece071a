//! What the engine promises, shown on the elevator: each module holds one promise.

// Helpers outside of `#[test]` functions may fail a test as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod elevator;

mod chart_rows;
mod crashes;
mod deadlines;
mod deltas;
mod effects;
mod failed_append;
mod feed;
mod gaps;
mod gates;
mod invisible;
mod lanes;
mod layering;
mod life;
mod model;
mod other_process;
mod refusals;
mod ring;
mod traces;
mod walking;

use glasswork_engine::test_support::{Fixture, ManualRunner};
use glasswork_engine::{Job, ScopeId};

use elevator::{Effect, Elevator, Event, Kind, car, ledger};

/// A building with a car of ten floors and a ledger.
struct Building {
    fixture: Fixture<Elevator>,
    car: ScopeId,
    ledger: ScopeId,
}

impl Building {
    fn new() -> Self {
        Self::of(Fixture::default())
    }

    fn of(fixture: Fixture<Elevator>) -> Self {
        let car = fixture.create(Kind::Car);
        let ledger = fixture.create(Kind::Ledger);
        fixture.accept(car, installed(10));
        Self { fixture, car, ledger }
    }

    fn seq(&self) -> u64 {
        self.fixture.scope(self.car).seq
    }

    fn car(&self) -> car::Car {
        self.fixture.scope(self.car).state.car().clone()
    }

    /// Sends an event that the car must accept; gives the row that it took.
    fn does(&self, event: car::Event) -> Option<&'static str> {
        self.fixture.accept(self.car, Event::Car(event)).reply
    }

    fn job(&self) -> Job<Elevator> {
        self.fixture.runner.next()
    }

    /// Finishes a job, and waits until the gate has taken its word.
    fn finish(&self, job: Job<Elevator>, event: car::Event) {
        job.port.finish(Event::Car(event));
        self.fixture.fence();
    }

    /// Calls the car from elsewhere, so that it drives; gives the drive.
    fn drive(&self, floor: u16) -> Job<Elevator> {
        self.does(car::Event::Called { floor });
        let job = self.job();
        assert_eq!(*job.effect, Effect::Drive { to: floor });
        job
    }
}

fn installed(floors: u16) -> Event {
    Event::Car(car::Event::Installed {
        floors: (0..floors).map(floor_name).collect(),
        capacity: 600,
    })
}

fn floor_name(floor: u16) -> String {
    format!("floor {floor}, with a corridor to the north and one to the south, and a plant in between")
}

fn booked(cents: u32) -> Event {
    Event::Ledger(ledger::Event::Booked { cents })
}

fn chime(runner: &ManualRunner<Elevator>) -> Job<Elevator> {
    let job = runner.next();
    assert_eq!(*job.effect, Effect::Chime);
    job
}
