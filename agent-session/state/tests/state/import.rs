//! Taking in a conversation that was had elsewhere.

use glasswork_agent_core::branch_summary::{self, BranchSummary};
use glasswork_agent_core::compaction::Paths;
use glasswork_agent_core::id::{CallId, EntryId, RequestId};
use glasswork_agent_core::session::State as S;
use glasswork_agent_core::tool_call::State as C;
use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::{Block, Message, ToolCall};
use glasswork_engine::{Domain, ScopeId, Timestamp};
use glasswork_session_state::Glasswork;
use glasswork_session_state::call::BlobRef;
use glasswork_session_state::domain::Event;
use glasswork_session_state::import::{Begun, Called, Ended, Entry, Event as I, Origin, Said};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::tree::LABEL_BYTES;

use crate::world::*;

pub(crate) fn begun(entries: u32) -> Event {
    Event::Import(I::Begun(Box::new(Begun {
        origin: Origin {
            file: "/old/session.jsonl".into(),
            format: "pi".into(),
            version: Some("3".into()),
            session: Some("abc".into()),
            content: BlobRef {
                digest: "d1".into(),
                len: 100,
            },
            kept: BlobRef {
                digest: "d2".into(),
                len: 100,
            },
            entries,
            left: vec![],
        },
        workspace: "/old/work".into(),
        title: Some("Imported".into()),
        started: Some(Timestamp(5)),
        model: Some("anthropic/old".parse().unwrap()),
        thinking: None,
    })))
}

fn finished(leaf: Option<u32>) -> I {
    I::Finished { leaf, called: vec![] }
}

fn entry(parent: Option<u32>, line: u64, said: Said) -> Entry {
    let at = Some(Timestamp(10 + i64::try_from(line).unwrap()));
    Entry {
        parent,
        line,
        at,
        label: None,
        said,
    }
}

fn said(parent: Option<u32>, line: u64, text: &str) -> Entry {
    entry(parent, line, Said::Prompt(text.into()))
}

fn answer(parent: u32, line: u64, blocks: Vec<Block>) -> Entry {
    let model = "anthropic/old".parse().unwrap();
    let said = Said::Answer {
        blocks,
        model,
        usage: None,
        stop: None,
        cancelled: false,
    };
    entry(Some(parent), line, said)
}

fn call(id: &str) -> Block {
    Block::ToolCall(ToolCall {
        id: id.into(),
        name: "read".into(),
        arguments: "{}".into(),
        reading: None,
    })
}

fn result(answer: u32, block: u16, parent: u32, ended: Ended) -> Entry {
    let text = format!("of {block}").into();
    let said = Said::Result {
        answer,
        block,
        text,
        ended,
    };
    entry(Some(parent), 9, said)
}

fn taken(from: u32, entries: Vec<Entry>) -> Event {
    Event::Import(I::Taken { from, entries })
}

/// A question, an answer with two calls, two branches after it; it goes on at the first.
pub(crate) fn take_in(world: &mut World) {
    world.user(begun(6)).unwrap();
    let blocks = vec![Block::Text("look".into()), call("a"), call("b")];
    world
        .user(taken(
            0,
            vec![
                said(None, 2, "why?"),
                answer(0, 3, blocks),
                result(1, 2, 1, Ended::Unknown),
                result(1, 1, 2, Ended::Succeeded),
            ],
        ))
        .unwrap();
    world
        .user(taken(
            4,
            vec![said(Some(3), 7, "this way"), said(Some(3), 8, "that way")],
        ))
        .unwrap();
    world.user(Event::Import(finished(Some(4)))).unwrap();
}

