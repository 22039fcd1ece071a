//! Following: a base, then every commit exactly once, or a marked gap.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use glasswork_engine::test_support::{Fixture, wait};
use glasswork_engine::{Cursor, FeedItem, Follower, Limits, ScopeId};

use crate::elevator::{Elevator, Event, Kind, ledger};

fn note() -> Event {
    let text = "a guest left an umbrella".to_owned();
    Event::Ledger(ledger::Event::Noted { text })
}

fn fixture(limits: Limits) -> (Fixture<Elevator>, ScopeId) {
    let fixture = Fixture::with(limits);
    let ledger = fixture.create(Kind::Ledger);
    (fixture, ledger)
}

/// Reads up to commit `last`; gives how many commits came and how many were marked as missed.
fn read(follower: &mut Follower<Elevator>, mut seen: u64, last: u64) -> (u64, u64) {
    let (mut came, mut missed) = (0, 0);
    while seen < last {
        match wait(follower.next()) {
            FeedItem::Commit(commit) => {
                assert_eq!(commit.id.seq, seen + 1, "once, and in order");
                seen += 1;
                came += 1;
            }
            FeedItem::Gap { from, to } => {
                assert_eq!(from, seen + 1, "a gap begins where the last item ended");
                missed += to - seen;
                seen = to;
            }
            FeedItem::JournalFailed(_) | FeedItem::Ended => panic!("ended at {seen}"),
        }
    }
    assert_eq!(seen, last, "and nothing more");
    (came, missed)
}

#[test]
fn whoever_joins_at_whatever_moment_gets_everything_once_beside_one_who_does_not_read() {
    let total = 3_000;
    let (fixture, ledger) = fixture(Limits {
        feed_bytes: 256 << 10,
        ..Limits::default()
    });
    let reader = &fixture.reader;
    let mut slow = reader.follow(ledger, None).unwrap();
    let begun = AtomicBool::new(false);
    thread::scope(|scope| {
        for joiner in 0..6u64 {
            let begun = &begun;
            scope.spawn(move || {
                while !begun.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                // Each joins many times, when the writer is at work; where it joins is up to the scheduler.
                let mut last = 0;
                while last < total {
                    let mut following = reader.follow(ledger, None).unwrap();
                    let base = following.base.state.ledger().notes;
                    assert_eq!(u64::from(base), following.base.seq, "the base is of its seq");
                    let until = total.min(following.base.seq + 40 + joiner * 7);
                    let (came, missed) = read(&mut following.follower, following.base.seq, until);
                    assert_eq!((came, missed), (until - following.base.seq, 0));
                    last = until;
                }
            });
        }
        let tickets = (0..total).map(|_| {
            begun.store(true, Ordering::Release);
            wait(fixture.user.dispatch(ledger, note())).unwrap().id.seq
        });
        assert_eq!(tickets.last(), Some(total));
    });
    let (came, missed) = read(&mut slow.follower, 0, total);
    assert!(came > 0 && missed > 0, "{came} came, {missed} were missed");
    fixture.accept(ledger, note());
    let item = slow.follower.try_next();
    assert!(
        matches!(&item, Some(FeedItem::Commit(commit)) if commit.id.seq == total + 1),
        "after a gap it goes on: {item:?}"
    );
}

#[test]
fn a_cursor_resumes_a_forgotten_one_gets_a_gap_a_foreign_one_starts_anew() {
    let (fixture, ledger) = fixture(Limits {
        log_bytes: 32 << 10,
        ..Limits::default()
    });
    for _ in 0..200 {
        fixture.accept(ledger, note());
    }
    let epoch = fixture.scope(ledger).epoch;
    let follow = |epoch, seq| {
        fixture
            .reader
            .follow(ledger, Some(Cursor { epoch, seq }))
            .unwrap()
    };

    let mut resumed = follow(epoch, 190);
    assert!(!resumed.resync);
    assert_eq!(read(&mut resumed.follower, 190, 200), (10, 0));

    let mut old = follow(epoch, 3);
    assert!(!old.resync);
    assert_eq!(old.follower.try_next(), Some(FeedItem::Gap { from: 4, to: 200 }));
    fixture.accept(ledger, note());
    assert_eq!(read(&mut old.follower, 200, 201), (1, 0));

    for (epoch, seq) in [(epoch + 1, 190), (epoch - 1, 190), (epoch, 202)] {
        let mut foreign = follow(epoch, seq);
        assert!(foreign.resync, "epoch {epoch}, commit {seq}");
        assert_eq!(foreign.base.seq, 201);
        assert_eq!(foreign.follower.try_next(), None, "it starts from the base");
    }
}
