//! Scopes come and go, each for itself; and an engine that stops leaves nothing half done.

use std::pin::pin;
use std::thread;

use glasswork_engine::load::load;
use glasswork_engine::test_support::wait;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{DispatchId, FeedItem, MountError, Refusal, UnmountError};

use crate::elevator::car::Event::*;
use crate::elevator::{Drill, Elevator, Event};
use crate::{Building, booked};

#[test]
fn a_scope_is_unmounted_at_rest_only_and_comes_back_as_it_was() {
    let b = Building::new();
    let engine = &b.fixture.engine;
    let job = b.drive(4);
    assert_eq!(wait(engine.unmount(b.car)), Err(UnmountError::Busy(b.car, 1)));
    b.finish(job, Arrived { floor: 4 });

    b.fixture.journal.shut();
    let mut held = pin!(b.fixture.user.dispatch(b.car, Event::Car(Held)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(held.as_mut(), &mut context).is_pending());
    b.fixture.fence();
    assert_eq!(
        wait(engine.unmount(b.car)),
        Err(UnmountError::Busy(b.car, 0)),
        "a line is not written yet"
    );
    b.fixture.journal.open();
    wait(held).unwrap();

    let before = b.fixture.scope(b.car);
    let mut following = b.fixture.reader.follow(b.car, None).unwrap();
    wait(engine.unmount(b.car)).unwrap();
    assert_eq!(wait(following.follower.next()), FeedItem::Ended);
    assert_eq!(b.fixture.reader.scope(b.car), None);
    assert_eq!(
        b.fixture.ask(b.car, Event::Car(Held)),
        Err(Refusal::NotMounted(b.car))
    );
    assert_eq!(wait(engine.unmount(b.car)), Err(UnmountError::NotMounted(b.car)));

    let loaded = b
        .fixture
        .journal
        .reopen::<Elevator>(b.car, glasswork_engine::Timestamp(9))
        .unwrap();
    b.fixture.mount(loaded.clone());
    assert_eq!(*b.fixture.scope(b.car), *before);
    assert_eq!(b.fixture.scope(b.car).epoch, before.epoch + 1);
    assert_eq!(wait(engine.mount(loaded)), Err(MountError::Mounted(b.car)));
    b.does(Held);
    let mounts = b.fixture.reader.traces(b.car);
    let mounts = mounts.iter().filter_map(|record| match &**record {
        TraceRecord::Mounted { epoch, seq, .. } => Some((*epoch, *seq)),
        _ => None,
    });
    assert_eq!(mounts.collect::<Vec<_>>(), [(1, 0), (2, before.seq)]);
}

#[test]
fn stopping_writes_all_that_was_accepted_and_tells_everybody() {
    let b = Building::new();
    let mut following = b.fixture.reader.follow(b.car, None).unwrap();
    b.fixture.journal.shut();
    b.fixture.journal.hold_syncs();
    let user = &b.fixture.user;
    let mut tickets = vec![user.submit(b.car, Event::Car(Called { floor: 4 })).unwrap()];
    tickets.extend((0..20).map(|_| user.submit(b.ledger, booked(0)).unwrap()));
    thread::scope(|scope| {
        let stopping = scope.spawn(|| b.fixture.engine.stop());
        // New requests are refused as soon as the writer knows; those before it are answered.
        loop {
            match user.submit(b.ledger, booked(0)) {
                Ok(ticket) => tickets.push(ticket),
                Err(Refusal::Stopped) => break,
                Err(refusal) => assert_eq!(refusal, Refusal::Overloaded),
            }
            thread::yield_now();
        }
        assert!(!stopping.is_finished());
        b.fixture.journal.open();
        // Written is not enough where somebody was promised the disk.
        b.fixture.reach(b.ledger, 20);
        (0..1_000).for_each(|_| thread::yield_now());
        assert!(!stopping.is_finished());
        b.fixture.journal.release_syncs();
        stopping.join().unwrap();
    });
    let mut answers: Vec<_> = tickets
        .into_iter()
        .map(|ticket| ticket.answer_blocking())
        .collect();
    // Whoever came through the door while it was closing may be turned away, nobody before.
    let late = answers.split_off(21);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let booked = 20 + late.iter().filter(|answer| answer.is_ok()).count() as u64;
    let ledger = load::<Elevator>(&b.fixture.journal.bytes(b.ledger)).unwrap();
    assert_eq!(
        ledger.scope.seq, booked,
        "each answered booking is in the journal, and no other"
    );

    assert_eq!(
        b.fixture.runner.waiting(),
        0,
        "no work is begun only to be abandoned"
    );
    assert_eq!(
        b.fixture.scope(b.car).open.len(),
        1,
        "recovery will find the drive"
    );
    assert_eq!(b.fixture.ask(b.car, Event::Car(Held)), Err(Refusal::Stopped));
    assert_eq!(
        b.fixture.ask(b.car, Event::Car(Halted)),
        Err(Refusal::Stopped),
        "urgent or not"
    );
    while wait(following.follower.next()) != FeedItem::Ended {}
    let mut late = b.fixture.reader.follow(b.car, None).unwrap();
    assert_eq!(
        wait(late.follower.next()),
        FeedItem::Ended,
        "nor does one who comes later wait"
    );
}

#[test]
fn two_scopes_go_their_own_ways_and_a_cause_may_lie_in_the_other() {
    let b = Building::new();
    let called = b.fixture.accept(b.car, Event::Car(Called { floor: 0 }));
    let trip = wait(b.fixture.user.dispatch_after(called.id, b.ledger, booked(250))).unwrap();
    assert_eq!((called.id.seq, trip.id.seq), (2, 1), "each counts for itself");
    b.fixture
        .ask(b.car, Event::Drill(Drill::EvolvePanics))
        .unwrap_err();
    b.does(Failed {
        reason: "smoke".into(),
    });
    assert_eq!(
        b.fixture.accept(b.ledger, booked(750)).id,
        DispatchId::commit(b.ledger, 2)
    );
    b.fixture.fence();
    let ledger = b.fixture.scope(b.ledger);
    assert_eq!(
        (ledger.seq, ledger.state.ledger().settled),
        (3, 1_000),
        "the full page is settled"
    );

    let commits = b.fixture.reader.commits(b.ledger);
    assert_eq!(commits[0].cause, Some(called.id));
    assert_eq!(commits[2].cause, Some(DispatchId::commit(b.ledger, 2)));
    // The journal names the other scope, and its own not at all.
    let journal = String::from_utf8(b.fixture.journal.bytes(b.ledger)).unwrap();
    let mut lines = journal.lines().skip(1);
    assert!(lines.next().unwrap().contains(&called.id.to_string()));
    assert!(lines.all(|line| !line.contains(&b.ledger.to_string())));
    let wrong = b.fixture.ask(b.ledger, Event::Car(Held));
    assert!(matches!(wrong, Err(Refusal::Rejected { .. })), "{wrong:?}");
}
