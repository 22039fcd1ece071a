//! The tree of a conversation as screens are given it, whole: branches, what is active, labels and pins, summaries, and the
//! sessions that were forked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_agent_core::id::EntryId;
use glasswork_app_runtime::projection::tree::{self, ForkPoint, Kind, Node, Tree};
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_testkit::house::House;

/// Looks at two files, and summarises what it is asked to.
const SCRIPT: &str = r#"(turns: [
    (when: "Write the notes", say: [text("Tin\n  leaks.")],
        otherwise: [text("I look."), call("ls", (path: ".")), call("read", (path: "none"))]),
    (say: [thinking("hm"), text("Done.")]),
    (say: [text("Again.")]),
    (say: [text("And again.")]),
])"#;

fn projected(house: &House, session: ScopeId) -> Tree {
    let tree = tree::of(&house.now(session));
    // When something was added is not what this is about.
    let nodes = tree.nodes.into_iter().map(|node| Node {
        at: Timestamp(0),
        ..node
    });
    Tree {
        nodes: nodes.collect(),
        ..tree
    }
}

/// A node that is not on the branch to the leaf, without label and pin.
fn node(entry: EntryId, parent: Option<EntryId>, children: &[EntryId], kind: Kind, words: &str) -> Node {
    Node {
        entry,
        parent,
        children: children.to_vec(),
        at: Timestamp(0),
        kind,
        words: words.to_owned(),
        label: None,
        pinned: false,
        active: false,
    }
}

fn active(node: Node) -> Node {
    Node { active: true, ..node }
}

async fn leave(house: &House, session: ScopeId, to: Option<EntryId>) {
    let mut watch = house.runtime().watch(session).unwrap();
    let asked = house
        .runtime()
        .move_leaf_with_summary(session, to, None, None)
        .await;
    asked.unwrap();
    let ended = |update: &Update| matches!(update, Update::BranchSummarised { .. });
    while !watch.next().await.updates.iter().any(ended) {}
}

fn ids(house: &House, session: ScopeId) -> Vec<EntryId> {
    house.now(session).tree.entries().map(|(id, _)| id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_is_a_node_with_its_place_in_the_tree() {
    let house = House::of_script(SCRIPT).await;
    let runtime = house.runtime();
    let session = house.session(House::settings(Mode::Yolo)).await;
    assert_eq!(
        projected(&house, session),
        Tree {
            leaf: None,
            nodes: vec![],
            parent: None,
            children: vec![]
        }
    );
    let long = format!("  Mend\n\tthe roof: {}", "tiles ".repeat(40));
    house.turn(session, &long).await;
    let e = ids(&house, session);
    assert_eq!(e.len(), 5);
    runtime.move_leaf(session, Some(e[0]), None).await.unwrap();
    let fork = runtime.fork(session, ForkAt::Entry(e[4])).await.unwrap();
    runtime.move_leaf(session, Some(e[4]), None).await.unwrap();
    leave(&house, session, Some(e[0])).await;
    let attempt = ids(&house, session)[5];
    runtime.move_leaf(session, None, None).await.unwrap();
    runtime.label(session, attempt, Some("tin")).await.unwrap();
    runtime.pin_entry(session, e[2], true).await.unwrap();

    let words = format!("Mend the roof: {}", "tiles ".repeat(40));
    let words = format!("{}…", &words[..80]);
    let listed = projected(&house, session).nodes[2].words.clone();
    assert!(listed.starts_with("ls: "), "{listed}");
    let missing = projected(&house, session).nodes[3].words.clone();
    assert!(missing.starts_with("read: "), "{missing}");
    let nodes = [
        node(e[0], None, &[e[1], attempt], Kind::Prompt, &words),
        node(e[1], Some(e[0]), &[e[2]], Kind::Answer, "I look. [ls] [read]"),
        Node {
            pinned: true,
            ..node(e[2], Some(e[1]), &[e[3]], Kind::Result, &listed)
        },
        node(e[3], Some(e[2]), &[e[4]], Kind::Result, &missing),
        node(e[4], Some(e[3]), &[], Kind::Answer, "Done."),
        Node {
            label: Some("tin".into()),
            ..node(attempt, Some(e[0]), &[], Kind::BranchSummary, "Tin leaks.")
        },
    ];
    let children = vec![ForkPoint {
        session: fork,
        at: e[4].seq,
    }];
    let tree = |leaf: Option<EntryId>, on_branch: &[EntryId]| Tree {
        leaf,
        nodes: nodes
            .iter()
            .cloned()
            .map(|node| match on_branch.contains(&node.entry) {
                true => active(node),
                false => node,
            })
            .collect(),
        parent: None,
        children: children.clone(),
    };
    assert_eq!(
        projected(&house, session),
        tree(None, &[]),
        "before everything nothing is active"
    );
    for (leaf, on_branch) in [
        (attempt, vec![e[0], attempt]),
        (e[4], e.clone()),
        (e[0], vec![e[0]]),
    ] {
        runtime.move_leaf(session, Some(leaf), None).await.unwrap();
        assert_eq!(
            projected(&house, session),
            tree(Some(leaf), &on_branch),
            "at {leaf}"
        );
    }

    // A fork has the tree as it was there, and knows where it comes from.
    let opening = glasswork_app_runtime::runtime::Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Yolo),
        title: None,
        servers: vec![],
    };
    runtime.open(fork, opening).await.unwrap();
    let unpinned = |node: &Node| Node {
        pinned: false,
        ..active(node.clone())
    };
    let mut before: Vec<Node> = nodes[..5].iter().map(unpinned).collect();
    before[0].children = vec![e[1]];
    assert_eq!(
        projected(&house, fork),
        Tree {
            leaf: Some(e[4]),
            nodes: before,
            parent: Some(ForkPoint {
                session,
                at: e[4].seq
            }),
            children: vec![],
        }
    );
    house.close().await;
}

