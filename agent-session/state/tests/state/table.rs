//! The table of design §4: what people can do to a turn, in every place in which it can be.

use std::sync::Arc;

use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StopReason;
use glasswork_session_state::domain::{Event, Reply};
use glasswork_session_state::prompt::Event as P;
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::tools::Word;

use crate::world::*;

/// Where a turn can be when someone does something to it; each with a follow-up and steering waiting.
#[derive(Debug, Clone, Copy)]
enum Place {
    Connecting,
    Streaming,
    BackingOff,
    Gating,
    Executing,
    Cancelling,
    Paused,
    Idle,
}

fn at(place: Place) -> World {
    let mut world = World::new();
    match place {
        Place::Idle => {
            world.prompt("go");
            world.answer("so");
            return world;
        }
        Place::Connecting => {
            world.prompt("go");
        }
        Place::Streaming => {
            world.prompt("go");
            world.connect();
            world.stream(vec![finished(0, Block::Text("whole".into())), began(1)]);
        }
        Place::BackingOff => {
            world.prompt("go");
            world.fail(FailureClass::Overloaded, None);
        }
        Place::Gating => {
            world.prompt("go");
            let calls = world.propose(&["bash", "read"]);
            world.find(calls[0], bash());
        }
        Place::Executing | Place::Cancelling | Place::Paused => {
            let calls = world.running(&[bash()]);
            match place {
                Place::Paused => {
                    world.ask(P::Paused);
                    world.settle(calls[0], Word::Succeeded, "");
                }
                Place::Cancelling => {
                    world.ask(P::Cancelled);
                    return world;
                }
                _ => {}
            }
        }
    }
    world.ask(steered("steer"));
    world.ask(followed_up("follow"));
    world
}

/// Lets everything that is open come to its natural end, as if nothing stood in the way.
fn run_out(world: &mut World) {
    for _ in 0..20 {
        let Some(turn) = world.session().open_turn() else {
            return;
        };
        match turn.state {
            T::Connecting => world.connect(),
            T::Streaming => {
                let heard = world
                    .session()
                    .attempt()
                    .map_or(0, |attempt| attempt.answer.blocks.len());
                let last = finished(u32::from(heard > 0), Block::Text("end".into()));
                world.finish(vec![last], StopReason::EndOfTurn);
            }
            T::Gating | T::Executing | T::Cancelling => {
                let open = world.session().batch().find(|(_, call)| call.effect.is_some());
                let (id, call) = open.map(|(id, call)| (id, Arc::clone(call))).unwrap();
                if call.state == glasswork_agent_core::tool_call::State::Evidence {
                    world.find(id, read("/work/a"));
                } else {
                    world.settle(id, Word::Succeeded, "ran");
                }
            }
            _ => return,
        }
    }
}

/// What became of it: the state at once and at last, and the words that wait or went back.
#[derive(Debug, PartialEq)]
struct Cell {
    at_once: T,
    at_last: T,
    returned: usize,
    steering: usize,
    follow_ups: usize,
}

fn cell(place: Place, event: P) -> Result<Cell, Rejection> {
    let mut world = at(place);
    world.user(Event::Prompt(event))?;
    let at_once = world.turn().state;
    run_out(&mut world);
    world.compare_with_journal();
    let queue = &world.session().queue;
    Ok(Cell {
        at_once,
        at_last: world.turn().state,
        returned: queue.returned.len(),
        steering: queue.steering.len(),
        follow_ups: queue.follow_ups.len(),
    })
}

/// Stopped: steering is back with its author, the follow-up stays.
fn stopped(at_once: T, at_last: T) -> Cell {
    Cell {
        at_once,
        at_last,
        returned: 1,
        steering: 0,
        follow_ups: 1,
    }
}

#[test]
fn interrupt() {
    let cases = [
        (Place::Connecting, stopped(T::Connecting, T::Interrupted)),
        (Place::Streaming, stopped(T::Streaming, T::Interrupted)),
        (Place::BackingOff, stopped(T::Interrupted, T::Interrupted)),
        (Place::Gating, stopped(T::Gating, T::Interrupted)),
        (Place::Executing, stopped(T::Executing, T::Interrupted)),
        (Place::Paused, stopped(T::Interrupted, T::Interrupted)),
    ];
    for (place, expected) in cases {
        assert_eq!(cell(place, P::Interrupted), Ok(expected), "{place:?}");
    }
    assert_eq!(cell(Place::Idle, P::Interrupted), Err(Rejection::NoTurn));
    assert!(matches!(
        cell(Place::Cancelling, P::Interrupted),
        Err(Rejection::Transition(_))
    ));
}

