//! Whole turns: scripted model, real tools, real files. The house replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::tool_call;
use glasswork_agent_core::turn::State;
use glasswork_agent_session::store::{HOSTS_KEPT, Place, Store, StoreError};
use glasswork_app_runtime::archive::{Archive, Vault};
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_engine::{ScopeId, SystemClock, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::state::Kind;
use glasswork_testkit::house::{House, scripted};

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
    assert_eq!(
        (end.state, end.failure, end.text.as_str()),
        (State::Completed, None, "I look.Done.")
    );
    assert_eq!(
        std::fs::read_to_string(house.workspace().join("a.txt")).unwrap(),
        "bye\n"
    );
    house.runtime().close(session).await.unwrap();
    house.close().await;
}

/// Waits until the session has come so far.
async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) -> Update {
    loop {
        if let Some(update) = watch.next().await.updates.into_iter().find(&what) {
            return update;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_asked_and_the_decision_names_the_resolved_path() {
    let house = House::of_script(
        r#"(turns: [
            (say: [call("write", (path: "link/new.txt", content: "x")), call("write", (path: "no.txt", content: "y"))]),
            (say: [text("ok")]),
        ])"#,
    )
    .await;
    std::fs::create_dir(house.workspace().join("real")).unwrap();
    std::os::unix::fs::symlink("real", house.workspace().join("link")).unwrap();
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    // Which of the two is asked about first is up to the disk.
    let mut asked = BTreeMap::new();
    while asked.len() < 2 {
        let updates = watch.next().await.updates;
        asked.extend(updates.into_iter().filter_map(|update| match update {
            Update::ToolAsked { call, arguments, .. } => Some((arguments.contains("link/new.txt"), call)),
            _ => None,
        }));
    }
    house.runtime().approve(session, asked[&true]).await.unwrap();
    house
        .runtime()
        .refuse(session, asked[&false], Some("not this one"))
        .await
        .unwrap();
    let again = house.runtime().approve(session, asked[&false]).await.unwrap_err();
    assert!(again.to_string().contains("tool_call"), "{again}");
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Completed);
    let now = house.now(session);
    let judged: Vec<_> = now
        .calls
        .values()
        .map(|call| {
            let path = call
                .evidence()
                .and_then(|evidence| evidence.path())
                .cloned()
                .unwrap();
            let rule = call.judgement.as_ref().unwrap().explanation.rule.to_string();
            (path.to_string(), rule, call.state)
        })
        .collect();
    let at = |file: &str| house.workspace().join(file).to_string_lossy().into_owned();
    assert_eq!(
        judged,
        [
            (
                at("real/new.txt"),
                "ask.change".to_owned(),
                tool_call::State::Succeeded
            ),
            (at("no.txt"), "ask.change".to_owned(), tool_call::State::Denied),
        ]
    );
    assert!(house.workspace().join("real/new.txt").exists() && !house.workspace().join("no.txt").exists());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_a_command_and_the_next_prompt_works() {
    let house = House::of_script(
        r#"(turns: [
            (say: [text("I wait."), call("bash", (command: "echo started; setsid sleep 1000 & sleep 1000"))]),
            (say: [text("again")]),
        ])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    until(
        &mut watch,
        |update| matches!(update, Update::ToolOutput { tail, .. } if tail.contains("started")),
    )
    .await;
    house.runtime().cancel(session).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!((end.state, end.failure), (State::Cancelled, None));
    let states: Vec<_> = house.now(session).calls.values().map(|call| call.state).collect();
    assert_eq!(states, [tool_call::State::Cancelled]);
    let end = house.turn(session, "and now?").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "again"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_process_ended_in_mid_turn_is_abandoned_settled_and_goes_on() {
    let script = r#"(turns: [
        (say: [call("bash", (command: "echo begun; sleep 1000"))]),
        (say: [text("back")]),
    ])"#;
    let house = House::of_script(script).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    until(
        &mut watch,
        |update| matches!(update, Update::ToolOutput { tail, .. } if tail.contains("begun")),
    )
    .await;
    let home = house.close().await;

    let models = scripted(script);
    let house = House::at(home, models, Arc::new(SystemClock::default())).await;
    let opening = Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    };
    let notices = house.runtime().open(session, opening.clone()).await.unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let now = house.now(session);
    assert_eq!(now.turn.as_ref().unwrap().state, State::Abandoned);
    let states: Vec<_> = now.calls.values().map(|call| call.state).collect();
    assert_eq!(
        states,
        [tool_call::State::UnknownOutcome],
        "a command is never run twice"
    );
    let end = house.turn(session, "go on").await;
    assert_eq!((end.state, end.text.as_str()), (State::Completed, "back"));

    let elsewhere = FileArchive::open(house.home().join("data")).unwrap();
    let (vault, _journal, _trace) = elsewhere.writing().unwrap();
    let owned = vault.open(session, Timestamp(0)).unwrap_err();
    assert!(matches!(owned, StoreError::Owned { .. }), "{owned}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_read_from_memory_and_from_the_journal_alike() {
    let house = House::of_script(
        r#"(turns: [(say: [call("ls", ()), call("bash", (command: "true"))]), (say: [text("done")])])"#,
    )
    .await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    let snapshot = house.snapshot();
    let last = snapshot.session(session, None).unwrap().scope.seq;
    for seq in 0..=last {
        let folded = house.archive().load(session, Some(seq)).unwrap().scope;
        let seen = snapshot.session(session, Some(seq)).unwrap().scope;
        let as_of = house.archive().load(session, Some(seen.seq)).unwrap().scope;
        assert!(
            seen.seq <= seq && seen == as_of,
            "commit {seq}, seen as of {}",
            seen.seq
        );
        assert_eq!(folded.seq, seq);
    }
    let beyond = snapshot.session(session, Some(last + 1)).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        format!(
            "session {session} has {last} commits; there is no commit {}",
            last + 1
        )
    );
    let other = house.session(House::settings(Mode::Yolo)).await;
    let viewer = house.runtime().reader().snapshot(Viewer::of(other));
    assert!(viewer.session(session, None).is_err() && viewer.host().is_none());
    assert_eq!(viewer.sessions().unwrap().len(), 1);
    // Both ids begin alike, as ids by time do: of the other session not even its existence is told.
    let prefix = &session.to_string()[..6];
    assert!(other.to_string().starts_with(prefix));
    assert_eq!(viewer.find(prefix).unwrap(), other);
    assert!(viewer.find(&session.to_string()).is_err());
    let all = house.snapshot().find(prefix).unwrap_err().to_string();
    assert!(all.contains(&session.to_string()), "{all}");
    let rows = house.snapshot().sessions().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| row.archived.first_words.as_deref())
        .collect();
    assert_eq!(told, [None, Some("go")]);
    assert_eq!(
        rows[0].archived.workspace.as_deref(),
        Some(&*house.workspace().to_string_lossy())
    );
    house.close().await;
}

#[test]
fn records_of_processes_that_have_ended_are_removed_but_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::<Glasswork>::open(home.path()).unwrap();
    let held = store
        .create(Place::Host, ScopeId::mint(), Kind::Host, Timestamp(0))
        .unwrap();
    for _ in 0..HOSTS_KEPT + 3 {
        drop(
            store
                .create(Place::Host, ScopeId::mint(), Kind::Host, Timestamp(0))
                .unwrap(),
        );
    }
    assert_eq!(
        store.prune_hosts().unwrap(),
        3,
        "the one that is still written stays"
    );
    assert_eq!(store.prune_hosts().unwrap(), 0);
    let left: Vec<_> = store.list().filter_map(|listed| listed.scope).collect();
    assert_eq!(left.len(), HOSTS_KEPT + 1);
    assert!(left.contains(&held.lease.scope()));
}
