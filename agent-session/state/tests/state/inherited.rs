//! What a fork has used itself, apart from what was used before it was forked; and closing what rests.

use glasswork_agent_core::session::State;
use glasswork_ai::conversation::Block;
use glasswork_ai::stream::{StopReason, StreamEvent, Usage};
use glasswork_engine::ScopeId;
use glasswork_session_state::domain::{Event, Reply};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::usage::Ledger;
use glasswork_session_state::{fork, prompt, session};

use crate::world::{World, finished, prompted, read, usage};

fn entered(parent: u128, at: u64) -> Event {
    Event::Fork(fork::Event::Entered {
        parent: ScopeId::from_u128(parent),
        at,
    })
}

fn answer(world: &mut World, tokens: Usage) {
    world.connect();
    world.stream(vec![StreamEvent::Usage(tokens)]);
    world.finish(
        vec![finished(0, Block::Text("So.".into()))],
        StopReason::EndOfTurn,
    );
}

#[test]
fn a_fork_counts_from_its_making() {
    let mut world = World::new();
    world.prompt("one");
    answer(&mut world, usage(100, 3));
    assert_eq!(world.session().inherited, Ledger::default());
    assert_eq!(world.session().spent(), world.session().usage);
    let before = world.session().usage.clone();

    // From here on it is a fork: what was there when it was entered is its parent's.
    let at = world.seq;
    world.user(entered(7, at)).unwrap();
    assert_eq!(world.session().inherited, before);
    assert!(world.session().spent().is_empty());
    let calls = world.running(&[read("/work/a")]);
    world.settle(calls[0], glasswork_session_state::tools::Word::Succeeded, "text");
    answer(&mut world, usage(10, 5));
    let own = world.session().spent();
    assert_eq!((own.tokens(), before.tokens()), (usage(10, 5), usage(100, 3)));
    assert_eq!(world.session().usage.tokens(), usage(110, 8));
    assert_eq!(own.calls, 1);
    let attempts = own.models.values().map(|model| model.attempts).sum::<u64>();
    assert_eq!(attempts, 2);

    // And a fork of that fork, which has its record of being one.
    let at = world.seq;
    world.user(entered(8, at)).unwrap();
    assert_eq!(world.session().inherited, world.session().usage);
    assert!(world.session().spent().is_empty());
    world.compare_with_journal();
}

#[test]
fn what_does_not_rest_is_not_closed_with_its_tree() {
    let closed = || Event::Session(session::Event::ClosedAtRest);
    let mut world = World::new();
    assert_eq!(world.user(prompted("go")).map(drop), Ok(()));
    assert_eq!(world.user(closed()), Err(Rejection::Busy));
    world.ask(prompt::Event::Paused);
    world.propose(&["read"]);
    assert_eq!(world.user(closed()), Err(Rejection::Busy));

    let mut world = World::new();
    let calls = world.running(&[read("/work/a")]);
    world.ask(prompt::Event::Paused);
    world.settle(calls[0], glasswork_session_state::tools::Word::Succeeded, "text");
    assert_eq!(world.user(closed()), Err(Rejection::Paused));

    let mut world = World::new();
    world.prompt("go");
    world.answer("done");
    assert_eq!(world.user(closed()), Ok(Reply::Done));
    world.expect_session(State::Closed);
    assert_eq!(world.user(closed()), Ok(Reply::Done));
    assert_eq!(world.commits.last().unwrap().1, []);
    world.compare_with_journal();
}
