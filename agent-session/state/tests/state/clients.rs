//! Who is attached to the host's sessions, as its record has it.

use glasswork_engine::{Context, DispatchId, Domain, Moment, Origin, ScopeId, Timestamp};
use glasswork_session_state::clients::places::{Limits, Places};
use glasswork_session_state::clients::{CLIENTS_CAP, Client, Event as E, History, Left, NAME_BYTES, Role};
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::state::{Kind, Scope};
use im::OrdMap;

const HOST: ScopeId = ScopeId::from_u128(1);
const SESSION: ScopeId = ScopeId::from_u128(2);

fn send(state: &mut Scope, seq: u64, origin: &Origin, event: E) -> Result<(), Rejection> {
    let event = Event::Client(event);
    Glasswork::permit(state, &event, origin).unwrap();
    let at = Timestamp(5);
    let id = DispatchId::commit(HOST, seq);
    let context = Context { id, at, origin };
    for fact in &Glasswork::decide(state, &event, &context)?.facts {
        Glasswork::evolve(state, fact, Moment { seq, at });
    }
    Ok(())
}

fn clients(state: &Scope) -> &OrdMap<u64, Client> {
    match state {
        Scope::Host(host) => &host.clients,
        Scope::Session(_) => panic!("a session"),
    }
}

fn attached(connection: u64, name: &str) -> E {
    E::Attached {
        connection,
        name: name.into(),
        session: SESSION,
        role: Role::Observer,
        history: History::Full,
    }
}

#[test]
fn an_attachment_is_named_by_its_commit_and_ended_by_its_own_connection_or_the_user() {
    let mut state = Glasswork::vacant(Kind::Host, HOST);
    let (one, two) = (Origin::Client(1), Origin::Client(2));
    let not = |seq| Err(Rejection::NotAttached(seq));
    assert_eq!(send(&mut state, 7, &one, attached(2, "a")), not(7), "for another");
    send(&mut state, 7, &one, attached(1, &"ä".repeat(NAME_BYTES))).unwrap();
    send(&mut state, 8, &two, attached(2, "b")).unwrap();
    let expected = Client {
        connection: 1,
        name: "ä".repeat(NAME_BYTES / 2).into(),
        session: SESSION,
        role: Role::Observer,
        history: History::Full,
        since: Timestamp(5),
    };
    assert_eq!(clients(&state)[&7], expected);
    let role = |attachment| E::RoleChanged {
        attachment,
        role: Role::Controller,
    };
    assert_eq!(send(&mut state, 9, &two, role(7)), not(7), "another's");
    send(&mut state, 9, &one, role(7)).unwrap();
    assert_eq!(clients(&state)[&7].role, Role::Controller);
    let left = |attachment| E::Detached {
        attachment,
        why: Left::ConnectionEnded,
    };
    assert_eq!(send(&mut state, 10, &two, left(7)), not(7), "another's");
    send(&mut state, 10, &Origin::User, left(7)).unwrap();
    assert_eq!(send(&mut state, 11, &one, left(7)), not(7), "it has left");
    let names: Vec<_> = clients(&state).values().map(|client| &*client.name).collect();
    assert_eq!(names, ["b"]);
    // What is not there is not written: records of hosts without clients are as they were.
    send(&mut state, 12, &two, left(8)).unwrap();
    assert!(!serde_json::to_string(&state).unwrap().contains("clients"));
}

#[test]
fn clients_have_a_cap() {
    let mut state = Glasswork::vacant(Kind::Host, HOST);
    for seq in 1..=CLIENTS_CAP as u64 {
        send(&mut state, seq, &Origin::Client(seq), attached(seq, "x")).unwrap();
    }
    let more = send(&mut state, 999, &Origin::Client(999), attached(999, "x"));
    assert_eq!(more, Err(Rejection::TooManyClients));
    assert_eq!(clients(&state).len(), CLIENTS_CAP);
}

#[test]
fn the_end_of_a_connection_ends_all_its_attachments_and_nobody_elses() {
    let mut state = Glasswork::vacant(Kind::Host, HOST);
    let (one, two) = (Origin::Client(1), Origin::Client(2));
    for (seq, origin, connection) in [(1, &one, 1), (2, &two, 2), (3, &one, 1)] {
        send(&mut state, seq, origin, attached(connection, "x")).unwrap();
    }
    send(&mut state, 4, &two, E::ConnectionEnded { connection: 1 }).unwrap();
    assert_eq!(clients(&state).len(), 3, "it ends its own only");
    send(&mut state, 5, &one, E::ConnectionEnded { connection: 1 }).unwrap();
    assert_eq!(clients(&state).keys().copied().collect::<Vec<_>>(), [2]);
    send(&mut state, 6, &one, E::ConnectionEnded { connection: 1 }).unwrap();
}

