//! What a breaker is told of a request, and when: through whole turns.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::watching::Watch;
use glasswork_engine::trace::{Outcome, TraceRecord};
use glasswork_engine::{ScopeId, SystemClock, Timestamp, VirtualClock};
use glasswork_session_state::breaker::State as B;
use glasswork_session_state::settings::Settings;
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::House;
use tempfile::TempDir;

use crate::turns::{breaker, flag, models, rules, settings, told};

const PAUSE: Duration = Duration::from_secs(30);

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::at(Timestamp(1_795_236_311_000_000)))
}

/// A house whose breaker opens at the first failure. Only the script `test` can be asked.
async fn house(script: &str, clock: &Arc<VirtualClock>) -> House {
    let models = models(&[("test", script)], "(turns: [])");
    House::guarded(TempDir::new().unwrap(), models, clock.clone(), rules(1, PAUSE)).await
}

/// A script that fails until it is told `again`.
fn failing_then(steps: &str) -> String {
    format!(
        r#"(turns: [(when: "again", say: [{steps}], otherwise: [fail(class: unavailable, status: 500)])])"#
    )
}

/// Where the breaker stands, as every process sees it.
fn stands(house: &House) -> Option<B> {
    let breakers = house.archive().breakers(rules(1, PAUSE), clock());
    breakers
        .now()
        .unwrap()
        .get("scripted")
        .map(|breaker| breaker.state)
}

/// Waits until the runner of a request that was dropped has said its last word, which nobody listens to any more.
async fn last_word(house: &House, session: ScopeId) {
    let is_said = || {
        let traces = house.snapshot().traces(session).unwrap();
        traces.iter().any(|trace| match &**trace {
            TraceRecord::Dispatch(dispatch) => matches!(dispatch.outcome, Outcome::Stale { .. }),
            _ => false,
        })
    };
    let waiting = async {
        while !is_said() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap();
}

/// Says `again`, and waits until the turn is there.
async fn until(house: &House, session: ScopeId, state: State) -> Watch {
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "again", None).await.unwrap();
    while watch.session().turn.as_ref().map(|turn| turn.state) != Some(state) {
        watch.next().await;
    }
    watch
}

/// A silence that the session's deadline ended is the provider's: before it began to answer, before its first token, and
/// between two of them, each by the limit that holds there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_counts_where_it_was_too_long() {
    const LONG: u64 = 600_000;
    const SHORT: u64 = 1_500;
    for (silence, limits) in [
        ("stall", [SHORT, LONG, LONG]),
        ("connected, stall", [LONG, SHORT, LONG]),
        ("text(\"I s\"), stall", [LONG, LONG, SHORT]),
    ] {
        let house = House::guarded(
            TempDir::new().unwrap(),
            models(
                &[("test", &format!("(turns: [(say: [{silence}])])"))],
                "(turns: [])",
            ),
            Arc::new(SystemClock::default()),
            rules(1, PAUSE),
        )
        .await;
        let [connect, first, idle] = limits;
        let session = house
            .session(Settings {
                connect_timeout_ms: flag(connect),
                first_token_timeout_ms: flag(first),
                idle_timeout_ms: flag(idle),
                ..settings(&[], 1)
            })
            .await;
        house.turn(session, "go").await;
        told(&house, "scripted", Some(B::Open)).await;
        house.close().await;
    }
}

/// One that a person ended is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_has_ended_is_nobodys_failure() {
    for silence in ["stall", "connected, stall", "text(\"I s\"), stall"] {
        let house = house(&format!("(turns: [(say: [{silence}])])"), &clock()).await;
        let session = house.session(settings(&[], 1)).await;
        let state = match silence {
            "stall" => State::Connecting,
            _ => State::Streaming,
        };
        let watch = until(&house, session, state).await;
        house.runtime().cancel(session).await.unwrap();
        House::end_of_turn(watch).await;
        last_word(&house, session).await;
        assert_eq!((stands(&house), breaker(&house, "scripted")), (None, None));
        house.close().await;
    }
}

/// The first word of the try is enough; nobody waits for the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_closes_with_the_first_word_of_its_try() {
    let clock = clock();
    let house = house(&failing_then(r#"text("I see"), stall"#), &clock).await;
    let session = house.session(settings(&[], 1)).await;
    assert_eq!(house.turn(session, "go").await.state, State::Failed);
    assert_eq!(stands(&house), Some(B::Open));
    clock.advance(PAUSE + Duration::from_secs(1));
    let watch = until(&house, session, State::Streaming).await;
    told(&house, "scripted", None).await;
    assert_eq!(house.now(session).turn.as_ref().unwrap().state, State::Streaming);
    house.runtime().cancel(session).await.unwrap();
    House::end_of_turn(watch).await;
    last_word(&house, session).await;
    assert_eq!(stands(&house), None);
    house.close().await;
}

/// What never left the house says nothing of who would have got it: the try is the next one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_was_never_sent_closes_no_breaker() {
    let clock = clock();
    let house = house(&failing_then("stall"), &clock).await;
    let session = house.session(settings(&[], 1)).await;
    house.turn(session, "go").await;
    clock.advance(PAUSE + Duration::from_secs(1));
    let other = house
        .session(Settings {
            model: flag(Some("scripted/none".parse().unwrap())),
            ..settings(&[], 1)
        })
        .await;
    let end = house.turn(other, "go").await;
    let Some(TurnFailure::Model(failure)) = end.failure else {
        panic!("{end:?}")
    };
    assert_eq!(&*failure.message, "there is no script `none`; there are: test");
    assert_eq!(stands(&house), Some(B::Open));
    house.close().await;
}

/// Whoever is refused is told how it stands, and what lets everything through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_meets_a_breaker_is_told_where_it_stands() {
    let clock = clock();
    let house = house(&failing_then("stall"), &clock).await;
    let session = house.session(settings(&[], 1)).await;
    let refused = async || {
        let other = house.session(settings(&[], 1)).await;
        match house.turn(other, "go").await.failure {
            Some(TurnFailure::Model(failure)) => (failure.message.to_string(), failure.retry_after_ms),
            other => panic!("{other:?}"),
        }
    };
    house.turn(session, "go").await;
    // What is left of a second is a second: nobody shall come too early.
    clock.advance(Duration::from_millis(500));
    assert_eq!(
        refused().await,
        (
            "nothing was sent: requests to `scripted` failed 1 times, and the next try is let through in 30 s; `glasswork \
             models reset scripted` lets everything through at once"
                .to_owned(),
            Some(29_500)
        )
    );
    clock.advance(PAUSE + Duration::from_secs(1));
    let watch = until(&house, session, State::Connecting).await;
    let half_open = async {
        while stands(&house) != Some(B::HalfOpen) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), half_open)
        .await
        .unwrap();
    assert_eq!(
        refused().await,
        (
            "nothing was sent: requests to `scripted` failed 1 times, and one try is under way; `glasswork models reset \
             scripted` lets everything through"
                .to_owned(),
            Some(2_000)
        )
    );
    house.runtime().cancel(session).await.unwrap();
    House::end_of_turn(watch).await;
    house.close().await;
}
