//! Three lanes: a cancel is never behind more than a handful of dispatches, results are never lost, streams and
//! prompts take turns, and consequences come directly after what asked for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use glasswork_engine::test_support::Fixture;
use glasswork_engine::{DispatchId, FeedItem, Limits, Origin, Refusal};

use crate::elevator::car::Event::*;
use crate::elevator::{Drill, Event};
use crate::{Building, chime};

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn crowded() -> Building {
    let limits = Limits {
        outside: 64,
        feed_bytes: 64 << 20,
        ..Limits::default()
    };
    Building::of(Fixture::with(limits))
}

#[test]
fn a_cancel_commits_within_ten_dispatches_while_a_thousand_effects_finish_and_the_door_is_full() {
    let b = crowded();
    let drive = b.drive(4);
    b.does(Rung { times: 1_000 });
    let chimes: Vec<_> = (0..1_000).map(|_| chime(&b.fixture.runner)).collect();
    let mut following = b.fixture.reader.follow(b.car, None).unwrap();
    let user = &b.fixture.user;
    let call = || user.submit(b.car, Event::Car(Called { floor: 2 }));

    b.fixture.brake.hold();
    call().unwrap();
    b.fixture.brake.standing();
    let halted = AtomicBool::new(false);
    let halt = thread::scope(|scope| {
        // However this ends, the crowd goes home.
        let _done = OnDrop(&halted);
        while call().is_ok() {}
        scope.spawn(|| {
            while !halted.load(Ordering::Acquire) {
                assert!(matches!(call(), Ok(_) | Err(Refusal::Overloaded)));
            }
        });
        for job in chimes {
            job.port.finish(Event::Car(Chimed));
        }
        let ticket = user.submit(b.car, Event::Car(Halted)).unwrap();
        b.fixture.brake.release();
        ticket.answer_blocking().unwrap()
    });
    let waited = halt.id.seq - following.base.seq;
    assert!(waited <= 10, "the cancel was behind {waited} dispatches");

    b.fixture.fence();
    assert_eq!(b.car().chimes, 1_000, "no result is lost");
    assert_eq!(b.fixture.scope(b.car).open.len(), 1, "only the drive is open");

    // As long as both wait, results and calls take turns.
    let mut origins = Vec::new();
    while let Some(item) = following.follower.try_next() {
        let FeedItem::Commit(commit) = item else {
            panic!("{item:?}")
        };
        origins.push(matches!(commit.origin, Origin::Effect(_)));
    }
    let first = &origins[..100];
    let results = first.iter().filter(|result| **result).count();
    assert!(
        (45..=55).contains(&results),
        "{results} of the first hundred are results"
    );
    b.finish(drive, Arrived { floor: 1 });
}

#[test]
fn nothing_comes_between_a_commit_and_its_consequences() {
    let b = crowded();
    let drive = b.drive(4);
    b.does(Rung { times: 50 });
    let chimes: Vec<_> = (0..50).map(|_| chime(&b.fixture.runner)).collect();
    let user = &b.fixture.user;
    b.fixture.brake.hold();
    let first = user.submit(b.car, Event::Drill(Drill::Chain(8))).unwrap();
    b.fixture.brake.standing();
    let mut tickets = vec![];
    for _ in 0..10 {
        tickets.push(user.submit(b.car, Event::Drill(Drill::Chain(3))).unwrap());
        tickets.push(user.submit(b.car, Event::Car(Called { floor: 2 })).unwrap());
    }
    chimes
        .into_iter()
        .for_each(|job| job.port.finish(Event::Car(Chimed)));
    tickets.push(user.submit(b.car, Event::Car(Halted)).unwrap());
    b.fixture.brake.release();
    first.answer_blocking().unwrap();
    for ticket in tickets {
        ticket.answer_blocking().unwrap();
    }
    b.fixture.fence();

    let commits = b.fixture.reader.commits(b.car);
    let mut chains = 0;
    for pair in commits.windows(2) {
        let [before, after] = pair else { unreachable!() };
        if let Event::Drill(Drill::Chain(more @ 1..)) = before.event {
            assert_eq!(after.event, Event::Drill(Drill::Chain(more - 1)));
            assert_eq!((after.cause, after.consequence), (Some(before.id), Some(0)));
            assert_eq!(after.origin, Origin::User, "a consequence has its asker's origin");
            chains += 1;
        }
    }
    assert_eq!(chains, 8 + 10 * 3);
    b.finish(drive, Arrived { floor: 1 });
}

#[test]
fn consequences_come_in_their_order_each_followed_by_its_own() {
    let b = Building::new();
    let fork = b.fixture.accept(b.car, Event::Drill(Drill::Fork)).id.seq;
    b.fixture.fence();
    let commits = b.fixture.reader.commits(b.car);
    let after: Vec<_> = commits
        .iter()
        .filter(|commit| commit.id.seq > fork)
        .map(|commit| {
            (
                commit.cause.unwrap().seq - fork,
                commit.consequence,
                &commit.event,
            )
        })
        .collect();
    let chain = |more| Event::Drill(Drill::Chain(more));
    assert_eq!(
        after,
        [
            (0, Some(0), &chain(2)),
            (1, Some(0), &chain(1)),
            (2, Some(0), &chain(0)),
            (0, Some(1), &chain(0)),
        ]
    );
}

#[test]
fn a_chain_of_consequences_that_would_not_end_is_cut() {
    let b = Building::new();
    b.fixture.accept(b.car, Event::Drill(Drill::Chain(1_000)));
    b.fixture.fence();
    let scope = b.fixture.scope(b.car);
    assert_eq!(scope.seq, 1 + 65, "the commit, and 64 consequences");
    let cut = DispatchId {
        refusal: 1,
        ..DispatchId::commit(b.car, scope.seq)
    };
    let traces = b.fixture.reader.traces(b.car);
    assert!(format!("{traces:?}").contains("more than 64 consequences in a chain"));
    assert!(format!("{traces:?}").contains(&format!("{cut:?}")));
}
