//! Who is signed in where, as the host's record has it.

use std::sync::Arc;

use glasswork_engine::{Context, DispatchId, Domain, Moment, Origin, ScopeId, Timestamp};
use glasswork_session_state::domain::{Event, Fact, Glasswork};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::sign_in::{self, Kind, PROVIDERS_CAP, SignIn, TEXT_CAP};
use glasswork_session_state::state::{Kind as ScopeKind, Scope};
use im::OrdMap;

const HOST: ScopeId = ScopeId::from_u128(1);

fn send(state: &mut Scope, event: sign_in::Event) -> Result<Vec<Fact>, Rejection> {
    let event = Event::SignIn(event);
    Glasswork::permit(state, &event, &Origin::User).unwrap();
    let context = Context {
        id: DispatchId::commit(HOST, 1),
        at: Timestamp(5),
        origin: &Origin::User,
    };
    let facts = Glasswork::decide(state, &event, &context)?.facts;
    for fact in &facts {
        let (seq, at) = (1, Timestamp(5));
        Glasswork::evolve(state, fact, Moment { seq, at });
    }
    Ok(facts)
}

fn sign_ins(state: &Scope) -> &OrdMap<Arc<str>, SignIn> {
    match state {
        Scope::Host(host) => &host.sign_ins,
        Scope::Session(_) => panic!("a session"),
    }
}

fn tokens(expires: i64) -> SignIn {
    SignIn {
        kind: Kind::Tokens,
        account: Some("ada@example.org".into()),
        expires: Some(Timestamp(expires)),
        scopes: vec!["models".into()],
        refused: None,
        kept_in: Default::default(),
    }
}

#[test]
fn a_sign_in_lives_from_its_beginning_to_its_end() {
    use sign_in::Event as E;
    let mut state = Glasswork::vacant(ScopeKind::Host, HOST);
    let provider: Arc<str> = "here".into();
    let unknown = send(
        &mut state,
        E::Refreshed {
            provider: provider.clone(),
            expires: None,
        },
    );
    assert_eq!(unknown, Err(Rejection::NotSignedIn("here".into())));
    let sign_in = tokens(10);
    let event = E::SignedIn {
        provider: provider.clone(),
        sign_in,
    };
    send(&mut state, event).unwrap();
    assert_eq!(sign_ins(&state)["here"], tokens(10));
    let refused = E::Refused {
        provider: provider.clone(),
        reason: "no".into(),
    };
    send(&mut state, refused).unwrap();
    let ended = SignIn {
        expires: None,
        refused: Some("no".into()),
        ..tokens(0)
    };
    assert_eq!(sign_ins(&state)["here"], ended);
    let refreshed = E::Refreshed {
        provider: provider.clone(),
        expires: Some(Timestamp(20)),
    };
    send(&mut state, refreshed).unwrap();
    assert_eq!(sign_ins(&state)["here"], tokens(20));
    // What is known already is not said again; what is gone is.
    let known = |sign_ins: &[(&str, SignIn)]| E::Known {
        sign_ins: sign_ins
            .iter()
            .map(|(name, sign_in)| (Arc::from(*name), sign_in.clone()))
            .collect(),
    };
    assert_eq!(send(&mut state, known(&[("here", tokens(20))])), Ok(vec![]));
    let facts = send(&mut state, known(&[("there", tokens(1))])).unwrap();
    assert_eq!(facts.len(), 2, "{facts:?}");
    assert_eq!(
        sign_ins(&state).keys().map(|name| &**name).collect::<Vec<_>>(),
        ["there"]
    );
    let out = E::SignedOut {
        provider: "there".into(),
    };
    send(&mut state, out.clone()).unwrap();
    assert!(sign_ins(&state).is_empty());
    assert!(send(&mut state, out).is_err());
    assert_eq!(state, Glasswork::vacant(ScopeKind::Host, HOST));
}

#[test]
fn what_a_provider_says_is_kept_within_bounds() {
    let mut state = Glasswork::vacant(ScopeKind::Host, HOST);
    for number in 0..=PROVIDERS_CAP {
        let long: Arc<str> = "ä".repeat(TEXT_CAP).into();
        let sign_in = SignIn {
            account: Some(long.clone()),
            scopes: vec![long; 1000],
            ..tokens(1)
        };
        let provider = format!("p{number}").into();
        let sent = send(&mut state, sign_in::Event::SignedIn { provider, sign_in });
        assert_eq!(sent.is_err(), number == PROVIDERS_CAP, "{number}");
    }
    let size = serde_json::to_string(sign_ins(&state)).unwrap().len();
    assert!(size < PROVIDERS_CAP * TEXT_CAP * 70, "{size}");
}
