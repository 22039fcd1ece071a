//! What the model asks people, one story each.

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::{Answer, NoAnswer, Said};
use glasswork_agent_core::tool_call::State as C;
use glasswork_agent_core::turn::State as T;
use glasswork_engine::{Domain, EffectKey, Origin};
use glasswork_session_state::domain::{DeadlineKey, Event, Glasswork, Reply};
use glasswork_session_state::permission::{Asker, Grant};
use glasswork_session_state::question;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::tools::Word;
use glasswork_session_state::waiting::{What, Whom, waiting_for};
use glasswork_session_state::{prompt, tools};

use crate::scenarios::scenarios;
use crate::world::*;

/// A question that waits for its answer.
fn asked(world: &mut World) -> CallId {
    world.prompt("go");
    let call = world.propose(&["ask_user"])[0];
    world.find(call, question(&["red", "blue"]));
    world.expect_call(call, C::Questioning);
    call
}

fn line(world: &mut World, call: CallId, line: &str) -> Result<Reply, Rejection> {
    let said = Said::Line(line.into());
    world.user(Event::Question(question::Event::Answered { call, said }))
}

fn told(world: &World, call: CallId) -> String {
    let outcome = world.call(call).outcome.as_ref();
    outcome.expect("it has ended").text.to_string()
}

