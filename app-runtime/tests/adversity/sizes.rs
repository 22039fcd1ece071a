//! Things that are too large for a line of the journal: refused by name, and nothing is lost in silence.

use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Block;
use glasswork_ai::scripted::{Script, Step, Turn};
use glasswork_app_runtime::runtime::OperationError;
use glasswork_engine::{Refusal, SystemClock};
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::{Session, TurnFailure};
use glasswork_testkit::house::House;
use std::sync::Arc;

use crate::support::calls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_no_line_holds_are_refused_and_change_nothing() {
    let house = House::of_script(r#"(turns: [(say: [text("heard")])])"#).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let before = house.now(session);
    for text in ["x".repeat(2 << 20), "\u{1}".repeat(200_000)] {
        let refused = house.runtime().prompt(session, &text, None).await.unwrap_err();
        assert!(
            matches!(refused, OperationError::Refused(Refusal::TooLarge { .. })),
            "{refused}"
        );
        assert_eq!(house.now(session), before);
    }
    let end = house.turn(session, &"y".repeat(400_000)).await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "heard"));
    house.close().await;
}

/// A model that says these blocks, in chunks of so many characters.
async fn said(steps: Vec<Step>, chunk: u32) -> (State, Option<TurnFailure>, Arc<Session>) {
    let script = Script {
        chunk,
        ..Script::of([Turn::says(steps), Turn::says([Step::Text("done".into())])])
    };
    let models = glasswork_ai::port::Scripts::default().with("test", script);
    let models = glasswork_ai::port::Models::default().with("scripted", Arc::new(models));
    let house = House::with(Arc::new(models), Arc::new(SystemClock::default())).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    let now = house.now(session);
    house.close().await;
    (end.state, end.failure, now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_no_line_holds_fails_the_request_by_name() {
    for text in ["x".repeat(700_000), "\n".repeat(380_000), "\u{1}".repeat(300_000)] {
        for chunk in [5000, u32::MAX] {
            let (state, failure, _) = said(vec![Step::Text(text.as_str().into())], chunk).await;
            let Some(TurnFailure::Model(failure)) = failure else {
                panic!("{state:?}: {failure:?}")
            };
            assert!(failure.message.contains("ask for smaller pieces"), "{failure:?}");
            assert_eq!(state, State::Failed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_blocks_come_whole_or_not_at_all() {
    for chunk in [5000, u32::MAX] {
        for blocks in [1, 6] {
            let content = "line\n".repeat(30_000);
            let arguments = |number: usize| {
                serde_json::json!({ "path": format!("f{number}"), "content": content }).to_string()
            };
            let mut steps = vec![Step::Text("first ".repeat(20_000).as_str().into())];
            steps.extend((0..blocks).map(|number| Step::CallJson("write".into(), arguments(number).into())));
            let (state, failure, now) = said(steps, chunk).await;
            let calls = calls(&now);
            match failure {
                None => {
                    assert_eq!(
                        (state, calls.len()),
                        (State::Completed, blocks),
                        "in chunks of {chunk}"
                    );
                    for (number, call) in calls.iter().enumerate() {
                        assert_eq!(*call.call.arguments, *arguments(number));
                    }
                    let request = now.render(now.requests.get_max().unwrap().0).unwrap();
                    let texts = request.messages.iter().filter_map(|message| match message {
                        glasswork_ai::conversation::Message::Assistant { blocks, .. } => Some(blocks),
                        _ => None,
                    });
                    let texts = texts.flatten().filter(|block| matches!(block, Block::Text(_)));
                    assert_eq!(texts.count(), 1, "in chunks of {chunk}");
                }
                Some(failure) => panic!("{blocks} blocks in chunks of {chunk}: {failure:?}"),
            }
        }
    }
}

/// Whoever does not keep up with the feed still hears that the turn has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_falls_into_a_gap_is_found() {
    use glasswork_app_runtime::watching::Update;
    let say = format!(r#"(say: [text("{}"), call("ls", ())]),"#, "x".repeat(300_000));
    let house = House::of_script(&format!(
        r#"(turns: [{}(say: [text("end")]), (say: [text("again")])])"#,
        say.repeat(4)
    ))
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let slow = house.runtime().watch(session).unwrap();
    assert_eq!(house.turn(session, "go").await.state, State::Completed);
    let end = House::end_of_turn(slow).await;
    assert_eq!((end.state, end.failure), (State::Completed, None));
    assert!(
        matches!(end.updates.last(), Some(Update::Gap { .. })),
        "{:?}",
        end.updates.last()
    );
    assert_eq!(house.turn(session, "and now?").await.text, "again");
    house.close().await;
}
