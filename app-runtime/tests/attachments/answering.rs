//! Several answers for one call, at once.

use std::fmt::Write as _;

use glasswork_agent_core::tool_call::State;
use glasswork_app_runtime::attachments::{AttachError, Limits};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

use crate::{asked_about, two};

const ROUNDS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_verdicts_at_once_one_counts_and_the_call_runs_once_or_not_at_all() {
    let mut turns = String::from("(turns: [");
    for round in 0..ROUNDS {
        write!(
            turns,
            r#"(say: [call("bash", (command: "echo {round} >> ran"))]), (say: [text("done")]),"#
        )
        .unwrap();
    }
    turns.push_str("])");
    let house = House::of_script(&turns).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut two = two(&house, session, Limits::default()).await;
    let mut expected = String::new();
    for round in 0..ROUNDS {
        two.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
        let call = asked_about(&mut two.first.2).await;
        let (approves, refuses) = (two.first.1.clone(), two.second.1.clone());
        let (yes, no) = (
            tokio::spawn(async move { approves.approve(call).await }),
            tokio::spawn(async move { refuses.refuse(call, None).await }),
        );
        let (yes, no) = (yes.await.unwrap(), no.await.unwrap());
        let runs = match (&yes, &no) {
            (Ok(_), Err(AttachError::AnsweredAlready { approved: true, .. })) => true,
            (Err(AttachError::AnsweredAlready { approved: false, .. }), Ok(_)) => false,
            other => panic!("{other:?}"),
        };
        tokio::time::timeout(PATIENCE, two.hub.at_rest()).await.unwrap();
        if runs {
            writeln!(expected, "{round}").unwrap();
        }
        let state = house.now(session).calls[&call].state;
        assert_eq!(state, if runs { State::Succeeded } else { State::Denied });
    }
    let ran = std::fs::read_to_string(house.workspace().join("ran")).unwrap_or_default();
    assert_eq!(ran, expected);
    drop(two);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_outlives_the_client_that_was_asked_first() {
    let house = House::of_script(crate::SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut two = two(&house, session, Limits::default()).await;
    two.first.1.prompt("go", None, &mut |_| {}).await.unwrap();
    let call = asked_about(&mut two.first.2).await;
    two.first.0.leave().await;
    assert!(matches!(
        two.first.1.approve(call).await,
        Err(AttachError::NotAttached)
    ));
    assert_eq!(house.now(session).calls[&call].state, State::Asked);
    two.second.1.approve(call).await.unwrap();
    tokio::time::timeout(PATIENCE, two.hub.at_rest()).await.unwrap();
    assert_eq!(house.now(session).calls[&call].state, State::Succeeded);
    drop(two);
    house.close().await;
}
