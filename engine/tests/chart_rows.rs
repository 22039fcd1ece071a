//! The chart is what runs: every row is taken by a behaviour that somebody can see, and statig walks the hierarchy.

use std::collections::BTreeSet;

use glasswork_engine::chart::{Chart, Conditions, advance};
use glasswork_engine::test_support::walk;
use glasswork_engine::{FeedItem, Origin};

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::car::{Car, Event as CarEvent};
use crate::elevator::chart::{CarChart, Intent, Phase, Trigger};
use crate::elevator::{DOOR_MS, Effect};

#[test]
fn the_walk_takes_every_row_reaches_every_state_and_agrees_with_the_table() {
    let walk = walk::<CarChart>();
    assert_eq!((walk.rows.len(), walk.states.len()), (17, 7));
    assert_eq!(
        walk.accepted + walk.rejected,
        7 * 12 * 16,
        "states, triggers and valuations"
    );
}

/// Two levels of superstates: what is left and entered is what lies below the least common ancestor, in order.
#[test]
fn exits_and_entries_run_along_the_least_common_ancestor() {
    use Intent::*;
    let queued = Conditions::<CarChart>::NONE.with(crate::elevator::chart::Condition::Queued, true);
    let cases: [(Phase, Trigger, &[Intent]); 6] = [
        // Siblings in `at_floor`: neither group is left.
        (Phase::Boarding, Trigger::DoorTimeout, &[DisarmDoor, ReadLoad]),
        // Across the inner groups: `in_service` is not left, `under_way` is entered.
        (Phase::Parked, Trigger::Depart, &[Drive, LampOn]),
        // Within `under_way`: the lamp stays on.
        (Phase::Moving, Trigger::Halt, &[Brake]),
        // Out of both: the inner is left first; the row's own intents come after.
        (Phase::Moving, Trigger::Fail, &[LampOff, Rest, SignOff, Abandon]),
        // Into both, and into `at_floor`, from outside.
        (Phase::OutOfOrder, Trigger::Repair, &[SignOn]),
        // To itself: the leaf is left and entered again, nothing around it.
        (Phase::Boarding, Trigger::Hold, &[DisarmDoor, ArmDoor]),
    ];
    for (from, on, intents) in cases {
        let advance = advance::<CarChart>(from, on, queued).unwrap();
        assert_eq!(advance.intents, intents, "{from:?} on {on:?}");
    }
}

