//! Where everything comes from: each dispatch has its cause, each part of a request its dispatch, and the bytes that a
//! server received are those that the record names.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::context::parts_of;
use glasswork_agent_core::turn::State;
use glasswork_ai::http::{BaseUrl, Provider, SecretString};
use glasswork_ai::port::Models;
use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::runtime::Opening;
use glasswork_engine::{Commit, Origin, ScopeId, SystemClock};
use glasswork_session_state::settings::{Mode, Setting, Settings};
use glasswork_session_state::{Event, Glasswork};
use glasswork_testkit::house::House;
use glasswork_testkit::model_server::{Answers, ModelServer};

use crate::support::{calls, flag, hasty};

/// Every commit of a session, read from the journal.
fn commits(house: &House, session: ScopeId) -> BTreeMap<u64, Arc<Commit<Glasswork>>> {
    let commits = house.snapshot().commits(session, 1, u64::MAX).unwrap();
    commits
        .into_iter()
        .map(|commit| (commit.id.seq, commit))
        .collect()
}

/// Everything that happened leads back to someone outside; what happened in the turns, to their prompts.
pub(crate) fn causes_hold(house: &House, session: ScopeId) {
    let commits = commits(house, session);
    assert_eq!(
        commits.keys().copied().collect::<Vec<_>>(),
        (1..=commits.len() as u64).collect::<Vec<_>>()
    );
    for commit in commits.values() {
        let name = <Glasswork as glasswork_engine::Domain>::event_name(&commit.event);
        let outside = matches!(commit.origin, Origin::User | Origin::Client(_));
        assert_eq!(
            commit.cause.is_none(),
            outside,
            "{} {name} by {:?}",
            commit.id,
            commit.origin
        );
        let mut first = commit;
        while let Some(cause) = first.cause {
            assert_eq!((cause.scope, cause.refusal), (session, 0), "{} {name}", commit.id);
            assert!(
                cause.seq < first.id.seq,
                "{} {name} is caused by {cause}",
                first.id
            );
            first = &commits[&cause.seq];
        }
        if !outside {
            let begins = matches!(
                first.event,
                Event::Prompt(_)
                    | Event::Tools(_)
                    | Event::Session(glasswork_session_state::session::Event::Closed)
            );
            assert!(begins, "{} {name} began with {:?}", commit.id, first.event);
        }
    }
}

