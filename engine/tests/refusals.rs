//! A refusal changes nothing, has a name of its own, and is on record under it.

use std::collections::BTreeSet;

use glasswork_engine::test_support::{Fixture, wait};
use glasswork_engine::trace::{DispatchTrace, Outcome, TraceRecord};
use glasswork_engine::{DispatchId, Limits, Party, Refusal};

use crate::Building;
use crate::elevator::car::Event::*;
use crate::elevator::{Breach, Drill, Elevator, Event, Grant, Kind, Rejection, ledger};

fn trace(building: &Building, id: DispatchId) -> DispatchTrace {
    let traces = building.fixture.reader.traces(id.scope);
    let mut found = traces.iter().filter_map(|record| match &**record {
        TraceRecord::Dispatch(dispatch) if dispatch.id == id => Some((**dispatch).clone()),
        _ => None,
    });
    let dispatch = found.next().unwrap_or_else(|| panic!("no trace of {id}"));
    assert_eq!(found.next(), None, "{id} names two dispatches");
    dispatch
}

#[test]
fn every_kind_of_refusal_is_told_and_found_by_its_id() {
    let b = Building::new();
    let refused = |event: Event| b.fixture.ask(b.car, event).unwrap_err();
    let before = b.fixture.scope(b.car);
    let id = |refusal| DispatchId {
        refusal,
        ..DispatchId::commit(b.car, 1)
    };
    let drilled = |drill| refused(Event::Drill(drill));
    let panic = |text: &str| text.to_owned();

    let rejection = match refused(Event::Car(Held)) {
        Refusal::Rejected { id: named, rejection } => {
            assert_eq!(named, id(1));
            assert!(matches!(rejection, Rejection::Chart(_)));
            rejection.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        rejection,
        "the car chart, in state `parked`, has no transition for `hold`"
    );
    assert_eq!(
        drilled(Drill::Breach),
        Refusal::Invalid {
            id: id(2),
            breach: Breach::Astray(u16::MAX)
        }
    );
    for (number, (drill, text)) in (3..).zip([
        (Drill::DecidePanics, "drill: decide"),
        (Drill::EvolvePanics, "drill: evolve"),
        (Drill::CheckPanics, "drill: check"),
    ]) {
        assert_eq!(
            drilled(drill),
            Refusal::Failed {
                id: id(number),
                panic: panic(text)
            }
        );
    }
    let Refusal::Failed { id: named, panic } = drilled(Drill::TermsPanic) else {
        panic!("a panic in what the gate asks besides fails the dispatch");
    };
    assert_eq!(named, id(6));
    assert!(panic.contains("drill: terms"), "{panic}");

    let text = "x".repeat(glasswork_engine::line::MAX_LINE);
    let large = b
        .fixture
        .ask(b.ledger, Event::Ledger(ledger::Event::Noted { text }));
    let Err(Refusal::TooLarge { id: too_large, bytes }) = large else {
        panic!("{large:?}");
    };
    assert!(bytes > glasswork_engine::line::MAX_LINE);
    assert_eq!(too_large.to_string(), format!("{}/0!1", b.ledger));
    assert_eq!(trace(&b, too_large).outcome, Outcome::TooLarge { bytes });

    assert_eq!(b.fixture.scope(b.car), before, "nothing changed");
    let kinds: Vec<_> = (1..=6).map(|number| trace(&b, id(number)).outcome).collect();
    assert!(
        matches!(
            &kinds[..],
            [
                Outcome::Rejected { .. },
                Outcome::Invalid { .. },
                Outcome::Failed { .. },
                Outcome::Failed { .. },
                Outcome::Failed { .. },
                Outcome::Failed { .. },
            ]
        ),
        "{kinds:?}"
    );

    // The engine lives on, and numbers go on from the next commit.
    b.does(Called { floor: 0 });
    let Refusal::Rejected { id, .. } = refused(Event::Car(Departed)) else {
        panic!("it does not depart while its door is open");
    };
    assert_eq!(id.to_string(), format!("{}/2!1", b.car));
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn of_a_denied_event_the_digest_is_kept_and_not_the_payload() {
    let b = Building::new();
    let scout = b.fixture.engine.handle(Party::Agent("scout".into()));
    let event = Event::Car(Failed {
        reason: "the vault is on floor 7".into(),
    });
    let refusal = wait(scout.dispatch(b.car, event.clone())).unwrap_err();
    let Refusal::Denied { id, grant } = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(grant, Grant::NotListed("scout".into()));
    let trace = trace(&b, id);
    assert_eq!(
        trace.outcome,
        Outcome::Denied {
            grant: "scout is not on the list".to_owned(),
            digest: blake3::hash(&serde_json::to_vec(&event).unwrap())
                .to_hex()
                .to_string(),
        }
    );
    assert!(!serde_json::to_string(&trace).unwrap().contains("vault"));

    // The same party may do what its grant says, and the grant is on record.
    let guest = b.fixture.engine.handle(Party::Extension("porter".into()));
    wait(guest.dispatch(b.car, Event::Car(Called { floor: 0 }))).unwrap();
    let commits = b.fixture.reader.commits(b.car);
    assert_eq!(commits.last().unwrap().grant, Grant::Guest("porter".into()));
}

#[test]
fn the_word_of_a_closed_effect_is_stale_and_on_record() {
    let b = Building::new();
    let job = b.drive(4);
    let key = job.port.key();
    b.does(Failed {
        reason: "smoke".into(),
    });
    let before = b.fixture.scope(b.car);
    b.finish(job, Arrived { floor: 4 });
    assert_eq!(b.fixture.scope(b.car), before);
    let id = DispatchId {
        refusal: 1,
        ..DispatchId::commit(b.car, before.seq)
    };
    let trace = trace(&b, id);
    assert_eq!(
        (trace.outcome, trace.event.as_ref()),
        (Outcome::Stale { effect: key }, "arrived")
    );
    assert_eq!(trace.cause, Some(DispatchId::commit(b.car, key.seq)));
}

#[test]
fn overload_is_told_at_the_door_and_recorded_once_per_burst() {
    let limits = Limits {
        outside: 8,
        ..Limits::default()
    };
    let fixture = Fixture::<Elevator>::with(limits);
    let ledger = fixture.create(Kind::Ledger);
    for burst in 1..=2 {
        fixture.brake.hold();
        let mut taken = Vec::new();
        let note = || Event::Ledger(ledger::Event::Noted { text: String::new() });
        taken.push(fixture.user.submit(ledger, note()).unwrap());
        fixture.brake.standing();
        let mut refused = 0;
        while refused < 5 {
            match fixture.user.submit(ledger, note()) {
                Ok(ticket) => taken.push(ticket),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Overloaded);
                    refused += 1;
                }
            }
        }
        assert_eq!(taken.len(), 8, "as many as there are places");
        fixture.brake.release();
        for ticket in taken {
            ticket.answer_blocking().unwrap();
        }
        fixture.fence();
        let traces = fixture.reader.traces(ledger);
        let told = traces.iter().filter_map(|record| match &**record {
            TraceRecord::Overload { refused, .. } => Some(*refused),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), vec![5; burst]);
    }
}