scenarios! {
    fn an_answer_settles_the_call_and_the_model_goes_on(world) {
        let call = asked(world);
        world.expect_turn(T::Gating);
        // Nothing works on it: whoever waits, waits for a person.
        assert!(world.open.is_empty());
        let waiting = waiting_for(world.session());
        assert_eq!(
            waiting.iter().map(|waiting| (waiting.what, waiting.on.clone(), waiting.deadline.is_some())).collect::<Vec<_>>(),
            [(What::Call(call, C::Questioning), Whom::Person, true)]
        );
        assert_eq!(line(world, call, " 2 "), Ok(Reply::Done));
        world.expect_call(call, C::Succeeded);
        world.expect_turn(T::Connecting);
        let reply = world.call(call).reply.clone().unwrap();
        assert_eq!(reply.answer, Answer { chosen: vec!["blue".into()], words: None });
        assert_eq!((&reply.by, reply.dispatch), (&Origin::User, world.seq));
        assert_eq!(told(world, call), "The user chose “blue”.");
        assert_eq!(world.said()[2..], ["result: The user chose “blue”."]);
        assert!(world.deadlines().keys().all(|key| *key != DeadlineKey::Call(call)));
    }

    /// What is no answer changes nothing, and the question stays open.
    fn what_is_no_answer_is_refused(world) {
        let call = asked(world);
        for (said, why) in [
            (Said::Line("  ".into()), NoAnswer::Empty),
            (Said::Line("1,2".into()), NoAnswer::OnlyOne),
            (Said::Line("x".repeat(16 * 1024 + 1).into()), NoAnswer::TooLong),
            (Said::Chosen { labels: vec!["green".into()], words: None }, NoAnswer::NotOffered("green".into())),
            (Said::Chosen { labels: vec!["red".into(), "blue".into()], words: None }, NoAnswer::OnlyOne),
            (Said::Chosen { labels: vec![], words: None }, NoAnswer::Empty),
        ] {
            let refused = world.user(Event::Question(question::Event::Answered { call, said }));
            assert_eq!(refused, Err(Rejection::NoAnswer(why)));
            world.expect_call(call, C::Questioning);
        }
        let allowed = world.user(Event::Tools(tools::Event::Approved { call }));
        assert!(matches!(allowed, Err(Rejection::Transition(_))), "{allowed:?}");
        line(world, call, "green, if there is any").unwrap();
        assert_eq!(told(world, call), "The user answered: green, if there is any");
    }

    fn the_first_answer_counts(world) {
        let call = asked(world);
        line(world, call, "red").unwrap();
        let before = world.call(call).clone();
        let second = line(world, call, "blue");
        assert!(matches!(second, Err(Rejection::Transition(_))), "{second:?}");
        let refused = world.user(Event::Tools(tools::Event::Refused { call, reason: None }));
        assert!(matches!(refused, Err(Rejection::Transition(_))), "{refused:?}");
        assert_eq!(*world.call(call), before);
    }

    fn nobody_needs_to_answer(world) {
        let call = asked(world);
        world.refuse(call);
        world.expect_call(call, C::Denied);
        assert!(told(world, call).starts_with("The user did not want to answer this"));
        let reason = Some("ask my brother".into());
        let call = { world.answer("well"); asked(world) };
        world.user(Event::Tools(tools::Event::Refused { call, reason })).unwrap();
        assert_eq!(told(world, call), "The user did not answer this, saying: ask my brother");
    }

    /// A call that asks nothing has no answer.
    fn what_asks_nothing_cannot_be_answered(world) {
        world.prompt("go");
        let call = world.propose(&["bash"])[0];
        world.find(call, bash());
        assert_eq!(line(world, call, "yes"), Err(Rejection::NoQuestion(call)));
        world.expect_call(call, C::Asked);
    }

    /// No mode lets a question go unasked, and none asks for permission to ask.
    fn every_mode_asks(world) {
        for mode in [Mode::Plan, Mode::Ask, Mode::AcceptEdits, Mode::Auto, Mode::Yolo] {
            world.set_mode(mode);
            let call = asked(world);
            line(world, call, "red").unwrap();
            world.answer("thanks");
        }
    }

    fn where_nobody_can_answer_the_model_is_told_at_once(world) {
        world.set(Setting::Attended(Sourced::from_layer(false, Layer::Flag)));
        world.prompt("go");
        let call = world.propose(&["ask_user"])[0];
        world.find(call, question(&[]));
        world.expect_call(call, C::Denied);
        assert!(told(world, call).starts_with("Nobody is there to answer."));
        world.expect_turn(T::Connecting);
    }

    /// As with permission: whoever could answer has left.
    fn when_nobody_is_left_to_answer_the_model_is_told(world) {
        let call = asked(world);
        world.set_mode(Mode::Yolo);
        world.expect_call(call, C::Questioning);
        world.set(Setting::Attended(Sourced::from_layer(false, Layer::Session)));
        world.expect_call(call, C::Denied);
        assert!(told(world, call).starts_with("Nobody is there to answer."));
    }

    fn an_interrupt_withdraws_it(world) {
        let call = asked(world);
        world.ask(prompt::Event::Interrupted);
        world.expect_call(call, C::Cancelled);
        world.expect_turn(T::Interrupted);
    }

    fn a_cancel_withdraws_it(world) {
        let call = asked(world);
        world.ask(prompt::Event::Cancelled);
        world.expect_call(call, C::Cancelled);
        world.expect_turn(T::Cancelled);
    }

    /// A turn that shall stop opens no question.
    fn a_turn_that_stops_asks_nothing_more(world) {
        world.prompt("go");
        let calls = world.propose(&["ask_user", "bash"]);
        world.ask(prompt::Event::Interrupted);
        world.find(calls[0], question(&["red"]));
        world.expect_call(calls[0], C::Cancelled);
    }

    fn it_does_not_wait_for_ever(world) {
        let call = asked(world);
        world.reach(DeadlineKey::Call(call));
        world.expect_call(call, C::Denied);
        assert_eq!(told(world, call), "Nobody answered within 43200000 ms.");
    }

    /// As with permission: the turn is abandoned, and whoever goes on is told what became of the question.
    fn a_crash_ends_it(world) {
        let call = asked(world);
        world.crash();
        world.expect_call(call, C::Cancelled);
        world.expect_turn(T::Abandoned);
        assert!(told(world, call).contains("can be done again"));
        assert!(matches!(line(world, call, "red"), Err(Rejection::Transition(_))));
    }

    /// The others of the batch wait for it, and run then.
    fn others_of_the_batch_begin_when_it_is_answered(world) {
        world.set_mode(Mode::Yolo);
        world.prompt("go");
        let calls = world.propose(&["ask_user", "bash"]);
        world.find(calls[1], bash());
        world.find(calls[0], question(&["red"]));
        world.expect_call(calls[1], C::Allowed);
        line(world, calls[0], "red").unwrap();
        world.expect_call(calls[1], C::Running);
        world.expect_turn(T::Executing);
        world.settle(calls[1], Word::Succeeded, "ran");
        world.expect_turn(T::Connecting);
    }
}

#[test]
fn only_people_answer() {
    let mut world = World::new();
    let call = asked(&mut world);
    let said = Said::Line("red".into());
    let event = Event::Question(question::Event::Answered { call, said });
    let permit = |origin: &Origin| Glasswork::permit(&world.state, &event, origin);
    assert_eq!(permit(&Origin::Deadline), Err(Grant::NotFor(Asker::Clock)));
    let effect = EffectKey { seq: 1, ordinal: 0 };
    assert_eq!(permit(&Origin::Effect(effect)), Err(Grant::NotFor(Asker::Effect)));
    assert_eq!(permit(&Origin::Client(1)), Ok(Grant::Person));
}
