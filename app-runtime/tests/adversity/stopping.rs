//! Cancel, interrupt and pause in every state of a turn: each ends in its named state, and the next prompt works.

use std::fs;

use glasswork_agent_core::tool_call::State as Call;
use glasswork_agent_core::turn::State;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::{Mode, Setting, Settings};
use glasswork_session_state::state::Pending;
use glasswork_testkit::house::{House, PATIENCE};

use crate::support::{calls, flag, hasty, until, until_turn};

/// Runs until a file called `go` is there, and says so first.
const WAITS: &str = r#"call("bash", (command: "echo began; until [ -e go ]; do sleep 0.01; done"))"#;
const ASKS: &str = r#"call("write", (path: "new", content: "x"))"#;

/// What the model does in each state in which a turn can be met.
fn steps(met: State) -> String {
    match met {
        State::Connecting => "stall".to_owned(),
        State::Streaming => {
            r#"text("kept"), partial(call("bash", (command: "touch ran"))), stall"#.to_owned()
        }
        State::BackingOff => "fail(class: rate_limit, status: 429, retry_after_ms: 500000)".to_owned(),
        State::Gating => ASKS.to_owned(),
        State::Executing | State::Paused => WAITS.to_owned(),
        // It does not listen to the first signal.
        State::Cancelling => {
            r#"call("bash", (command: "trap '' TERM; echo began; while true; do sleep 0.01; done"))"#
                .to_owned()
        }
        other => panic!("nobody meets {other:?}"),
    }
}

/// A session whose turn stands there.
pub(crate) async fn met(house: &House, state: State, settings: Settings) -> (ScopeId, Watch) {
    let session = house.session(settings).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    match state {
        State::Executing | State::Paused | State::Cancelling => {
            until(
                &mut watch,
                |update| matches!(update, Update::ToolOutput { tail, .. } if tail.contains("began")),
            )
            .await;
        }
        State::Gating => drop(until(&mut watch, |update| matches!(update, Update::ToolAsked { .. })).await),
        State::Streaming => drop(
            until(&mut watch, |update| {
                matches!(update, Update::BlockFinished { .. })
            })
            .await,
        ),
        state => until_turn(&mut watch, state).await,
    }
    match state {
        State::Paused => {
            house.runtime().pause(session).await.unwrap();
            fs::write(house.workspace().join("go"), "").unwrap();
            until_turn(&mut watch, State::Paused).await;
        }
        State::Cancelling => drop(house.runtime().cancel(session).await.unwrap()),
        _ => {}
    }
    (session, watch)
}

/// Each turn does what leads to that state, until someone says `onward`.
pub(crate) fn script(state: State) -> String {
    let turn = format!(
        r#"(when: "onward", say: [text("again")], otherwise: [{}])"#,
        steps(state)
    );
    format!("(turns: [{turn}, {turn}, {turn}])")
}

async fn house(state: State) -> House {
    House::of_script(&script(state)).await
}

pub(crate) fn mode(state: State) -> Mode {
    if state == State::Gating {
        Mode::Ask
    } else {
        Mode::Yolo
    }
}

