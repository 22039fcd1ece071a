//! Work in the outside world: each effect has one last word, and the gate hears it.

use std::sync::Arc;
use std::thread;

use glasswork_engine::journal::MemoryJournal;
use glasswork_engine::test_support::wait;
use glasswork_engine::trace::{EffectPhase, Outcome, TraceRecord};
use glasswork_engine::{Demand, Engine, Job, Limits, Parts, Party, Runner, ScopeId, SystemClock, Timestamp};

use crate::elevator::car::Event::*;
use crate::elevator::chart::Phase;
use crate::elevator::{Elevator, Event, Kind};
use crate::{Building, installed};

fn failure(b: &Building) -> String {
    assert_eq!(b.car().phase, Phase::OutOfOrder);
    b.car().failure.unwrap()
}

#[test]
fn a_runner_that_goes_without_a_word_loses_its_effect() {
    let b = Building::new();
    drop(b.drive(4));
    b.fixture.fence();
    assert_eq!(failure(&b), "Drive { to: 4 }: its runner is gone");
    assert_eq!(b.fixture.scope(b.car).open.len(), 0);
}

#[test]
fn a_runner_that_panics_loses_its_effect() {
    let b = Building::new();
    let job = b.drive(4);
    let ended = thread::spawn(move || {
        assert_eq!(job.port.demand(), Demand::Abandon, "the cable broke");
    })
    .join();
    assert!(ended.is_err());
    b.fixture.fence();
    assert_eq!(failure(&b), "Drive { to: 4 }: its runner is gone");
}

#[test]
fn a_runner_that_panics_on_the_writer_itself_loses_its_effect_and_the_engine_lives_on() {
    struct Broken;
    impl Runner<Elevator> for Broken {
        fn run(&self, _: Job<Elevator>) {
            panic!("no motor");
        }
    }
    let journal = MemoryJournal::new();
    let engine = Engine::start(Parts {
        journal: Box::new(journal.clone()),
        runner: Arc::new(Broken),
        clock: Arc::new(SystemClock::default()),
        trace: Box::new(()),
        limits: Limits::default(),
    })
    .unwrap();
    let car = ScopeId::mint();
    wait(engine.mount(journal.create(car, Kind::Car, Timestamp(0)).unwrap())).unwrap();
    let user = engine.handle(Party::User);
    wait(user.dispatch(car, installed(5))).unwrap();
    wait(user.dispatch(car, Event::Car(Called { floor: 3 }))).unwrap();
    let mut following = engine.reader().follow(car, None).unwrap();
    while engine.reader().scope(car).unwrap().state.car().phase != Phase::OutOfOrder {
        let _ = wait(following.follower.next());
    }
    wait(user.dispatch(car, Event::Car(Repaired))).unwrap();
}

#[test]
fn a_result_that_the_gate_refuses_loses_its_effect_with_the_reason() {
    let b = Building::new();
    let job = b.drive(4);
    let key = job.port.key();
    b.finish(job, Arrived { floor: 99 });
    let reason = failure(&b);
    assert!(reason.contains("its result was refused"), "{reason}");
    assert!(
        reason.contains("there is no floor 99; the highest is 9"),
        "{reason}"
    );

    // The refused word is the cause of the last one, and on record.
    let commits = b.fixture.reader.commits(b.car);
    let last = commits.last().unwrap();
    let refused = last.cause.unwrap();
    assert_eq!((last.settles, refused.refusal), (Some(key), 1));
    let traces = b.fixture.reader.traces(b.car);
    assert!(traces.iter().any(|record| matches!(
        &**record,
        TraceRecord::Dispatch(dispatch)
            if dispatch.id == refused && matches!(dispatch.outcome, Outcome::Rejected { .. })
    )));
}

#[test]
fn progress_that_waits_is_merged_and_comes_before_the_result() {
    let b = Building::new();
    let job = b.drive(4);
    let before = b.seq();
    let passed = |floor| Event::Car(Passed { floors: vec![floor] });
    b.fixture.brake.hold();
    let ticket = b
        .fixture
        .user
        .submit(b.car, Event::Car(Called { floor: 9 }))
        .unwrap();
    b.fixture.brake.standing();
    for floor in 1..=3 {
        job.port.progress(passed(floor));
    }
    b.fixture.brake.release();
    ticket.answer_blocking().unwrap();
    b.fixture.fence();
    let floors = vec![1, 2, 3];
    let commits = b.fixture.reader.commits(b.car);
    assert_eq!(
        commits.last().unwrap().event,
        Event::Car(Passed { floors }),
        "one commit, with all"
    );
    assert_eq!(b.seq(), before + 2);

    let key = job.port.key();
    job.port.progress(passed(4));
    b.finish(job, Arrived { floor: 4 });
    let commits = b.fixture.reader.commits(b.car);
    let names: Vec<_> = commits
        .iter()
        .skip(before as usize + 2)
        .map(|commit| &commit.event)
        .collect();
    assert_eq!(names, [&passed(4), &Event::Car(Arrived { floor: 4 })]);
    let phases: Vec<_> = b
        .fixture
        .reader
        .traces(b.car)
        .iter()
        .filter_map(|record| match &**record {
            TraceRecord::Effect(effect) if effect.effect == key => Some(effect.phase),
            _ => None,
        })
        .collect();
    use EffectPhase::{Finished, Progressed, Started};
    assert_eq!(phases, [Started, Progressed, Progressed, Finished]);
}

#[test]
fn a_runner_is_told_what_is_asked_of_it_and_that_the_engine_has_ended() {
    let b = Building::new();
    let drive = b.drive(4);
    let mut demands = drive.port.demands();
    assert_eq!(drive.port.demand(), Demand::Run);
    b.does(Halted);
    assert_eq!(wait(demands.stopped()), Demand::Stop);
    b.fixture.engine.stop();
    assert_eq!(drive.port.demand(), Demand::Abandon);
}
