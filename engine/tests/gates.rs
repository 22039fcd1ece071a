//! Nothing happens in the world, and nobody sees anything, before the journal has the reason for it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use glasswork_engine::trace::{EffectPhase, TraceRecord};
use glasswork_engine::{Cursor, Demand, ScopeId};

use crate::elevator::Effect;
use crate::elevator::car::Event::*;
use crate::{Building, booked, chime};

fn is_pending(future: impl Future) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(pin!(future).poll(&mut context), Poll::Pending)
}

fn phases(building: &Building, scope: ScopeId) -> Vec<EffectPhase> {
    let traces = building.fixture.reader.traces(scope);
    let phases = traces.iter().filter_map(|record| match &**record {
        TraceRecord::Effect(effect) => Some(effect.phase),
        _ => None,
    });
    phases.collect()
}

#[test]
fn while_the_journal_has_not_written_a_line_nothing_follows_from_it() {
    let b = Building::new();
    let reader = &b.fixture.reader;
    let (before, epoch) = (b.seq(), b.fixture.scope(b.car).epoch);
    let mut following = reader.follow(b.car, None).unwrap();
    b.fixture.journal.shut();

    // The call, and the drive that follows from it; and a reading of another car that nobody waits for.
    let mut called = pin!(
        b.fixture
            .user
            .dispatch(b.car, crate::Event::Car(Called { floor: 3 }))
    );
    assert!(is_pending(called.as_mut()));
    b.fixture.fence();
    let mut rung = pin!(
        b.fixture
            .user
            .dispatch(b.car, crate::Event::Car(Rung { times: 2 }))
    );
    assert!(is_pending(rung.as_mut()));
    b.fixture.fence();

    assert!(is_pending(called.as_mut()), "no answer");
    assert_eq!(b.fixture.runner.waiting(), 0, "no runner");
    assert_eq!((b.seq(), b.car().queue.len()), (before, 0), "no reader");
    assert_eq!(reader.root().scope(b.car).unwrap().seq, before);
    assert_eq!(following.follower.try_next(), None, "no follower");
    assert_eq!(reader.at(b.car, before + 1), None, "no past");
    assert_eq!(reader.commits(b.car).len() as u64, before, "no log");
    assert_eq!(phases(&b, b.car), []);
    let cursor = Cursor {
        epoch,
        seq: before + 1,
    };
    assert!(
        reader.follow(b.car, Some(cursor)).unwrap().resync,
        "no cursor may know it"
    );

    b.fixture.journal.open();
    let accepted = glasswork_engine::test_support::wait(called).unwrap();
    assert_eq!(accepted.id.seq, before + 1);
    glasswork_engine::test_support::wait(rung).unwrap();
    b.fixture.fence();
    assert_eq!(b.seq(), before + 3);
    assert_eq!(b.fixture.runner.waiting(), 3, "a drive and two chimes");
    assert!(following.follower.try_next().is_some());
    assert_eq!(reader.at(b.car, before + 1).unwrap().seq, before + 1);
    let drive = b.job();
    b.finish(drive, Arrived { floor: 3 });
    for _ in 0..2 {
        let job = chime(&b.fixture.runner);
        b.finish(job, Chimed);
    }
}

#[test]
fn work_that_can_be_done_again_starts_when_written_work_that_cannot_when_synced() {
    let b = Building::new();
    b.fixture.journal.hold_syncs();
    b.does(Called { floor: 3 });
    b.does(Rung { times: 1 });
    b.fixture.fence();
    assert_eq!(
        b.car().phase,
        crate::elevator::chart::Phase::Moving,
        "readers see what is written"
    );
    let job = chime(&b.fixture.runner);
    b.finish(job, Chimed);
    assert_eq!(b.fixture.runner.waiting(), 0, "the drive waits for the disk");

    // An answer that promises the disk waits for it too.
    let mut booking = pin!(b.fixture.user.dispatch(b.ledger, booked(5)));
    assert!(is_pending(booking.as_mut()));
    b.fixture.fence();
    assert!(is_pending(booking.as_mut()));
    assert_eq!(b.fixture.scope(b.ledger).seq, 1);

    b.fixture.journal.release_syncs();
    assert_eq!(glasswork_engine::test_support::wait(booking).unwrap().id.seq, 1);
    let drive = b.job();
    assert_eq!(*drive.effect, Effect::Drive { to: 3 });
    assert_eq!(drive.port.demand(), Demand::Run);
    b.finish(drive, Arrived { floor: 3 });
}

#[test]
fn an_effect_that_is_closed_before_its_release_never_starts() {
    let b = Building::new();
    b.fixture.journal.hold_syncs();
    b.does(Called { floor: 3 });
    b.does(Failed {
        reason: "smoke".into(),
    });
    b.fixture.journal.release_syncs();
    b.fixture.fence();
    assert_eq!(b.fixture.runner.waiting(), 0);
    assert_eq!(phases(&b, b.car), [EffectPhase::Closed]);
    assert_eq!(b.fixture.scope(b.car).open.len(), 0);
}

#[test]
fn an_effect_that_is_stopped_before_its_release_starts_stopped_for_only_its_word_settles_it() {
    let b = Building::new();
    b.fixture.journal.hold_syncs();
    b.does(Called { floor: 3 });
    b.does(Halted);
    b.fixture.journal.release_syncs();
    let drive = b.job();
    assert_eq!(drive.port.demand(), Demand::Stop);
    b.finish(drive, Arrived { floor: 0 });
    assert_eq!(b.fixture.scope(b.car).open.len(), 0);
}
