//! What each part promises by itself, together: whole turns in which a model gives up half-way and another one goes on,
//! with all that stands in the conversation by then. The house replays every session strictly at its end, and holds each
//! request against the rules of all providers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_core::structured::Outcome;
use glasswork_agent_core::turn::State;
use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{Models, Scripts};
use glasswork_ai::price::Rates;
use glasswork_ai::scripted::{Script, Step, Turn};
use glasswork_ai::wire::{Differences, Server, Wire};
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::pictures;
use glasswork_app_runtime::projection::report;
use glasswork_app_runtime::prompting::Prompt;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::budget::{Budget, Exhausted};
use glasswork_session_state::cache_policy::Keep;
use glasswork_session_state::failover::{GivenUp, Skip, Why};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::{House, MODEL, TurnEnd};
use glasswork_testkit::model_server::{Answers, ModelServer, Received, Reply};
use glasswork_testkit::request_rules::check_body;
use serde_json::{Value, json};

const SCHEMA: &str = r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}"#;
const OWN: &str = "real/claude-haiku-4-5";

fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// An answer as Anthropic streams it, each block at once.
fn answer(blocks: &[Value], stop: &str) -> Reply {
    let usage = json!({"input_tokens": 1_000, "output_tokens": 1});
    let begins = json!({"type": "message_start", "message": {"id": "m", "model": "claude", "usage": usage}});
    let mut body = event(&begins);
    for (index, block) in blocks.iter().enumerate() {
        body += &event(&json!({"type": "content_block_start", "index": index, "content_block": block}));
        body += &event(&json!({"type": "content_block_stop", "index": index}));
    }
    let ends =
        json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 100}});
    Reply::stream(body + &event(&ends) + &event(&json!({"type": "message_stop"})))
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn overloaded() -> Reply {
    Reply::status(529)
        .body(r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#)
}

/// A model that can be asked where Anthropic's cannot.
struct Spare {
    server: Server,
    model: &'static str,
    sees: bool,
}

/// Anthropic with these replies, and a spare that answers as this says.
async fn houses(
    replies: impl IntoIterator<Item = Reply>,
    spare: &Spare,
    choose: impl FnMut(&Received) -> Turn + Send + 'static,
) -> (ModelServer, ModelServer, House) {
    let own = ModelServer::start(Answers::replies(replies)).await.unwrap();
    let other = ModelServer::start(Answers::chosen(spare.server.wire, choose))
        .await
        .unwrap();
    let key = SecretString::from("a-key");
    let sees = Entry {
        images: Some(spare.sees),
        ..Entry::default()
    };
    let known = BTreeMap::from([(id(spare), sees)]);
    let catalogue = Arc::new(Catalogue::with([("test".into(), known)]));
    let url = |server: &ModelServer| BaseUrl::parse(&server.url()).unwrap();
    let real = Provider::new("A_KEY", Wire::Anthropic, &url(&own), Some(&key));
    let second = Provider::new("B_KEY", spare.server.clone(), &url(&other), Some(&key)).knowing(catalogue);
    let models = Models::default()
        .with("real", Arc::new(real))
        .with("spare", Arc::new(second));
    let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
    (own, other, house)
}

fn id(spare: &Spare) -> ModelId {
    format!("spare/{}", spare.model).parse().unwrap()
}

fn settings(spare: &Spare) -> Settings {
    Settings {
        model: flag(Some(OWN.parse().unwrap())),
        fallback_models: flag(vec![id(spare)]),
        retry_attempts: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

fn bodies(server: &ModelServer) -> Vec<Value> {
    let received = server.received();
    let body = |request: &Received| serde_json::from_slice(&request.body).unwrap();
    received.iter().map(body).collect()
}

async fn ask(house: &House, session: ScopeId, prompt: Prompt) -> TurnEnd {
    let watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt_with(session, prompt, None).await.unwrap();
    House::end_of_turn(watch).await
}

fn schema() -> Option<Schema> {
    Some(Schema::parse(SCHEMA).unwrap())
}

fn compatible(name: &str) -> Server {
    Server {
        differences: Differences::known(name, None),
        ..Wire::OpenAiCompatible.into()
    }
}

/// How a body of Chat Completions asks for the result, and whether it offers tools.
fn asks(body: &Value) -> (&'static str, bool) {
    let way = match body.pointer("/response_format/json_schema/schema") {
        Some(sent) => {
            assert_eq!(*sent, serde_json::from_str::<Value>(SCHEMA).unwrap());
            "response_format"
        }
        None if body.to_string().contains("The JSON Schema:") => "words",
        None => "nothing",
    };
    (way, body["tools"].is_array())
}

/// A spare's own way to be asked for a result, step by step; its temperature; and the key of its cache, if it has one.
type Expected = (Spare, Vec<(&'static str, bool)>, Value, bool);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_thinking_schema_and_controls_go_over_to_another_wire_in_its_own_form() {
    let table: Vec<Expected> = vec![
        (
            Spare {
                server: Wire::OpenAiChat.into(),
                model: "gpt-4.1",
                sees: true,
            },
            vec![("response_format", true)],
            json!(1.5),
            true,
        ),
        (
            Spare {
                server: compatible("vllm"),
                model: "model",
                sees: false,
            },
            vec![("nothing", true), ("response_format", false)],
            json!(1.5),
            false,
        ),
        (
            Spare {
                server: compatible("unheard-of"),
                model: "model",
                sees: true,
            },
            vec![("words", true)],
            json!(1.5),
            false,
        ),
    ];
    for (spare, ways, temperature, has_key) in table {
        let name = format!("{:?} {}", spare.server.wire, spare.model);
        let thinks =
            json!({"type": "thinking", "thinking": "There may be three.", "signature": "signed-by-it"});
        let calls =
            json!({"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "echo three"}});
        let replies = [
            answer(&[thinks.clone(), text("I look."), calls], "tool_use"),
            overloaded(),
            answer(&[text("Of course.")], "end_turn"),
        ];
        let (own, other, house) = houses(replies, &spare, |request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let said = match asks(&body).0 {
                "nothing" => "It is three.",
                _ => r#"{"n": 3}"#,
            };
            Turn::says([Step::Text(said.into())])
        })
        .await;
        let file = house.workspace().join("shot.png");
        image::RgbImage::new(1, 1).save(&file).unwrap();
        let bytes = fs::read(&file).unwrap();
        let session = house
            .session(Settings {
                temperature: flag("1.5".parse().ok()),
                cache: flag(Keep::Long.into()),
                ..settings(&spare)
            })
            .await;
        let prompt = Prompt {
            pictures: pictures::read(&[file]).unwrap(),
            result: schema(),
            ..Prompt::new("Count.")
        };
        let end = ask(&house, session, prompt).await;
        assert_eq!((end.state, end.failure), (State::Completed, None), "{name}");

        // Both were sent what each takes.
        let data = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(&bytes)
        };
        let first = bodies(&own);
        assert_eq!(first.len(), 2, "{name}");
        for body in &first {
            assert_eq!(body["temperature"], json!(1), "{name}");
            assert!(body["output_config"]["format"].is_object(), "{name}");
            let body = body.to_string();
            assert!(
                body.contains(&data) && body.contains("cache_control") && !body.contains("JSON Schema"),
                "{name}: {body}"
            );
        }
        let second = bodies(&other);
        assert_eq!(second.iter().map(asks).collect::<Vec<_>>(), ways, "{name}");
        for body in &second {
            assert_eq!(check_body(spare.server.wire, body), Ok(()), "{name}");
            let key = match has_key {
                true => json!(session.to_string()),
                false => Value::Null,
            };
            assert_eq!(
                (&body["temperature"], &body["prompt_cache_key"]),
                (&temperature, &key),
                "{name}"
            );
            let body = body.to_string();
            // What the other one thought is told, and its signature is nobody else's.
            assert!(
                body.contains("There may be three.") && !body.contains("signed-by-it"),
                "{name}: {body}"
            );
            assert!(
                !body.contains("cache_control") && !body.contains("ttl"),
                "{name}: {body}"
            );
            let stand_in = format!("not sent: spare/{} cannot see images", spare.model);
            assert_eq!(
                (body.contains(&data), body.contains(&stand_in)),
                (spare.sees, !spare.sees),
                "{name}: {body}"
            );
        }
        let now = house.now(session);
        let told = report::of_last_turn(&now, 0);
        assert_eq!(
            (told.result.as_deref(), told.exit_code),
            (Some(r#"{"n":3}"#), ExitCode::Done),
            "{name}"
        );
        let (_, prepared) = now.requests.get_max().unwrap();
        let unsent = &prepared.body.as_ref().unwrap().unsent;
        assert_eq!(
            (prepared.model.clone(), unsent.is_empty()),
            (id(&spare), spare.sees),
            "{name}"
        );

        // The session's own model is asked next. It has its thinking back, and hears what the other one said.
        let end = ask(&house, session, Prompt::new("Sure?")).await;
        assert_eq!(
            (end.state, end.text.as_str()),
            (State::Completed, "Of course."),
            "{name}"
        );
        let last = bodies(&own).pop().unwrap();
        assert_eq!(check_body(Wire::Anthropic, &last), Ok(()), "{name}");
        assert_eq!(last["output_config"], Value::Null, "{name}");
        assert_eq!(last["messages"][1]["content"][0], thinks, "{name}");
        assert!(last.to_string().contains(r#"{\"n\": 3}"#), "{name}: {last}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_answer_is_gone_on_with_by_another_model_which_is_told_so() {
    let searches =
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}});
    for before in [vec![text("I search.")], vec![]] {
        let first = [&before[..], std::slice::from_ref(&searches)].concat();
        let spare = Spare {
            server: Wire::OpenAiChat.into(),
            model: "gpt-4.1",
            sees: true,
        };
        let replies = [
            answer(&first, "pause_turn"),
            overloaded(),
            answer(&[text("Yes.")], "end_turn"),
        ];
        let (own, other, house) =
            houses(replies, &spare, |_| Turn::says([Step::Text("Found.".into())])).await;
        let session = house.session(settings(&spare)).await;
        let end = house.turn(session, "go").await;
        assert_eq!((end.state, end.failure), (State::Completed, None));
        assert_eq!(house.now(session).turn.as_ref().unwrap().steps, 2);
        let role = |message: &Value| message["role"].as_str().unwrap().to_owned();
        // Its own provider has it back as it came, whatever it is of.
        let sent = bodies(&own);
        let returned = sent[1]["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(*returned, json!({"role": "assistant", "content": first}));
        // The other one has what can be told, and words that say what is wanted.
        let sent = bodies(&other);
        let messages = sent[0]["messages"].as_array().unwrap();
        assert_eq!(check_body(Wire::OpenAiChat, &sent[0]), Ok(()));
        let last = messages.last().unwrap();
        assert_eq!(role(last), "user");
        assert!(
            last["content"]
                .as_str()
                .unwrap()
                .contains("interrupted it. Go on"),
            "{last}"
        );
        let all = sent[0].to_string();
        assert_eq!(
            (all.contains("I search."), all.contains("srvtoolu_1")),
            (!before.is_empty(), false),
            "{all}"
        );
        // Later nothing will come of what was begun, and no server takes a call of its own without a result.
        let end = house.turn(session, "sure?").await;
        assert_eq!((end.state, end.text.as_str()), (State::Completed, "Yes."));
        let last = bodies(&own).pop().unwrap();
        assert_eq!(check_body(Wire::Anthropic, &last), Ok(()));
        assert!(!last.to_string().contains("srvtoolu_1"), "{last}");
        house.close().await;
    }
}

const DOWN: &str = r#"(turns: [(say: [fail(class: unavailable, status: 500)])])"#;

/// Own model down; one of whose price nobody knows; and one with a price that needs two requests.
async fn priced() -> House {
    let play = |script: &str| Arc::new(Scripts::default().with("model", Script::parse(script).unwrap()));
    let works = r#"(turns: [
        (say: [call("bash", (command: "echo x"))], usage: (input: 600000, output: 1)), (say: [text("third")], usage: (input: 1, output: 1)),
    ])"#;
    let own = Arc::new(Scripts::default().with("test", Script::parse(DOWN).unwrap()));
    let models = Models::default()
        .with("scripted", own)
        .with("second", play(r#"(turns: [(say: [text("second")])])"#))
        .with("third", play(works));
    let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
    let price = |dollars: &str| Entry {
        price: Rates {
            input: dollars.parse().ok(),
            output: dollars.parse().ok(),
            ..Rates::default()
        },
        ..Entry::default()
    };
    let known = BTreeMap::from([
        (MODEL.parse().unwrap(), price("1")),
        ("third/model".parse().unwrap(), price("1")),
    ]);
    house
        .runtime()
        .know_models(Arc::new(Catalogue::with([("own.ron".into(), known)])));
    house
}

fn of_budget(dollars: &str, fallbacks: &[&str]) -> Settings {
    Settings {
        budget: flag(Budget {
            turn: dollars.parse().ok(),
            ..Budget::default()
        }),
        fallback_models: flag(fallbacks.iter().map(|id| id.parse().unwrap()).collect()),
        retry_attempts: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_passes_over_a_model_without_a_price_and_holds_for_the_one_that_stands_in() {
    let house = priced().await;
    let short = |given_up: &GivenUp| match &given_up.why {
        Why::Failed { .. } => format!("{} failed", given_up.model),
        Why::Skipped(Skip::Budget(Exhausted::Unpriced { model })) => format!("{model} unpriced"),
        Why::Skipped(other) => panic!("{other:?}"),
    };
    let passed = ["scripted/test failed", "second/model unpriced"];

    let session = house
        .session(of_budget("2", &["second/model", "third/model"]))
        .await;
    let end = house.turn(session, "go").await;
    assert_eq!(
        (end.state, end.text.as_str()),
        (State::Completed, "third"),
        "{:?}",
        end.failure
    );
    let turn = house.now(session).turn.clone().unwrap();
    assert_eq!(
        turn.failover.given_up.iter().map(short).collect::<Vec<_>>(),
        passed
    );
    // What the one that stands in costs is on the ledger: 600,003 tokens at a dollar for a million.
    assert_eq!(
        report::of_last_turn(&house.now(session), 0).turn_spent,
        600_003_000
    );

    // Half-way it costs too much, and nothing more is sent.
    let session = house
        .session(of_budget("0.5", &["second/model", "third/model"]))
        .await;
    let end = house.turn(session, "go").await;
    assert!(
        matches!(&end.failure, Some(TurnFailure::Budget(Exhausted::Spent { .. }))),
        "{:?}",
        end.failure
    );
    let now = house.now(session);
    assert_eq!(ending::of_last_turn(&now), ExitCode::Limit);
    let asked: Vec<_> = now
        .requests
        .values()
        .map(|prepared| prepared.model.to_string())
        .collect();
    assert_eq!(asked, [MODEL, "third/model"]);

    // Without another one the turn ends, and says why nobody was asked.
    let session = house.session(of_budget("2", &["second/model"])).await;
    let end = house.turn(session, "go").await;
    let Some(TurnFailure::NobodyAnswered { given_up }) = &end.failure else {
        panic!("{:?}", end.failure)
    };
    assert_eq!(given_up.iter().map(short).collect::<Vec<_>>(), passed);
    assert_eq!(ending::of_last_turn(&house.now(session)), ExitCode::Failed);
    // Without a budget nobody minds.
    let session = house
        .session(Settings {
            budget: flag(Budget::default()),
            ..of_budget("2", &["second/model"])
        })
        .await;
    assert_eq!(house.turn(session, "go").await.text, "second");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_runs_out_ends_the_asking_for_a_result_and_says_which_of_the_two_it_was() {
    let wrong = r#"(say: [text("{\"n\": \"three\"}")], usage: (input: 600000, output: 1))"#;
    let right = r#"(say: [text("{\"n\": 3}")], usage: (input: 600000, output: 1))"#;
    let dear = r#"(say: [text("{\"n\": 3}")], usage: (input: 600000, output: 700000))"#;
    // The first answer does not fit and costs $0.60: for the one more there is money, or there is none.
    for (dollars, next, expected) in [
        ("0.5", right, (ExitCode::Limit, 1)),
        ("5", right, (ExitCode::Done, 2)),
        ("5", wrong, (ExitCode::NoResult, 2)),
        // By what the provider counted the second request costs as much as the first.
        ("0.7", right, (ExitCode::Limit, 1)),
        // What was asked for and paid for is the result, whatever it cost in the end.
        ("1.3", dear, (ExitCode::Done, 2)),
    ] {
        let house = House::of_script(&format!("(turns: [{wrong}, {next}])")).await;
        let price = Entry {
            price: Rates {
                input: "1".parse().ok(),
                output: "1".parse().ok(),
                ..Rates::default()
            },
            ..Entry::default()
        };
        let known = BTreeMap::from([(MODEL.parse().unwrap(), price)]);
        house
            .runtime()
            .know_models(Arc::new(Catalogue::with([("own.ron".into(), known)])));
        let session = house.session(of_budget(dollars, &[])).await;
        let prompt = Prompt {
            result: schema(),
            ..Prompt::new("count")
        };
        let end = ask(&house, session, prompt).await;
        let now = house.now(session);
        let told = report::of_last_turn(&now, 0);
        assert_eq!(
            (told.exit_code, told.steps),
            expected,
            "{dollars} {:?}",
            end.failure
        );
        assert_eq!(
            told.result.is_some(),
            told.exit_code == ExitCode::Done,
            "{dollars}"
        );
        let spent = matches!(end.failure, Some(TurnFailure::Budget(Exhausted::Spent { .. })));
        assert_eq!(spent, told.exit_code == ExitCode::Limit, "{:?}", end.failure);
        // What came is on record all the same.
        let asked = now.turn.as_ref().unwrap().asked.clone().unwrap();
        assert!(
            matches!(asked.tries[0].outcome, Outcome::Unfit(_)),
            "{:?}",
            asked.tries
        );
        house.close().await;
    }
}
