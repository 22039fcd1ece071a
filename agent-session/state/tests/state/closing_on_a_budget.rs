//! A session is closed while its budget would stop the next request: the closing has the last word, nothing wakes what
//! it has stopped, and what was used until then is on the ledger.

use std::time::Duration;

use glasswork_agent_core::session::State as S;
use glasswork_agent_core::turn::State as T;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StopReason;
use glasswork_session_state::budget::{Budget, Elsewhere, Exhausted, Span, day_of};
use glasswork_session_state::domain::Event;
use glasswork_session_state::settings::{CompactWhen, Layer, Mode, Setting, Sourced};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{prompt, session};

use crate::spending::{
    a_cent, counted, limit, money, over_the_threshold, prices, requested, spent, turn_budget, why, world,
};
use crate::world::{World, bash, began, call_block, finished, model_id, opened, prompted, steered};

/// A cent for whatever has a budget.
fn a_cent_for_all(world: &mut World) {
    let cent = Some(money("0.01"));
    let budget = Budget {
        turn: cent,
        session: cent,
        day: cent,
    };
    limit(world, budget);
}

/// The model has used the cent up, and wants a command to be run.
fn proposing(mode: Mode) -> World {
    let mut world = world();
    a_cent_for_all(&mut world);
    world.set_mode(mode);
    world.prompt("go");
    world.connect();
    world.finish(
        vec![counted(1_000, 0), finished(0, call_block("bash", 0))],
        StopReason::ToolUse,
    );
    let call = world.turn().batch[0];
    world.find(call, bash());
    world
}

fn speaking() -> World {
    let mut world = world();
    a_cent_for_all(&mut world);
    world.prompt("go");
    world.connect();
    world.stream(vec![counted(1_000, 0), began(0)]);
    world
}

/// There was money for another try when the first one failed, and there is none any more.
fn backing_off() -> World {
    let mut world = world();
    limit(&mut world, turn_budget("1"));
    world.prompt("go");
    world.connect();
    world.stream(vec![counted(1_000, 0)]);
    world.fail(FailureClass::Overloaded, None);
    a_cent_for_all(&mut world);
    world
}

fn paused() -> World {
    let mut world = proposing(Mode::Yolo);
    let call = world.turn().batch[0];
    world.ask(prompt::Event::Paused);
    world.settle(call, Word::Succeeded, "so");
    world
}

/// What a command that runs says of its end after it was told to stop.
fn told_to_stop(world: &mut World, word: Word) {
    let call = world.turn().batch[0];
    world.settle(call, word, "so");
}

fn close(world: &mut World) {
    world.user(Event::Session(session::Event::Closed)).unwrap();
}

/// Closed, with a turn that was cancelled and never blamed a budget, and with nothing under way.
#[track_caller]
fn expect_closed(world: &World) {
    world.expect_session(S::Closed);
    world.expect_turn(T::Cancelled);
    assert_eq!(world.turn().failure, None);
    assert!(world.open.is_empty(), "{:?}", world.open);
    assert!(world.deadlines().is_empty());
}

#[test]
fn a_turn_that_has_used_its_budget_up_is_cancelled_by_the_closing_and_charged() {
    let stands: [(T, fn() -> World); 5] = [
        (T::Streaming, speaking),
        (T::BackingOff, backing_off),
        (T::Gating, || proposing(Mode::Ask)),
        (T::Executing, || proposing(Mode::Yolo)),
        (T::Paused, paused),
    ];
    for (state, stand) in stands {
        let mut world = stand();
        world.expect_turn(state);
        close(&mut world);
        if state == T::Executing {
            world.expect_session(S::Closing);
            told_to_stop(&mut world, Word::Succeeded);
        }
        expect_closed(&world);
        assert_eq!(world.session().requests.len(), 1, "{state:?}");
        assert_eq!(
            (spent(&world).as_str(), world.turn().spent),
            ("0.01", money("0.01")),
            "{state:?}"
        );
        // The budget of the turn is gone with it; that of the session outlasts its closing.
        world.user(opened()).unwrap();
        prices(&mut world, &[("scripted/test", a_cent())]);
        let budget = Budget {
            turn: Some(money("1")),
            session: Some(money("0.01")),
            day: None,
        };
        limit(&mut world, budget);
        world.prompt("again");
        assert!(
            matches!(why(&world), Exhausted::Spent { span: Span::Session, spent, .. } if *spent == money("0.01")),
            "{state:?}: {:?}",
            why(&world)
        );
        assert_eq!(world.session().requests.len(), 1, "{state:?}");
        world.compare_with_journal();
    }
}