/// One behaviour for each row, told by what a tenant sees. Deleting a row from the table fails here by its behaviour;
/// a row without a behaviour fails at the end.
#[test]
fn every_row_has_a_behaviour() {
    let mut shown = BTreeSet::new();
    let mut show = |key: &'static str, behaviour: fn(&Building)| {
        let building = Building::new();
        let mut following = building.fixture.reader.follow(building.car, None).unwrap();
        behaviour(&building);
        let mut rows = Vec::new();
        while let Some(item) = following.follower.try_next() {
            let FeedItem::Commit(commit) = item else {
                panic!("{item:?}")
            };
            rows.extend(commit.rows().map(|taken| taken.row.to_owned()));
        }
        assert!(
            rows.iter().any(|row| row == key),
            "the behaviour of `{key}` took {rows:?}"
        );
        shown.insert(key);
    };

    show("call_here", |b| {
        b.does(Called { floor: 0 });
        let car = b.car();
        assert_eq!((car.phase, car.floors[&0].visits), (Phase::Boarding, 1));
        assert!(car.door.is_some());
    });
    show("call_elsewhere", |b| {
        b.does(Called { floor: 4 });
        assert!(b.car().floors[&4].waiting);
    });
    show("depart", |b| {
        let job = b.drive(4);
        assert_eq!((b.car().lamp, b.car().work), (true, Some(job.port.key())));
        b.finish(job, Arrived { floor: 4 });
    });
    show("hold", |b| {
        b.does(Called { floor: 0 });
        let before = b.car().door;
        for _ in 0..3 {
            b.does(Held);
        }
        assert_ne!(b.car().door, before, "the door's time begins anew");
        assert!(rejected(b, Held), "it was held three times");
    });
    show("close", |b| {
        let job = boarded(b);
        assert_eq!((*job.effect).clone(), Effect::ReadLoad);
        assert_eq!(b.car().door, None);
        b.finish(job, Weighed { kg: 1 });
    });
    show("overload", |b| {
        let job = boarded(b);
        b.finish(job, Weighed { kg: 601 });
        assert_eq!((b.car().phase, b.car().load), (Phase::Boarding, 601));
    });
    show("leave", |b| {
        b.does(Called { floor: 0 });
        b.does(Called { floor: 7 });
        let job = door_closes(b);
        b.finish(job, Weighed { kg: 80 });
        assert_eq!(*b.job().effect, Effect::Drive { to: 7 }, "it goes on by itself");
    });
    show("rest", |b| {
        let job = boarded(b);
        b.finish(job, Weighed { kg: 0 });
        assert_eq!((b.car().phase, b.car().work), (Phase::Parked, None));
    });
    show("reread", |b| {
        let job = boarded(b);
        b.does(Reread);
        assert_eq!(
            b.fixture.scope(b.car).open.len(),
            1,
            "the first reading is closed"
        );
        let again = b.job();
        b.finish(again, Weighed { kg: 3 });
        assert_eq!(b.car().load, 3);
        b.finish(job, Weighed { kg: 99 });
        assert_eq!(b.car().load, 3, "the first reading's word comes too late");
    });
    show("pass", |b| {
        let job = b.drive(4);
        job.port
            .progress(crate::Event::Car(Passed { floors: vec![1, 2] }));
        b.fixture.fence();
        assert_eq!((b.car().position, b.car().phase), (2, Phase::Moving));
        b.finish(job, Arrived { floor: 4 });
    });
    show("arrive", |b| {
        let job = b.drive(4);
        b.finish(job, Arrived { floor: 4 });
        let car = b.car();
        assert_eq!((car.position, car.floors[&4].visits, car.queue.len()), (4, 1, 0));
        assert_eq!((car.phase, car.lamp), (Phase::Boarding, false));
    });
    show("halt", |b| {
        let job = b.drive(4);
        b.does(Halted);
        assert_eq!(job.port.demand(), glasswork_engine::Demand::Stop);
        assert_eq!(
            b.car().work,
            Some(job.port.key()),
            "only the drive's own word settles it"
        );
        b.finish(job, Arrived { floor: 2 });
    });
    show("halted", |b| {
        let job = b.drive(4);
        b.does(Halted);
        b.finish(job, Arrived { floor: 2 });
        let car = b.car();
        assert_eq!((car.phase, car.position, car.queue.len()), (Phase::Parked, 2, 1));
    });
    show("enqueue", |b| {
        b.does(Called { floor: 0 });
        b.does(Called { floor: 3 });
        b.does(Called { floor: 3 });
        assert_eq!(b.car().queue.iter().copied().collect::<Vec<_>>(), [3]);
        assert_eq!(b.car().floors[&3].calls, 2);
    });
    show("fail", |b| {
        let job = b.drive(4);
        drop(job);
        b.fixture.fence();
        assert_eq!((b.car().phase, b.car().out_of_service), (Phase::OutOfOrder, true));
        assert!(rejected(b, Called { floor: 1 }), "nobody can call it");
    });
    show("repair", |b| {
        b.does(Failed {
            reason: "smoke".into(),
        });
        b.does(Repaired);
        assert_eq!((b.car().phase, b.car().out_of_service), (Phase::Parked, false));
    });
    show("retire", |b| {
        let job = boarded(b);
        b.does(Retired);
        assert_eq!(job.port.demand(), glasswork_engine::Demand::Abandon);
        assert!(rejected(b, Repaired), "a retired car stays so");
    });

    let all: BTreeSet<_> = CarChart::rows().iter().map(|row| row.key).collect();
    assert_eq!(shown, all, "each row has a behaviour here");
}

fn rejected(building: &Building, event: CarEvent) -> bool {
    building
        .fixture
        .ask(building.car, crate::Event::Car(event))
        .is_err()
}

/// Opens the door where the car stands and lets it close; gives the reading of the load.
fn boarded(building: &Building) -> glasswork_engine::Job<crate::Elevator> {
    building.does(Called { floor: 0 });
    door_closes(building)
}

fn door_closes(building: &Building) -> glasswork_engine::Job<crate::Elevator> {
    let next = building.seq() + 1;
    building
        .fixture
        .clock
        .advance(std::time::Duration::from_millis(DOOR_MS));
    building.fixture.reach(building.car, next);
    let commits = building.fixture.reader.commits(building.car);
    assert_eq!(commits.last().unwrap().origin, Origin::Deadline);
    building.job()
}

/// The chart's state is a plain value: nothing runs because a car was loaded.
#[test]
fn a_car_that_is_loaded_runs_no_entry_again() {
    let car: Car = serde_json::from_str(&serde_json::to_string(&Car::default()).unwrap()).unwrap();
    assert_eq!(car, Car::default());
    let advance = advance::<CarChart>(Phase::Moving, Trigger::Passed, Conditions::NONE).unwrap();
    assert_eq!((advance.to, advance.intents), (Phase::Moving, vec![]));
}
