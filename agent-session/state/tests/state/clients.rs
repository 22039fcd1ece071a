//! Who is attached to the host's sessions, as its record has it.

use glasswork_engine::{Context, DispatchId, Domain, Moment, Origin, ScopeId, Timestamp};
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
