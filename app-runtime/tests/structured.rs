//! Whole turns that are asked for a result as a value of a schema, over every wire: what each server is sent, step by
//! step, and what comes of it. The house replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;

use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_core::structured::{Around, Telling, Unfit};
use glasswork_agent_core::turn::State;
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::Models;
use glasswork_ai::scripted::Script;
use glasswork_ai::structured::{Form, Means};
use glasswork_ai::wire::{Differences, Server, Wire};
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::projection::report;
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::structured::{self, SchemaFileError};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::{House, TurnEnd};
use glasswork_testkit::model_server::{Answers, ModelServer};
use serde_json::{Value, json};

const SCHEMA: &str = r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}"#;

/// A call of a tool, and then this.
fn script(then: &str) -> String {
    format!(r#"(turns: [(say: [text("I look."), call("bash", (command: "echo three"))]), {then}])"#)
}

struct Run {
    house: House,
    session: ScopeId,
    end: TurnEnd,
    /// The bodies that the server got.
    sent: Vec<Value>,
    /// It lives as long as this does.
    _server: ModelServer,
}

/// A turn with a server of this kind that plays a script.
async fn run(server: impl Into<Server>, model: &str, script: &str, schema: &str) -> Run {
    let server = server.into();
    let script = Script::parse(script).unwrap();
    let listening = ModelServer::start(Answers::Script(server.wire, script))
        .await
        .unwrap();
    let url = BaseUrl::parse(&listening.url()).unwrap();
    let provider = Provider::new("A_KEY", server, &url, Some(&SecretString::from("sk-dummy")));
    let models = Arc::new(Models::default().with("local", Arc::new(provider)));
    let house = House::with(models, Arc::new(SystemClock::default())).await;
    let settings = Settings {
        model: Sourced::from_layer(Some(format!("local/{model}").parse().unwrap()), Layer::Flag),
        ..House::settings(Mode::Yolo)
    };
    let session = house.session(settings).await;
    let end = ask(&house, session, schema).await;
    let received = listening.received();
    let sent = received
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap());
    Run {
        house,
        session,
        end,
        sent: sent.collect(),
        _server: listening,
    }
}

async fn ask(house: &House, session: ScopeId, schema: &str) -> TurnEnd {
    let watch = house.runtime().watch(session).unwrap();
    let schema = Schema::parse(schema).unwrap();
    let prompted = house
        .runtime()
        .prompt_with(
            session,
            Prompt {
                result: Some(schema.clone()),
                ..Prompt::new("count")
            },
            None,
        )
        .await;
    prompted.unwrap();
    House::end_of_turn(watch).await
}

/// What a body says of the result: the way in which it is asked for, and whether tools are offered.
fn said(body: &Value) -> (&'static str, bool) {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let places = [
        ("response_format", "/response_format/json_schema/schema"),
        ("text.format", "/text/format/schema"),
        ("output_config", "/output_config/format/schema"),
        ("responseJsonSchema", "/generationConfig/responseJsonSchema"),
    ];
    let native = places
        .iter()
        .find(|(_, place)| body.pointer(place) == Some(&schema));
    let tools: Vec<&Value> = body["tools"].as_array().into_iter().flatten().collect();
    let forced = body.get("tool_choice").is_some();
    let way = match native {
        Some((way, _)) => way,
        None if forced => "tool",
        None if body.to_string().contains("The JSON Schema:") => "words",
        None => "nothing",
    };
    (way, !tools.is_empty())
}

fn compatible(name: &str) -> Server {
    Server {
        differences: Differences::known(name, None),
        ..Wire::OpenAiCompatible.into()
    }
}

