//! Forks of a session: at its last commit, at an earlier one, at an entry. Each is there whole, or made by whoever opens
//! the session next, or was never asked for.

use std::path::Path;

use glasswork_agent_core::tree::Body;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::sagas::ForkAt;

use crate::aftermath::{Victim, mortal, opening};
use crate::kill::{Moment, given};
use crate::past;
use glasswork_testkit::second::{plays, say};

const TEST: &str = "forking::a_fork_is_killed_at_every_write";

async fn part(home: &Path) {
    let runtime = mortal(home, &past::notes()).await;
    let session = past::session(home);
    say(format_args!("session {session}"));
    runtime.open(session, opening(home)).await.unwrap();
    let seen = runtime
        .reader()
        .snapshot(Viewer::owner())
        .session(session, None)
        .unwrap();
    let tree = &seen.session().unwrap().tree;
    let mut answers = tree
        .entries()
        .filter(|(_, entry)| matches!(entry.body, Body::Assistant(_)));
    let (answer, _) = answers.nth(1).unwrap();
    // In the middle of a turn: what was open there is settled when the fork is opened.
    for at in [
        ForkAt::Head,
        ForkAt::Commit(answer.seq - 1),
        ForkAt::Entry(answer),
    ] {
        let child = runtime.fork(session, at).await.unwrap();
        say(format_args!("forked {child}"));
    }
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_killed_at_every_write() {
    if plays("forking", part).await {
        return;
    }
    let (before, lanes) = past::two().await;
    let victim = Victim {
        test: TEST,
        role: "forking",
        before,
    };
    let moments = [
        Moment::Before,
        Moment::Written,
        Moment::After(400),
        Moment::After(2000),
    ];
    let deaths = victim.is_killed_at_every_write(&moments, lanes).await;
    assert!(deaths >= 25, "{deaths}");
}