/// The next prompt works.
async fn goes_on(house: House, session: ScopeId) {
    let now = house.now(session);
    assert!(now.open_turn().is_none() && calls(&now).iter().all(|call| call.state.is_terminal()));
    let end = house.turn(session, "onward").await;
    assert_eq!(
        (end.state, end.failure, end.text.as_str()),
        (State::Completed, None, "again")
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_a_turn_wherever_it_is_met() {
    let table: &[(State, &[Call])] = &[
        (State::Connecting, &[]),
        (State::Streaming, &[]),
        (State::BackingOff, &[]),
        (State::Gating, &[Call::Cancelled]),
        (State::Executing, &[Call::Cancelled]),
        (State::Paused, &[Call::Succeeded]),
    ];
    for (state, settled) in table {
        let house = house(*state).await;
        let (session, watch) = met(&house, *state, House::settings(mode(*state))).await;
        house.runtime().cancel(session).await.unwrap();
        let end = House::end_of_turn(watch).await;
        assert_eq!(
            (end.state, end.failure),
            (State::Cancelled, None),
            "cancelled while {state:?}"
        );
        let now = house.now(session);
        let states: Vec<_> = calls(&now).iter().map(|call| call.state).collect();
        assert_eq!(states, *settled, "cancelled while {state:?}");
        assert_eq!(ending::of_last_turn(&now), ExitCode::Interrupted);
        assert!(!house.workspace().join("ran").exists() && !house.workspace().join("new").exists());
        let again = house.runtime().cancel(session).await.unwrap_err();
        assert!(again.to_string().contains("nothing is running"), "{again}");
        goes_on(house, session).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_being_cancelled_takes_no_other_order_and_ends_by_its_runners_word() {
    let house = house(State::Cancelling).await;
    let (session, watch) = met(&house, State::Cancelling, House::settings(Mode::Yolo)).await;
    assert_eq!(
        watch.session().open_turn().map(|turn| turn.state),
        Some(State::Executing),
        "seen before the cancel"
    );
    let runtime = house.runtime();
    for refused in [
        runtime.cancel(session).await.unwrap_err(),
        runtime.interrupt(session).await.unwrap_err(),
        runtime.pause(session).await.unwrap_err(),
        runtime.resume(session).await.unwrap_err(),
        runtime.prompt(session, "onward", None).await.unwrap_err(),
    ] {
        assert!(!refused.to_string().is_empty());
    }
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Cancelled);
    assert_eq!(calls(&house.now(session))[0].state, Call::Cancelled);
    goes_on(house, session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_stops_at_the_next_safe_point_wherever_it_is_met() {
    let table = [
        State::Connecting,
        State::Streaming,
        State::BackingOff,
        State::Gating,
        State::Executing,
        State::Paused,
    ];
    for state in table {
        let house = house(state).await;
        let (session, watch) = met(&house, state, hasty(mode(state))).await;
        house.runtime().interrupt(session).await.unwrap();
        fs::write(house.workspace().join("go"), "").unwrap();
        let end = House::end_of_turn(watch).await;
        assert_eq!(
            (end.state, end.failure),
            (State::Interrupted, None),
            "interrupted while {state:?}"
        );
        let states: Vec<_> = calls(&house.now(session)).iter().map(|call| call.state).collect();
        let settled: &[Call] = match state {
            State::Gating => &[Call::Cancelled],
            State::Executing | State::Paused => &[Call::Succeeded],
            _ => &[],
        };
        assert_eq!(states, settled, "interrupted while {state:?}");
        goes_on(house, session).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_rests_at_the_next_safe_point_and_the_turn_can_go_on_or_be_stopped() {
    let table = [
        State::Connecting,
        State::Streaming,
        State::BackingOff,
        State::Gating,
        State::Executing,
    ];
    for state in table {
        let house = house(state).await;
        let (session, mut watch) = met(&house, state, hasty(mode(state))).await;
        house.runtime().pause(session).await.unwrap();
        fs::write(house.workspace().join("go"), "").unwrap();
        until_turn(&mut watch, State::Paused).await;
        let prompted = house.runtime().prompt(session, "onward", None).await.unwrap_err();
        assert!(prompted.to_string().contains("a turn is running"), "{prompted}");
        // Words that were said in the meantime are taken in when it goes on.
        house.runtime().steer(session, "onward", None).await.unwrap();
        house.runtime().resume(session).await.unwrap();
        let end = House::end_of_turn(watch).await;
        let pauses = |update: &&Update| matches!(update, Update::TurnPaused { .. });
        assert_eq!(end.updates.iter().find(pauses), None, "{state:?}: it rests once");
        assert_eq!(
            (end.state, end.failure, end.text.ends_with("again")),
            (State::Completed, None, true),
            "{state:?}"
        );
        goes_on(house, session).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_session_stops_its_turn_wherever_it_is_met() {
    let table = [
        State::Connecting,
        State::Streaming,
        State::BackingOff,
        State::Gating,
        State::Executing,
        State::Paused,
    ];
    for state in table {
        let house = house(state).await;
        let (session, _watch) = met(&house, state, House::settings(mode(state))).await;
        let closed = tokio::time::timeout(PATIENCE, house.runtime().close(session)).await;
        closed.expect("it closes in time").unwrap();
        let seen = house.snapshot().session(session, None).unwrap();
        let closed = seen.session().unwrap();
        assert!(!seen.mounted);
        assert_eq!(
            closed.state,
            glasswork_agent_core::session::State::Closed,
            "closed while {state:?}"
        );
        assert_eq!(
            closed.turn.as_ref().unwrap().state,
            State::Cancelled,
            "closed while {state:?}"
        );
        house.close().await;
    }
}

/// Each write is recorded as what it was, however the cancel and its end fall.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_finishes_after_a_cancel_is_recorded_as_what_it_was() {
    const FILES: usize = 60;
    let writes: Vec<_> = (0..FILES)
        .map(|number| format!(r#"call("write", (path: "f{number}", content: "new"))"#))
        .collect();
    let house = House::of_script(&format!(r#"(turns: [(say: [{}])])"#, writes.join(", "))).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    until(&mut watch, |update| matches!(update, Update::ToolSettled { .. })).await;
    house.runtime().cancel(session).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Cancelled);
    let calls = calls(&house.now(session));
    assert_eq!(calls.len(), FILES);
    for (number, call) in calls.iter().enumerate() {
        let written = house.workspace().join(format!("f{number}")).exists();
        let expected = if written { Call::Succeeded } else { Call::Cancelled };
        assert_eq!(
            call.state,
            expected,
            "f{number} is {}there",
            if written { "" } else { "not " }
        );
    }
    assert!(calls.iter().any(|call| call.state == Call::Succeeded));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_withdrawn_or_answered_by_a_change_of_mode() {
    let house = house(State::Gating).await;
    let (session, mut watch) = met(&house, State::Gating, House::settings(Mode::Ask)).await;
    house
        .runtime()
        .set(session, Setting::Mode(flag(Mode::Plan)))
        .await
        .unwrap();
    let end = until(&mut watch, |update| matches!(update, Update::ToolSettled { .. })).await;
    let Update::ToolSettled { state, text, .. } = end else {
        unreachable!()
    };
    assert_eq!(state, Call::Denied);
    assert!(text.contains("plan.change"), "{text}");
    house.runtime().cancel(session).await.ok();
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    assert!(!house.workspace().join("new").exists());
    goes_on(house, session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_comes_twice_or_is_taken_back_is_as_good_as_one() {
    let house = house(State::Executing).await;
    let (session, mut watch) = met(&house, State::Executing, House::settings(Mode::Yolo)).await;
    let runtime = house.runtime();
    runtime.pause(session).await.unwrap();
    runtime.pause(session).await.unwrap();
    runtime.resume(session).await.unwrap();
    assert!(
        runtime.resume(session).await.is_err(),
        "there is nothing to take back"
    );
    runtime.interrupt(session).await.unwrap();
    runtime.interrupt(session).await.unwrap();
    assert!(
        runtime.pause(session).await.is_err(),
        "an interrupt is not softened"
    );
    until(&mut watch, |update| {
        *update
            == Update::Pending {
                pending: Some(Pending::Interrupt),
            }
    })
    .await;
    runtime.cancel(session).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(
        end.state,
        State::Cancelled,
        "a cancel is harder than an interrupt"
    );
    goes_on(house, session).await;
}
