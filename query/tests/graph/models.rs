//! Models: what is known of them, and what was used.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::local::{LocalModel, Server};
use glasswork_ai::model::ModelId;
use glasswork_ai::price::Rates;
use glasswork_ai::rate_limit::RateLimit;
use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::{Event, fork, host};
use serde_json::json;

use crate::world::{S, World, ask};

#[test]
fn a_model_is_told_with_what_is_known_of_it_and_null_for_what_is_not() {
    let world = World::new(Mode::Ask);
    let query = r#"{ model(id: "openai/gpt-5") { id contextWindow maxOutput tools images structuredOutput thinking
        thinkingLevels ends name chosenBy spent credential
        prices { rates { input output cacheRead cacheWrite cacheWrite1H } tiers { above } } } }"#;
    assert_eq!(
        world.ask(query)["model"],
        json!({
            "id": "openai/gpt-5", "contextWindow": 272_000, "maxOutput": 128_000, "tools": true, "images": true,
            "structuredOutput": true, "thinking": "LEVELS", "thinkingLevels": ["MINIMAL", "LOW", "MEDIUM", "HIGH"],
            "ends": "2026-12-11", "name": null, "chosenBy": 0, "spent": 0, "credential": null,
            "prices": {
                "rates": { "input": "1.25", "output": "10.00", "cacheRead": "0.125", "cacheWrite": null, "cacheWrite1H": null },
                "tiers": [],
            },
        })
    );
    assert_eq!(
        world.ask(r#"{ model(id: "home/nobody") { id } }"#)["model"],
        json!(null)
    );
    let wrong = ask(
        &world.graph(),
        Viewer::owner(),
        r#"{ model(id: "nobody") { id } }"#,
    );
    assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_ID", "{wrong}");
}

#[test]
fn models_are_those_in_use_or_those_that_a_filter_names() {
    let world = World::new(Mode::Ask);
    world.turn();
    let entry = Entry {
        price: Rates {
            input: Some("0.5".parse().unwrap()),
            ..Rates::default()
        },
        ..Entry::default()
    };
    let own = BTreeMap::from([("home/llama".parse::<ModelId>().unwrap(), entry)]);
    let catalogue = Arc::new(Catalogue::with([("own.ron".into(), own)]));
    let graph = world.graph().with_models(catalogue);
    let asked = |query: &str| ask(&graph, Viewer::of(world.session), query)["data"]["models"].clone();
    assert_eq!(
        asked("{ models { id chosenBy attempts } }"),
        json!([{ "id": "scripted/test", "chosenBy": 1, "attempts": 2 }])
    );
    assert_eq!(
        asked(r#"{ models(filter: "LLAMA home") { id from prices { version rates { input output } } } }"#),
        json!([{ "id": "home/llama", "from": ["own.ron"],
                 "prices": { "version": "own.ron", "rates": { "input": "0.50", "output": null } } }])
    );
    let many = asked(r#"{ models(filter: "") { id } }"#);
    assert_eq!(many.as_array().unwrap().len(), 200, "as many as a page has");
}

#[test]
fn what_is_not_priced_has_no_cost() {
    let world = World::new(Mode::Ask);
    world.turn();
    let query = format!(
        r#"{{ session(id: "{S}") {{ turn {{ spent }} usage {{ cost spent models {{ cost spent unreported }} }} }} }}"#
    );
    assert_eq!(
        world.ask(&query)["session"],
        json!({ "turn": { "spent": 0 },
                "usage": { "cost": null, "spent": 0, "models": [{ "cost": null, "spent": 0, "unreported": 0 }] } })
    );
}

#[test]
fn whoever_waits_to_ask_again_sees_what_the_provider_allows() {
    let world = World::new(Mode::Ask);
    world.prompt("go");
    let query = format!(
        r#"{{ session(id: "{S}") {{ rateLimits {{ name }}
            waitingFor {{ answer on rateLimits {{ provider name limit remaining }} }} }} }}"#
    );
    assert_eq!(
        world.ask(&query)["session"],
        json!({ "rateLimits": [], "waitingFor": [{ "answer": "CONNECT", "on": "MODEL", "rateLimits": [] }] })
    );
    world.refuse_for_now(vec![RateLimit {
        name: "requests".into(),
        limit: Some(50),
        remaining: Some(0),
        reset_ms: Some(9_000),
    }]);
    let said = json!({ "provider": "scripted", "name": "requests", "limit": 50, "remaining": 0 });
    assert_eq!(
        world.ask(&query)["session"],
        json!({ "rateLimits": [{ "name": "requests" }],
                "waitingFor": [{ "answer": "BACKOFF", "on": "CLOCK", "rateLimits": [said] }] })
    );
}

#[test]
fn what_a_fork_has_inherited_was_used_by_another_session() {
    let world = World::new(Mode::Ask);
    world.turn();
    let asked = || world.ask("{ models { id chosenBy attempts tokens { input } } }")["models"].clone();
    let before = asked();
    assert_eq!(before[0]["attempts"], 2, "{before}");
    let parent = ScopeId::from_u128(9);
    let at = world.seq();
    world.accept(Event::Fork(fork::Event::Entered { parent, at }));
    assert_eq!(
        asked(),
        json!([{ "id": "scripted/test", "chosenBy": 1, "attempts": 0, "tokens": { "input": 0 } }])
    );
}

#[test]
fn what_a_server_said_of_itself_is_told_with_the_dispatch_that_has_it_on_record() {
    let world = World::new(Mode::Ask);
    let query = "{ host { servers { provider baseUrl kind by
        models { id contextWindow longestWindow tools images hasTemplate } } } }";
    assert_eq!(world.ask(query)["host"], json!({ "servers": [] }));
    let model = LocalModel {
        id: "q".into(),
        context_window: Some(6_144),
        longest_window: Some(40_960),
        tools: Some(true),
        ..LocalModel::default()
    };
    let seq = world
        .engine
        .accept(
            world.host,
            Event::Host(host::Event::ServerAsked {
                provider: "home".into(),
                base_url: "http://127.0.0.1:8080/v1".into(),
                kind: Server::LlamaCpp,
                models: vec![model],
            }),
        )
        .id
        .seq;
    let by = format!("{}/{seq}", world.host);
    assert_eq!(
        world.ask(query)["host"],
        json!({ "servers": [{
            "provider": "home", "baseUrl": "http://127.0.0.1:8080/v1", "kind": "llama.cpp", "by": by,
            "models": [{ "id": "q", "contextWindow": 6_144, "longestWindow": 40_960, "tools": true, "images": null,
                         "hasTemplate": false }],
        }] })
    );
}