/// A burst is not over because one of those who wait was served.
#[test]
fn a_burst_that_lasts_over_several_dispatches_is_one_record() {
    let limits = Limits {
        outside: 8,
        ..Limits::default()
    };
    let fixture = Fixture::<Elevator>::with(limits);
    let ledger = fixture.create(Kind::Ledger);
    let submit = || {
        fixture.user.submit(
            ledger,
            Event::Ledger(ledger::Event::Noted { text: String::new() }),
        )
    };
    fixture.brake.hold();
    let mut taken = vec![submit().unwrap()];
    fixture.brake.standing();
    let mut refused = 0;
    for dispatch in 1..=5 {
        // The place that the last dispatch left is taken again at once.
        loop {
            match submit() {
                Ok(ticket) => taken.push(ticket),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Overloaded);
                    refused += 1;
                    break;
                }
            }
        }
        assert_eq!(taken.len(), 7 + dispatch);
        fixture.brake.step();
    }
    fixture.brake.release();
    for ticket in taken {
        ticket.answer_blocking().unwrap();
    }
    fixture.fence();
    let traces = fixture.reader.traces(ledger);
    let told = traces.iter().filter_map(|record| match &**record {
        TraceRecord::Overload { refused, .. } => Some(*refused),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [refused]);
}

#[test]
fn a_scope_that_is_not_mounted_is_named() {
    let b = Building::new();
    let nowhere = glasswork_engine::ScopeId::from_u128(77);
    assert_eq!(
        b.fixture.ask(nowhere, Event::Car(Held)),
        Err(Refusal::NotMounted(nowhere))
    );
}

/// All names of refusals in an epoch are different, whatever kinds and commits come between.
#[test]
fn names_of_refusals_are_unique() {
    let b = Building::new();
    for round in 0..20 {
        for _ in 0..round % 4 {
            b.fixture.ask(b.car, Event::Car(Departed)).unwrap_err();
        }
        b.fixture.accept(b.car, Event::Drill(Drill::Chain(round % 3)));
    }
    let mut names = BTreeSet::new();
    for record in b.fixture.reader.traces(b.car) {
        if let TraceRecord::Dispatch(dispatch) = &*record {
            assert!(names.insert(dispatch.id), "{} twice", dispatch.id);
        }
    }
    assert!(names.len() > 40, "{}", names.len());
}
