//! A compaction by hand, a turn after it, a compaction before a request, and its undoing.

use std::path::Path;

use glasswork_app_runtime::watching::Update;
use glasswork_session_state::settings::{Layer, Sourced};

use crate::aftermath::{Victim, mortal, opening, until};
use crate::kill::{Moment, given};
use crate::past;
use glasswork_testkit::second::{plays, say};

const TEST: &str = "compaction::a_compaction_is_killed_at_every_write";

async fn part(home: &Path) {
    let runtime = mortal(home, &past::notes()).await;
    let session = past::session(home);
    say(format_args!("session {session}"));
    let mut opening = opening(home);
    opening.settings.context_window = Sourced::from_layer(Some(4_000), Layer::Flag);
    runtime.open(session, opening).await.unwrap();
    let mut watch = runtime.watch(session).unwrap();
    let asked = runtime.compact(session, Some("the words"), None).await.unwrap();
    say(format_args!("told {}", asked.id.seq));
    until(&mut watch, |update| matches!(update, Update::Compacted { .. })).await;
    let undone = runtime.undo_compaction(session, None).await.unwrap();
    say(format_args!("told {}", undone.id.seq));
    // Now there is too little room again, so that the turn begins with one.
    runtime.prompt(session, "do it", None).await.unwrap();
    until(&mut watch, |update| matches!(update, Update::Compacted { .. })).await;
    until(&mut watch, |update| matches!(update, Update::TurnEnded { .. })).await;
    runtime.give_up(session).await.unwrap();
    runtime.stop().await;
    say(format_args!("written {}", given()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_is_killed_at_every_write() {
    if plays("compaction", part).await {
        return;
    }
    let (before, lanes) = past::two().await;
    let victim = Victim {
        test: TEST,
        role: "compaction",
        before,
    };
    let moments = [Moment::Before, Moment::Written, Moment::After(500)];
    let deaths = victim.is_killed_at_every_write(&moments, lanes).await;
    assert!(deaths >= 50, "{deaths}");
}