/// Two beginnings are two roots; a compaction is a node without words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_and_compactions_are_nodes_too() {
    let long = "word ".repeat(400);
    let script = format!(
        r#"(turns: [(when: "Write the notes", say: [text("notes")], otherwise: [text("{long}")]),
        (say: [text("{long}")]), (say: [text("{long}")]), (say: [text("{long}")])])"#
    );
    let house = House::of_script(&script).await;
    let runtime = house.runtime();
    let session = house.session(House::settings(Mode::Yolo)).await;
    house.turn(session, "one").await;
    runtime.move_leaf(session, None, None).await.unwrap();
    // As many characters as are shown, and one more.
    let (fits, longer) = ("x".repeat(80), "y".repeat(81));
    for prompt in ["two", &fits, &longer] {
        house.turn(session, prompt).await;
    }
    let cut = format!("{}…", &longer[..80]);
    let window = Sourced::from_layer(Some(6_000), Layer::Session);
    runtime
        .set(session, Setting::ContextWindow(window))
        .await
        .unwrap();
    let mut watch = runtime.watch(session).unwrap();
    runtime.compact(session, None, None).await.unwrap();
    let ended = |update: &Update| matches!(update, Update::Compacted { .. });
    while !watch.next().await.updates.iter().any(ended) {}

    let e = ids(&house, session);
    let words = format!("{}…", &long[..80]);
    let answer =
        |place: usize, below: &[EntryId]| node(e[place], Some(e[place - 1]), below, Kind::Answer, &words);
    let prompt = |place: usize, parent, words| node(e[place], parent, &[e[place + 1]], Kind::Prompt, words);
    let expected = Tree {
        leaf: Some(e[8]),
        nodes: vec![
            prompt(0, None, "one"),
            answer(1, &[]),
            active(prompt(2, None, "two")),
            active(answer(3, &[e[4]])),
            active(prompt(4, Some(e[3]), &fits)),
            active(answer(5, &[e[6]])),
            active(prompt(6, Some(e[5]), &cut)),
            active(answer(7, &[e[8]])),
            active(node(e[8], Some(e[7]), &[], Kind::Compaction, "")),
        ],
        parent: None,
        children: vec![],
    };
    assert_eq!(projected(&house, session), expected);
    house.close().await;
}