#[test]
fn cancel() {
    let cases = [
        (Place::Connecting, stopped(T::Cancelled, T::Cancelled)),
        (Place::Streaming, stopped(T::Cancelled, T::Cancelled)),
        (Place::BackingOff, stopped(T::Cancelled, T::Cancelled)),
        (Place::Gating, stopped(T::Cancelled, T::Cancelled)),
        (Place::Executing, stopped(T::Cancelling, T::Cancelled)),
        (Place::Paused, stopped(T::Cancelled, T::Cancelled)),
    ];
    for (place, expected) in cases {
        assert_eq!(cell(place, P::Cancelled), Ok(expected), "{place:?}");
    }
    assert_eq!(cell(Place::Idle, P::Cancelled), Err(Rejection::NoTurn));
    assert!(matches!(
        cell(Place::Cancelling, P::Cancelled),
        Err(Rejection::Transition(_))
    ));
}

#[test]
fn pause() {
    // A paused turn goes on: what waits for it waits on.
    let paused = |at_once| Cell {
        at_once,
        at_last: T::Paused,
        returned: 0,
        steering: 1,
        follow_ups: 1,
    };
    let cases = [
        (Place::Connecting, paused(T::Connecting)),
        (Place::Streaming, paused(T::Streaming)),
        (Place::BackingOff, paused(T::Paused)),
        (Place::Gating, paused(T::Gating)),
        (Place::Executing, paused(T::Executing)),
    ];
    for (place, expected) in cases {
        assert_eq!(cell(place, P::Paused), Ok(expected), "{place:?}");
    }
    assert_eq!(cell(Place::Idle, P::Paused), Err(Rejection::NoTurn));
    for place in [Place::Cancelling, Place::Paused] {
        assert!(
            matches!(cell(place, P::Paused), Err(Rejection::Transition(_))),
            "{place:?}"
        );
    }
}

#[test]
fn resume() {
    let mut world = at(Place::Paused);
    world.ask(P::Resumed);
    world.expect_turn(T::Connecting);
    assert_eq!(world.said().last().unwrap(), "user: steer");
    assert_eq!(cell(Place::Idle, P::Resumed), Err(Rejection::NoTurn));
    for place in [
        Place::Connecting,
        Place::Gating,
        Place::Executing,
        Place::Cancelling,
    ] {
        assert!(
            matches!(cell(place, P::Resumed), Err(Rejection::Transition(_))),
            "{place:?}"
        );
    }
}

#[test]
fn steering_and_follow_ups() {
    let working = [
        Place::Connecting,
        Place::Streaming,
        Place::Gating,
        Place::Executing,
        Place::Paused,
    ];
    for place in working {
        let mut world = at(place);
        let (steering, follow_ups) = {
            let queue = &world.session().queue;
            (queue.steering.len(), queue.follow_ups.len())
        };
        assert_eq!(
            world.ask(steered("more")),
            Reply::Queued(Lane::Steering),
            "{place:?}"
        );
        assert_eq!(
            world.ask(followed_up("more")),
            Reply::Queued(Lane::FollowUp),
            "{place:?}"
        );
        let queue = &world.session().queue;
        assert_eq!(
            (queue.steering.len(), queue.follow_ups.len()),
            (steering + 1, follow_ups + 1)
        );
    }
    // What arrives while an interrupt is pending, or while calls are being cancelled, becomes a follow-up.
    for place in [
        Place::Connecting,
        Place::Streaming,
        Place::Gating,
        Place::Executing,
    ] {
        let mut world = at(place);
        world.ask(P::Interrupted);
        assert_eq!(
            world.ask(steered("more")),
            Reply::Queued(Lane::FollowUp),
            "{place:?}"
        );
    }
    assert_eq!(
        at(Place::Cancelling).ask(steered("more")),
        Reply::Queued(Lane::FollowUp)
    );
    // Idle: there is nothing to steer; a follow-up begins a turn.
    assert_eq!(
        at(Place::Idle).user(Event::Prompt(steered("x"))),
        Err(Rejection::NoTurn)
    );
    let mut idle = at(Place::Idle);
    assert!(matches!(idle.ask(followed_up("next")), Reply::Began(_)));
    idle.expect_turn(T::Connecting);
}

#[test]
fn an_interrupt_overrules_a_pause_but_not_the_other_way() {
    let mut world = at(Place::Executing);
    world.ask(P::Paused);
    world.ask(P::Interrupted);
    assert!(matches!(
        world.user(Event::Prompt(P::Paused)),
        Err(Rejection::Transition(_))
    ));
    world.ask(P::Interrupted);
    run_out(&mut world);
    world.expect_turn(T::Interrupted);
}

#[test]
fn a_cancel_after_an_interrupt_stops_at_once() {
    let mut world = at(Place::Streaming);
    world.ask(P::Interrupted);
    world.ask(P::Cancelled);
    world.expect_turn(T::Cancelled);
    assert_eq!(world.said(), ["user: go", "model cancelled: whole"]);
}

#[test]
fn a_prompt_does_not_cut_in() {
    for place in [
        Place::Connecting,
        Place::Gating,
        Place::Executing,
        Place::Cancelling,
        Place::Paused,
    ] {
        assert_eq!(at(place).user(prompted("x")), Err(Rejection::Busy), "{place:?}");
    }
    let mut world = at(Place::Idle);
    world.set_mode(Mode::Plan);
    assert!(matches!(world.prompt("next"), Reply::Began(_)));
}
