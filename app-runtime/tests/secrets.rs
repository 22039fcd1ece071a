//! Whole turns with secrets in them, and then: no file of the home has one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::path::Path;
use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::{Call, ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_testkit::house::{House, OWN_SECRET};
use glasswork_testkit::model_server::{Answers, ModelServer};

const PASSWORD: &str = "tr0ub4dor&3x";

/// Looks through every file below a folder, the workspace left out.
fn files_with(home: &Path, secret: &str) -> Vec<String> {
    let mut found = vec![];
    let mut folders = vec![home.join("data")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(secret) {
                found.push(path.display().to_string());
            }
        }
    }
    assert!(read >= 2, "there is nothing to look through");
    found
}

fn counts(house: &House, session: ScopeId) -> Vec<(String, u32)> {
    let counts = house.now(session).masked.counts();
    counts
        .into_iter()
        .map(|(kind, count)| (kind.to_string(), count))
        .collect()
}

fn masked(updates: &[Update]) -> Vec<&str> {
    fn kind(update: &Update) -> Option<&str> {
        match update {
            Update::SecretMasked { kind } => Some(kind),
            _ => None,
        }
    }
    updates.iter().filter_map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_the_home_has_a_secret() {
    let house = House::of_script(
        r#"(turns: [
            (say: [
                thinking("The key is the-key-of-this-house, and password=Xk29-qqLm-77aa is mine."),
                text("I look at it; `api_key: 7f3kQ9vLm2ZxRt8w` it said."),
                call("read", (path: ".env")),
                call("bash", (command: "while IFS= read -r -n1 c; do printf %s \"$c\"; done < .env; yes \"$(cat .env)\" | head -3000")),
                call("bash", (command: "echo 'TOKEN=a8Fk20sLqPz1x9Rt' > own.env")),
            ]),
            (say: [text("Done with the-key-of-this-house.")]),
        ])"#,
    )
    .await;
    std::fs::write(
        house.workspace().join(".env"),
        format!("DB_PASSWORD={PASSWORD}\n"),
    )
    .unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house
        .turn(
            session,
            &format!("use {OWN_SECRET} and postgres://me:sw0rdf1sh@db/x"),
        )
        .await;
    assert_eq!((end.state, end.failure.clone()), (State::Completed, None));
    assert_eq!(
        counts(&house, session),
        [
            ("credential", 1),
            ("password", 2),
            ("secret-value", 2),
            ("url-password", 1)
        ]
        .map(|(kind, count)| (kind.to_owned(), count))
    );
    let mut told = masked(&end.updates);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "credential",
            "password",
            "password",
            "secret-value",
            "secret-value",
            "url-password"
        ]
    );
    // What the model wrote itself is done as it wrote it.
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("own.env")).unwrap(),
        "TOKEN=a8Fk20sLqPz1x9Rt\n"
    );
    house
        .runtime()
        .steer(session, &format!("also {OWN_SECRET}"), None)
        .await
        .unwrap_err();
    house
        .runtime()
        .follow_up(session, &format!("also {OWN_SECRET}"), None)
        .await
        .unwrap();
    house.runtime().close(session).await.unwrap();
    let home = house.close().await;
    for secret in [
        PASSWORD,
        OWN_SECRET,
        "sw0rdf1sh",
        "Xk29-qqLm-77aa",
        "7f3kQ9vLm2ZxRt8w",
        "a8Fk20sLqPz1x9Rt",
    ] {
        assert_eq!(files_with(home.path(), secret), Vec::<String>::new(), "{secret}");
    }
}

