//! What is remembered of each dispatch: its stages, their time, and whether it kept the writer too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glasswork_engine::journal::MemoryJournal;
use glasswork_engine::test_support::{ManualRunner, wait};
use glasswork_engine::trace::{DispatchTrace, Outcome, SLOW, TraceRecord};
use glasswork_engine::{
    Bell, Clock, DispatchId, Engine, Limits, Parts, Party, Reader, ScopeId, Stage, Timestamp,
};

use crate::elevator::car::Event::*;
use crate::elevator::{Elevator, Event, Kind};
use crate::installed;

/// A clock on which every look takes as long as it is told to.
#[derive(Debug, Default, Clone)]
struct Ticking {
    now: Arc<AtomicU64>,
    step: Arc<AtomicU64>,
}

impl Clock for Ticking {
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }

    fn awake(&self) -> Duration {
        let step = self.step.load(Ordering::Relaxed);
        Duration::from_nanos(self.now.fetch_add(step, Ordering::Relaxed))
    }

    fn wait(&self, bell: &Arc<Bell>, _: Option<Duration>) {
        bell.wait(None);
    }
}

fn trace(reader: &Reader<Elevator>, id: DispatchId) -> DispatchTrace {
    let traces = reader.traces(id.scope);
    let found = traces.iter().find_map(|record| match &**record {
        TraceRecord::Dispatch(dispatch) if dispatch.id == id => Some((**dispatch).clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no trace of {id}"))
}

#[test]
fn each_stage_is_timed_and_a_dispatch_that_takes_long_is_marked_refused_or_not() {
    let (journal, clock) = (MemoryJournal::new(), Ticking::default());
    let engine = Engine::<Elevator>::start(Parts {
        journal: Box::new(journal.clone()),
        runner: Arc::new(ManualRunner::default()),
        clock: Arc::new(clock.clone()),
        trace: Box::new(()),
        limits: Limits::default(),
    })
    .unwrap();
    let (user, reader) = (engine.handle(Party::User), engine.reader());
    let car = ScopeId::from_u128(1);
    wait(engine.mount(journal.create(car, Kind::Car, Timestamp(0)).unwrap())).unwrap();
    wait(user.dispatch(car, installed(3))).unwrap();

    let refusal = |seq, refusal| DispatchId {
        refusal,
        ..DispatchId::commit(car, seq)
    };
    let scout = engine.handle(Party::Agent("scout".into()));
    for (round, step, slow) in [(1, 10, false), (2, SLOW + 1, true)] {
        clock.step.store(step, Ordering::Relaxed);
        let seq = round + 1;
        // One that commits, one that its handler refuses, one that is denied at once.
        wait(user.dispatch(car, Event::Car(Called { floor: 0 }))).unwrap();
        wait(user.dispatch(car, Event::Car(Departed))).unwrap_err();
        wait(scout.dispatch(car, Event::Car(Departed))).unwrap_err();
        // The trace of a commit is written when its answer is out already.
        let _ = wait(engine.unmount(ScopeId::from_u128(0)));
        clock.step.store(0, Ordering::Relaxed);

        let committed = trace(&reader, DispatchId::commit(car, seq));
        assert_eq!(committed.outcome, Outcome::Committed);
        assert_eq!(committed.slow, slow);
        for stage in Stage::ALL {
            assert!(
                committed.stages[*stage as usize] >= step,
                "{} took no time",
                stage.name()
            );
        }
        assert!(committed.journal > 0);
        assert!(committed.facts > 0);

        let came_to = |id, last: Stage| {
            let refused = trace(&reader, id);
            let timed: Vec<_> = refused.stages.iter().map(|nanos| *nanos > 0).collect();
            let expected: Vec<_> = Stage::ALL
                .iter()
                .map(|stage| *stage as usize <= last as usize)
                .collect();
            assert_eq!(timed, expected, "{id} came to {}", last.name());
            assert_eq!(refused.slow, slow, "{id}");
        };
        came_to(refusal(seq, 1), Stage::Handler);
        came_to(refusal(seq, 2), Stage::Permission);
    }
}

#[test]
fn a_trace_reads_as_it_was_written() {
    let b = crate::Building::new();
    drop(b.drive(2));
    b.fixture.fence();
    b.fixture.ask(b.car, Event::Car(Held)).unwrap_err();
    let _ = wait(b.fixture.engine.unmount(b.ledger));
    let mut records = b.fixture.reader.traces(b.car);
    records.extend(b.fixture.reader.traces(b.ledger));
    assert!(records.len() > 8);
    for record in records {
        let text = serde_json::to_string(&*record).unwrap();
        assert_eq!(
            serde_json::from_str::<TraceRecord>(&text).unwrap(),
            *record,
            "{text}"
        );
    }
}
