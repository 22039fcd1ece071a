//! Faults of the model: the turn retries or ends in its named state, and nothing that was half received runs.

use glasswork_agent_core::loop_guard::Kind;
use glasswork_agent_core::tool_call::State as Call;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::failure::FailureClass;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::watching::Update;
use glasswork_session_state::settings::{Mode, Settings};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::House;

use crate::support::{calls, flag, hasty, told};

/// How a turn ends whose model does this, and how many attempts its last request took.
async fn check(say: &str, state: State, class: Option<FailureClass>, attempts: u32) {
    let script = format!("(turns: [{say}])");
    let house = House::of_script(&script).await;
    let session = house.session(hasty(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    let blamed = match &end.failure {
        Some(TurnFailure::Model(failure) | TurnFailure::TooLong { failure, .. }) => {
            assert!(!failure.message.is_empty());
            Some(failure.class)
        }
        None => None,
        other => panic!("{say}: {other:?}"),
    };
    assert_eq!((end.state, blamed), (state, class), "{say}");
    let now = house.now(session);
    let (_, last) = now.requests.get_max().unwrap();
    assert_eq!(last.attempts, attempts, "{say}");
    assert!(
        !house.workspace().join("ran").exists(),
        "{say}: something half received was run"
    );
    let code = if state == State::Completed {
        ExitCode::Done
    } else {
        ExitCode::Failed
    };
    assert_eq!(ending::of_last_turn(&now), code, "{say}");
    if state == State::Completed {
        assert!(end.text.ends_with("whole"), "{say}: {}", end.text);
    }
    // What an attempt that failed had said stands nowhere.
    let request = serde_json::to_string(&now.render(now.requests.get_max().unwrap().0)).unwrap();
    assert!(!request.contains("half"), "{say}: {request}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again_and_what_does_not_ends_the_turn() {
    use FailureClass as F;
    let half = r#"text("half"), call("bash", (command: "touch ran")), partial(call("bash", (command: "touch ran")))"#;
    let ways = [
        (
            "fail(class: rate_limit, status: 429, retry_after_ms: 20)",
            F::RateLimit,
        ),
        ("fail(class: rate_limit, status: 429)", F::RateLimit),
        ("fail(class: overloaded, status: 529)", F::Overloaded),
        ("fail(class: unavailable, status: 500)", F::Unavailable),
        ("cut", F::Transport),
        ("stall", F::Timeout),
        ("connected, stall", F::Timeout),
    ];
    for (way, class) in ways {
        for before in [String::new(), format!("{half}, ")] {
            let fault = format!("(say: [{before}{way}])");
            check(
                &format!(r#"(first: [{fault}], say: [text("whole")])"#),
                State::Completed,
                None,
                2,
            )
            .await;
            check(&format!("(say: [{before}{way}])"), State::Failed, Some(class), 2).await;
        }
    }
    let lasting = [
        ("fail(class: auth, status: 401)", F::Auth),
        ("fail(class: quota, status: 402)", F::Quota),
        ("fail(class: refusal, status: 400)", F::Refusal),
        ("fail(class: invalid, status: 400)", F::Invalid),
        ("fail(class: context_overflow, status: 400)", F::ContextOverflow),
        ("fail(class: protocol)", F::Protocol),
    ];
    for (way, class) in lasting {
        check(&format!("(say: [{half}, {way}])"), State::Failed, Some(class), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_reached_its_limit_in_mid_call_runs_nothing_and_the_model_is_told() {
    let house = House::of_script(
        r#"(turns: [
            (say: [text("begun"), call("bash", (command: "touch ran")), partial(call("bash", (command: "touch ran")))]),
            (expect: "limit of output tokens", say: [text("smaller")]),
        ])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "begunsmaller"));
    let now = house.now(session);
    let calls = calls(&now);
    assert_eq!(
        calls.iter().map(|call| call.state).collect::<Vec<_>>(),
        [Call::Failed]
    );
    assert!(told(&now, &calls[0]).contains("Say it again"));
    assert!(!house.workspace().join("ran").exists());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_answer_is_questioned_and_a_second_one_ends_the_turn() {
    // A script counts the answers that stand in the conversation: one without a block is given again.
    let blank = r#"text(" ")"#;
    let cases = [
        ("", "", State::Failed),
        ("stop(tool_use)", "", State::Failed),
        ("stop(length)", "", State::Failed),
        (blank, blank, State::Failed),
        (blank, r#"text("better")"#, State::Completed),
    ];
    for (say, again, state) in cases {
        let script = format!(r#"(turns: [(say: [{say}]), (say: [{again}]), (say: [text("beyond")])])"#);
        let house = House::of_script(&script).await;
        let session = house.session(House::settings(Mode::Yolo)).await;
        let end = house.turn(session, "go").await;
        assert_eq!(end.state, state, "{say}, {again}: {:?}", end.failure);
        let kind = Kind::EmptyAnswer;
        let told = |update: &Update| matches!(update, Update::Noticed { kind: found, .. } if *found == kind);
        let told = end.updates.iter().filter(|update| told(update)).count();
        assert_eq!(told, 1, "{say}");
        let code = match state {
            State::Completed => ExitCode::Done,
            _ => ExitCode::Limit,
        };
        if code == ExitCode::Limit {
            assert_eq!(end.failure, Some(TurnFailure::Loop { kind }));
        }
        assert_eq!(ending::of_last_turn(&house.now(session)), code);
        house.close().await;
    }
}

/// The model calls again and again; what it is told of that, and how the turn ends.
async fn circle(calls: &[&str], state: State, noticed: Option<Kind>) {
    let turns: Vec<_> = calls.iter().map(|call| format!("(say: [{call}])")).collect();
    let house = House::of_script(&format!(
        r#"(turns: [{}, (say: [text("done")])])"#,
        turns.join(", ")
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, state, "{calls:?}: {:?}", end.failure);
    let told: Vec<_> = end
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::Noticed { kind, .. } => Some(*kind),
            _ => None,
        })
        .collect();
    assert_eq!(told, Vec::from_iter(noticed), "{calls:?}");
    // What the model is told is an entry like any other: it has a dispatch that put it there.
    let now = house.now(session);
    let notices = now
        .tree
        .entries()
        .filter(|(_, entry)| matches!(entry.body, Body::Notice(_)));
    assert_eq!(notices.count(), told.len());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_come_to_nothing_new_are_a_loop_and_a_poll_is_none() {
    let (look, list) = (r#"call("bash", (command: "echo same"))"#, r#"call("ls", ())"#);
    circle(&[look; 2], State::Completed, None).await;
    circle(&[look; 3], State::Completed, Some(Kind::SameCall)).await;
    circle(&[look; 6], State::Failed, Some(Kind::SameCall)).await;
    circle(
        &[look, list, look, list, look, list],
        State::Completed,
        Some(Kind::Alternating),
    )
    .await;
    let poll = r#"call("bash", (command: "echo x >> log; wc -l < log"))"#;
    circle(&[poll; 9], State::Completed, None).await;
    let promise = r#"text("Let me check the log.")"#;
    circle(&[promise], State::Completed, Some(Kind::PromisedCall)).await;
    circle(&[promise; 2], State::Failed, Some(Kind::PromisedCall)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_so_set_an_empty_answer_ends_the_turn() {
    for say in [
        "",
        "stop(end_of_turn)",
        r#"text("")"#,
        "stop(refusal)",
        "stop(tool_use)",
        "stop(length)",
    ] {
        let house = House::of_script(&format!("(turns: [(say: [{say}]), (say: [text(\"beyond\")])])")).await;
        let session = house
            .session(Settings {
                loop_answers: flag(false),
                ..House::settings(Mode::Yolo)
            })
            .await;
        let end = house.turn(session, "go").await;
        assert_eq!(
            (end.state, end.failure, end.text.as_str()),
            (State::Completed, None, ""),
            "{say}"
        );
        // What was not said stands nowhere.
        let tree = &house.now(session).tree;
        let silent = tree
            .entries()
            .filter(|(_, entry)| matches!(&entry.body, Body::Assistant(answer) if answer.blocks.is_empty()));
        assert_eq!(silent.count(), 0, "{say}");
        let end = house.turn(session, "and now?").await;
        assert!(end.state.is_terminal(), "{say}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_of_any_length_hold() {
    let endless = Settings {
        connect_timeout_ms: flag(u64::MAX),
        first_token_timeout_ms: flag(u64::MAX),
        idle_timeout_ms: flag(u64::MAX),
        evidence_timeout_ms: flag(u64::MAX),
        tool_timeout_ms: flag(u64::MAX),
        approval_timeout_ms: flag(u64::MAX),
        retry_base_ms: flag(u64::MAX),
        retry_cap_ms: flag(1),
        retry_budget_ms: flag(u64::MAX),
        ..House::settings(Mode::Yolo)
    };
    let house = House::of_script(
        r#"(turns: [
            (first: [(say: [cut])], say: [wait(30), connected, wait(30), call("bash", (command: "sleep 0.05")), call("ls", ())]),
            (say: [text("done")]),
        ])"#,
    )
    .await;
    let session = house.session(endless).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    assert!(
        calls(&house.now(session))
            .iter()
            .all(|call| call.state == Call::Succeeded)
    );

    let none = Settings {
        evidence_timeout_ms: flag(0),
        approval_timeout_ms: flag(0),
        ..House::settings(Mode::Ask)
    };
    let session = house.session(none).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Completed);
    assert!(
        calls(&house.now(session))
            .iter()
            .all(|call| call.state.is_terminal())
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_overstays_its_deadline_is_stopped_and_the_turn_goes_on() {
    let house = House::of_script(
        r#"(turns: [(say: [call("write", (path: "new", content: "x"))]), (say: [text("done")])])"#,
    )
    .await;
    let session = house
        .session(Settings {
            approval_timeout_ms: flag(30),
            ..House::settings(Mode::Ask)
        })
        .await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Completed);
    let now = house.now(session);
    let calls = calls(&now);
    assert_eq!(calls[0].state, Call::Denied);
    assert!(told(&now, &calls[0]).contains("nobody consented"));
    assert!(
        end.updates
            .iter()
            .any(|update| matches!(update, Update::ToolAsked { .. }))
    );
    house.close().await;
}
