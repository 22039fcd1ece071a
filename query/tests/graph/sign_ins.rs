//! Where somebody is signed in, as the graph tells it.

use glasswork_engine::Timestamp;
use glasswork_session_state::Event;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::sign_in::{self, KeptIn, Kind, SignIn};
use serde_json::{Value, json};

use crate::world::World;

fn providers(world: &World) -> Value {
    let query = "{ host { providers { name credential signedIn signInKind signInKeptIn account expires scopes signInRefused } } }";
    world.ask(query)["host"]["providers"].clone()
}

#[test]
fn who_is_signed_in_where_and_until_when() {
    let world = World::new(Mode::Ask);
    let scripted = json!({
        "name": "scripted", "credential": "NOT_NEEDED", "signedIn": false, "signInKind": null, "signInKeptIn": null, "account": null,
        "expires": null, "scopes": [], "signInRefused": null,
    });
    assert_eq!(providers(&world), json!([scripted]));
    let send = |event| world.engine.accept(world.host, Event::SignIn(event));
    send(sign_in::Event::SignedIn {
        provider: "elsewhere".into(),
        sign_in: SignIn {
            kind: Kind::Tokens,
            account: Some("ada@example.org".into()),
            expires: Some(Timestamp(1_800_000_000_000_000)),
            scopes: vec!["models".into()],
            refused: None,
            kept_in: KeptIn::Keyring,
        },
    });
    let mut elsewhere = json!({
        "name": "elsewhere", "credential": "PRESENT", "signedIn": true, "signInKind": "TOKENS", "signInKeptIn": "KEYRING",
        "account": "ada@example.org", "expires": "2027-01-15T08:00:00Z", "scopes": ["models"], "signInRefused": null,
    });
    assert_eq!(
        providers(&world)[1]["expires"].as_str().map(|time| &time[..19]),
        Some("2027-01-15T08:00:00")
    );
    elsewhere["expires"] = providers(&world)[1]["expires"].clone();
    assert_eq!(providers(&world), json!([scripted, elsewhere]));
    send(sign_in::Event::Refused {
        provider: "elsewhere".into(),
        reason: "invalid_grant".into(),
    });
    for (field, value) in [
        ("signedIn", json!(false)),
        ("expires", Value::Null),
        ("signInRefused", json!("invalid_grant")),
        ("credential", json!("MISSING")),
    ] {
        elsewhere[field] = value;
    }
    assert_eq!(providers(&world), json!([scripted, elsewhere]));
}
