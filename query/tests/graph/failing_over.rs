//! Models that were given up, and breakers, as the graph tells them.

use glasswork_ai::failure::FailureClass;
use glasswork_engine::Timestamp;
use glasswork_session_state::breaker::{Breaker, State};
use glasswork_session_state::failover::{self, Bar, Candidate};
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::{Event, host};
use serde_json::json;

use crate::world::{S, World};

#[test]
fn who_was_given_up_and_why_and_what_it_had_said() {
    let world = World::new(Mode::Ask);
    let models = ["none/model", "scripted/b"].map(|id| id.parse().unwrap());
    world.set(Setting::FallbackModels(Sourced::from_layer(
        models.to_vec(),
        Layer::User,
    )));
    world.set(Setting::RetryAttempts(Sourced::from_layer(1, Layer::User)));
    world.accept(Event::Failover(failover::Event::Told {
        candidates: vec![Candidate {
            model: "none/model".parse().unwrap(),
            barred: Some(Bar::NoKey {
                expected: "NONE_KEY".into(),
            }),
            window: None,
            tools: None,
        }],
    }));
    world.prompt("go");
    world.fail("half a word", FailureClass::Overloaded);
    let turn = "turn { fallback givenUp { model request failure { class } skipped { kind text } } failure { givenUp { model } } }";
    let all = "entries(allBranches: true) { nodes { kind active text body { ... on SupersededBody { model by said request failure { class } } } } }";
    let seen = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ {turn} {all} nextRequest {{ model }} }} }}"
    ));
    let given_up = json!([
        { "model": "scripted/test", "request": 1, "failure": { "class": "OVERLOADED" }, "skipped": null },
        {
            "model": "none/model", "request": null, "failure": null,
            "skipped": { "kind": "NO_KEY", "text": "there is no key for it: set NONE_KEY" },
        },
    ]);
    let session = &seen["session"];
    let query = format!(
        "{{ session(id: \"{S}\") {{ candidates {{ model barred {{ kind text }} contextWindow tools }} }} }}"
    );
    assert_eq!(
        world.ask(&query)["session"]["candidates"],
        json!([{
            "model": "none/model", "barred": given_up[1]["skipped"], "contextWindow": null, "tools": null,
        }])
    );
    assert_eq!(
        session["turn"],
        json!({ "fallback": "scripted/b", "givenUp": given_up, "failure": null })
    );
    assert_eq!(
        session["entries"]["nodes"][1],
        json!({
            "kind": "SUPERSEDED", "active": false, "text": "half a word",
            "body": {
                "model": "scripted/test", "by": "scripted/b", "said": "half a word", "request": 1,
                "failure": { "class": "OVERLOADED" },
            },
        })
    );
    assert_eq!(session["nextRequest"]["model"], "scripted/b");

    world.fail("", FailureClass::Unavailable);
    let seen = world.ask(&format!("{{ session(id: \"{S}\") {{ {turn} }} }}"));
    let models: Vec<_> = seen["session"]["turn"]["failure"]["givenUp"]
        .as_array()
        .unwrap()
        .iter()
        .map(|given_up| given_up["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["scripted/test", "none/model", "scripted/b"]);
}

#[test]
fn how_the_breakers_stand() {
    let world = World::new(Mode::Ask);
    let seen = |time: i64| Timestamp(1_795_236_311_000_000 + time);
    let query = "{ host { providers { name breaker { state since until failures failedTries } } } }";
    let closed = json!({ "state": "CLOSED", "since": null, "until": null, "failures": [], "failedTries": 0 });
    assert_eq!(
        world.ask(query)["host"]["providers"],
        json!([{ "name": "scripted", "breaker": closed }])
    );
    let open = Breaker {
        state: State::Open,
        since: seen(2),
        until: Some(seen(30_000_000)),
        failures: vec![seen(1), seen(2)],
        failed_tries: 3,
    };
    let breakers = [(std::sync::Arc::from("other"), open)].into_iter().collect();
    world
        .engine
        .accept(world.host, Event::Host(host::Event::BreakersSeen(breakers)));
    let providers = world.ask(query)["host"]["providers"].clone();
    assert_eq!(providers[0], json!({ "name": "scripted", "breaker": closed }));
    let other = &providers[1];
    assert_eq!(
        (&other["name"], &other["breaker"]["state"]),
        (&json!("other"), &json!("OPEN"))
    );
    assert_eq!(other["breaker"]["failedTries"], 3);
    assert_eq!(other["breaker"]["failures"].as_array().unwrap().len(), 2);
    let [since, until] = ["since", "until"].map(|field| other["breaker"][field].as_str().unwrap().to_owned());
    assert!(since < until, "{since} {until}");
}
