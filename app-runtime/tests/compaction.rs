//! Long conversations over true wires: what the server received after they were made shorter, and what becomes of
//! everything that can go wrong meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::compaction::Hindrance;
use glasswork_agent_core::context::Purpose;
use glasswork_agent_core::session::State as SessionState;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Request;
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{Call, ModelPort, Models};
use glasswork_ai::scripted::{Step, Turn};
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::{Session, TurnFailure};
use glasswork_testkit::house::House;
use glasswork_testkit::model_server::{Answers, ModelServer, Received};
use glasswork_testkit::request_rules;
use tempfile::TempDir;

const WIRES: [Wire; 3] = [Wire::Anthropic, Wire::OpenAiChat, Wire::OpenAiCompatible];

fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

/// Settings for a small window: a quarter of it is kept free, a quarter stays.
fn small(window: u64) -> Settings {
    Settings {
        model: flag(Some("real/some-model".parse().unwrap())),
        context_window: flag(Some(window)),
        retry_attempts: flag(2),
        retry_base_ms: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

fn models(wire: Wire, server: &ModelServer) -> Arc<Models> {
    let key = SecretString::from("a-key");
    let provider = Provider::new("A_KEY", wire, &BaseUrl::parse(&server.url()).unwrap(), Some(&key));
    Arc::new(Models::default().with("real", Arc::new(provider)))
}

/// Text of so many tokens, by our count.
fn text(tokens: usize) -> String {
    "abc ".repeat(tokens)
}

fn says(text: impl AsRef<str>) -> Turn {
    Turn::says([Step::Text(text.as_ref().into())])
}

fn fails(class: FailureClass, status: u16) -> Turn {
    Turn::says([Step::Fail {
        class,
        message: None,
        status: Some(status),
        retry_after_ms: None,
    }])
}

/// Whether a request is one for a summary, as its server sees it.
fn is_for_a_summary(request: &Received) -> bool {
    String::from_utf8_lossy(&request.body).contains("You write the notes from which a coding agent goes on")
}

async fn server(wire: Wire, choose: impl FnMut(&Received) -> Turn + Send + 'static) -> ModelServer {
    ModelServer::start(Answers::chosen(wire, choose)).await.unwrap()
}

async fn house(wire: Wire, server: &ModelServer) -> House {
    House::with(models(wire, server), Arc::new(SystemClock::default())).await
}

/// Asks for a summary and waits for how it ends.
async fn compact(house: &House, session: ScopeId, focus: Option<&str>) -> Update {
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().compact(session, focus, None).await.unwrap();
    until(&mut watch, |update| {
        matches!(
            update,
            Update::Compacted { .. } | Update::CompactionFailed { .. } | Update::CompactionDropped
        )
    })
    .await
}

async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) -> Update {
    loop {
        let watched = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
        let updates = watched.expect("something happens within a minute").updates;
        if let Some(update) = updates.into_iter().find(&what) {
            return update;
        }
    }
}

fn compactions(session: &Session) -> usize {
    let bodies = session.tree.entries().map(|(_, entry)| &entry.body);
    bodies.filter(|body| matches!(body, Body::Compaction(_))).count()
}

/// What was sent is valid for every provider, is what the record says, and every part of it names a commit.
fn check(wire: Wire, server: &ModelServer, session: &Session, seq: u64) {
    request_rules::check_session(session).unwrap();
    let mut received = server.received().into_iter();
    for (id, prepared) in &session.requests {
        let encoded = wire.encode(&session.render(*id).unwrap()).unwrap().body;
        for _ in 0..prepared.attempts {
            assert_eq!(
                String::from_utf8_lossy(&received.next().unwrap().body),
                String::from_utf8_lossy(&encoded),
                "{wire:?}: request {id}"
            );
        }
        let digest = blake3::hash(&encoded).to_hex();
        assert_eq!(*prepared.body.as_ref().unwrap().digest, *digest.as_str());
        for part in glasswork_agent_core::context::parts_of(&session.requests, *id) {
            assert!(part.by > 0 && part.by <= seq, "{part:?}");
            assert!(session.tree.get(part.entry).is_some());
        }
    }
    assert_eq!(received.next(), None, "something was sent that is not on record");
}

fn seq(house: &House, session: ScopeId) -> u64 {
    house.snapshot().session(session, None).unwrap().scope.seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_over_every_wire() {
    for wire in WIRES {
        let server = server(wire, |request| match is_for_a_summary(request) {
            true => says("## Goal\nA tidy attic."),
            false => says(text(400)),
        })
        .await;
        let house = house(wire, &server).await;
        std::fs::write(house.workspace().join("AGENTS.md"), "Always wear a hat.\n").unwrap();
        std::fs::write(house.home().join("mine.md"), "Speak softly.").unwrap();
        house.runtime().read_instructions(house.home().join("mine.md"));
        let session = house.session(small(8_000)).await;
        let first = "Tidy the attic, “all” of it: \u{1F3DA} boxes, beams & dust.";
        assert_eq!(house.turn(session, first).await.state, State::Completed);
        for prompt in ["two", "three", "four", "five", "six"] {
            house.turn(session, prompt).await;
        }
        let compacted = compact(&house, session, Some("the dust")).await;
        let Update::Compacted {
            tokens_before,
            tokens_after,
            ..
        } = compacted
        else {
            panic!("{compacted:?}")
        };
        assert!(tokens_after < tokens_before, "{compacted:?}");
        assert_eq!(house.turn(session, "seven").await.state, State::Completed);
        let received = server.received();
        assert_eq!(received.len(), 8);
        let asked = String::from_utf8(received[6].body.clone()).unwrap();
        assert!(
            asked.contains("boxes, beams & dust") && asked.contains("the dust"),
            "{asked}"
        );
        assert!(!asked.contains("tools"), "a summary is made without tools");
        let sent = String::from_utf8(received[7].body.clone()).unwrap();
        for words in [
            "Always wear a hat.",
            "Speak softly.",
            first,
            "A tidy attic.",
            "seven",
        ] {
            assert!(sent.contains(words), "{wire:?}: {words} is missing in {sent}");
        }
        assert!(!sent.contains("\"two\""), "{wire:?}: {sent}");
        let now = house.now(session);
        assert_eq!(
            now.usage.models.values().map(|used| used.attempts).sum::<u64>(),
            8
        );
        check(wire, &server, &now, seq(&house, session));

        // It can be undone only where nothing followed it.
        house.runtime().undo_compaction(session, None).await.unwrap_err();
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undone_the_whole_conversation_is_sent_again() {
    let wire = Wire::Anthropic;
    let server = server(wire, |request| match is_for_a_summary(request) {
        true => says("notes"),
        false => says(text(400)),
    })
    .await;
    let house = house(wire, &server).await;
    let session = house.session(small(8_000)).await;
    for prompt in ["one", "two", "three", "four"] {
        house.turn(session, prompt).await;
    }
    let before = house.now(session).context.parts().clone();
    compact(&house, session, None).await;
    house.runtime().undo_compaction(session, None).await.unwrap();
    assert_eq!(house.now(session).context.parts(), &before);
    house.turn(session, "five").await;
    let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
    for words in ["one", "two", "three", "four", "five"] {
        assert!(sent.contains(&format!("\"{words}\"")), "{words}: {sent}");
    }
    assert!(!sent.contains("notes"));
    check(wire, &server, &house.now(session), seq(&house, session));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_loop_of_forty_steps_with_large_outputs() {
    for wire in [Wire::Anthropic, Wire::OpenAiChat] {
        let mut step = 0;
        let server = server(wire, move |request| {
            if is_for_a_summary(request) {
                return says("## Done\nSome files were written.");
            }
            step += 1;
            if step > 40 {
                return says("All done.");
            }
            let write = format!(r#"{{"path":"file-{step}","content":"{step}\n"}}"#);
            Turn::says([
                Step::Text("Next.".into()),
                Step::CallJson("write".into(), write.into()),
                Step::CallJson("bash".into(), r#"{"command":"seq 1 1500"}"#.into()),
            ])
        })
        .await;
        let house = house(wire, &server).await;
        let session = house.session(small(24_000)).await;
        let first = "Write forty files, please, each with its number.";
        let mut watch = house.runtime().watch(session).unwrap();
        house.runtime().prompt(session, first, None).await.unwrap();
        // What is said meanwhile is not lost.
        until(&mut watch, |update| {
            matches!(update, Update::CompactionBegan { .. })
        })
        .await;
        house
            .runtime()
            .steer(session, "Mind the gap.", None)
            .await
            .unwrap();
        house
            .runtime()
            .follow_up(session, "And a poem.", None)
            .await
            .unwrap();
        let ended = until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
        assert!(
            matches!(
                ended,
                Update::TurnEnded {
                    state: State::Completed,
                    ..
                }
            ),
            "{ended:?}"
        );
        until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
        let now = house.now(session);
        assert!(compactions(&now) >= 3, "{}", compactions(&now));
        for (id, prepared) in &now.requests {
            if prepared.purpose == Purpose::Step {
                assert!(
                    prepared.plan.estimate <= 24_000,
                    "request {id}: {}",
                    prepared.plan.estimate
                );
            }
        }
        let received = server.received();
        let bodies: Vec<_> = received
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body))
            .collect();
        let steps: Vec<_> = bodies
            .iter()
            .zip(&received)
            .filter(|(_, request)| !is_for_a_summary(request))
            .collect();
        assert!(
            steps.iter().all(|(body, _)| body.contains(first)),
            "the first prompt is in every request"
        );
        assert!(bodies.iter().any(|body| body.contains("Mind the gap.")));
        let last = &steps.last().unwrap().0;
        assert!(last.contains("And a poem."));
        let file = house.workspace().join("file-1");
        assert!(
            last.contains(file.to_str().unwrap()),
            "a file that was changed long ago is listed"
        );
        check(wire, &server, &now, seq(&house, session));
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_refusal_for_its_length_it_is_sent_once_more() {
    // How often the server refuses, how the turn ends, and how many requests that takes: four turns, the refused one,
    // the summary, the second try.
    for (refusals, state, requests) in [(1, State::Completed, 7), (2, State::Failed, 7)] {
        for wire in WIRES {
            let (mut asked, mut refused) = (0, 0);
            let server = server(wire, move |request| {
                asked += 1;
                if is_for_a_summary(request) {
                    return says("notes");
                }
                if asked > 4 && refused < refusals {
                    refused += 1;
                    return fails(FailureClass::ContextOverflow, 400);
                }
                says(text(400))
            })
            .await;
            let house = house(wire, &server).await;
            let unknown = Settings {
                context_window: flag(None),
                ..small(1)
            };
            let session = house.session(unknown).await;
            for prompt in ["one", "two", "three", "four"] {
                house.turn(session, prompt).await;
            }
            let end = house.turn(session, "five").await;
            assert_eq!(end.state, state, "{wire:?}: {:?}", end.failure);
            let again = matches!(
                end.failure,
                Some(TurnFailure::TooLong {
                    hindrance: Hindrance::Again,
                    ..
                })
            );
            assert_eq!(again, refusals == 2, "{:?}", end.failure);
            assert_eq!(server.received().len(), requests, "{wire:?}");
            let now = house.now(session);
            assert_eq!(compactions(&now), 1);
            check(wire, &server, &now, seq(&house, session));
            house.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_summary_leaves_everything_as_it_was() {
    let wire = Wire::OpenAiChat;
    let answers: [(&str, Turn); 6] = [
        ("the summary is empty", Turn::says([])),
        ("not shorter", says(text(3_000))),
        (
            "did not end",
            Turn::says([
                Step::Text("half".into()),
                Step::Stop(glasswork_ai::stream::StopReason::Length),
            ]),
        ),
        (
            "refused to summarise",
            Turn::says([
                Step::Text("no".into()),
                Step::Stop(glasswork_ai::stream::StopReason::Refusal),
            ]),
        ),
        (
            "called a tool",
            Turn::says([Step::CallJson("bash".into(), r#"{"command":"touch ran"}"#.into())]),
        ),
        ("", fails(FailureClass::Auth, 401)),
    ];
    for (reason, answer) in answers {
        let server = server(wire, move |request| match is_for_a_summary(request) {
            true => answer.clone(),
            false => says(text(400)),
        })
        .await;
        let house = house(wire, &server).await;
        let session = house.session(small(8_000)).await;
        for prompt in ["one", "two", "three", "four"] {
            house.turn(session, prompt).await;
        }
        let before = house.now(session).context.clone();
        let failed = compact(&house, session, None).await;
        let Update::CompactionFailed { message } = &failed else {
            panic!("{failed:?}")
        };
        assert!(message.contains(reason), "{message}");
        assert_eq!(house.now(session).context, before);
        assert!(!house.workspace().join("ran").exists());
        assert_eq!(house.turn(session, "five").await.state, State::Completed);
        check(wire, &server, &house.now(session), seq(&house, session));
        house.close().await;
    }
}

/// A server that never ends its summaries.
async fn stalling(wire: Wire) -> ModelServer {
    server(wire, |request| match is_for_a_summary(request) {
        true => Turn::says([
            Step::Connected,
            Step::Partial(glasswork_ai::scripted::Said::Text("half of the n".into())),
            Step::Stall,
        ]),
        false => says(text(600)),
    })
    .await
}

/// Makes the window so small that the conversation is over its threshold.
async fn full(house: &House, session: ScopeId) {
    let window = house.now(session).context.tokens();
    let window = Sourced::from_layer(Some(window), Layer::Session);
    house
        .runtime()
        .set(session, Setting::ContextWindow(window))
        .await
        .unwrap();
}

async fn open(house: &House, session: ScopeId, settings: Settings) {
    let opening = Opening {
        workspace: house.workspace(),
        settings,
        title: None,
        servers: vec![],
    };
    house.runtime().open(session, opening).await.unwrap();
}

/// The process ends in the middle of a summary, by hand and within a turn: the next one finds the conversation as it
/// was, sends nothing twice, and nothing that was said is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_in_the_middle_loses_nothing() {
    let wire = Wire::Anthropic;
    for by_hand in [true, false] {
        let server = stalling(wire).await;
        let house = house(wire, &server).await;
        let session = house.session(small(100_000)).await;
        let mut watch = house.runtime().watch(session).unwrap();
        for prompt in ["one", "two", "three"] {
            house.turn(session, prompt).await;
        }
        match by_hand {
            true => drop(house.runtime().compact(session, None, None).await.unwrap()),
            false => full(&house, session).await,
        }
        house
            .runtime()
            .prompt(session, "the last words", None)
            .await
            .unwrap();
        until(&mut watch, |update| {
            matches!(update, Update::CompactionBegan { .. })
        })
        .await;
        let sent = server.received().len().max(4);
        server.until_received(4).await;
        let home: TempDir = house.close().await;

        let house = House::at(home, models(wire, &server), Arc::new(SystemClock::default())).await;
        open(&house, session, small(100_000)).await;
        let now = house.now(session);
        assert_eq!((now.state, compactions(&now)), (SessionState::Idle, 0));
        assert!(now.compactions.open.is_none());
        assert_eq!(
            server.received().len(),
            sent,
            "what was under way is not sent again by itself"
        );
        let waiting = now.queue.follow_ups.iter().map(|words| &*words.text);
        let said = now.tree.entries().filter_map(|(_, entry)| match &entry.body {
            Body::Prompt { text, .. } => Some(&**text),
            _ => None,
        });
        let kept: Vec<_> = said.chain(waiting).collect();
        assert_eq!(kept, ["one", "two", "three", "the last words"]);
        assert_eq!(house.turn(session, "go on").await.state, State::Completed);
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_cancelled_and_its_connection_is_closed() {
    let wire = Wire::OpenAiChat;
    let server = stalling(wire).await;
    let house = house(wire, &server).await;
    let session = house.session(small(100_000)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    for prompt in ["one", "two", "three"] {
        house.turn(session, prompt).await;
    }
    let before = house.now(session).context.clone();
    // By hand.
    house.runtime().compact(session, None, None).await.unwrap();
    house.runtime().prompt(session, "later", None).await.unwrap();
    server.until_received(4).await;
    house.runtime().cancel(session).await.unwrap();
    until(&mut watch, |update| *update == Update::CompactionDropped).await;
    server.until_closed(1).await;
    let now = house.now(session);
    assert_eq!((now.state, &now.context), (SessionState::Idle, &before));
    assert_eq!(&*now.queue.follow_ups[0].text, "later");
    // Within a turn, at once and softly.
    full(&house, session).await;
    house.runtime().prompt(session, "four", None).await.unwrap();
    until(&mut watch, |update| {
        matches!(update, Update::CompactionBegan { .. })
    })
    .await;
    server.until_received(5).await;
    house.runtime().cancel(session).await.unwrap();
    let ended = until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    assert!(matches!(
        ended,
        Update::TurnEnded {
            state: State::Cancelled,
            ..
        }
    ));
    server.until_closed(2).await;
    house.runtime().prompt(session, "five", None).await.unwrap();
    until(&mut watch, |update| {
        matches!(update, Update::CompactionBegan { .. })
    })
    .await;
    house.runtime().interrupt(session).await.unwrap();
    let ended = until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    assert!(matches!(
        ended,
        Update::TurnEnded {
            state: State::Interrupted,
            ..
        }
    ));
    assert_eq!(compactions(&house.now(session)), 0);
    house.close().await;
}

/// A summary that is nearly as long as what it stands for is not made again and again: the turn goes on as it is, and
/// when the server refuses, it says why it stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_does_not_get_shorter_stops_with_the_reason() {
    let wire = Wire::Anthropic;
    let (mut asked, mut summaries) = (0, 0);
    let server = server(wire, move |request| {
        asked += 1;
        if is_for_a_summary(request) {
            summaries += 1;
            assert_eq!(summaries, 1, "only one is made");
            // What is asked is as long as what gives way, but for its frame; the first prompt is carried besides.
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let question = body
                .pointer("/messages/0/content/0/text")
                .unwrap()
                .as_str()
                .unwrap();
            let frame = 330 + 10 * question.matches("[calls").count();
            return says(text(question.len() / 4 - 3_245 - frame - 300));
        }
        if asked > 60 {
            return fails(FailureClass::ContextOverflow, 400);
        }
        Turn::says([Step::CallJson("bash".into(), r#"{"command":"seq 1 100"}"#.into())])
    })
    .await;
    let house = house(wire, &server).await;
    let settings = Settings {
        compact_keep: flag(3_000),
        // This is about loops of another kind.
        loop_rounds: flag(0),
        ..small(12_500)
    };
    let session = house.session(settings).await;
    let end = house.turn(session, &text(3_200)).await;
    let now = house.now(session);
    assert_eq!(
        (end.state, compactions(&now)),
        (State::Failed, 1),
        "{:?}",
        end.failure
    );
    let Some(failure) = &end.failure else { panic!() };
    let told = glasswork_app_runtime::explain::failure(failure);
    assert!(told.contains("compacting it brought"), "{told}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instructions_are_read_as_text_and_never_from_elsewhere() {
    let wire = Wire::Anthropic;
    let server = server(wire, |_| says("ok")).await;
    let house = house(wire, &server).await;
    std::fs::write(house.home().join("secret"), "a private key").unwrap();
    std::os::unix::fs::symlink(house.home().join("secret"), house.workspace().join("AGENTS.md")).unwrap();
    let session = house.session(small(8_000)).await;
    house.turn(session, "one").await;
    let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
    assert!(!sent.contains("a private key"));

    std::fs::remove_file(house.workspace().join("AGENTS.md")).unwrap();
    std::fs::write(house.workspace().join("AGENTS.md"), "long ".repeat(100_000)).unwrap();
    let session = house.session(small(100_000)).await;
    house.turn(session, "one").await;
    let sent = String::from_utf8(server.received().pop().unwrap().body).unwrap();
    assert!(
        sent.contains("it is too long") && sent.len() < 100_000,
        "{}",
        sent.len()
    );
    house.close().await;
}

/// A port that knows of two models how much they take.
#[derive(Debug)]
struct Knowing;

impl ModelPort for Knowing {
    fn call(&self, _: Arc<Request>, _: u32) -> Call {
        Call::impossible(Failure::new(FailureClass::Invalid, "not asked"))
    }

    fn context_window(&self, model: &ModelId) -> Option<u64> {
        match &*model.model {
            "small" => Some(40_000),
            "large" => Some(1_000_000),
            _ => None,
        }
    }

    fn default_answer(&self, model: &ModelId) -> Option<u64> {
        (&*model.model == "small").then_some(32_000)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_is_that_of_the_model_unless_someone_sets_it() {
    let models = Models::default().with("real", Arc::new(Knowing));
    let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
    let model = |name: &str| flag(Some(format!("real/{name}").parse().unwrap()));
    let of = |settings: Settings| {
        let house = &house;
        async move {
            let session = house.session(settings).await;
            let seen = |session| {
                let now = house.now(session);
                let settings = &now.settings;
                (
                    settings.context_window.value,
                    settings.compact_reserve.value,
                    now.compaction_threshold(),
                )
            };
            let mut all = vec![seen(session)];
            for name in ["large", "unknown", "small"] {
                house
                    .runtime()
                    .set(session, Setting::Model(model(name)))
                    .await
                    .unwrap();
                all.push(seen(session));
            }
            all
        }
    };
    let settings = || Settings {
        model: model("small"),
        ..House::settings(Mode::Yolo)
    };
    // A quarter of a small window, and nothing by itself in a large one.
    let small = (Some(40_000), 32_000, Some(30_000));
    assert_eq!(
        of(settings()).await,
        [
            small,
            (Some(1_000_000), 16_384, None),
            (None, 16_384, None),
            small
        ]
    );
    let set = Settings {
        context_window: flag(Some(200_000)),
        compact_reserve: flag(10_000),
        ..settings()
    };
    assert_eq!(of(set).await, [(Some(200_000), 10_000, Some(190_000)); 4]);
    house.close().await;
}
