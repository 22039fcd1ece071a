//! Going elsewhere in a conversation, forks and the trash, in whole turns: scripted model, real tools, real files. The
//! house replays every session strictly at its end, forks too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use glasswork_agent_core::id::RequestId;
use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::{Block, Message};
use glasswork_app_runtime::archive::{Archive, Status, Vault};
use glasswork_app_runtime::closing::ClosedTree;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::runtime::{Opening, OperationError};
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::domain::Reply;
use glasswork_session_state::settings::{Mode, Settings};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::House;

const TALK: &str = r#"(turns: [(say: [text("one")]), (say: [text("two")]), (say: [text("three")])])"#;

/// Its second request has the results of two calls, one of them too long for a line.
const WORK: &str = r#"(turns: [
    (say: [text("I look."), call("bash", (command: "seq 1 20000")), call("read", (path: "b.txt"))]),
    (say: [text("Done.")]),
    (say: [text("And again.")]),
    (say: [text("And again.")]),
])"#;

fn opening(house: &House) -> Opening {
    Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    }
}

/// What the last request said, in short.
fn sent(session: &Session) -> Vec<String> {
    let (id, _) = session.requests.get_max().unwrap();
    let messages = session.render(*id).unwrap().messages;
    let text = |block: &Block| match block {
        Block::Text(text) => text.to_string(),
        Block::ToolCall(call) => format!("[{}]", call.name),
        Block::Thinking(_) | Block::Kept(_) => "…".to_owned(),
    };
    messages
        .iter()
        .map(|message| match message {
            Message::User(text) => format!("> {text}"),
            Message::Assistant { blocks, .. } => blocks.iter().map(text).collect::<Vec<_>>().join(" "),
            Message::ToolResult(result) => format!("({})", result.name),
            Message::Image(shown) => format!("image {}", shown.image),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_after_a_move_is_sent_with_its_branch_and_nothing_else() {
    let house = House::of_script(TALK).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    for prompt in ["a", "b"] {
        house.turn(session, prompt).await;
    }
    let entries: Vec<_> = house.now(session).tree.entries().map(|(id, _)| id).collect();
    house
        .runtime()
        .move_leaf(session, Some(entries[1]), None)
        .await
        .unwrap();
    house.turn(session, "c").await;
    assert_eq!(sent(&house.now(session)), ["> a", "one", "> c"]);
    let taken = house
        .runtime()
        .take_back(session, entries[2], None)
        .await
        .unwrap();
    assert_eq!(taken.reply, Reply::TakenBack { text: "b".into() });
    house.turn(session, "b, but otherwise").await;
    let now = house.now(session);
    assert_eq!(sent(&now), ["> a", "one", "> b, but otherwise"]);
    // What the provider may remember of the first request is what the others begin with.
    for request in [3, 4] {
        let plan = &now.requests[&RequestId(request)].plan;
        assert_eq!((plan.base, plan.kept), (Some(RequestId(1)), 1), "{request}");
    }
    house.close().await;
}

fn blobs(house: &House, session: ScopeId) -> BTreeSet<PathBuf> {
    fn walk(folder: &std::path::Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => walk(&entry.path(), found),
                false => drop(found.insert(entry.path())),
            }
        }
    }
    let mut all = BTreeSet::new();
    walk(house.home(), &mut all);
    all.into_iter()
        .filter(|path| path.to_string_lossy().contains(&format!("{session}/blobs/")))
        .map(|path| path.file_name().unwrap().into())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_at_any_commit_is_sound_and_goes_on() {
    let house = House::of_script(WORK).await;
    std::fs::write(house.workspace().join("b.txt"), "from b\n").unwrap();
    let origin = house.session(House::settings(Mode::Yolo)).await;
    house.turn(origin, "go").await;
    let last = house.snapshot().session(origin, None).unwrap().scope.seq;
    assert!(last > 8, "{last}");
    let all = blobs(&house, origin);
    assert!(!all.is_empty());
    let mut shared = BTreeSet::new();
    for at in 1..=last {
        let fork = house.runtime().fork(origin, ForkAt::Commit(at)).await.unwrap();
        shared.insert(blobs(&house, fork).len());
        house.runtime().open(fork, opening(&house)).await.unwrap();
        let now = house.now(fork);
        let parent = now.meta.parent.unwrap();
        assert_eq!((parent.session, parent.at), (origin, at));
        assert_eq!(now.open_turn(), None, "forked at {at}");
        let end = house.turn(fork, "go on").await;
        assert_eq!(
            (end.state, end.failure),
            (State::Completed, None),
            "forked at {at}"
        );
        assert!(now.children.is_empty());
        house.runtime().give_up(fork).await.unwrap();
    }
    // A fork has the blobs that its own lines name.
    assert_eq!(shared, BTreeSet::from([0, all.len()]));
    let origin = house.now(origin);
    assert_eq!(origin.children.len() as u64, last);
    assert!(
        origin
            .children
            .values()
            .all(|child| child.effect.is_none() && child.of == origin.id)
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_goes_on_with_another_model_and_a_fork_of_it_knows_its_own_parent() {
    let house = House::of_script(TALK).await;
    let first = house.session(House::settings(Mode::Yolo)).await;
    house.turn(first, "a").await;
    let entry = house.now(first).tree.leaf().unwrap();
    house.turn(first, "b").await;
    let second = house.runtime().fork(first, ForkAt::Entry(entry)).await.unwrap();
    let mut other = opening(&house);
    other.settings = Settings {
        max_output_tokens: glasswork_session_state::settings::Sourced::from_layer(
            Some(7),
            glasswork_session_state::settings::Layer::Flag,
        ),
        ..other.settings
    };
    house.runtime().open(second, other).await.unwrap();
    house.turn(second, "c").await;
    assert_eq!(sent(&house.now(second)), ["> a", "one", "> c"]);
    assert_eq!(
        house.now(second).requests.get_max().unwrap().1.max_output_tokens,
        Some(7)
    );
    // Neither is mounted any more when the third is made.
    house.runtime().close(first).await.unwrap();
    house.runtime().close(second).await.unwrap();
    let third = house.runtime().fork(second, ForkAt::Head).await.unwrap();
    house.runtime().open(third, opening(&house)).await.unwrap();
    let now = house.now(third);
    assert_eq!(now.meta.parent.unwrap().session, second);
    house.turn(third, "d").await;
    assert_eq!(sent(&house.now(third)), ["> a", "one", "> c", "two", "> d"]);
    let rows = house.snapshot().sessions().unwrap();
    let parents: Vec<_> = rows.iter().map(|row| row.archived.parent).collect();
    assert_eq!(parents, [Some(second), Some(first), None]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_forked_is_told() {
    let house = House::of_script(TALK).await;
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "a").await;
    let before = house.archive().list().unwrap().len();
    for (at, expected) in [
        (ForkAt::Commit(0), "there is no commit 0"),
        (ForkAt::Commit(999), "there is no commit 999"),
        (ForkAt::Entry("999.0".parse().unwrap()), "999"),
        (ForkAt::Entry("1.0".parse().unwrap()), "1.0"),
    ] {
        let error = house.runtime().fork(session, at).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{at:?}: {error}");
    }
    house.runtime().close(session).await.unwrap();
    // The host is told by the store.
    let error = house
        .runtime()
        .fork(session, ForkAt::Commit(999))
        .await
        .unwrap_err();
    assert!(matches!(error, OperationError::NotDone(_)), "{error:?}");
    assert!(error.to_string().contains("999"), "{error}");
    assert_eq!(house.archive().list().unwrap().len(), before);
    // Nothing stays of it: one journal and one folder are there.
    let journal = house.archive().journal_of(session).unwrap().path().to_owned();
    assert_eq!(std::fs::read_dir(journal.parent().unwrap()).unwrap().count(), 2);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_of_sessions_is_closed_from_its_leaves() {
    let house = House::of_script(TALK).await;
    let root = house.session(House::settings(Mode::Yolo)).await;
    let other = house.session(House::settings(Mode::Yolo)).await;
    house.turn(root, "a").await;
    let mut line = vec![root];
    for parent in [root, root] {
        let child = house.runtime().fork(parent, ForkAt::Head).await.unwrap();
        house.runtime().open(child, opening(&house)).await.unwrap();
        line.push(child);
    }
    let grandchild = house.runtime().fork(line[1], ForkAt::Head).await.unwrap();
    house.runtime().open(grandchild, opening(&house)).await.unwrap();
    let ClosedTree { closed, stayed } = house.runtime().close_tree(root).await.unwrap();
    assert_eq!((closed[0], closed[3], closed.len()), (grandchild, root, 4));
    assert_eq!(stayed, []);
    // Once more there is nothing left to be closed.
    let again = house.runtime().close_tree(root).await.unwrap();
    assert_eq!((again.closed, again.stayed), (vec![], vec![]));
    let mounted: Vec<_> = house
        .snapshot()
        .sessions()
        .unwrap()
        .into_iter()
        .filter(|row| row.mounted)
        .collect();
    assert_eq!(
        mounted.iter().map(|row| row.archived.id).collect::<Vec<_>>(),
        [other]
    );
    house.close().await;
}

/// Whether they are mounted or not, and whether anybody has opened them yet; what cannot be closed holds nothing up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_closed_with_its_tree_is_told_and_the_rest_is_closed() {
    let house = House::of_script(
        r#"(turns: [(say: [text("one")]), (say: [call("bash", (command: "sleep 1000"))])])"#,
    )
    .await;
    let runtime = house.runtime();
    let root = house.session(House::settings(Mode::Yolo)).await;
    house.turn(root, "a").await;
    let forked = async |parent| runtime.fork(parent, ForkAt::Head).await.unwrap();
    let (busy, foreign, unopened) = (forked(root).await, forked(root).await, forked(root).await);
    let below = forked(busy).await;
    for session in [busy, foreign, below] {
        runtime.open(session, opening(&house)).await.unwrap();
    }
    let mut watch = runtime.watch(busy).unwrap();
    runtime.prompt(busy, "b", None).await.unwrap();
    while !watch
        .next()
        .await
        .updates
        .iter()
        .any(|update| matches!(update, Update::ToolStarted { .. }))
    {}
    // Another process has this one.
    runtime.give_up(foreign).await.unwrap();
    let other = FileArchive::open(house.home().join("data")).unwrap();
    let (theirs, _journal, _trace) = other.writing().unwrap();
    theirs.open(foreign, Timestamp(1)).unwrap();
    runtime.give_up(root).await.unwrap();

    let ClosedTree { closed, stayed } = runtime.close_tree(root).await.unwrap();
    assert_eq!(
        closed.iter().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([root, unopened, below])
    );
    assert_eq!(closed.last(), Some(&root));
    let why = |session| {
        let found = stayed.iter().find(|stayed| stayed.session == session);
        found.unwrap_or_else(|| panic!("{stayed:?}")).why.to_string()
    };
    assert_eq!(stayed.len(), 2);
    assert!(why(busy).starts_with("a turn is running"), "{}", why(busy));
    assert!(
        why(foreign).contains(&std::process::id().to_string()),
        "{}",
        why(foreign)
    );
    assert!(house.now(busy).open_turn().is_some());
    let status = |session| house.snapshot().row(session).unwrap().unwrap().archived.status;
    for session in closed {
        assert_eq!(status(session), Status::Closed, "{session}");
        // Whose word it was: the dispatch of the host that asked for it.
        let last = house.snapshot().session(session, None).unwrap().scope.seq;
        let commit = house
            .snapshot()
            .commits(session, last, last)
            .unwrap()
            .pop()
            .unwrap();
        let host = house.snapshot().host().unwrap();
        assert_eq!(commit.cause.map(|cause| cause.scope), Some(host.id), "{session}");
    }
    theirs.release(foreign);
    runtime.cancel(busy).await.unwrap();
    let closed = runtime.close_tree(root).await;
    // Those that are left, one by one.
    assert!(closed.unwrap().closed.contains(&foreign));
    let error = runtime.close_tree(ScopeId::mint()).await.unwrap_err();
    assert!(matches!(error, OperationError::Read(_)), "{error:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_into_the_trash_comes_back_whole() {
    let house = House::of_script(WORK).await;
    std::fs::write(house.workspace().join("b.txt"), "from b\n").unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "go").await;
    let kept = blobs(&house, session);
    house.runtime().put_in_trash(session).await.unwrap();
    assert_eq!(house.archive().list().unwrap(), []);
    assert!(house.runtime().open(session, opening(&house)).await.is_err());
    let trash = house.archive().trash().unwrap();
    assert_eq!(
        trash
            .iter()
            .map(|row| (row.session.id, row.session.first_words.as_deref()))
            .collect::<Vec<_>>(),
        [(session, Some("go"))]
    );
    // Once more changes nothing.
    house.runtime().put_in_trash(session).await.unwrap();
    assert_eq!(house.archive().trash().unwrap(), trash);
    house.runtime().take_from_trash(session).await.unwrap();
    assert_eq!(house.archive().trash().unwrap(), []);
    assert_eq!(blobs(&house, session), kept);
    house.runtime().open(session, opening(&house)).await.unwrap();
    house.turn(session, "go on").await;
    house.runtime().give_up(session).await.unwrap();
    // It is there already.
    house.runtime().take_from_trash(session).await.unwrap();
    let error = house
        .runtime()
        .take_from_trash(ScopeId::mint())
        .await
        .unwrap_err();
    assert!(matches!(error, OperationError::NotDone(_)), "{error:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_from_the_trash_is_gone_and_nothing_else_is() {
    let house = House::of_script(WORK).await;
    let runtime = house.runtime();
    let old = house.session(House::settings(Mode::Yolo)).await;
    let other = house.session(House::settings(Mode::Yolo)).await;
    runtime.put_in_trash(old).await.unwrap();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    assert_eq!(runtime.empty_trash(Some(day)).await.unwrap(), []);
    assert_eq!(house.archive().trash().unwrap().len(), 1);
    assert_eq!(runtime.empty_trash(None).await.unwrap(), [old]);
    assert_eq!(house.archive().trash().unwrap(), []);
    assert!(runtime.take_from_trash(old).await.is_err());
    let left: Vec<_> = std::fs::read_dir(house.home().join("data/trash"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        house
            .archive()
            .list()
            .unwrap()
            .iter()
            .map(|row| row.id)
            .collect::<Vec<_>>(),
        [other]
    );
    // Once more changes nothing.
    assert_eq!(runtime.empty_trash(None).await.unwrap(), []);
    house.close().await;
}
