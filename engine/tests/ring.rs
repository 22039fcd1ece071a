//! The ring of past states: what was, as a pointer, within a cap.

use glasswork_engine::Limits;
use glasswork_engine::load::Fold;
use glasswork_engine::test_support::Fixture;

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::{Drill, Elevator, Event};

#[test]
fn the_past_is_what_the_journal_says_it_was_and_deltas_answer_with_the_state_before() {
    let b = Building::new();
    let drive = b.drive(8);
    for floor in 1..8 {
        let floors = vec![floor];
        drive.port.progress(Event::Car(Passed { floors }));
        b.fixture.fence();
    }
    b.finish(drive, Arrived { floor: 8 });
    b.does(Held);

    let journal = b.fixture.journal.bytes(b.car);
    let mut fold = Fold::<Elevator>::new();
    let (mut states, mut deltas) = (0, 0);
    let mut kept = None;
    for line in journal
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        fold.line(line).unwrap();
        let folded = fold.scope().unwrap();
        let past = b.fixture.reader.at(b.car, folded.seq).unwrap();
        if past.seq == folded.seq {
            assert_eq!(*past, *folded);
            kept = Some(past);
            states += 1;
        } else {
            assert_eq!(Some(past), kept, "the nearest earlier state that was kept");
            deltas += 1;
        }
    }
    assert_eq!((states, deltas), (6, 7));
    assert_eq!(
        b.fixture.reader.at(b.car, b.seq() + 1),
        None,
        "the future is not known"
    );
}

#[test]
fn the_past_takes_no_more_memory_than_it_may() {
    let cap = 64 << 10;
    let limits = Limits {
        ring_bytes: cap,
        log_bytes: cap,
        trace_bytes: cap,
        ..Limits::default()
    };
    let b = Building::of(Fixture::with(limits));
    for _ in 0..2_000 {
        b.fixture.accept(b.car, Event::Drill(Drill::Chain(0)));
    }
    let reader = &b.fixture.reader;
    let kept = (0..=b.seq())
        .filter(|seq| reader.at(b.car, *seq).is_some())
        .count();
    assert!(
        (4..=cap / 2_048).contains(&kept),
        "{kept} states, each of 2 KiB or more"
    );
    assert_eq!(reader.at(b.car, 1), None, "the oldest went first");
    let commits = reader.commits(b.car);
    let least = commits.iter().map(|commit| commit.size).sum::<usize>();
    assert!(
        (1..=cap).contains(&least),
        "{least} bytes of lines are in the log"
    );
    let traces = reader.traces(b.car);
    let least = traces.len() * size_of::<glasswork_engine::trace::DispatchTrace>();
    assert!((1..=cap).contains(&least), "{least} bytes of traces");
}