fn places(state: &Scope) -> &Places {
    match state {
        Scope::Host(host) => &host.places,
        Scope::Session(_) => panic!("a session"),
    }
}

fn line(state: &Scope) -> (Vec<u64>, Vec<u64>) {
    let places = places(state);
    (
        places.running.keys().copied().collect(),
        places.waiting.keys().copied().collect(),
    )
}

/// A commit, whose it is, what is asked, and who runs and who waits after it.
type Row = (u64, Origin, E, (&'static [u64], &'static [u64]));

#[test]
fn turns_take_places_in_the_order_in_which_they_were_asked_for() {
    let mut state = Glasswork::vacant(Kind::Host, HOST);
    let limits = Limits {
        running: 2,
        waiting: 2,
    };
    let asked = |connection| E::TurnAsked {
        connection,
        session: SESSION,
        limits,
    };
    let asks = |connection| asked(Some(connection));
    let over = |places: &[u64]| E::TurnsOver {
        places: places.to_vec(),
    };
    let client = Origin::Client;
    assert_eq!(
        send(&mut state, 1, &client(1), asks(2)),
        Err(Rejection::NotAttached(1)),
        "for another"
    );
    assert_eq!(
        send(&mut state, 1, &client(1), asked(None)),
        Err(Rejection::NotAttached(1)),
        "for the user of the host"
    );
    let all: &[Row] = &[
        (1, client(1), asks(1), (&[1], &[])),
        (2, client(2), asks(2), (&[1, 2], &[])),
        (3, client(3), asks(3), (&[1, 2], &[3])),
        (4, client(1), asks(1), (&[1, 2], &[3, 4])),
        // What is another's is not ended, nor what is not there.
        (6, client(2), over(&[1, 3, 77]), (&[1, 2], &[3, 4])),
        // Who does not wait any more is passed over.
        (7, client(3), over(&[3]), (&[1, 2], &[4])),
        (8, client(3), asks(3), (&[1, 2], &[4, 8])),
        (9, Origin::User, over(&[2, 1]), (&[4, 8], &[])),
        (10, Origin::User, over(&[8, 4, 4]), (&[], &[])),
        // The user of the host stands in the same line, and nobody else gives up what is the user's.
        (11, client(1), asks(1), (&[11], &[])),
        (12, client(1), asks(1), (&[11, 12], &[])),
        (13, Origin::User, asked(None), (&[11, 12], &[13])),
        (14, client(2), asks(2), (&[11, 12], &[13, 14])),
        (15, client(1), over(&[13, 14]), (&[11, 12], &[13, 14])),
        (16, client(1), over(&[11]), (&[12, 13], &[14])),
        (17, Origin::User, over(&[13]), (&[12, 14], &[])),
        (18, Origin::User, over(&[12, 14]), (&[], &[])),
    ];
    for (seq, origin, event, (running, waiting)) in all {
        if *seq == 6 {
            let more = send(&mut state, 5, &client(4), asks(4));
            assert_eq!(more, Err(Rejection::TooManyWaiting(2)));
            assert_eq!(
                [3, 4, 1].map(|place| places(&state).in_line(place)),
                [Some(1), Some(2), None]
            );
        }
        send(&mut state, *seq, origin, event.clone()).unwrap();
        assert_eq!(line(&state), (running.to_vec(), waiting.to_vec()), "after {seq}");
    }
}

#[test]
fn where_no_turn_may_run_all_wait_and_a_host_that_was_never_asked_has_no_line() {
    let mut state = Glasswork::vacant(Kind::Host, HOST);
    assert!(!serde_json::to_string(&state).unwrap().contains("places"));
    let asks = E::TurnAsked {
        connection: Some(1),
        session: SESSION,
        limits: Limits {
            running: 0,
            waiting: 1,
        },
    };
    send(&mut state, 1, &Origin::Client(1), asks).unwrap();
    assert_eq!(line(&state), (vec![], vec![1]));
    let over = E::TurnsOver { places: vec![1] };
    send(&mut state, 2, &Origin::User, over).unwrap();
    assert_eq!(line(&state), (vec![], vec![]));
}
