//! A turn with six calls that run at once.

use std::path::Path;

use glasswork_app_runtime::watching::Update;

use crate::aftermath::{Lane, Victim, home, mortal, opening, until};
use crate::kill::{Moment, given};
use glasswork_testkit::second::{plays, say};

const TEST: &str = "turn::a_turn_with_six_parallel_calls_is_killed_at_every_write";

/// The model: what it says before its last answer.
pub(crate) const SCRIPT: &str = r#"(turns: [
    (
        first: [(say: [text("half"), fail(class: overloaded, status: 529)])],
        say: [
            text("I work."),
            call("bash", (command: "echo once >> ran-1; sleep 0.01; echo once >> ran-2; echo said")),
            call("bash", (command: "sleep 0.005; echo once >> ran-3")),
            call("bash", (command: "echo once >> ran-4; exit 3")),
            call("write", (path: "new", content: "x")),
            call("edit", (path: "old", edits: [(old_text: "a", new_text: "aa")])),
            call("read", (path: "old")),
        ],
    ),
    (say: [text("Done.")]),
])"#;

async fn part(home: &Path) {
    let runtime = mortal(home, SCRIPT).await;
    let mut opening = opening(home);
    opening.settings.retry_base_ms.value = 1;
    let session = runtime.new_session(opening).await.unwrap();
    say(format_args!("session {session}"));
    let mut watch = runtime.watch(session).unwrap();
    let begun = runtime.prompt(session, "go", None).await.unwrap();
    say(format_args!("told {}", begun.id.seq));
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_with_six_parallel_calls_is_killed_at_every_write() {
    if plays("turn", part).await {
        return;
    }
    let lane = || {
        let home = home();
        std::fs::write(home.path().join("work/old"), "a").unwrap();
        Lane::like(home)
    };
    let moments = [
        Moment::Before,
        Moment::Written,
        Moment::After(300),
        Moment::After(3000),
    ];
    let victim = Victim {
        test: TEST,
        role: "turn",
        before: 0,
    };
    let deaths = victim.is_killed_at_every_write(&moments, [lane(), lane()]).await;
    assert!(deaths >= 80, "{deaths}");
}