#[test]
fn what_was_said_elsewhere_stands_here_with_its_lines_and_goes_on() {
    let mut world = World::vacant();
    take_in(&mut world);
    world.expect_session(S::Closed);
    let session = world.session();
    assert_eq!(&*session.meta.workspace, "/old/work");
    assert_eq!(session.meta.created, Timestamp(5));
    assert_eq!(
        session.settings.model.value.as_ref().unwrap().to_string(),
        "anthropic/old"
    );
    let id = |seq, ordinal| EntryId { seq, ordinal };
    let import = session.import.as_ref().unwrap();
    let lines: Vec<_> = session
        .tree
        .entries()
        .map(|(id, _)| (id, import.line_of(id)))
        .collect();
    assert_eq!(
        lines,
        [
            (id(2, 0), Some(2)),
            (id(2, 1), Some(3)),
            (id(2, 2), Some(9)),
            (id(2, 3), Some(9)),
            (id(3, 0), Some(7)),
            (id(3, 1), Some(8)),
        ]
    );
    assert_eq!(session.tree.leaf(), Some(id(3, 0)));
    assert_eq!(
        session.tree.get(id(2, 0)).unwrap().at,
        Timestamp(12),
        "as it was said then"
    );
    let state = |ordinal| session.call(CallId { seq: 2, ordinal }).unwrap().state;
    assert_eq!([state(1), state(2)], [C::Succeeded, C::UnknownOutcome]);
    assert_eq!(Glasswork::audit(&world.state), Ok(()));

    world.user(opened()).unwrap();
    world.expect_session(S::Idle);
    assert_eq!(
        &*world.session().meta.workspace,
        "/old/work",
        "it stays where it worked"
    );
    world.prompt("go on");
    let request = world.session().requests.get_max().unwrap().0;
    let sent = world.session().render(request).unwrap().messages;
    let kinds: Vec<String> = sent
        .iter()
        .map(|message| match message {
            Message::User(text) => format!("user {text}"),
            Message::Assistant { blocks, .. } => format!("model {}", blocks.len()),
            Message::ToolResult(result) => format!("{} {} {}", result.call, result.text, result.is_error),
            Message::Image(shown) => format!("image {}", shown.image),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "user why?",
            "model 3",
            "b of 2 true",
            "a of 1 false",
            "user this way",
            "user go on"
        ]
    );
    world.answer("so it is");
    assert_eq!(world.session().import.as_ref().unwrap().line_of(id(6, 0)), None);
    // From a request of this session one can go back behind what was imported.
    world.move_to(Some(id(3, 1))).unwrap();
    world.prompt("and that way?");
    let request = world.session().requests.get_max().unwrap().0;
    assert_eq!(world.session().render(request).unwrap().messages.len(), 6);
    world.compare_with_journal();
}

/// A branch that was left elsewhere, with its summary, is one that was left.
#[test]
fn a_summary_of_a_branch_that_was_left_elsewhere_is_such_an_entry() {
    let left = |from| Said::BranchSummary {
        summary: "it was in vain".into(),
        model: "anthropic/old".parse().unwrap(),
        from,
    };
    let mut world = World::vacant();
    world.user(begun(5)).unwrap();
    let talk = vec![
        said(None, 2, "one"),
        said(Some(0), 3, "two"),
        entry(Some(0), 4, left(Some(1))),
        entry(Some(2), 5, left(None)),
        said(Some(3), 6, "three"),
    ];
    world.user(taken(0, talk)).unwrap();
    world.user(Event::Import(finished(Some(4)))).unwrap();
    assert_eq!(Glasswork::audit(&world.state), Ok(()));
    let id = |ordinal| EntryId { seq: 2, ordinal };
    let made = |ordinal| match &world.session().tree.get(id(ordinal)).unwrap().body {
        Body::BranchSummary(made) => BranchSummary::clone(made),
        other => panic!("{other:?}"),
    };
    let expected = BranchSummary {
        from: Some(id(1)),
        summary: "it was in vain".into(),
        model: "anthropic/old".parse().unwrap(),
        request: RequestId(0),
        changed: Paths::default(),
        read: Paths::default(),
    };
    assert_eq!(
        made(3),
        BranchSummary {
            from: None,
            ..expected.clone()
        }
    );
    assert_eq!(made(2), expected);
    world.user(opened()).unwrap();
    world.prompt("go on");
    let request = world.session().requests.get_max().unwrap().0;
    let user = |text: &str| Message::User(text.into());
    let told = branch_summary::message(&expected);
    assert_eq!(
        world.session().render(request).unwrap().messages,
        [
            user("one"),
            user(&told),
            user(&told),
            user("three"),
            user("go on")
        ]
    );
    world.compare_with_journal();
}

