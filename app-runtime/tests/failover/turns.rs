//! Whole turns whose models fail.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::port::{ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::explain;
use glasswork_app_runtime::projection::tree::{self, Kind};
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{Clock, SystemClock, Timestamp, VirtualClock};
use glasswork_session_state::breaker::{Breaker, Rules, State as B};
use glasswork_session_state::failover::{GivenUp, Skip, Why};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::{Scope, TurnFailure};
use glasswork_testkit::house::House;
use tempfile::TempDir;

pub(super) fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

/// Models that play these scripts: `test`, `b`, `c` … of the provider `scripted`, and one of the provider `other`.
pub(super) fn models(scripts: &[(&str, &str)], other: &str) -> Arc<dyn ModelPort> {
    let mut all = Scripts::default();
    for (name, script) in scripts {
        all = all.with(name, Script::parse(script).unwrap());
    }
    let other = Scripts::default().with("model", Script::parse(other).unwrap());
    Arc::new(
        Models::default()
            .with("scripted", Arc::new(all))
            .with("other", Arc::new(other)),
    )
}

pub(super) fn settings(fallbacks: &[&str], attempts: u32) -> Settings {
    Settings {
        fallback_models: flag(fallbacks.iter().map(|id| id.parse().unwrap()).collect()),
        retry_attempts: flag(attempts),
        retry_base_ms: flag(1),
        ..House::settings(Mode::Yolo)
    }
}

const DOWN: &str = r#"(turns: [
    (say: [fail(class: unavailable, status: 500)]), (say: [fail(class: unavailable, status: 500)]),
])"#;
const WHOLE: &str = r#"(turns: [(say: [text("whole")]), (say: [text("whole again")])])"#;

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

pub(super) fn breaker(house: &House, provider: &str) -> Option<Breaker> {
    let host = house.snapshot().host().unwrap();
    let Scope::Host(host) = &host.state else {
        panic!("it is a host")
    };
    host.breakers.get(provider).cloned()
}

/// Waits until the host's record says so.
pub(super) async fn told(house: &House, provider: &str, state: Option<B>) {
    let seen = async {
        while breaker(house, provider).map(|breaker| breaker.state) != state {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), seen).await;
    seen.unwrap_or_else(|_| panic!("{provider}: {:?}", breaker(house, provider)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_model_answers_and_the_half_answer_stands_aside() {
    let half = r#"(turns: [(say: [thinking("hm"), text("half an answer"), cut])])"#;
    let house = House::with(models(&[("test", half), ("b", WHOLE)], DOWN), system()).await;
    let session = house
        .session(settings(&["nobody/model", "scripted/none", "scripted/b"], 2))
        .await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    let fell: Vec<_> = end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::FellBack { from, to, skipped } => Some((from.to_string(), to.to_string(), skipped.len())),
            _ => None,
        })
        .collect();
    assert_eq!(fell, [("scripted/test".into(), "scripted/b".into(), 2)]);
    let now = house.now(session);
    // Each request names its model, and how often it was sent.
    let asked: Vec<_> = now
        .requests
        .values()
        .map(|prepared| (prepared.model.model.to_string(), prepared.attempts))
        .collect();
    assert_eq!(asked, [("test".into(), 2), ("b".into(), 1)]);
    let rendered = serde_json::to_string(&now.render(now.requests.get_max().unwrap().0)).unwrap();
    assert!(!rendered.contains("half"), "{rendered}");
    // It is there for people, on a branch of its own.
    let shown = tree::of(&now);
    let gone: Vec<_> = shown
        .nodes
        .iter()
        .filter(|node| node.kind == Kind::Superseded)
        .collect();
    assert_eq!(gone.len(), 1);
    assert!(
        !gone[0].active && gone[0].words.contains("half an answer"),
        "{:?}",
        gone[0]
    );
    let answered = now.tree.branch().find_map(|(_, entry)| match &entry.body {
        Body::Assistant(answer) => Some(answer.model.model.to_string()),
        _ => None,
    });
    assert_eq!(answered.as_deref(), Some("b"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_fail_each_is_told_with_its_reason() {
    let refuses = r#"(turns: [(say: [fail(class: quota, status: 402)])])"#;
    let house = House::with(models(&[("test", DOWN), ("b", refuses)], DOWN), system()).await;
    let session = house.session(settings(&["nobody/model", "scripted/b"], 1)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Failed);
    let failure = end.failure.unwrap();
    let TurnFailure::NobodyAnswered { given_up } = &failure else {
        panic!("{failure:?}")
    };
    let classes: Vec<_> = given_up
        .iter()
        .map(|GivenUp { model, why }| match why {
            Why::Failed { failure, .. } => (model.to_string(), Some(failure.class)),
            Why::Skipped(Skip::Barred(_)) => (model.to_string(), None),
            Why::Skipped(other) => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        classes,
        [
            ("scripted/test".to_owned(), Some(FailureClass::Unavailable)),
            ("nobody/model".to_owned(), None),
            ("scripted/b".to_owned(), Some(FailureClass::Quota)),
        ]
    );
    let told = explain::failure(&failure);
    for (model, _) in classes {
        assert!(told.contains(&model), "{told}");
    }
    assert_eq!(ending::of_last_turn(&house.now(session)), ExitCode::Failed);
    // And the session goes on.
    let end = house.turn(session, "again").await;
    assert_eq!(end.state, State::Failed);
    house.close().await;
}

pub(super) fn rules(failures: u32, pause: Duration) -> Rules {
    Rules {
        failures,
        pause,
        ..Rules::default()
    }
}

/// Without another model the turn waits until the breaker lets a try through, and shows how long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_waits_for_a_breaker_with_a_countdown_and_its_try_closes_it() {
    let script = r#"(turns: [(first: [
        (say: [fail(class: unavailable, status: 500)]), (say: [fail(class: overloaded, status: 529)]), (say: [text("never sent")]),
    ], say: [text("whole")])])"#;
    let pause = Duration::from_secs(2);
    let house = House::guarded(
        TempDir::new().unwrap(),
        models(&[("test", script)], DOWN),
        system(),
        rules(2, pause),
    )
    .await;
    let session = house.session(settings(&[], 4)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "whole"));
    let failed: Vec<_> = end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::AttemptFailed { failure } => Some(failure.class),
            _ => None,
        })
        .collect();
    use FailureClass as F;
    assert_eq!(failed, [F::Unavailable, F::Overloaded, F::BreakerOpen]);
    let waits: Vec<_> = end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::BackingOff {
                wait_ms, resume_at, ..
            } => Some((*wait_ms, resume_at.is_some())),
            _ => None,
        })
        .collect();
    assert!(waits[2].0 > 1 && waits[2].0 <= 2_000 && waits[2].1, "{waits:?}");
    told(&house, "scripted", None).await;
    house.close().await;
}

