//! Whole turns: scripted model, real tools, real files. The house replays every session strictly at its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use glasswork_agent_core::turn::State;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_runs_real_tools() {
    let house = House::of_script(
        r#"(turns: [
            (say: [text("I look."), call("bash", (command: "echo hello > a.txt && cat a.txt")), call("read", (path: "b.txt"))]),
            (say: [call("edit", (path: "a.txt", edits: [(old_text: "hello", new_text: "bye")]))]),
            (say: [text("Done.")]),
        ])"#,
    )
    .await;
    std::fs::write(house.workspace().join("b.txt"), "from b\n").unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, end.failure, end.text.as_str()), (State::Completed, None, "I look.Done."));
    assert_eq!(std::fs::read_to_string(house.workspace().join("a.txt")).unwrap(), "bye\n");
    house.runtime().close(session).await.unwrap();
    house.close().await;
}