/// Each part of each request was put there by the commit that it names.
fn parts_have_their_dispatch(house: &House, session: ScopeId) {
    let (now, commits) = (house.now(session), commits(house, session));
    assert!(!now.requests.is_empty());
    for (id, prepared) in &now.requests {
        assert!(commits.contains_key(&prepared.by), "request {id}");
        let parts = parts_of(&now.requests, *id);
        assert_eq!(parts.len() as u64, prepared.parts(), "request {id}");
        for part in &parts {
            assert_eq!(
                part.by, part.entry.seq,
                "an entry's part is put there by the commit that made the entry"
            );
            assert!(
                part.by <= prepared.by && commits.contains_key(&part.by),
                "request {id}: {part:?}"
            );
        }
        let head = now.context.head_by(prepared.plan.head).unwrap();
        let by = head
            .system
            .iter()
            .map(|part| part.by)
            .chain(head.tools.iter().map(|part| part.by));
        for by in by {
            assert!(commits.contains_key(&by), "request {id}");
        }
        let seen = house.snapshot().session(session, Some(prepared.by)).unwrap();
        let then = seen.session().unwrap().render(*id).unwrap();
        assert_eq!(
            now.render(*id),
            Some(then),
            "request {id} renders as when it was prepared"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_received_is_what_the_record_says_over_both_wires() {
    const SCRIPT: &str = r#"(turns: [
        (
            first: [
                (say: [fail(class: overloaded, status: 529)]),
                (say: [text("half"), partial(call("bash", (command: "touch ran"))), cut]),
                (say: [text("half"), stall]),
            ],
            say: [text("I look \u{1F50E}."), call("bash", (command: "echo hällo; printf '\\001\\033[31m'; exit 3")),
                call("read", (path: "absent")), call("nosuch", ())],
        ),
        (say: [thinking("Hm."), text("Again."), call("write", (path: "new", content: "a\r\nb\u{2028}\u{0}"))]),
        (say: [text("Done.")]),
        (say: [call_json("ls", ""), text("Bye.")]),
        (say: [text("Truly.")]),
    ])"#;
    for wire in [Wire::Anthropic, Wire::OpenAiChat, Wire::OpenAiCompatible] {
        let server = ModelServer::start(Answers::Script(wire, Script::parse(SCRIPT).unwrap()))
            .await
            .unwrap();
        let key = SecretString::from("a-key");
        let provider = Provider::new("A_KEY", wire, &BaseUrl::parse(&server.url()).unwrap(), Some(&key));
        let models = Models::default().with("real", Arc::new(provider));
        let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
        let settings = Settings {
            model: flag(Some("real/some-model".parse().unwrap())),
            retry_attempts: flag(4),
            retry_base_ms: flag(1),
            idle_timeout_ms: flag(1000),
            ..House::settings(Mode::Yolo)
        };
        let session = house.session(settings).await;
        let end = house.turn(session, "go ü\u{0}").await;
        assert_eq!((end.state, end.failure), (State::Completed, None), "{wire:?}");
        assert!(!house.workspace().join("ran").exists());
        house
            .runtime()
            .set(session, Setting::MaxOutputTokens(flag(Some(777))))
            .await
            .unwrap();
        let end = house.turn(session, "and now?").await;
        assert_eq!((end.state, end.failure), (State::Completed, None), "{wire:?}");
        assert_eq!(calls(&house.now(session)).len(), 5, "{wire:?}");

        let now = house.now(session);
        let mut received = server.received().into_iter();
        for (id, prepared) in &now.requests {
            let rendered = now.render(*id).unwrap();
            let encoded = wire.encode(&rendered).unwrap().body;
            let named = prepared.body.as_ref().unwrap();
            for attempt in 1..=prepared.attempts {
                let arrived = received
                    .next()
                    .unwrap_or_else(|| panic!("{wire:?}: request {id} did not arrive"));
                assert_eq!(arrived.method, "POST");
                assert!(arrived.path.ends_with(wire.path()), "{}", arrived.path);
                assert_eq!(
                    String::from_utf8_lossy(&arrived.body),
                    String::from_utf8_lossy(&encoded),
                    "{wire:?}: request {id}, attempt {attempt}"
                );
            }
            assert_eq!(
                *named.digest,
                *blake3::hash(&encoded).to_hex().as_str(),
                "{wire:?}: request {id}"
            );
            assert_eq!(named.len, encoded.len() as u64);
        }
        assert_eq!(
            received.next(),
            None,
            "{wire:?}: something was sent that is not on record"
        );
        let attempts: Vec<_> = now.requests.values().map(|prepared| prepared.attempts).collect();
        assert_eq!(attempts, [4, 1, 1, 1, 1], "{wire:?}");
        causes_hold(&house, session);
        parts_have_their_dispatch(&house, session);
        let journals = walk(&house.home().join("data"));
        for file in journals {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("a-key"), "{} holds the key", file.display());
        }
        house.close().await;
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_in_a_session_has_its_cause() {
    let house = House::of_script(
        r#"(turns: [
            (first: [(say: [fail(class: overloaded)]), (say: [stall])], say: [text("a"), call("bash", (command: "sleep 0.3; echo x")), call("ls", ())]),
            (say: [call("bash", (command: "sleep 1000"))]),
            (say: [stall]),
        ])"#,
    )
    .await;
    let session = house
        .session(Settings {
            retry_attempts: flag(3),
            max_steps: flag(2),
            ..hasty(Mode::Ask)
        })
        .await;
    let mut watch = house.runtime().watch(session).unwrap();
    use glasswork_app_runtime::watching::Update;
    let asked = |update: &Update| matches!(update, Update::ToolAsked { .. });
    house.runtime().prompt(session, "go", None).await.unwrap();
    let Update::ToolAsked { call, .. } = crate::support::until(&mut watch, asked).await else {
        unreachable!()
    };
    house.runtime().follow_up(session, "later", None).await.unwrap();
    house.runtime().approve(session, call).await.unwrap();
    let Update::ToolAsked { call, .. } = crate::support::until(&mut watch, asked).await else {
        unreachable!()
    };
    house.runtime().refuse(session, call, None).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Failed, "two steps are the limit");
    // Opened again from elsewhere it has another head; the requests before keep theirs.
    house.runtime().close(session).await.unwrap();
    let elsewhere = Opening {
        workspace: house.home().to_owned(),
        settings: hasty(Mode::Yolo),
        title: None,
        servers: vec![],
    };
    house.runtime().open(session, elsewhere).await.unwrap();
    let end = house.turn(session, "go on").await;
    assert_eq!(end.state, State::Failed, "the model stalls");
    let now = house.now(session);
    let heads: std::collections::BTreeSet<_> =
        now.requests.values().map(|prepared| prepared.plan.head).collect();
    assert_eq!(heads.len(), 2);
    causes_hold(&house, session);
    parts_have_their_dispatch(&house, session);
    house.close().await;
}