#[test]
fn what_does_not_hold_together_is_not_taken_in() {
    let misfit = Rejection::ImportMisfit;
    let table: Vec<(&str, Vec<Entry>, Rejection)> = vec![
        (
            "a parent that comes later",
            vec![said(Some(0), 1, "x")],
            misfit("an entry stands before its parent"),
        ),
        (
            "more than was announced",
            (0..5).map(|_| said(None, 1, "x")).collect(),
            misfit("there are more entries than were announced"),
        ),
        (
            "a summary of what comes later",
            vec![entry(
                None,
                1,
                Said::BranchSummary {
                    summary: "x".into(),
                    model: "a/b".parse().unwrap(),
                    from: Some(0),
                },
            )],
            misfit("a summary is of a branch that comes after it"),
        ),
        (
            "two answers with calls",
            vec![
                said(None, 1, "x"),
                answer(0, 1, vec![call("a")]),
                result(1, 0, 1, Ended::Failed),
                answer(2, 1, vec![call("b")]),
            ],
            misfit("a batch has two answers with calls"),
        ),
        (
            "a call without a result",
            vec![said(None, 1, "x"), answer(0, 1, vec![call("a")])],
            misfit("a call has no result in its batch"),
        ),
        (
            "a result of no call",
            vec![said(None, 1, "x"), result(0, 0, 0, Ended::Failed)],
            misfit("a result belongs to no call of its batch, or is the second of one"),
        ),
        (
            "two results of one call",
            vec![
                said(None, 1, "x"),
                answer(0, 1, vec![call("a")]),
                result(1, 0, 1, Ended::Failed),
                result(1, 0, 2, Ended::Failed),
            ],
            misfit("a result belongs to no call of its batch, or is the second of one"),
        ),
    ];
    for (name, entries, rejection) in table {
        let mut world = World::vacant();
        world.user(begun(4)).unwrap();
        assert_eq!(world.user(taken(0, entries)), Err(rejection), "{name}");
    }
}

#[test]
fn an_import_goes_on_where_it_stopped_and_nothing_else_goes_on_before_its_end() {
    let mut world = World::new();
    assert_eq!(world.user(begun(1)), Err(Rejection::NotVacant));
    assert_eq!(world.user(taken(0, vec![])), Err(Rejection::NoImport));

    let mut world = World::vacant();
    world.user(begun(2)).unwrap();
    assert_eq!(world.user(begun(2)), Err(Rejection::NotVacant));
    world.user(taken(0, vec![said(None, 1, "one")])).unwrap();
    assert_eq!(world.user(opened()), Err(Rejection::HalfImported));
    assert!(matches!(world.user(prompted("x")), Err(Rejection::Transition(_))));
    let out_of_step = Err(Rejection::ImportOutOfStep { expected: 1 });
    assert_eq!(world.user(taken(0, vec![said(None, 1, "one")])), out_of_step);
    assert_eq!(world.user(Event::Import(finished(None))), out_of_step);
    world.user(taken(1, vec![said(Some(0), 2, "two")])).unwrap();
    let missing = Err(Rejection::ImportMisfit("its leaf is not there"));
    assert_eq!(world.user(Event::Import(finished(Some(2)))), missing);
    world.user(Event::Import(finished(Some(1)))).unwrap();
    assert_eq!(
        world.user(Event::Import(finished(Some(1)))),
        Err(Rejection::NoImport)
    );
    world.user(opened()).unwrap();
}

#[test]
fn agents_that_were_called_are_children_of_the_session_and_not_of_its_forks() {
    let mut world = World::vacant();
    world.user(begun(2)).unwrap();
    world
        .user(taken(0, vec![said(None, 1, "one"), said(Some(0), 2, "two")]))
        .unwrap();
    let child = ScopeId::from_u128(7);
    let calls = |entry| {
        let called = vec![Called {
            session: child,
            entry,
        }];
        Event::Import(I::Finished {
            leaf: Some(1),
            called,
        })
    };
    let missing = Err(Rejection::ImportMisfit("who called an agent is not there"));
    assert_eq!(world.user(calls(2)), missing);
    world.user(calls(1)).unwrap();
    let session = world.session();
    let children: Vec<_> = session
        .children
        .iter()
        .map(|(id, child)| (*id, child.of, child.at, child.effect))
        .collect();
    assert_eq!(children, [(child, session.id, 2, None)]);
}

#[test]
fn labels_are_set_and_no_longer_than_any_other() {
    let mut world = World::vacant();
    world.user(begun(2)).unwrap();
    let labelled = |mut entry: Entry, label: &str| {
        entry.label = Some(label.into());
        entry
    };
    let long = "ä".repeat(LABEL_BYTES);
    let entries = vec![
        labelled(said(None, 1, "one"), "works"),
        labelled(said(Some(0), 2, "two"), &long),
    ];
    world.user(taken(0, entries)).unwrap();
    let session = world.session();
    let labels: Vec<&str> = session.tree.labels().values().map(|label| &**label).collect();
    assert_eq!(labels, ["works", &long[..LABEL_BYTES]]);
}
