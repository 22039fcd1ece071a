//! A turn with six calls that run at once.

use std::path::Path;

use glasswork_app_runtime::watching::Update;

use crate::aftermath::{at_every_write, check, home, mortal, opening};
use crate::kill::{Kill, Moment};
use crate::second::{Said, Second, plays, say};

const TEST: &str = "turn::a_turn_with_six_parallel_calls_is_killed_at_every_write";

const SCRIPT: &str = r#"(turns: [
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
    loop {
        let watched = watch.next().await;
        say(format_args!("told {}", watched.seq));
        if watched
            .updates
            .iter()
            .any(|update| matches!(update, Update::TurnEnded { .. }))
        {
            break;
        }
    }
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say("whole");
}

fn run(home: &Path, kill: Option<Kill>) -> Said {
    std::fs::write(home.join("work/old"), "a").unwrap();
    Second::start(TEST, "turn", home, kill).end()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_with_six_parallel_calls_is_killed_at_every_write() {
    if plays("turn", part).await {
        return;
    }
    let whole = home();
    let said = tokio::task::block_in_place(|| run(whole.path(), None));
    assert!(
        !said.killed && said.lines.last().is_some_and(|line| line == "whole"),
        "{:?}",
        said.lines
    );
    let writes: u64 = said
        .all("told")
        .map(|seq| seq.parse::<u64>().unwrap())
        .max()
        .unwrap()
        + 3;
    let killed = at_every_write(
        writes,
        &[
            Moment::Before,
            Moment::Written,
            Moment::After(300),
            Moment::After(3000),
        ],
        async |kill| {
            let home = home();
            let path = home.path().to_owned();
            let said = tokio::task::spawn_blocking(move || run(&path, Some(kill)))
                .await
                .unwrap();
            let killed = said.killed;
            check(home, &said, kill, 0).await;
            killed
        },
    )
    .await;
    assert!(killed >= 80, "{killed} kills");
    eprintln!("{killed} kills");
}
