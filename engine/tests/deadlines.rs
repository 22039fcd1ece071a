//! Deadlines are values in the state: a clock that jumps does not move them, and a restart needs nothing.

use std::time::Duration;

use glasswork_engine::test_support::{Fixture, wait};
use glasswork_engine::{Clock, DispatchId, Origin, Timestamp};

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::chart::Phase;

const DAY: Duration = Duration::from_secs(86_400);
const MS: Duration = Duration::from_millis(1);

fn phase_after(b: &Building, wait: Duration) -> Phase {
    b.fixture.clock.advance(wait);
    b.fixture.fence();
    b.car().phase
}

/// Advances, and waits for the commit that must come of it.
fn reaches(b: &Building, wait: Duration) -> Phase {
    let next = b.seq() + 1;
    b.fixture.clock.advance(wait);
    b.fixture.reach(b.car, next);
    b.car().phase
}

#[test]
fn a_deadline_is_reached_when_its_time_is_over_and_names_who_set_it() {
    let b = Building::new();
    b.does(Called { floor: 0 });
    assert_eq!(phase_after(&b, Duration::from_secs(9)), Phase::Boarding);
    b.does(Held);
    assert_eq!(
        phase_after(&b, Duration::from_millis(9_999)),
        Phase::Boarding,
        "holding begins it anew"
    );
    let holding = b.seq();
    assert_eq!(reaches(&b, MS), Phase::Weighing);
    let commits = b.fixture.reader.commits(b.car);
    let closed = commits.last().unwrap();
    assert_eq!(closed.origin, Origin::Deadline);
    assert_eq!(closed.cause, Some(DispatchId::commit(b.car, holding)));
    drop(b.job());
    b.fixture.fence();
    assert_eq!(phase_after(&b, DAY), Phase::OutOfOrder, "and never again");
}

#[test]
fn a_wall_clock_that_jumps_neither_ends_nor_extends_a_deadline() {
    for jump in [DAY.as_micros() as i64, -(DAY.as_micros() as i64)] {
        let b = Building::new();
        b.does(Called { floor: 0 });
        let wall = b.fixture.clock.wall();
        b.fixture.clock.set_wall(Timestamp(wall.0 + jump));
        assert_eq!(phase_after(&b, Duration::from_millis(9_999)), Phase::Boarding);
        // A commit after the jump does not arm it anew.
        b.does(Called { floor: 5 });
        assert_eq!(reaches(&b, MS), Phase::Weighing, "jump by {jump} µs");
    }
}

/// Setting one deadline does not set the others anew, which after a jump would end or extend them.
#[test]
fn a_deadline_keeps_its_time_when_another_is_set_after_the_wall_clock_jumped() {
    for jump in [DAY.as_micros() as i64, -(DAY.as_micros() as i64)] {
        let b = Building::new();
        b.does(Called { floor: 0 });
        let wall = b.fixture.clock.wall();
        b.fixture.clock.set_wall(Timestamp(wall.0 + jump));
        assert_eq!(phase_after(&b, Duration::from_secs(5)), Phase::Boarding);
        b.does(AlarmSet { after_ms: 6_000 });
        let left = Duration::from_millis(4_999);
        assert_eq!(phase_after(&b, left), Phase::Boarding, "jump by {jump} µs");
        assert_eq!(reaches(&b, MS), Phase::Weighing, "jump by {jump} µs");
        drop(b.job());
        b.fixture.fence();
        let rang = b.seq() + 1;
        phase_after(&b, Duration::from_millis(999));
        assert!(b.car().alarm.is_some(), "jump by {jump} µs");
        b.fixture.clock.advance(MS);
        b.fixture.reach(b.car, rang);
        assert_eq!(b.car().alarm, None);
    }
}

#[test]
fn a_scope_that_is_mounted_again_has_the_time_left_that_it_had() {
    let first = Building::new();
    first.does(Called { floor: 0 });
    let journal = first.fixture.journal.bytes(first.car);

    for (away, left) in [(4, 6_000), (0, 10_000)] {
        let fixture = Fixture::default();
        fixture.clock.advance(Duration::from_secs(away));
        fixture.journal.adopt(first.car, journal.clone());
        fixture.mount(fixture.journal.reopen(first.car, fixture.clock.wall()).unwrap());
        let b = Building {
            fixture,
            car: first.car,
            ledger: first.ledger,
        };
        assert_eq!(phase_after(&b, Duration::from_millis(left) - MS), Phase::Boarding);
        assert_eq!(reaches(&b, MS), Phase::Weighing, "away for {away} s");
    }
}

#[test]
fn a_scope_that_is_unmounted_has_no_deadline() {
    let b = Building::new();
    b.does(Called { floor: 0 });
    wait(b.fixture.engine.unmount(b.car)).unwrap();
    let traces = b.fixture.reader.traces(b.car).len();
    b.fixture.clock.advance(DAY);
    b.fixture.fence();
    let loaded = b.fixture.journal.reopen(b.car, b.fixture.clock.wall()).unwrap();
    assert_eq!(b.fixture.reader.traces(b.car).len(), traces);
    // Mounted again a day later, the door closes at once: that time is over.
    b.fixture.mount(loaded);
    b.fixture.reach(b.car, 3);
    assert_eq!(b.car().phase, Phase::Weighing);
}