/// The models of a server that plays a script on a wire.
async fn served(wire: Wire, script: &str) -> (ModelServer, Arc<dyn ModelPort>) {
    let server = ModelServer::start(Answers::Script(wire, Script::parse(script).unwrap()))
        .await
        .unwrap();
    let key = SecretString::from("a-key");
    let provider = Provider::new("A_KEY", wire, &BaseUrl::parse(&server.url()).unwrap(), Some(&key));
    (
        server,
        Arc::new(Models::default().with("real", Arc::new(provider))),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_model_says_is_masked_wherever_the_stream_is_cut() {
    // In each turn the deltas have so many characters, and the secrets begin one character later.
    const CHUNK: usize = 24;
    let mut turns = String::new();
    for at in 0..CHUNK {
        let before = "a ".repeat(at / 2) + if at % 2 == 1 { ".." } else { "." };
        turns.push_str(&format!(
            r#"(say: [thinking("{before} password={PASSWORD} ä"), text("{before} {OWN_SECRET}, ö"),
                call("bash", (command: "true {before} && printf 'TOKEN=a8Fk20sLqPz1x9Rt\\nPASSWORD={PASSWORD}\\n' > own.{at}"))]),
               (say: [text("{before} 'password': '{PASSWORD}'")]),"#
        ));
    }
    let script = format!("(chunk: {CHUNK}, turns: [{turns}])");
    for wire in [
        Wire::Anthropic,
        Wire::OpenAiCompatible,
        Wire::OpenAiResponses,
        Wire::Gemini,
    ] {
        let (server, models) = served(wire, &script).await;
        let house = House::with(models, Arc::new(SystemClock::default())).await;
        let settings = Settings {
            model: Sourced::from_layer(Some("real/some-model".parse().unwrap()), Layer::Flag),
            ..House::settings(Mode::Yolo)
        };
        let session = house.session(settings).await;
        for at in 0..CHUNK {
            let end = house.turn(session, "go").await;
            assert_eq!(
                (end.state, end.failure.clone()),
                (State::Completed, None),
                "{wire:?}"
            );
            // What was streamed is what stands in the conversation.
            let streamed = |update: &Update| match update {
                Update::Thinking { text } | Update::Text { text } => Some(text.to_string()),
                _ => None,
            };
            let whole = |update: &Update| match update {
                Update::BlockFinished { block } => Some(match block {
                    glasswork_ai::conversation::Block::Text(text) => text.to_string(),
                    glasswork_ai::conversation::Block::Thinking(thought) => thought.text.to_string(),
                    glasswork_ai::conversation::Block::ToolCall(_)
                    | glasswork_ai::conversation::Block::Kept(_) => String::new(),
                }),
                _ => None,
            };
            let (streamed, whole): (String, String) = (
                end.updates.iter().filter_map(streamed).collect(),
                end.updates.iter().filter_map(whole).collect(),
            );
            assert_eq!(streamed, whole, "{wire:?} {at}");
            assert_eq!(
                streamed.matches("[secret:").count(),
                3,
                "{wire:?} {at}: {streamed}"
            );
            for call in house.now(session).calls.values() {
                let outcome = call.outcome.as_ref().unwrap();
                assert!(
                    !outcome.is_error,
                    "{wire:?} {at}: {} {}",
                    call.call.arguments, outcome.text
                );
            }
            assert_eq!(
                std::fs::read_to_string(house.workspace().join(format!("own.{at}"))).unwrap(),
                format!("TOKEN=a8Fk20sLqPz1x9Rt\nPASSWORD={PASSWORD}\n")
            );
        }
        let kinds = [("credential", 1), ("password", 1), ("secret-value", 1)];
        assert_eq!(
            counts(&house, session),
            kinds.map(|(kind, count)| (kind.to_owned(), count))
        );
        // Nor does the server get back what it said.
        for received in server.received() {
            let body = String::from_utf8_lossy(&received.body).into_owned();
            assert!(!body.contains(PASSWORD) && !body.contains(OWN_SECRET));
        }
        let home = house.close().await;
        for secret in [PASSWORD, OWN_SECRET, "a8Fk20sLqPz1x9Rt"] {
            assert_eq!(
                files_with(home.path(), secret),
                Vec::<String>::new(),
                "{wire:?} {secret}"
            );
        }
    }
}

/// A model that edits the file that it has read, by what it has read.
#[derive(Debug)]
struct Editor;

impl ModelPort for Editor {
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        let results = request.messages.iter().filter_map(|message| match message {
            Message::ToolResult(result) => Some(result.text.to_string()),
            _ => None,
        });
        let read: Vec<String> = results.collect();
        let line = read.first().map_or("", |text| text.trim_end());
        let quoted = serde_json::to_string(line).unwrap();
        let script = format!(
            r#"(turns: [
                (say: [call("read", (path: ".env"))]),
                (say: [
                    call("edit", (path: ".env", edits: [(old_text: {quoted}, new_text: {})])),
                    call("write", (path: "elsewhere", content: {quoted})),
                    call("bash", (command: {})),
                ]),
                (say: [text("Done.")]),
            ])"#,
            serde_json::to_string(&format!("A=1\n{line}")).unwrap(),
            serde_json::to_string(&format!("echo '{line}' > elsewhere")).unwrap(),
        );
        Scripts::default()
            .with("test", Script::parse(&script).unwrap())
            .call(request, attempt)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_edited_by_its_placeholders_has_its_secret_again() {
    let models = Models::default().with("scripted", Arc::new(Editor));
    let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
    std::fs::write(
        house.workspace().join(".env"),
        format!("DB_PASSWORD={PASSWORD}\n"),
    )
    .unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.failure.clone()), (State::Completed, None));
    assert_eq!(
        std::fs::read_to_string(house.workspace().join(".env")).unwrap(),
        format!("A=1\nDB_PASSWORD={PASSWORD}\n")
    );
    assert!(!house.workspace().join("elsewhere").exists());
    let now = house.now(session);
    let outcomes: Vec<_> = now
        .calls
        .values()
        .map(|call| call.outcome.clone().unwrap())
        .collect();
    assert!(
        outcomes[2].is_error && outcomes[2].text.contains("did not come from here"),
        "{}",
        outcomes[2].text
    );
    assert!(
        outcomes[3].is_error && outcomes[3].text.contains("not put into commands"),
        "{}",
        outcomes[3].text
    );
    assert_eq!(counts(&house, session), [("password".to_owned(), 1)]);
    let home = house.close().await;
    assert_eq!(files_with(home.path(), PASSWORD), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masking_can_be_turned_off_and_failures_are_masked_too() {
    let house = House::of_script(&format!(
        r#"(turns: [
            (first: [(times: 1, say: [fail(class: invalid, message: "bad key {OWN_SECRET}", status: 400)])], say: [text("x")]),
            (say: [text("{OWN_SECRET}")]),
        ])"#
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Failed);
    assert!(
        !format!("{:?}", end.failure).contains(OWN_SECRET),
        "{:?}",
        end.failure
    );
    assert!(format!("{:?}", end.failure).contains("[secret:credential:"));
    let off = Setting::MaskSecrets(Sourced::from_layer(false, Layer::Session));
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.runtime().set(session, off).await.unwrap();
    house.turn(session, &format!("password={PASSWORD}")).await;
    assert_eq!(counts(&house, session), []);
    let home = house.close().await;
    assert!(!files_with(home.path(), PASSWORD).is_empty());
}
