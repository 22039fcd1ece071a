//! A journal that cannot be written: what was not written never happened, and nothing more does.

use glasswork_engine::test_support::{Fixture, assert_replays};
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{DispatchId, FeedItem, Refusal};

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::{Drill, Elevator, Event};

#[test]
fn after_a_failed_append_nothing_is_released_and_the_scope_stays_readable() {
    let b = Building::of(Fixture::default().unguarded());
    b.does(Called { floor: 0 });
    let written = b.fixture.scope(b.car);
    let mut following = b.fixture.reader.follow(b.car, None).unwrap();
    b.fixture.journal.fail("the disk is full");

    let lost = b.fixture.ask(b.car, Event::Car(Rung { times: 3 })).unwrap_err();
    let reason = "the disk is full".into();
    assert_eq!(lost, Refusal::JournalUnavailable { id: None, reason });
    b.fixture.fence();
    assert_eq!(b.fixture.runner.waiting(), 0, "no effect of it runs");
    let now = b.fixture.scope(b.car);
    assert_eq!(*now, *written, "readable, as of the last written line");
    assert_eq!(now.journal_failure.as_deref(), Some("the disk is full"));
    let told = FeedItem::JournalFailed("the disk is full".into());
    assert_eq!(
        following.follower.try_next(),
        Some(told),
        "who follows is told, and sees no commit"
    );
    assert_eq!(following.follower.try_next(), None);
    assert_replays::<Elevator>(&b.fixture.journal.bytes(b.car), &now);

    // What comes now is refused before it is decided, under a name.
    for number in 1..=2 {
        let refused = b
            .fixture
            .ask(b.car, Event::Drill(Drill::DecidePanics))
            .unwrap_err();
        let id = DispatchId {
            refusal: number,
            ..DispatchId::commit(b.car, written.seq)
        };
        let reason = "the disk is full".into();
        assert_eq!(refused, Refusal::JournalUnavailable { id: Some(id), reason });
    }
    let traces = b.fixture.reader.traces(b.car);
    let failed = traces.iter().find_map(|record| match &**record {
        TraceRecord::JournalFailed { seq, reason, .. } => Some((*seq, reason.clone())),
        _ => None,
    });
    assert_eq!(failed, Some((written.seq + 1, "the disk is full".to_owned())));
}

/// Names of refusals stay unique when numbering falls back to the last written commit.
#[test]
fn what_was_refused_before_the_failure_keeps_its_name_for_itself() {
    let b = Building::of(Fixture::default().unguarded());
    let refused = || match b.fixture.ask(b.car, Event::Car(Departed)).unwrap_err() {
        Refusal::Rejected { id, .. } => id,
        Refusal::JournalUnavailable { id: Some(id), .. } => id,
        other => panic!("{other:?}"),
    };
    let mut names = vec![refused(), refused()];
    b.fixture.journal.shut();
    let call = || {
        b.fixture
            .user
            .submit(b.car, Event::Drill(Drill::Chain(0)))
            .unwrap()
    };
    let mut waiting = vec![call()];
    names.push(refused());
    b.fixture.journal.fail("the disk is full");
    waiting.push(call());
    for ticket in waiting {
        let lost = ticket.answer_blocking().unwrap_err();
        assert!(
            matches!(lost, Refusal::JournalUnavailable { id: None, .. }),
            "{lost:?}"
        );
    }
    names.extend([refused(), refused()]);
    let texts: Vec<_> = names.iter().map(|id| (id.seq, id.refusal)).collect();
    assert_eq!(texts, [(1, 1), (1, 2), (2, 1), (1, 3), (1, 4)]);
}
