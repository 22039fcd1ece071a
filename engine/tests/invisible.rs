//! What is refused was never there, for any reader; and what is recorded is small.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use glasswork_engine::Domain;

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::{Drill, Elevator, Event};

#[test]
fn no_reader_ever_sees_a_broken_invariant() {
    let building = Building::new();
    let done = AtomicBool::new(false);
    let reader = building.fixture.reader.clone();
    let (car, fixture) = (building.car, &building.fixture);
    let looks = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut looks, mut seq) = (0, 0);
            while !done.load(Ordering::Acquire) {
                let root = reader.root();
                let seen = root.scope(car).unwrap();
                Elevator::<0>::audit(&seen.state).unwrap();
                assert!(seen.seq >= seq, "time went back");
                seq = seen.seq;
                looks += 1;
            }
            looks
        });
        let mut following = fixture.reader.follow(car, None).unwrap();
        for round in 0..100 {
            let drills = [
                Drill::Breach,
                Drill::EvolvePanics,
                Drill::Breach,
                Drill::CheckPanics,
            ];
            let drill = drills[round % drills.len()];
            fixture.ask(car, Event::Drill(drill)).unwrap_err();
            fixture.accept(car, Event::Drill(Drill::Chain(0)));
        }
        done.store(true, Ordering::Release);
        // Neither in what followers get, nor in the past.
        let mut seq = following.base.seq;
        while let Some(item) = following.follower.try_next() {
            let glasswork_engine::FeedItem::Commit(commit) = item else {
                panic!("{item:?}");
            };
            assert_eq!(commit.event, Event::Drill(Drill::Chain(0)));
            seq += 1;
            let past = fixture.reader.at(car, seq).unwrap();
            assert_eq!((past.seq, past.state.car().position), (seq, 0));
        }
        assert_eq!(seq, 101);
        watcher.join().unwrap()
    });
    assert!(looks > 0);
}

/// A fact says what changed, not what the changed thing has become.
#[test]
fn a_fact_is_smaller_than_the_entity_that_it_changes() {
    let building = Building::new();
    building.does(Called { floor: 0 });
    let text = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap().len();
    let floor = building.car().floors[&0].clone();
    let entity = text(&|| serde_json::to_string(&floor));
    let commits = building.fixture.reader.commits(building.car);
    let called = commits.last().unwrap();
    assert!(!called.facts.is_empty());
    for fact in &called.facts {
        let size = text(&|| serde_json::to_string(fact));
        assert!(size < entity, "{fact:?} takes {size} bytes, the floor {entity}");
    }
    let journal = building.fixture.journal.bytes(building.car);
    let last = journal.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
    assert!(
        !String::from_utf8_lossy(last).contains(&floor.name),
        "nor does the line carry it"
    );
}
