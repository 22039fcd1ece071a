//! A machine that stops: what was synced is there, damage is named, and recovery brings the scope to rest.

use std::collections::BTreeSet;
use std::time::Duration;

use glasswork_engine::load::{DamageKind, load};
use glasswork_engine::test_support::{Crash, Fixture, salvage};
use glasswork_engine::{DispatchId, EffectKey, Origin};

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::chart::Phase;
use crate::elevator::{DOOR_MS, Effect, Elevator};

#[test]
fn whatever_a_crash_leaves_of_the_unsynced_nothing_synced_is_lost_and_nothing_wrong_is_loaded() {
    let b = Building::new();
    b.does(Called { floor: 0 });
    let synced = b.seq();
    b.fixture.journal.hold_syncs();
    for floor in 1..8 {
        b.does(Called { floor });
    }
    let (mut reached, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..300 {
        let left = Crash { seed }.of(&b.fixture.journal, b.car);
        let salvaged = salvage::<Elevator>(&left);
        let loaded = load::<Elevator>(&salvaged.intact).unwrap().scope;
        assert!(loaded.seq >= synced, "seed {seed}: what was synced is lost");
        assert_eq!(
            loaded,
            b.fixture.reader.at(b.car, loaded.seq).unwrap(),
            "seed {seed}"
        );
        reached.insert(loaded.seq);
        if let Some(damage) = salvaged.damage {
            assert_eq!(damage.offset, salvaged.intact.len() as u64);
            kinds.insert(match damage.kind {
                DamageKind::TornTail => "torn",
                DamageKind::Line(_) => "line",
                DamageKind::OutOfOrder { .. } => "order",
                other => panic!("seed {seed}: {other}"),
            });
        }
    }
    assert!(reached.len() > 3, "crashes come at many places: {reached:?}");
    assert!(kinds.contains("torn") && kinds.contains("line"), "{kinds:?}");
}

/// What was at work when the machine stopped, mounted again in a second life.
fn second_life(first: &Building) -> Building {
    let fixture = Fixture::default();
    let journal = first.fixture.journal.bytes(first.car);
    fixture.journal.adopt(first.car, journal);
    fixture.mount(
        fixture
            .journal
            .reopen(first.car, glasswork_engine::Timestamp(7))
            .unwrap(),
    );
    let b = Building {
        fixture,
        car: first.car,
        ledger: first.ledger,
    };
    b.fixture.fence();
    b
}

#[test]
fn recovery_settles_what_cannot_be_repeated_and_names_what_it_found() {
    let first = Building::new();
    let drive = first.drive(4);
    let key = drive.port.key();
    let b = second_life(&first);
    assert_eq!(b.fixture.scope(b.car).epoch, 2);
    let commits = b.fixture.reader.commits(b.car);
    let [recovery] = &commits[..] else {
        panic!("{commits:?}");
    };
    assert_eq!(recovery.origin, Origin::Recovery);
    assert_eq!(recovery.cause, Some(DispatchId::commit(b.car, key.seq)));
    assert_eq!(recovery.closes, [key]);
    assert_eq!(
        b.car().failure.as_deref(),
        Some("nobody knows how the drive ended")
    );
    assert_eq!(
        (b.fixture.runner.waiting(), b.fixture.scope(b.car).open.len()),
        (0, 0)
    );
    first.finish(drive, Arrived { floor: 4 });
}

#[test]
fn recovery_repeats_what_can_be_repeated_before_any_other_event_of_the_scope() {
    let first = Building::new();
    first.does(Called { floor: 0 });
    let next = first.seq() + 1;
    first.fixture.clock.advance(Duration::from_millis(DOOR_MS));
    first.fixture.reach(first.car, next);
    first.does(Rung { times: 2 });
    let (reading, bells) = (next, next + 1);

    let b = second_life(&first);
    let commits = b.fixture.reader.commits(b.car);
    let causes: Vec<_> = commits
        .iter()
        .map(|commit| (commit.origin == Origin::Recovery, commit.cause.unwrap().seq))
        .collect();
    assert_eq!(
        causes,
        [(true, reading), (true, bells), (true, bells)],
        "each with what it found open"
    );
    let job = b.job();
    assert_eq!(*job.effect, Effect::ReadLoad, "it is read again");
    assert_ne!(
        job.port.key(),
        EffectKey {
            seq: reading,
            ordinal: 0
        }
    );
    b.finish(job, Weighed { kg: 70 });
    assert_eq!((b.car().phase, b.car().load), (Phase::Parked, 70));
    assert_eq!(b.fixture.scope(b.car).open.len(), 0);
}
