//! A command does not outlive its program beyond the next opening of its session.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::watching::Update;
use glasswork_engine::SystemClock;
use glasswork_testkit::house::{House, scripted};

use crate::aftermath::{home, marked, mortal, opening};
use glasswork_testkit::second::{self, Second, plays, say};

const TEST: &str = "leftover::a_command_that_outlived_its_program_is_ended_by_whoever_opens_its_session";

async fn part(home: &Path) {
    let runtime = mortal(
        home,
        r#"(turns: [(say: [call("bash", (command: "trap '' HUP; setsid sleep 1000 & echo begun; sleep 1000; echo on >> ran"))])])"#,
    )
    .await;
    let session = runtime.new_session(opening(home)).await.unwrap();
    say(format_args!("session {session}"));
    let mut watch = runtime.watch(session).unwrap();
    runtime.prompt(session, "go", None).await.unwrap();
    let begun = |update: &Update| matches!(update, Update::ToolOutput { tail, .. } if tail.contains("begun"));
    while !watch.next().await.updates.iter().any(begun) {}
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_outlived_its_program_is_ended_by_whoever_opens_its_session() {
    if plays("leftover", part).await {
        return;
    }
    let home = home();
    let command = second::command(TEST, "leftover", home.path());
    let said = tokio::task::spawn_blocking(move || Second::start(command).end());
    let said = said.await.unwrap();
    assert!(said.killed);
    let session = said.all("session").next().unwrap().parse().unwrap();
    assert!(
        marked(session).len() >= 3,
        "bash and two that sleep: {:?}",
        marked(session)
    );

    let house = House::at(home, scripted("(turns: [])"), Arc::new(SystemClock::default())).await;
    let opened = house.runtime().open(session, opening(house.home()));
    let notices = tokio::time::timeout(Duration::from_secs(30), opened)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(marked(session), Vec::<String>::new());
    let [notice] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert!(
        notice.starts_with("a command was still running after the end of the program")
            && notice.contains("sleep ("),
        "{notice}"
    );
    assert!(!fs::exists(house.workspace().join("ran")).unwrap());
    house.close().await;
}
