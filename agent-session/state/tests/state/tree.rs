//! Going elsewhere in the conversation, labels and pins.

use glasswork_agent_core::context::parts_of;
use glasswork_agent_core::id::RequestId;
use glasswork_engine::{Domain, Origin, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::domain::{Event, Reply};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::fork;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::session;
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::tools::Word;
use glasswork_session_state::tree::Event as T;

use crate::world::*;

/// Two questions and answers, and then a question with two calls, and its answer.
fn talked() -> World {
    let mut world = World::new();
    world.prompt("one");
    world.answer("1");
    world.prompt("two");
    world.answer("2");
    let calls = world.running(&[read("/work/a"), read("/work/b")]);
    for call in calls {
        world.settle(call, Word::Succeeded, "text");
    }
    world.answer("read");
    world
}

#[test]
fn a_conversation_goes_on_at_any_entry_and_the_request_is_that_branch() {
    let mut world = talked();
    let entries = world.entries();
    world.move_to(Some(entries[1])).unwrap();
    assert_eq!(world.branch(), ["user: one", "model: 1"]);
    world.prompt("three");
    world.answer("3");
    assert_eq!(
        world.branch(),
        ["user: one", "model: 1", "user: three", "model: 3"]
    );
    // The request goes on from the first one, and from nothing that was left.
    let plan = |world: &World| {
        let plan = world.session().requests.get_max().unwrap().1.plan.clone();
        (plan.base, plan.kept, plan.new.len())
    };
    assert_eq!(plan(&world), (Some(RequestId(1)), 1, 2));
    // Back where it was: the longest request of that branch is what the provider may remember.
    world.move_to(entries.last().copied()).unwrap();
    world.prompt("four");
    assert_eq!(plan(&world), (Some(RequestId(4)), 8, 2));
    let parts = parts_of(&world.session().requests, RequestId(6));
    assert_eq!(
        parts.iter().map(|part| part.entry).collect::<Vec<_>>(),
        [&entries[..], &world.entries()[entries.len() + 2..]].concat()
    );
    world.answer("4");
    // From the very beginning there is nothing to go on from.
    world.move_to(None).unwrap();
    assert_eq!(world.branch(), [""; 0]);
    world.prompt("afresh");
    assert_eq!(plan(&world), (None, 0, 1));
    world.answer("so");
    world.compare_with_journal();
}

#[test]
fn a_move_to_where_the_conversation_stands_states_nothing() {
    let mut world = talked();
    let leaf = world.session().tree.leaf();
    world.move_to(leaf).unwrap();
    assert_eq!(world.commits.last().unwrap().1, []);
}

#[test]
fn calls_are_kept_together_with_their_results() {
    let mut world = talked();
    let entries = world.entries();
    // two questions with answers, "go", the answer with calls, two results, the last answer
    let inside = |entry: usize| Rejection::InsideCalls {
        entry: entries[entry],
        before: Some(entries[4]),
        after: Some(entries[7]),
    };
    for (to, expected) in [
        (4, Ok(Reply::Done)),
        (5, Err(inside(5))),
        (6, Err(inside(6))),
        (7, Ok(Reply::Done)),
        (8, Ok(Reply::Done)),
    ] {
        assert_eq!(world.move_to(Some(entries[to])), expected, "{to}");
    }
    let advice = inside(6).to_string();
    let (after, before) = (entries[7].to_string(), entries[4].to_string());
    assert!(advice.contains(&after) && advice.contains(&before), "{advice}");
}

#[test]
fn where_a_conversation_cannot_go_on() {
    let nowhere = "999.0".parse().unwrap();
    let mut world = World::vacant();
    assert_eq!(world.move_to(None), Err(Rejection::NotOpen));
    let mut world = talked();
    assert_eq!(
        world.move_to(Some(nowhere)),
        Err(Rejection::UnknownEntry(nowhere))
    );
    let prompt = world.entries()[0];
    world.prompt("busy");
    assert_eq!(world.move_to(Some(prompt)), Err(Rejection::Busy));
    world.ask(glasswork_session_state::prompt::Event::Paused);
    assert_eq!(world.move_to(Some(prompt)), Err(Rejection::Busy));
    world.ask(glasswork_session_state::prompt::Event::Cancelled);
    world.move_to(Some(prompt)).unwrap();
    world.user(Event::Session(session::Event::Closed)).unwrap();
    world.move_to(None).unwrap();
}

#[test]
fn a_prompt_that_is_taken_back_gives_its_words() {
    let mut world = talked();
    let entries = world.entries();
    let back = |entry| T::TakenBack {
        entry,
        key: Some("k".into()),
    };
    assert_eq!(
        world.tree(back(entries[1])),
        Err(Rejection::NotAPrompt(entries[1]))
    );
    let text = "two".into();
    assert_eq!(world.tree(back(entries[2])), Ok(Reply::TakenBack { text }));
    let first = world.seq;
    assert_eq!(world.branch(), ["user: one", "model: 1"]);
    assert_eq!(world.tree(back(entries[2])), Err(Rejection::Repeated { first }));
    // The first one, too.
    let key = None;
    world
        .tree(T::TakenBack {
            entry: entries[0],
            key,
        })
        .unwrap();
    assert_eq!(world.session().tree.leaf(), None);
}

/// The process ends while a fork is made: the next one has it made, once more and with the same id. The fork itself has
/// the record of its own making where it was forked later; it makes nothing.
#[test]
fn a_fork_that_was_cut_short_is_made_by_the_next_process() {
    let mut world = talked();
    let child = ScopeId::from_u128(8);
    let asked = Event::Fork(fork::Event::Requested {
        child,
        of: SCOPE,
        at: 3,
    });
    world.user(asked).unwrap();
    let making = |world: &World| world.open.values().cloned().collect::<Vec<_>>();
    let effect = Effect::Fork {
        child,
        of: SCOPE,
        at: 3,
    };
    assert_eq!(making(&world), std::slice::from_ref(&effect));
    let first = *world.open.keys().next().unwrap();
    world.crash();
    assert_eq!(making(&world), [effect]);
    let again = *world.open.keys().next().unwrap();
    assert_ne!(first, again);
    world
        .send(&Origin::Effect(again), Event::Fork(fork::Event::Made { child }))
        .unwrap();
    assert_eq!(world.session().children[&child].effect, None);
    world.crash();
    assert_eq!(making(&world), []);
    world.compare_with_journal();

    // As a fork at the commit that asked for the first one has it.
    let mut fork = Glasswork::vacant(Kind::Session, ScopeId::from_u128(9));
    for (_, facts, moment) in &world.commits {
        for fact in facts.iter().take_while(|_| moment.seq <= first.seq) {
            Glasswork::evolve(&mut fork, fact, *moment);
        }
    }
    let Scope::Session(forked) = &fork else {
        unreachable!()
    };
    assert!(forked.children.is_empty() && forked.tree == world.session().tree);
}

#[test]
fn only_what_was_committed_can_be_forked_and_not_without_end() {
    let mut world = talked();
    let last = world.seq;
    for asked in [0, last + 1] {
        let child = ScopeId::from_u128(8);
        let event = Event::Fork(fork::Event::Requested {
            child,
            of: SCOPE,
            at: asked,
        });
        assert_eq!(world.user(event), Err(Rejection::NoSuchCommit { asked, last }));
    }
    let event = Event::Fork(fork::Event::Entered { parent: SCOPE, at: 2 });
    world.user(event.clone()).unwrap();
    world.user(event).unwrap();
    assert_eq!(world.commits.last().unwrap().1, []);
    assert_eq!(world.session().meta.parent.unwrap().at, 2);
}

#[test]
fn entries_have_labels_and_pins() {
    let mut world = talked();
    let entry = world.entries()[2];
    let label = |label: &str| T::Labelled {
        entry,
        label: Some(label.into()),
    };
    world.tree(label("  good place ")).unwrap();
    assert_eq!(
        world.session().tree.label_of(entry).unwrap().as_ref(),
        "good place"
    );
    assert_eq!(world.tree(label(&"x".repeat(257))), Err(Rejection::LabelTooLong));
    world.tree(T::Pinned { entry, pinned: true }).unwrap();
    world.tree(T::Pinned { entry, pinned: true }).unwrap();
    assert_eq!(world.commits.last().unwrap().1, []);
    assert_eq!(world.session().tree.pinned().iter().collect::<Vec<_>>(), [&entry]);
    world.compare_with_journal();
    world.tree(label(" ")).unwrap();
    world.tree(T::Pinned { entry, pinned: false }).unwrap();
    assert_eq!(world.session().tree.label_of(entry), None);
    assert_eq!(world.session().tree.pinned().len(), 0);
    let unknown = "999.0".parse().unwrap();
    assert_eq!(
        world.tree(T::Pinned {
            entry: unknown,
            pinned: true
        }),
        Err(Rejection::UnknownEntry(unknown))
    );
    assert_eq!(Glasswork::audit(&world.state), Ok(()));
}
