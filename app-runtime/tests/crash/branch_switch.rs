//! Going on elsewhere in the tree, working there, coming back, and bringing a summary of what was left along.

use std::path::Path;

use glasswork_agent_core::tree::Body;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;
use glasswork_session_state::state::Scope;

use crate::aftermath::{Victim, mortal, opening, until};
use crate::kill::{Moment, given};
use crate::past;
use glasswork_testkit::second::{plays, say};

const TEST: &str = "branch_switch::a_branch_switch_is_killed_at_every_write";

fn now(runtime: &Runtime, session: ScopeId) -> std::sync::Arc<glasswork_session_state::state::Session> {
    let snapshot = runtime
        .reader()
        .snapshot(glasswork_app_runtime::reading::Viewer::owner());
    let seen = snapshot.session(session, None).unwrap();
    let Scope::Session(session) = &seen.scope.state else {
        panic!("no session")
    };
    session.clone()
}

async fn part(home: &Path) {
    let runtime = mortal(home, &past::notes()).await;
    let session = past::session(home);
    say(format_args!("session {session}"));
    runtime.open(session, opening(home)).await.unwrap();
    let mut watch = runtime.watch(session).unwrap();
    let told = |seq: u64| say(format_args!("told {seq}"));
    let before = now(&runtime, session).tree.leaf();
    let prompts: Vec<_> = now(&runtime, session)
        .tree
        .entries()
        .filter(|(_, entry)| matches!(entry.body, Body::Prompt { .. }))
        .map(|(id, _)| id)
        .collect();
    told(
        runtime
            .label(session, prompts[1], Some("here"))
            .await
            .unwrap()
            .id
            .seq,
    );
    told(runtime.take_back(session, prompts[1], None).await.unwrap().id.seq);
    runtime.prompt(session, "do it", None).await.unwrap();
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    let there = now(&runtime, session).tree.leaf();
    told(runtime.move_leaf(session, before, None).await.unwrap().id.seq);
    assert_ne!(before, there);
    told(runtime.move_leaf(session, None, None).await.unwrap().id.seq);
    told(runtime.move_leaf(session, there, None).await.unwrap().id.seq);
    runtime.prompt(session, "and now?", None).await.unwrap();
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    // What is said while the summary is made is said where the conversation then goes on.
    let leaving = runtime.move_leaf_with_summary(session, there, Some("the words"), None);
    told(leaving.await.unwrap().id.seq);
    runtime.prompt(session, "onward?", None).await.unwrap();
    say("said onward?");
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    let kept = watch
        .session()
        .tree
        .branch()
        .nth(2)
        .map(|(_, entry)| entry.clone())
        .unwrap();
    assert!(
        matches!(&kept.body, Body::BranchSummary(_)) && kept.parent == there,
        "{kept:?}"
    );
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_switch_is_killed_at_every_write() {
    if plays("branch_switch", part).await {
        return;
    }
    let (before, lanes) = past::two().await;
    let victim = Victim {
        test: TEST,
        role: "branch_switch",
        before,
    };
    let moments = [Moment::Before, Moment::Written, Moment::After(500)];
    let deaths = victim.is_killed_at_every_write(&moments, lanes).await;
    assert!(deaths >= 70, "{deaths}");
}
