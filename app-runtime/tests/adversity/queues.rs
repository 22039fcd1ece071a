//! Words that come while a turn runs, and limits of steps.

use std::fs;

use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Message;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::watching::Update;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Mode, Settings};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::House;

use crate::support::{calls, flag, told, until};

const WAITS: &str =
    r#"call("bash", (command: "echo began; until [ -e go ]; do sleep 0.01; done; echo ran >> ran"))"#;

fn began(update: &Update) -> bool {
    matches!(update, Update::ToolOutput { tail, .. } if tail.contains("began"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steering_is_taken_in_before_the_next_step_and_a_follow_up_begins_a_new_turn() {
    let house = House::of_script(&format!(
        r#"(turns: [
            (say: [{WAITS}]),
            (expect: "also this", say: [text("both")]),
            (expect: "and after", say: [text("after")]),
            (expect: "at last", say: [text("last")]),
        ])"#
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    let runtime = house.runtime();
    runtime.prompt(session, "go", None).await.unwrap();
    until(&mut watch, began).await;
    runtime.follow_up(session, "and after", Some("f")).await.unwrap();
    runtime.follow_up(session, "at last", None).await.unwrap();
    runtime.steer(session, "also this", Some("s")).await.unwrap();
    for again in [
        runtime.steer(session, "also this", Some("s")).await,
        runtime.follow_up(session, "x", Some("f")).await,
    ] {
        assert!(again.unwrap_err().to_string().contains("done already"));
    }
    for empty in ["", " \n\t"] {
        assert_eq!(
            runtime.steer(session, empty, None).await.unwrap_err().to_string(),
            Rejection::EmptyText.to_string()
        );
    }
    fs::write(house.workspace().join("go"), "").unwrap();
    let mut turns = Vec::new();
    while turns.len() < 3 {
        let Update::TurnEnded {
            turn, state, steps, ..
        } = until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await
        else {
            unreachable!()
        };
        assert_eq!(state, State::Completed);
        turns.push((turn, steps));
    }
    assert_eq!(
        turns.iter().map(|(_, steps)| *steps).collect::<Vec<_>>(),
        [2, 1, 1]
    );
    let now = house.now(session);
    let ids: Vec<_> = now
        .past
        .keys()
        .copied()
        .chain(now.turn.iter().map(|turn| turn.id))
        .collect();
    assert_eq!(ids, turns.iter().map(|(turn, _)| *turn).collect::<Vec<_>>());
    let request = now.render(now.requests.get_max().unwrap().0).unwrap();
    let said: Vec<_> = request
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::User(text) => Some(&**text),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["go", "also this", "and after", "at last"]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_gives_steering_back_and_keeps_follow_ups() {
    let house = House::of_script(&format!(
        r#"(turns: [(say: [{WAITS}]), (expect: "later", say: [text("one")]), (expect: "even", say: [text("two")])])"#
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    let runtime = house.runtime();
    runtime.prompt(session, "go", None).await.unwrap();
    until(&mut watch, began).await;
    runtime.steer(session, "mine", None).await.unwrap();
    runtime.follow_up(session, "later", None).await.unwrap();
    runtime.interrupt(session).await.unwrap();
    let returned = until(&mut watch, |update| {
        matches!(update, Update::SteeringReturned { .. })
    })
    .await;
    assert_eq!(
        returned,
        Update::SteeringReturned {
            texts: vec!["mine".into()]
        }
    );
    // What arrives meanwhile becomes follow-up.
    runtime.steer(session, "even later", None).await.unwrap();
    fs::write(house.workspace().join("go"), "").unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Interrupted);
    let now = house.now(session);
    let waiting: Vec<_> = now
        .queue
        .follow_ups
        .iter()
        .map(|words| words.text.to_string())
        .collect();
    assert_eq!(
        (waiting, now.queue.steering.len()),
        (vec!["later".to_owned(), "even later".to_owned()], 0)
    );
    assert_eq!(
        fs::read_to_string(house.workspace().join("ran")).unwrap(),
        "ran\n",
        "running calls finish"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_steps_ends_the_turn_after_the_calls_of_the_last_one() {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("bash", (command: "echo 1 >> ran"))]),
            (say: [call("bash", (command: "echo 2 >> ran"))]),
            (say: [text("more")]),
        ])"#,
    )
    .await;
    let session = house
        .session(Settings {
            max_steps: flag(2),
            ..House::settings(Mode::Yolo)
        })
        .await;
    let end = house.turn(session, "go").await;
    assert_eq!(
        (end.state, end.failure),
        (State::Failed, Some(TurnFailure::Limit { max_steps: 2 }))
    );
    assert_eq!(ending::of_last_turn(&house.now(session)), ExitCode::Limit);
    assert_eq!(
        fs::read_to_string(house.workspace().join("ran")).unwrap(),
        "1\n2\n"
    );
    let end = house.turn(session, "on").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "more"));
    house.close().await;
}

/// Every call that writes one file waits for the one before, so that none is lost; the others run at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_answer_that_write_one_file_run_one_after_the_other() {
    let edits: Vec<_> = (0..20)
        .map(|number| {
            let next = number + 1;
            format!(r#"call("edit", (path: "count", edits: [(old_text: "at {number}.", new_text: "at {next}.")]))"#)
        })
        .collect();
    let house = House::of_script(&format!(
        r#"(turns: [(say: [{}]), (say: [text("done")])])"#,
        edits.join(", ")
    ))
    .await;
    fs::write(house.workspace().join("count"), "at 0.\n").unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Completed);
    let now = house.now(session);
    for call in calls(&now) {
        assert!(!call.outcome.as_ref().unwrap().is_error, "{}", told(&now, &call));
    }
    assert_eq!(
        fs::read_to_string(house.workspace().join("count")).unwrap(),
        "at 20.\n"
    );
    house.close().await;
}
