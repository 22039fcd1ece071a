//! What a request carries, over a true wire: whole turns against a server that writes down what it received. The house
//! replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::controls::{Effort, Speed};
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::Models;
use glasswork_ai::price::Rates;
use glasswork_ai::scripted::{Step, Turn};
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::budget::{Budget, Exhausted};
use glasswork_session_state::cache_policy::Keep;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::House;
use glasswork_testkit::model_server::{Answers, ModelServer, Received, Reply};
use serde_json::{Value, json};

const MODEL: &str = "real/claude-haiku-4-5";

fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

fn settings() -> Settings {
    Settings {
        model: flag(Some(MODEL.parse().unwrap())),
        retry_base_ms: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

async fn house(wire: Wire, answers: Answers) -> (ModelServer, House) {
    let server = ModelServer::start(answers).await.unwrap();
    let key = SecretString::from("a-key");
    let provider = Provider::new("A_KEY", wire, &BaseUrl::parse(&server.url()).unwrap(), Some(&key));
    let models = Arc::new(Models::default().with("real", Arc::new(provider)));
    let house = House::with(models, Arc::new(SystemClock::default())).await;
    (server, house)
}

/// A model that runs a command at first, and is done after its result; and that writes a summary when asked for one.
fn works(request: &Received) -> Turn {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    if body
        .to_string()
        .contains("You write the notes from which a coding agent goes on")
    {
        return Turn::says([Step::Text("## Goal\nA tidy attic.".into())]);
    }
    let list = ["messages", "input"]
        .iter()
        .find_map(|key| body[*key].as_array())
        .unwrap();
    let last = list.last().unwrap().to_string();
    match last.contains("tool_result") || last.contains("function_call_output") {
        true => Turn::says([Step::Text("Done. ".repeat(300).into())]),
        false => Turn::says([Step::CallJson(
            "bash".into(),
            r#"{"command": "echo found"}"#.into(),
        )]),
    }
}

fn bodies(server: &ModelServer) -> Vec<Value> {
    let received = server.received();
    received
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

async fn completed(house: &House, session: ScopeId, prompt: &str) {
    let end = house.turn(session, prompt).await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
}

/// Where the breakpoints are: tools, system, and the messages by their place.
fn marks(body: &Value) -> Vec<String> {
    let has = |value: &Value| value.to_string().contains("cache_control");
    let mut places = Vec::new();
    for head in ["tools", "system"] {
        places.extend(has(&body[head]).then(|| head.to_owned()));
    }
    let messages = body["messages"].as_array().unwrap().iter().enumerate();
    places.extend(
        messages
            .filter(|(_, message)| has(message))
            .map(|(place, _)| place.to_string()),
    );
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_is_sent_as_the_model_takes_it_and_the_rest_is_on_record() {
    let (server, house) = house(Wire::Anthropic, Answers::chosen(Wire::Anthropic, works)).await;
    let session = house
        .session(Settings {
            temperature: flag("1.5".parse().ok()),
            top_p: flag("0.9".parse().ok()),
            stop: flag(vec!["END".into(), " ".into()]),
            effort: flag(None),
            speed: flag(Some(Speed::Economy)),
            cache: flag(Keep::Long.into()),
            ..settings()
        })
        .await;
    // It is shown before anything is sent …
    let next = house.now(session).next_prepared().unwrap();
    let told = [
        "temperature 1.50 is sent as 1.00: the model does not take so much",
        "top_p 0.90 is not sent: the model does not take it together with a temperature",
        "stop \" \" is not sent: the server takes no blank ones",
        "speed economy is not sent: the model or its server does not take it",
    ];
    let lines: Vec<String> = next.adjusted.iter().map(ToString::to_string).collect();
    assert_eq!(lines, told);
    assert_eq!(house.runtime().not_as_asked(session), told);
    completed(&house, session, "go").await;
    completed(&house, session, "again").await;
    // … and stays on record.
    let now = house.now(session);
    for prepared in now.requests.values() {
        let lines: Vec<String> = prepared.adjusted.iter().map(ToString::to_string).collect();
        assert_eq!(
            (lines.as_slice(), prepared.controls.temperature),
            (told.map(str::to_owned).as_slice(), next.controls.temperature)
        );
    }
    let bodies = bodies(&server);
    let marked: Vec<_> = bodies.iter().map(marks).collect();
    // The head, the end, and the end of the request before.
    assert_eq!(
        marked,
        [
            vec!["system", "0"],
            vec!["system", "0", "2"],
            vec!["system", "2", "4"],
            vec!["system", "4", "6"]
        ]
    );
    for body in &bodies {
        assert_eq!(
            (
                &body["temperature"],
                &body["stop_sequences"],
                &body["top_p"],
                &body["service_tier"]
            ),
            (&json!(1), &json!(["END"]), &Value::Null, &Value::Null)
        );
        assert!(body.to_string().contains(r#""ttl":"1h""#));
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_a_key_for_their_cache_get_one_that_stays() {
    let (server, house) = house(
        Wire::OpenAiResponses,
        Answers::chosen(Wire::OpenAiResponses, works),
    )
    .await;
    let session = house
        .session(Settings {
            model: flag(Some("real/gpt-5.1".parse().unwrap())),
            effort: flag(Some(Effort::High)),
            speed: flag(Some(Speed::Fast)),
            cache: flag(Keep::Long.into()),
            ..settings()
        })
        .await;
    completed(&house, session, "go").await;
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        assert_eq!(
            (
                &body["prompt_cache_key"],
                &body["prompt_cache_retention"],
                &body["service_tier"],
                &body["reasoning"]["effort"]
            ),
            (
                &json!(session.to_string()),
                &json!("24h"),
                &json!("priority"),
                &json!("high")
            )
        );
    }
    house.close().await;
}

/// What the provider's cache goes by, in its order, without the breakpoints.
fn units(body: &Value) -> Vec<(&'static str, String)> {
    fn strip(mut value: Value) -> String {
        if let Some(members) = value.as_object_mut() {
            members.remove("cache_control");
        }
        value.to_string()
    }
    let mut units = vec![("model", body["model"].to_string())];
    for (kind, key) in [("tool", "tools"), ("system", "system")] {
        let list = body[key].as_array().unwrap().iter();
        units.extend(list.map(|unit| (kind, strip(unit.clone()))));
    }
    for message in body["messages"].as_array().unwrap() {
        let parts = message["content"].as_array().unwrap().iter();
        units.extend(parts.map(|part| ("message", format!("{} {}", message["role"], strip(part.clone())))));
    }
    units
}

fn first_difference(before: &Value, after: &Value) -> Option<&'static str> {
    let (before, after) = (units(before), units(after));
    let differs = |place: &usize| before.get(*place) != after.get(*place);
    (0..before.len()).find(differs).map(|place| before[place].0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_is_the_beginning_of_what_is_sent_next_until_something_is_changed() {
    let (server, house) = house(Wire::Anthropic, Answers::chosen(Wire::Anthropic, works)).await;
    let session = house.session(settings()).await;
    let mut course: Vec<(&str, Option<&str>)> = vec![];
    let changes = [
        "nothing",
        "a temperature",
        "another model",
        "instructions",
        "a compaction",
    ];
    for change in changes {
        match change {
            "a temperature" => {
                let value = Setting::Temperature(flag("0.5".parse().ok()));
                house.runtime().set(session, value).await.unwrap();
            }
            "another model" => {
                let value = Setting::Model(flag(Some("real/claude-opus-5".parse().unwrap())));
                house.runtime().set(session, value).await.unwrap();
            }
            "instructions" => {
                std::fs::write(house.workspace().join("AGENTS.md"), "Always wear a hat.\n").unwrap();
                let opening = Opening {
                    workspace: house.workspace(),
                    settings: (*house.now(session).settings).clone(),
                    title: None,
                    servers: vec![],
                };
                house.runtime().give_up(session).await.unwrap();
                house.runtime().open(session, opening).await.unwrap();
            }
            "a compaction" => {
                let window = Setting::ContextWindow(flag(Some(4_000)));
                house.runtime().set(session, window).await.unwrap();
                let mut watch = house.runtime().watch(session).unwrap();
                house.runtime().compact(session, None, None).await.unwrap();
                while !watch
                    .next()
                    .await
                    .updates
                    .iter()
                    .any(|update| matches!(update, Update::Compacted { .. }))
                {}
            }
            _ => {}
        }
        let before = server.received().len();
        completed(&house, session, change).await;
        let bodies = bodies(&server);
        // A summary is another conversation.
        let asked = |body: &&Value| !body.to_string().contains("You write the notes");
        let so_far: Vec<&Value> = bodies[..before].iter().filter(asked).collect();
        let new: Vec<&Value> = bodies[before..].iter().filter(asked).collect();
        if let Some(last) = so_far.last() {
            course.push((change, first_difference(last, new[0])));
        }
        for pair in new.windows(2) {
            assert_eq!(
                first_difference(pair[0], pair[1]),
                None,
                "within the turn after {change}"
            );
        }
    }
    assert_eq!(
        course,
        [
            ("a temperature", None),
            ("another model", Some("model")),
            // One more part of the system prompt stands where the first message stood.
            ("instructions", Some("message")),
            ("a compaction", Some("message")),
        ]
    );
    // The model that takes no temperature was sent none, and that is on record.
    let last = house.now(session).requests.get_max().unwrap().1.clone();
    assert_eq!((last.controls.temperature, last.adjusted.len()), (None, 1));
    house.close().await;
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// An answer of Anthropic with these blocks.
fn answer(blocks: &[Value], stop: &str, usage: &Value) -> Reply {
    let mut body =
        event(&json!({"type": "message_start", "message": {"id": "m", "model": "claude", "usage": usage}}));
    for (index, block) in blocks.iter().enumerate() {
        body += &event(&json!({"type": "content_block_start", "index": index, "content_block": block}));
        body += &event(&json!({"type": "content_block_stop", "index": index}));
    }
    body += &event(
        &json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 100}}),
    );
    body += &event(&json!({"type": "message_stop"}));
    Reply::stream(body)
}

fn usage() -> Value {
    json!({"input_tokens": 10, "output_tokens": 1})
}

fn said(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_its_provider_interrupts_is_sent_back_as_it_came_and_goes_on() {
    let searches =
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    let first = [said("I search."), searches.clone()];
    let replies = [
        answer(&first, "pause_turn", &usage()),
        answer(&[found.clone(), said("Found.")], "end_turn", &usage()),
        answer(&[said("Yes.")], "end_turn", &usage()),
    ];
    let (server, house) = house(Wire::Anthropic, Answers::replies(replies)).await;
    let session = house.session(settings()).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "I search.Found."));
    assert_eq!(house.now(session).turn.as_ref().unwrap().steps, 2);
    completed(&house, session, "sure?").await;
    let bodies = bodies(&server);
    let messages = |place: usize| bodies[place]["messages"].as_array().unwrap().clone();
    let last = messages(1).last().unwrap().clone();
    assert_eq!(last, json!({"role": "assistant", "content": first}));
    // Later both are one answer.
    let whole = [&first[..], &[found, said("Found.")]].concat();
    assert_eq!(messages(2)[1], json!({"role": "assistant", "content": whole}));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_interrupts_without_end_ends_the_turn() {
    let replies = (0..9).map(|_| answer(&[said("And on.")], "pause_turn", &usage()));
    let (server, house) = house(Wire::Anthropic, Answers::replies(replies)).await;
    let settings = Settings {
        pauses: flag(3),
        ..settings()
    };
    let session = house.session(settings).await;
    let end = house.turn(session, "go").await;
    assert_eq!(
        (end.state, end.failure, server.received().len()),
        (State::Failed, Some(TurnFailure::Paused { times: 4 }), 4)
    );
    house.close().await;
}

fn priced(house: &House) {
    let price = |text: &str| Some(text.parse().unwrap());
    let entry = Entry {
        price: Rates {
            input: price("1"),
            output: price("5"),
            cache_read: price("0.1"),
            cache_write: price("1.25"),
            cache_write_1h: price("2"),
        },
        ..Entry::default()
    };
    let file = BTreeMap::from([(MODEL.parse().unwrap(), entry)]);
    house
        .runtime()
        .know_models(Arc::new(Catalogue::with([("own.ron".into(), file)])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_an_hour_costs_what_that_costs() {
    let usage = json!({
        "input_tokens": 1_000, "output_tokens": 1, "cache_read_input_tokens": 10_000,
        "cache_creation_input_tokens": 30_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 10_000, "ephemeral_1h_input_tokens": 20_000},
    });
    let reply = || answer(&[said("Yes.")], "end_turn", &usage);
    let (_server, house) = house(Wire::Anthropic, Answers::replies([reply(), reply()])).await;
    priced(&house);
    let session = house.session(settings()).await;
    completed(&house, session, "go").await;
    let used = house.now(session).usage.clone();
    let tokens = used.tokens();
    assert_eq!((tokens.cache_write, tokens.cache_write_1h), (30_000, 20_000));
    // 0.001 + 100 of output 0.0005 + 0.001 + 0.0125 + 0.04
    assert_eq!(used.cost().map(|cost| cost.to_string()).as_deref(), Some("0.055"));
    // At another speed other prices hold, which nobody knows here.
    let opus = Setting::Speed(flag(Some(Speed::Fast)));
    house.runtime().set(session, opus).await.unwrap();
    completed(&house, session, "again").await;
    let refused = house.now(session).requests.get_max().unwrap().1.adjusted.clone();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        house
            .now(session)
            .usage
            .cost()
            .map(|cost| cost.to_string())
            .as_deref(),
        Some("0.11")
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_speed_whose_price_nobody_knows_is_not_paid_out_of_a_budget() {
    let reply = || answer(&[said("Yes.")], "end_turn", &usage());
    let (server, house) = house(Wire::Anthropic, Answers::replies([reply(), reply()])).await;
    let fast = "real/claude-opus-5";
    let price = Some("1".parse().unwrap());
    let entry = Entry {
        price: Rates {
            input: price,
            output: price,
            ..Rates::default()
        },
        ..Entry::default()
    };
    let file = BTreeMap::from([(fast.parse().unwrap(), entry)]);
    house
        .runtime()
        .know_models(Arc::new(Catalogue::with([("own.ron".into(), file)])));
    let fast_settings = |budget| Settings {
        model: flag(Some(fast.parse().unwrap())),
        speed: flag(Some(Speed::Fast)),
        budget: flag(budget),
        ..settings()
    };
    let session = house.session(fast_settings(Budget::default())).await;
    completed(&house, session, "go").await;
    assert_eq!(house.now(session).usage.cost(), None);
    let received = server.received();
    assert_eq!(received[0].header("anthropic-beta"), Some("fast-mode-2026-02-01"));
    assert_eq!(bodies(&server)[0]["speed"], "fast");
    let budget = Budget {
        turn: Some("5".parse().unwrap()),
        ..Budget::default()
    };
    let session = house.session(fast_settings(budget)).await;
    let end = house.turn(session, "go").await;
    assert!(
        matches!(
            &end.failure,
            Some(TurnFailure::Budget(Exhausted::SpeedUnpriced {
                speed: Speed::Fast,
                ..
            }))
        ),
        "{:?}",
        end.failure
    );
    assert_eq!(server.received().len(), 1);
    house.close().await;
}