/// While a command has yet to say how it ended the session still hears of budgets, and goes on for none.
#[test]
fn nothing_that_is_told_of_budgets_wakes_a_session_that_closes() {
    for word in [Word::Stopped, Word::Succeeded, Word::Failed] {
        let mut world = proposing(Mode::Yolo);
        close(&mut world);
        world.expect_turn(T::Cancelling);
        // The turn is not over yet, and neither is its budget.
        assert!(
            matches!(
                world.session().exhausted(&model_id(), world.now),
                Some(Exhausted::Spent { span: Span::Turn, spent, .. }) if spent == money("0.01")
            ),
            "{word:?}"
        );
        world.user(prompted("more")).unwrap_err();
        world.ask(steered("and that"));
        world
            .user(Event::Session(session::Event::SpendingTold(Elsewhere {
                day: day_of(world.now),
                spent: money("1"),
            })))
            .unwrap();
        limit(&mut world, Budget::default());
        world.pass(Duration::from_secs(1));
        told_to_stop(&mut world, word);
        expect_closed(&world);
        assert_eq!(world.session().requests.len(), 1, "{word:?}");
        world.compare_with_journal();
    }
}

#[test]
fn a_process_that_ends_while_such_a_session_closes_leaves_it_closed() {
    let mut world = proposing(Mode::Yolo);
    close(&mut world);
    world.crash();
    world.expect_session(S::Closed);
    world.expect_turn(T::Abandoned);
    assert_eq!(world.turn().failure, None);
    assert_eq!(spent(&world), "0.01");
    world.compare_with_journal();
}

#[test]
fn what_a_budget_has_stopped_can_be_closed_and_says_why_it_ended() {
    for event in [session::Event::Closed, session::Event::ClosedAtRest] {
        let mut world = proposing(Mode::Yolo);
        let call = world.turn().batch[0];
        world.settle(call, Word::Succeeded, "so");
        world.expect_turn(T::Failed);
        world.user(Event::Session(event)).unwrap();
        world.expect_session(S::Closed);
        assert!(matches!(why(&world), Exhausted::Spent { span: Span::Turn, .. }));
        world.compare_with_journal();
    }
}

/// A summary that is dropped was paid for too: by the turn that waits for it, or by the session alone.
#[test]
fn a_summary_that_the_closing_drops_is_charged() {
    for in_turn in [true, false] {
        let mut world = over_the_threshold(a_cent());
        limit(&mut world, turn_budget("5"));
        if in_turn {
            world.prompt("go on");
            world.expect_turn(T::Compacting);
        } else {
            let off = Sourced::from_layer(CompactWhen::Off, Layer::User);
            world.set(Setting::Compact(off));
            world.user(requested()).unwrap();
            world.expect_session(S::Compacting);
        }
        let before = world.session().requests.len();
        world.connect();
        world.stream(vec![counted(500_000, 0)]);
        limit(
            &mut world,
            Budget {
                session: Some(money("5")),
                ..turn_budget("5")
            },
        );
        close(&mut world);
        world.expect_session(S::Closed);
        assert_eq!(world.session().requests.len(), before);
        assert_eq!(spent(&world), "5.00");
        let of_turn = if in_turn { "5" } else { "0" };
        assert_eq!(world.turn().spent, money(of_turn), "{in_turn}");
        world.user(opened()).unwrap();
        world.compare_with_journal();
    }
}