/// What opened it outlives the process that saw it, and another provider is asked meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_outlives_its_process_and_sends_everybody_to_the_next_model() {
    let clock = Arc::new(VirtualClock::at(Timestamp(1_795_236_311_000_000)));
    let ports = || models(&[("test", DOWN), ("b", WHOLE)], WHOLE);
    let rules = rules(2, Duration::from_secs(30));
    let house = House::guarded(TempDir::new().unwrap(), ports(), clock.clone(), rules).await;
    for attempts in 1..=2 {
        let session = house.session(settings(&[], 1)).await;
        let end = house.turn(session, "go").await;
        assert_eq!(end.state, State::Failed, "{attempts}");
    }
    told(&house, "scripted", Some(B::Open)).await;
    assert_eq!(breaker(&house, "scripted").unwrap().failures.len(), 2);
    let home = house.close().await;

    let house = House::guarded(home, ports(), clock.clone(), rules).await;
    told(&house, "scripted", Some(B::Open)).await;
    let session = house.session(settings(&["scripted/b", "other/model"], 1)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "whole"));
    let now = house.now(session);
    let why: Vec<_> = now
        .turn
        .iter()
        .flat_map(|turn| &turn.failover.given_up)
        .map(|GivenUp { model, why }| match why {
            Why::Failed { failure, .. } => (model.to_string(), failure.class),
            Why::Skipped(_) => panic!("{why:?}"),
        })
        .collect();
    let open = FailureClass::BreakerOpen;
    assert_eq!(
        why,
        [
            ("scripted/test".to_owned(), open),
            ("scripted/b".to_owned(), open)
        ]
    );
    // Nothing was sent to them.
    let sent = now.requests.values().filter(|prepared| prepared.body.is_some());
    assert_eq!(sent.count(), 1);

    // Once its time is over the session's own model is tried again; it fails, and the breaker stays open for longer.
    clock.advance(Duration::from_secs(31));
    let end = house.turn(session, "and now?").await;
    let failure = &end.failure;
    assert_eq!(
        (end.state, end.text.as_str()),
        (State::Completed, "whole again"),
        "{failure:?}"
    );
    let first = house.now(session).turn.as_ref().unwrap().failover.given_up[0].clone();
    let Why::Failed { failure, .. } = first.why else {
        panic!("{first:?}")
    };
    assert_eq!(failure.class, FailureClass::Unavailable);
    let longer = async {
        while breaker(&house, "scripted").unwrap().failed_tries != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), longer)
        .await
        .unwrap();
    house.close().await;
}

/// What a server refuses because of the request, the key or the account is no sign that it is down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_failures_of_the_provider_count() {
    for (class, opens) in [
        ("unavailable", true),
        ("overloaded", true),
        ("transport", true),
        ("timeout", true),
        ("rate_limit", false),
        ("auth", false),
        ("quota", false),
        ("invalid", false),
        ("refusal", false),
        ("context_overflow", false),
        ("protocol", false),
    ] {
        let script = format!("(turns: [(say: [fail(class: {class})])])");
        let house = House::guarded(
            TempDir::new().unwrap(),
            models(&[("test", &script)], DOWN),
            system(),
            rules(1, Duration::from_secs(30)),
        )
        .await;
        let session = house.session(settings(&[], 1)).await;
        house.turn(session, "go").await;
        let end = house.turn(session, "again").await;
        let Some(TurnFailure::Model(failure) | TurnFailure::TooLong { failure, .. }) = &end.failure else {
            panic!("{class}: {:?}", end.failure)
        };
        assert_eq!(
            failure.class == FailureClass::BreakerOpen,
            opens,
            "{class}: {failure:?}"
        );
        house.close().await;
    }
}