fn value(run: &Run) -> Option<String> {
    run.house
        .now(run.session)
        .turn
        .as_ref()
        .unwrap()
        .result()
        .map(ToString::to_string)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_is_asked_in_its_best_way_and_tools_work_all_the_while() {
    let json = r#"(say: [text("{\"n\": 3}")])"#;
    let fenced = r#"(say: [text("It is:\n```json\n{\"n\": 3}\n```")])"#;
    let by_itself = &format!(r#"(say: [text("It is three.")]), {json}"#);
    let by_call = r#"(say: [text("It is three.")]), (say: [call("result", (n: 3))])"#;
    // What each request says, in order.
    let always = |way: &'static str| vec![(way, true), (way, true)];
    let alone = |way: &'static str, tools: bool| vec![("nothing", true), ("nothing", true), (way, tools)];
    type Row<'a> = (Server, &'a str, &'a str, Vec<(&'a str, bool)>);
    let table: Vec<Row<'_>> = vec![
        (
            Wire::OpenAiChat.into(),
            "gpt-5.1",
            json,
            always("response_format"),
        ),
        (
            Wire::OpenAiResponses.into(),
            "gpt-5.1",
            json,
            always("text.format"),
        ),
        (
            Wire::Anthropic.into(),
            "claude-opus-4-8",
            json,
            always("output_config"),
        ),
        (
            Wire::Anthropic.into(),
            "claude-3-7-sonnet-latest",
            by_call,
            alone("tool", true),
        ),
        (
            Wire::Gemini.into(),
            "gemini-3-pro",
            json,
            always("responseJsonSchema"),
        ),
        (
            Wire::Gemini.into(),
            "gemini-2.5-pro",
            by_itself,
            alone("responseJsonSchema", false),
        ),
        (
            compatible("openrouter"),
            "a/model",
            json,
            always("response_format"),
        ),
        (
            compatible("llamacpp"),
            "model",
            by_itself,
            alone("response_format", false),
        ),
        (
            compatible("vllm"),
            "model",
            by_itself,
            alone("response_format", false),
        ),
        (
            compatible("ollama"),
            "model",
            by_itself,
            alone("response_format", false),
        ),
        (compatible("groq"), "model", fenced, always("words")),
        (compatible("unheard-of"), "model", fenced, always("words")),
    ];
    for (server, model, then, expected) in table {
        let name = format!("{:?} {model}", server.wire);
        let run = run(server, model, &script(then), SCHEMA).await;
        assert_eq!(
            (run.end.state, &run.end.failure),
            (State::Completed, &None),
            "{name}"
        );
        assert_eq!(run.sent.iter().map(said).collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(value(&run).as_deref(), Some(r#"{"n":3}"#), "{name}");
        let now = run.house.now(run.session);
        let told = report::of_last_turn(&now, 0);
        let document = serde_json::to_value(&told).unwrap();
        assert_eq!(
            (&document["result"], &document["exit_code"]),
            (&json!({"n": 3}), &json!(0)),
            "{name}"
        );
        assert_eq!(told.steps as usize, expected.len(), "{name}");
        run.house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misfit_is_told_exactly_once_and_then_the_turn_ends() {
    let wrong = r#"(say: [text("{\"n\": \"three\"}")])"#;
    let right =
        r#"(expect: "`n`: expected an integer, got the string \"three\"", say: [text("{\"n\": 3}")])"#;
    let server = Wire::OpenAiResponses;

    let mended = run(server, "gpt-5.1", &script(&format!("{wrong}, {right}")), SCHEMA).await;
    assert_eq!(mended.end.state, State::Completed);
    let judged: Vec<_> = mended
        .end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::ResultJudged {
                value,
                unfit_text,
                around,
                ..
            } => Some((value.as_deref(), unfit_text.as_deref(), *around)),
            Update::ResultWanted { telling, .. } => {
                assert_eq!(*telling, Telling::Unfit);
                None
            }
            _ => None,
        })
        .collect();
    let why = "`n`: expected an integer, got the string \"three\"";
    assert_eq!(
        judged,
        [
            (None, Some(why), Around::Nothing),
            (Some(r#"{"n":3}"#), None, Around::Nothing)
        ]
    );
    mended.house.close().await;

    let next = r#"(say: [text("4")])"#;
    let lost = run(
        server,
        "gpt-5.1",
        &script(&format!("{wrong}, {wrong}, {next}")),
        SCHEMA,
    )
    .await;
    assert_eq!(lost.end.state, State::Failed);
    assert!(
        matches!(&lost.end.failure, Some(TurnFailure::NoResult { unfit: Unfit::Misfit(misfits) }) if misfits[0].path == "n"),
        "{:?}",
        lost.end.failure
    );
    // The work, its end, and the one more.
    assert_eq!(lost.sent.len(), 3);
    let now = lost.house.now(lost.session);
    assert_eq!(ending::of_last_turn(&now), ExitCode::NoResult);
    let told = report::of_last_turn(&now, 0);
    assert_eq!(told.result, None);
    assert!(told.failure_text.unwrap().contains(why));
    // The next turn knows nothing of it; and no server takes a schema that is no object.
    let end = ask(&lost.house, lost.session, "true").await;
    assert_eq!((end.state, end.failure.clone()), (State::Completed, None));
    assert_eq!(value(&lost).as_deref(), Some("4"));
    lost.house.close().await;
}

/// A schema that strict mode refuses is sent as it is, and not as strict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_schema_is_altered_on_its_way() {
    let open = r#"{"type":"object","properties":{"n":{"type":"integer"}},"x-note":"kept"}"#;
    let json = r#"(say: [text("{\"n\": 3, \"more\": 1.50}")])"#;
    let run = run(Wire::OpenAiChat, "gpt-5.1", &script(json), open).await;
    assert_eq!(run.end.state, State::Completed);
    let format = &run.sent[0]["response_format"]["json_schema"];
    assert_eq!(
        (&format["strict"], &format["schema"]),
        (&json!(false), &serde_json::from_str(open).unwrap())
    );
    let now = run.house.now(run.session);
    let asked = now.turn.as_ref().unwrap().asked.clone().unwrap();
    let model = "local/gpt-5.1".parse().unwrap();
    assert_eq!(
        asked.means(&model),
        Means {
            form: Form::Loose,
            with_tools: true
        }
    );
    assert_eq!(&*asked.digest, blake3::hash(open.as_bytes()).to_hex().as_str());
    // Numbers stay as they were written.
    assert_eq!(value(&run).as_deref(), Some(r#"{"n":3,"more":1.50}"#));
    run.house.close().await;
}

/// A scripted model has no server: it is asked in words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scripted_model_is_asked_in_words() {
    let house = House::of_script(&script(
        r#"(say: [text("I think it is {\"n\": 3}.")]), (say: [text("hello")])"#,
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = ask(&house, session, SCHEMA).await;
    assert_eq!(end.state, State::Completed);
    let judged = end.updates.iter().find_map(|update| match update {
        Update::ResultJudged { value, around, .. } => Some((value.clone().unwrap(), *around)),
        _ => None,
    });
    assert_eq!(judged, Some((r#"{"n":3}"#.into(), Around::Words)));
    let end = house.turn(session, "and now?").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "hello"));
    assert_eq!(report::of_last_turn(&house.now(session), 0).result, None);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_looks_like_a_secret_is_not_masked_but_refused() {
    let house = House::of_script(r#"(turns: [(say: [text("1")])])"#).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let schema = Schema::parse(r#"{"const": "the-key-of-this-house"}"#).unwrap();
    let refused = house
        .runtime()
        .prompt_with(
            session,
            Prompt {
                result: Some(schema.clone()),
                ..Prompt::new("go")
            },
            None,
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("looks like a secret"), "{refused}");
    assert!(house.now(session).turn.is_none());
    house.close().await;
}

#[test]
fn a_file_is_a_schema_or_it_is_said_why_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("result.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        structured::read(&path)
            .map(|schema| schema.text().to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        read("{ \"type\": \"string\" }\n"),
        Ok(r#"{"type":"string"}"#.to_owned())
    );
    let at = path.display();
    assert_eq!(
        read("{\"items\": 1}"),
        Err(format!("{at}: /items: a schema is an object, `true` or `false`"))
    );
    assert!(
        read(&" ".repeat(40_000))
            .unwrap_err()
            .contains("is longer than 32768 bytes")
    );
    let missing = structured::read(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, SchemaFileError::Unreadable { .. }), "{missing}");
}
