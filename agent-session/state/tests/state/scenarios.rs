//! What a session does, one story each. Together they take every row of every chart: `coverage` says so.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::loop_guard::Kind;
use glasswork_agent_core::session::State as S;
use glasswork_agent_core::tool_call::State as C;
use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::{Block, Message, Thought};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StopReason;
use glasswork_engine::{Domain, EffectKey, Loss, Origin};
use glasswork_session_state::domain::{DeadlineKey, Event, Glasswork, Reply};
use glasswork_session_state::editor::EditorPlace;
use glasswork_session_state::evidence::{CommandEvidence, Evidence, FileAccess};
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, QueueMode, Setting, Sourced};
use glasswork_session_state::state::{Pending, TurnFailure};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{prompt, session, tools};

use crate::world::*;

macro_rules! scenarios {
    ($($(#[$doc:meta])* fn $name:ident($world:ident) $body:block)*) => {
        /// Every story, by name.
        pub(crate) const ALL: &[(&str, fn(&mut World))] = &[$((stringify!($name), stories::$name)),*];

        mod stories {
            use super::*;
            $($(#[$doc])* pub(crate) fn $name($world: &mut World) $body)*
        }

        $(#[test]
        fn $name() {
            let mut world = World::new();
            stories::$name(&mut world);
            world.compare_with_journal();
        })*
    };
}

pub(crate) use scenarios;

scenarios! {
    fn a_prompt_is_answered(world) {
        assert_eq!(world.prompt("hello"), Reply::Began(glasswork_agent_core::id::TurnId(2)));
        world.expect_turn(T::Connecting);
        world.expect_session(S::Busy);
        world.connect();
        world.expect_turn(T::Streaming);
        world.stream(vec![began(0), delta(0, "hi "), delta(0, "there")]);
        world.finish(vec![finished(0, Block::Text("hi there".into()))], StopReason::EndOfTurn);
        world.expect_turn(T::Completed);
        world.expect_session(S::Idle);
        assert_eq!(world.said(), ["user: hello", "model: hi there"]);
        assert!(world.open.is_empty());
    }

    fn a_call_runs_and_the_model_goes_on(world) {
        world.prompt("fix it");
        let calls = world.propose(&["read"]);
        world.expect_turn(T::Gating);
        world.expect_call(calls[0], C::Evidence);
        world.find(calls[0], read("/work/a"));
        world.expect_turn(T::Executing);
        world.expect_call(calls[0], C::Running);
        world.settle(calls[0], Word::Succeeded, "text of a");
        world.expect_call(calls[0], C::Succeeded);
        world.expect_turn(T::Connecting);
        world.answer("done");
        world.expect_turn(T::Completed);
        assert_eq!(world.said(), ["user: fix it", "model: [read]", "result: text of a", "model: done"]);
    }

    /// Reading calls run together; results stand in the order of the calls, not of their ends.
    fn results_stand_in_call_order(world) {
        world.prompt("go");
        let calls = world.propose(&["a", "b", "c"]);
        for (call, path) in calls.iter().zip(["/a", "/b", "/c"]) {
            world.find(*call, read(path));
        }
        for call in [calls[2], calls[0]] {
            world.settle(call, Word::Succeeded, &call.to_string());
            world.expect_turn(T::Executing);
        }
        world.settle(calls[1], Word::Failed, "b failed");
        world.expect_call(calls[1], C::Failed);
        assert_eq!(world.said()[2..], [
            format!("result: {}", calls[0]),
            "result: b failed".to_owned(),
            format!("result: {}", calls[2]),
        ]);
    }

    fn a_person_approves(world) {
        world.prompt("go");
        let calls = world.propose(&["bash", "write"]);
        world.find(calls[0], bash());
        world.expect_call(calls[0], C::Asked);
        world.find(calls[1], write("/work/a"));
        world.approve(calls[0]);
        world.expect_turn(T::Gating);
        world.expect_call(calls[0], C::Allowed);
        world.refuse(calls[1]);
        world.expect_call(calls[1], C::Denied);
        world.expect_turn(T::Executing);
        let answer = world.call(calls[0]).answer.clone().unwrap();
        assert_eq!((answer.approved, answer.by, answer.dispatch), (true, Origin::User, world.seq - 1));
    }

    /// Open questions follow the policy: a mode that needs no asking answers them.
    fn a_mode_that_allows_answers_open_questions(world) {
        world.prompt("go");
        let calls = world.propose(&["bash", "write"]);
        world.find(calls[0], bash());
        world.find(calls[1], write("/work/a"));
        world.set_mode(Mode::AcceptEdits);
        world.expect_call(calls[0], C::Asked);
        world.expect_call(calls[1], C::Allowed);
        world.expect_turn(T::Gating);
        world.set_mode(Mode::Yolo);
        world.expect_call(calls[0], C::Running);
        world.expect_turn(T::Executing);
    }

    /// When the last person leaves, nobody can answer any more.
    fn questions_are_denied_when_nobody_is_left_to_answer(world) {
        world.prompt("go");
        let calls = world.propose(&["bash"]);
        world.find(calls[0], bash());
        world.set(Setting::Attended(Sourced::from_layer(false, Layer::Session)));
        world.expect_call(calls[0], C::Denied);
        world.expect_turn(T::Connecting);
        assert!(world.call(calls[0]).judgement.as_ref().unwrap().explanation.unattended);
        assert_eq!(
            world.said()[2],
            "error: Not run: in mode `ask` this call needs a person's consent (rule `ask.change`), and nobody is there."
        );
    }

    fn the_policy_denies_and_the_model_hears_why(world) {
        world.set_mode(Mode::Plan);
        world.prompt("go");
        let calls = world.propose(&["bash"]);
        world.find(calls[0], bash());
        world.expect_call(calls[0], C::Denied);
        world.expect_turn(T::Connecting);
        assert_eq!(world.said()[2], "error: Not run: mode `plan` does not allow this call (rule `plan.change`).");
    }

    fn a_call_that_cannot_run_is_a_result_for_the_model(world) {
        world.prompt("go");
        let calls = world.propose(&["reed"]);
        world.find(calls[0], misfit());
        world.expect_call(calls[0], C::Failed);
        world.expect_turn(T::Connecting);
        assert_eq!(world.said()[2], "error: there is no tool `reed`; did you mean `read`?");
    }

    fn calls_of_a_cut_answer_do_not_run(world) {
        world.prompt("go");
        world.connect();
        world.finish(vec![finished(0, call_block("bash", 0)), began(1)], StopReason::Length);
        world.expect_turn(T::Connecting);
        let (id, call) = world.session().calls.get_max().cloned().unwrap();
        assert_eq!((call.state, call.evidence()), (C::Failed, None));
        assert!(world.said()[2].starts_with("error: Not run: the answer reached its limit"), "{id}");
    }

    fn two_writers_of_a_file_take_turns(world) {
        let calls = world.running(&[write("/work/a"), write("/work/b"), write("/work/a"), bash(), write("/work/a")]);
        let states = |world: &World| calls.iter().map(|call| world.call(*call).state).collect::<Vec<_>>();
        assert_eq!(states(world), [C::Running, C::Running, C::Allowed, C::Running, C::Allowed]);
        world.settle(calls[1], Word::Succeeded, "");
        assert_eq!(states(world), [C::Running, C::Succeeded, C::Allowed, C::Running, C::Allowed]);
        world.settle(calls[0], Word::Succeeded, "");
        assert_eq!(states(world), [C::Succeeded, C::Succeeded, C::Running, C::Running, C::Allowed]);
    }

    fn without_parallel_tools_calls_take_turns(world) {
        world.set(Setting::ParallelTools(Sourced::from_layer(false, Layer::User)));
        let calls = world.running(&[read("/a"), read("/b")]);
        world.expect_call(calls[0], C::Running);
        world.expect_call(calls[1], C::Allowed);
        world.settle(calls[0], Word::Succeeded, "");
        world.expect_call(calls[1], C::Running);
    }

    fn the_judged_path_is_the_one_that_runs(world) {
        let calls = world.running(&[write("/work/real")]);
        let effect = world.call(calls[0]).effect.unwrap();
        let expected = glasswork_session_state::effect::Effect::RunTool {
            call: calls[0],
            access: glasswork_session_state::evidence::Access::Write,
            path: Some("/work/real".into()),
        };
        assert_eq!(world.open[&effect], expected);
        assert_eq!(Glasswork::class(&expected), glasswork_engine::Class::Once);
    }

    fn the_limit_of_steps_ends_the_turn_by_name(world) {
        world.user(Event::Prompt(prompt::Event::Prompted {
            result: None,
            text: "go".into(),
            max_steps: Some(1),
            images: vec![],
            key: None,
        })).unwrap();
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/a"));
        world.settle(calls[0], Word::Succeeded, "");
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::Limit { max_steps: 1 }));
        world.expect_session(S::Idle);
    }

    fn an_agent_that_goes_in_circles_is_told_and_then_stopped(world) {
        world.set_mode(Mode::Yolo);
        world.prompt("go");
        let step = |world: &mut World| {
            let calls = world.propose(&["read"]);
            world.find(calls[0], read("/a"));
            world.settle(calls[0], Word::Succeeded, "same");
        };
        for _ in 0..3 {
            world.expect_turn(T::Connecting);
            step(world);
        }
        // The model is told in the same commit that would have asked it again, and asked.
        let said = world.said();
        assert!(said.last().is_some_and(|last| last.contains("made 3 times")), "{said:?}");
        let request = world.session().attempt().unwrap().request;
        let sent = world.session().render(request).unwrap();
        assert!(matches!(sent.messages.last(), Some(Message::User(text)) if text.contains("Notice of the runtime")));
        for _ in 0..3 {
            world.expect_turn(T::Connecting);
            step(world);
        }
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::Loop { kind: Kind::SameCall }));
        assert_eq!(world.turn().steps, 6);
        // Whoever says what to do instead begins anew.
        world.prompt("do something else");
        step(world);
        world.expect_turn(T::Connecting);
        world.answer("done");
        world.expect_turn(T::Completed);
    }

    /// A provider may interrupt a long answer; it goes on when it has it back.
    fn an_answer_that_its_provider_interrupts_goes_on(world) {
        let pause = |world: &mut World, text: &str| {
            world.connect();
            world.finish(vec![finished(0, Block::Text(text.into()))], StopReason::Paused);
        };
        world.set(Setting::Pauses(Sourced::from_layer(2, Layer::User)));
        world.prompt("go");
        pause(world, "I search");
        world.expect_turn(T::Connecting);
        let request = world.session().attempt().unwrap().request;
        let sent = world.session().render(request).unwrap();
        let said = Message::Assistant { blocks: vec![Block::Text("I search".into())], model: model_id() };
        assert_eq!(sent.messages.last(), Some(&said));
        pause(world, "and search");
        world.answer("and found.");
        world.expect_turn(T::Completed);
        assert_eq!((world.turn().steps, world.turn().paused), (3, 0));
        assert_eq!(world.said(), ["user: go", "model: I search", "model: and search", "model: and found."]);
        // Not for ever.
        world.prompt("again");
        for text in ["one", "two", "three"] {
            world.expect_turn(T::Connecting);
            pause(world, text);
        }
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::Paused { times: 3 }));
        // Whoever wants it to stop there is heard.
        world.prompt("once more");
        world.connect();
        world.ask(prompt::Event::Interrupted);
        world.finish(vec![finished(0, Block::Text("half".into()))], StopReason::Paused);
        world.expect_turn(T::Interrupted);
    }

    fn an_interrupt_comes_before_the_notice(world) {
        world.set_mode(Mode::Yolo);
        world.prompt("go");
        for last in [false, false, true] {
            let calls = world.propose(&["read"]);
            world.find(calls[0], read("/a"));
            if last {
                world.ask(prompt::Event::Interrupted);
            }
            world.settle(calls[0], Word::Succeeded, "same");
        }
        world.expect_turn(T::Interrupted);
        assert_eq!(world.said().last().unwrap(), "result: same");
    }

    /// Whoever is steered has something new to go on.
    fn steering_comes_before_the_notice(world) {
        world.set_mode(Mode::Yolo);
        world.prompt("go");
        for last in [false, false, true] {
            let calls = world.propose(&["read"]);
            world.find(calls[0], read("/a"));
            if last {
                world.ask(steered("try another file"));
            }
            world.settle(calls[0], Word::Succeeded, "same");
        }
        world.expect_turn(T::Connecting);
        assert_eq!(world.said().last().unwrap(), "user: try another file");
        assert!(!world.said().iter().any(|said| said.contains("Notice")), "{:?}", world.said());
    }

    /// Who has no tools promises nothing by saying so.
    fn without_tools_no_call_is_missed(world) {
        let mut event = opened();
        if let Event::Session(glasswork_session_state::session::Event::Opened { tools, .. }) = &mut event {
            tools.clear();
        }
        world.user(event).unwrap();
        world.prompt("go");
        world.answer("Let me check the file.");
        world.expect_turn(T::Completed);
    }

    /// What is said at the last step is the end, whatever it promises.
    fn nothing_is_told_that_nobody_could_heed(world) {
        world.set(Setting::MaxSteps(Sourced::from_layer(1, Layer::User)));
        world.prompt("go");
        world.connect();
        world.finish(vec![], StopReason::EndOfTurn);
        world.expect_turn(T::Completed);
        // With nothing said about it, the model is not told, and the turn stops at once.
        world.set(Setting::MaxSteps(Sourced::from_layer(9, Layer::User)));
        world.set(Setting::LoopNotices(Sourced::from_layer(0, Layer::User)));
        world.prompt("go");
        world.connect();
        world.finish(vec![], StopReason::EndOfTurn);
        world.expect_turn(T::Failed);
        assert_eq!(world.turn().failure, Some(TurnFailure::Loop { kind: Kind::EmptyAnswer }));
    }

    fn steering_is_taken_in_before_the_next_step(world) {
        let calls = world.running(&[bash()]);
        assert_eq!(world.ask(steered("and test it")), Reply::Queued(Lane::Steering));
        world.settle(calls[0], Word::Succeeded, "built");
        assert_eq!(world.said()[2..], ["result: built", "user: and test it"]);
        world.ask(steered("quick"));
        // A model that is done goes on for steering.
        world.answer("done");
        world.expect_turn(T::Connecting);
        assert_eq!(world.said().last().unwrap(), "user: quick");
    }

    fn follow_ups_begin_turns_one_at_a_time(world) {
        world.prompt("one");
        assert_eq!(world.ask(followed_up("two")), Reply::Queued(Lane::FollowUp));
        world.ask(followed_up("three"));
        let first = world.turn().id;
        world.answer("1");
        assert_ne!(world.turn().id, first);
        world.expect_turn(T::Connecting);
        world.expect_session(S::Busy);
        assert_eq!(world.session().queue.follow_ups.len(), 1);
        world.answer("2");
        world.answer("3");
        world.expect_session(S::Idle);
        assert_eq!(world.said(), ["user: one", "model: 1", "user: two", "model: 2", "user: three", "model: 3"]);
    }

    fn follow_ups_begin_one_turn_together_if_so_set(world) {
        world.set(Setting::FollowUps(Sourced::from_layer(QueueMode::All, Layer::User)));
        world.prompt("one");
        world.ask(followed_up("two"));
        world.ask(followed_up("three"));
        world.answer("1");
        assert_eq!(world.said(), ["user: one", "model: 1", "user: two", "user: three"]);
    }

    fn an_answer_after_an_interrupt_stays_and_nothing_follows(world) {
        world.prompt("go");
        world.ask(followed_up("later"));
        world.ask(steered("hm"));
        world.connect();
        let returned = vec!["hm".into()];
        assert_eq!(world.ask(prompt::Event::Interrupted), Reply::Stopping { returned });
        assert_eq!(world.ask(steered("too late")), Reply::Queued(Lane::FollowUp));
        world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
        world.expect_turn(T::Interrupted);
        assert_eq!(world.said(), ["user: go", "model: so"]);
        let waiting: Vec<_> = world.session().queue.follow_ups.iter().map(|words| &*words.text).collect();
        assert_eq!(waiting, ["later", "too late"]);
        assert_eq!(&*world.session().queue.returned[0].text, "hm");
        // A follow-up in an idle session begins a turn, behind what waits already.
        world.ask(followed_up("now"));
        assert_eq!(world.said().last().unwrap(), "user: later");
        assert!(world.session().queue.returned.is_empty());
        // The turn before is still known.
        let before = world.session().turn(glasswork_agent_core::id::TurnId(2)).unwrap();
        assert_eq!(before.state, T::Interrupted);
    }

    fn a_pause_rests_between_steps_and_goes_on(world) {
        let calls = world.running(&[read("/a")]);
        world.ask(prompt::Event::Paused);
        world.settle(calls[0], Word::Succeeded, "a");
        world.expect_turn(T::Paused);
        world.expect_session(S::Busy);
        assert!(world.open.is_empty());
        world.ask(steered("look at b"));
        // A paused turn outlives the process.
        world.crash();
        world.ask(prompt::Event::Resumed);
        world.expect_turn(T::Connecting);
        assert_eq!(world.said().last().unwrap(), "user: look at b");
    }

    fn a_pause_can_be_taken_back(world) {
        world.prompt("go");
        world.connect();
        world.ask(prompt::Event::Paused);
        assert_eq!(world.turn().pending, Some(Pending::Pause));
        world.ask(prompt::Event::Resumed);
        assert_eq!(world.turn().pending, None);
        world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
        world.expect_turn(T::Completed);
    }

    fn a_pause_with_nothing_left_to_do_completes_when_resumed(world) {
        world.prompt("go");
        world.connect();
        world.ask(prompt::Event::Paused);
        world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
        world.expect_turn(T::Paused);
        world.ask(prompt::Event::Resumed);
        world.expect_turn(T::Completed);
    }

    fn a_paused_turn_can_be_interrupted(world) {
        let calls = world.running(&[read("/a")]);
        world.ask(prompt::Event::Paused);
        world.settle(calls[0], Word::Succeeded, "a");
        world.ask(prompt::Event::Interrupted);
        world.expect_turn(T::Interrupted);
        world.expect_session(S::Idle);
    }

    fn a_paused_turn_can_be_cancelled(world) {
        let calls = world.running(&[read("/a")]);
        world.ask(prompt::Event::Paused);
        world.settle(calls[0], Word::Succeeded, "a");
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelled);
    }

    fn cancel_keeps_what_is_complete(world) {
        world.prompt("go");
        world.connect();
        let thought = Thought { text: "hmm".into(), signature: None, redacted: None };
        world.stream(vec![
            finished(0, Block::Thinking(thought)),
            finished(1, Block::Text("I will".into())),
            finished(2, call_block("bash", 2)),
            began(3),
            delta(3, "half"),
        ]);
        world.stream(vec![glasswork_ai::stream::StreamEvent::Usage(usage(10, 5))]);
        world.ask(steered("hm"));
        let returned = vec!["hm".into()];
        assert_eq!(world.ask(prompt::Event::Cancelled), Reply::Stopping { returned });
        world.expect_turn(T::Cancelled);
        assert_eq!(world.said(), [
            "user: go",
            "model cancelled: (hmm) I will [bash]",
            "error: Not run: the user stopped the turn before this call began.",
        ]);
        // What it cost is counted although it was dropped.
        assert_eq!(world.session().usage.tokens(), usage(10, 5));
    }

    fn cancel_while_connecting_leaves_no_entry(world) {
        world.prompt("go");
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelled);
        assert_eq!(world.said(), ["user: go"]);
    }

    fn cancel_while_gating_cancels_calls(world) {
        world.prompt("go");
        let calls = world.propose(&["bash", "bash", "read"]);
        world.find(calls[0], bash());
        world.find(calls[2], read("/a"));
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelled);
        for call in &calls {
            world.expect_call(*call, C::Cancelled);
        }
        assert_eq!(world.said().len(), 5);
    }

    fn a_write_that_finishes_after_cancel_is_recorded_as_what_it_was(world) {
        let calls = world.running(&[write("/work/a"), bash(), write("/work/a")]);
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelling);
        assert_eq!(calls.iter().map(|call| world.call(*call).state).collect::<Vec<_>>(),
            [C::Cancelling, C::Cancelling, C::Cancelled]);
        let runners = [world.call(calls[0]).effect.unwrap(), world.call(calls[1]).effect.unwrap()];
        assert_eq!(world.stops, runners);
        assert_eq!(world.ask(steered("late")), Reply::Queued(Lane::FollowUp));
        world.settle(calls[0], Word::Succeeded, "written");
        world.expect_call(calls[0], C::Succeeded);
        world.expect_turn(T::Cancelling);
        world.settle(calls[1], Word::Stopped, "half");
        world.expect_call(calls[1], C::Cancelled);
        world.expect_turn(T::Cancelled);
        assert_eq!(world.said()[2..], [
            "result: written",
            "error: Stopped by the user. What it wrote until then:\nhalf",
            "error: Not run: the user stopped the turn before this call began.",
        ]);
    }

    fn an_interrupt_lets_running_calls_finish(world) {
        let calls = world.running(&[write("/work/a"), write("/work/a")]);
        world.ask(steered("hm"));
        let returned = vec!["hm".into()];
        assert_eq!(world.ask(prompt::Event::Interrupted), Reply::Stopping { returned });
        world.settle(calls[0], Word::Succeeded, "1");
        world.settle(calls[1], Word::Succeeded, "2");
        world.expect_turn(T::Interrupted);
        assert_eq!(world.said()[2..], ["result: 1", "result: 2"]);
    }

    fn an_interrupt_withdraws_questions(world) {
        world.prompt("go");
        let calls = world.propose(&["bash", "read", "bash"]);
        world.find(calls[0], bash());
        world.find(calls[1], read("/a"));
        world.ask(prompt::Event::Interrupted);
        world.expect_call(calls[0], C::Cancelled);
        world.expect_turn(T::Gating);
        // Nobody is asked any more.
        world.find(calls[2], bash());
        world.expect_call(calls[2], C::Cancelled);
        world.expect_turn(T::Executing);
        world.settle(calls[1], Word::Succeeded, "a");
        world.expect_turn(T::Interrupted);
    }

    fn a_pause_withdraws_questions(world) {
        world.prompt("go");
        let calls = world.propose(&["bash"]);
        world.find(calls[0], bash());
        world.ask(prompt::Event::Paused);
        world.expect_call(calls[0], C::Cancelled);
        world.expect_turn(T::Paused);
        world.ask(prompt::Event::Resumed);
        world.expect_turn(T::Connecting);
    }

    fn a_failure_that_may_pass_is_tried_again(world) {
        world.prompt("go");
        world.connect();
        world.stream(vec![began(0), delta(0, "half")]);
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::BackingOff);
        assert!(world.session().attempt().unwrap().answer.blocks.is_empty());
        world.reach(DeadlineKey::Attempt);
        world.expect_turn(T::Connecting);
        world.answer("so");
        assert_eq!(world.said(), ["user: go", "model: so"]);
        let (_, request) = world.session().requests.get_max().unwrap();
        assert_eq!(request.attempts, 2);
    }

    fn a_failure_that_will_not_pass_ends_the_turn(world) {
        world.prompt("go");
        world.fail(FailureClass::Auth, None);
        world.expect_turn(T::Failed);
        let expected = TurnFailure::Model(failure(FailureClass::Auth, None));
        assert_eq!(world.turn().failure, Some(expected));
    }

    fn an_interrupt_while_backing_off_stops_at_once(world) {
        world.prompt("go");
        world.fail(FailureClass::Overloaded, None);
        world.ask(prompt::Event::Interrupted);
        world.expect_turn(T::Interrupted);
        assert!(world.deadlines().is_empty());
    }

    fn a_pause_while_backing_off_rests_at_once(world) {
        world.prompt("go");
        world.fail(FailureClass::Overloaded, None);
        world.ask(prompt::Event::Paused);
        world.expect_turn(T::Paused);
        assert!(world.deadlines().is_empty());
        world.ask(prompt::Event::Resumed);
        world.expect_turn(T::Connecting);
    }

    fn cancel_while_backing_off(world) {
        world.prompt("go");
        world.fail(FailureClass::Overloaded, None);
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelled);
        assert!(world.deadlines().is_empty());
    }

    fn an_interrupted_request_is_not_tried_again(world) {
        world.prompt("go");
        world.ask(prompt::Event::Interrupted);
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::Interrupted);
    }

    fn a_request_that_fails_under_a_pause_waits_for_its_end(world) {
        world.prompt("go");
        world.ask(prompt::Event::Paused);
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::Paused);
    }

    fn deadline_to_connect(world) {
        world.prompt("go");
        let stale = world.request();
        world.reach(DeadlineKey::Attempt);
        world.expect_turn(T::BackingOff);
        assert!(!world.open.contains_key(&stale));
    }

    fn deadline_of_the_first_token(world) {
        world.prompt("go");
        world.connect();
        world.reach(DeadlineKey::Attempt);
        world.expect_turn(T::BackingOff);
        let failure = world.session().attempt().unwrap().failure.clone().unwrap();
        assert_eq!(&*failure.message, "no token arrived within 300000 ms");
    }

    fn deadline_of_a_silent_stream(world) {
        world.prompt("go");
        world.connect();
        world.stream(vec![began(0)]);
        let first = world.deadlines()[&DeadlineKey::Attempt];
        world.pass(Duration::from_secs(100));
        world.stream(vec![delta(0, "x")]);
        // Each piece sets it anew; the old one is not reached any more.
        let event = Glasswork::deadline_reached(DeadlineKey::Attempt, first);
        assert_eq!(world.send(&Origin::Deadline, event), Err(Rejection::DeadlineMoved));
        let renewed = world.deadlines()[&DeadlineKey::Attempt];
        assert_eq!((renewed.set_by, renewed.set_at.since(first.set_at).as_millis()), (world.seq, 100_001));
        world.reach(DeadlineKey::Attempt);
        world.expect_turn(T::BackingOff);
    }

    fn deadline_of_evidence(world) {
        world.prompt("go");
        let calls = world.propose(&["read"]);
        world.reach(DeadlineKey::Call(calls[0]));
        world.expect_call(calls[0], C::Failed);
        world.expect_turn(T::Connecting);
    }

    fn deadline_of_an_approval(world) {
        world.prompt("go");
        let calls = world.propose(&["bash"]);
        let key = DeadlineKey::Call(calls[0]);
        let before = world.deadlines()[&key];
        world.find(calls[0], bash());
        let event = Glasswork::deadline_reached(key, before);
        assert_eq!(world.send(&Origin::Deadline, event), Err(Rejection::DeadlineMoved));
        world.reach(key);
        world.expect_call(calls[0], C::Denied);
        world.expect_turn(T::Connecting);
        assert_eq!(world.said()[2], "error: Not run: nobody consented to this call within 43200000 ms.");
    }

    fn deadline_of_a_tool(world) {
        let limited = Evidence::Command(CommandEvidence {
            command: "make".into(),
            directory: "/work".into(),
            timeout_ms: Some(600_000),
        });
        let calls = world.running(&[bash(), limited]);
        // Ten seconds more than the call's own limit, so that the tool is the first to notice.
        let after_ms = |world: &World, call| world.deadlines()[&DeadlineKey::Call(call)].after_ms;
        assert_eq!((after_ms(world, calls[0]), after_ms(world, calls[1])), (130_000, 610_000));
        world.settle(calls[1], Word::Succeeded, "");
        world.reach(DeadlineKey::Call(calls[0]));
        world.expect_call(calls[0], C::Cancelling);
        world.expect_turn(T::Executing);
        assert_eq!(world.stops.len(), 1);
        world.settle(calls[0], Word::Stopped, "");
        world.expect_call(calls[0], C::Failed);
        assert_eq!(world.said()[2], "error: Stopped because it took too long.");
    }

    fn a_runner_that_is_gone_leaves_the_outcome_unknown(world) {
        let calls = world.running(&[bash(), read("/a")]);
        for (call, state) in calls.iter().zip([C::UnknownOutcome, C::Failed]) {
            let key = world.call(*call).effect.unwrap();
            let event = Glasswork::lost(key, &world.open[&key].clone(), Loss::RunnerGone);
            world.send(&Origin::Effect(key), event).unwrap();
            world.expect_call(*call, state);
        }
        world.expect_turn(T::Connecting);
    }

    fn a_crash_while_executing(world) {
        let calls = world.running(&[bash(), read("/a"), write("/work/a"), write("/work/a")]);
        world.settle(calls[2], Word::Succeeded, "w");
        world.ask(followed_up("later"));
        world.crash();
        world.expect_turn(T::Abandoned);
        world.expect_session(S::Idle);
        assert_eq!(calls.iter().map(|call| world.call(*call).state).collect::<Vec<_>>(),
            [C::UnknownOutcome, C::Cancelled, C::Succeeded, C::UnknownOutcome]);
        assert_eq!(world.said().len(), 6);
        assert_eq!(world.session().queue.follow_ups.len(), 1);
    }

    fn a_crash_while_gating(world) {
        world.prompt("go");
        let calls = world.propose(&["bash", "bash", "read"]);
        world.find(calls[0], bash());
        world.find(calls[2], read("/a"));
        world.crash();
        world.expect_turn(T::Abandoned);
        for call in &calls {
            world.expect_call(*call, C::Cancelled);
        }
    }

    fn a_crash_while_streaming_keeps_what_is_complete(world) {
        world.prompt("go");
        world.connect();
        world.stream(vec![finished(0, Block::Text("I will".into())), began(1)]);
        world.ask(steered("hm"));
        world.crash();
        world.expect_turn(T::Abandoned);
        assert_eq!(world.said(), ["user: go", "model cancelled: I will"]);
        assert_eq!(world.session().queue.returned.len(), 1);
    }

    fn a_crash_while_cancelling(world) {
        let calls = world.running(&[bash()]);
        world.ask(prompt::Event::Cancelled);
        world.crash();
        world.expect_turn(T::Abandoned);
        world.expect_call(calls[0], C::UnknownOutcome);
    }

    fn a_session_is_closed_and_opened_again(world) {
        world.user(opened()).unwrap();
        world.expect_session(S::Idle);
        world.user(Event::Session(session::Event::Closed)).unwrap();
        world.expect_session(S::Closed);
        assert!(world.user(prompted("x")).is_err());
        world.user(opened()).unwrap();
        world.expect_session(S::Idle);
    }

    fn closing_cancels_the_turn_and_waits_for_it(world) {
        let calls = world.running(&[bash()]);
        world.ask(followed_up("later"));
        world.user(Event::Session(session::Event::Closed)).unwrap();
        world.expect_session(S::Closing);
        world.expect_turn(T::Cancelling);
        world.settle(calls[0], Word::Stopped, "");
        world.expect_session(S::Closed);
    }

    fn the_output_of_a_running_call_can_be_watched(world) {
        let calls = world.running(&[bash()]);
        let call = calls[0];
        let tail = "é".repeat(4000);
        world.tool(call, tools::Event::ToolProgressed { call, tail: tail.as_str().into() }).unwrap();
        assert_eq!(world.call(call).tail.as_deref(), Some(&*"é".repeat(2048)));
        world.settle(call, Word::Succeeded, "all");
        assert_eq!(world.call(call).tail, None);
    }

    fn where_a_call_works_is_known_until_it_works_elsewhere(world) {
        let calls = world.running(&[read("/work/a"), bash()]);
        let place = |name: &str, terminal: Option<&str>| EditorPlace {
            client: 7,
            name: name.into(),
            terminal: terminal.map(Into::into),
        };
        for (call, terminal) in [(calls[0], None), (calls[1], Some("t1"))] {
            let editor = Some(Arc::new(place("pen", terminal)));
            world.tool(call, tools::Event::ToolPlaced { call, editor: editor.clone() }).unwrap();
            assert_eq!(world.call(call).editor, editor);
            // Only who works on a call says where.
            let other = tools::Event::ToolPlaced { call, editor: None };
            let stranger = Origin::Effect(EffectKey { seq: 1, ordinal: 0 });
            assert!(world.send(&stranger, Event::Tools(other)).is_err());
        }
        let call = calls[0];
        let long = Some(Arc::new(place(&"é".repeat(100), Some(&"t".repeat(200)))));
        world.tool(call, tools::Event::ToolPlaced { call, editor: long }).unwrap();
        let capped = place(&"é".repeat(64), Some(&"t".repeat(128)));
        assert_eq!(world.call(call).editor.as_deref(), Some(&capped));
        world.tool(call, tools::Event::ToolPlaced { call, editor: None }).unwrap();
        world.settle(call, Word::Succeeded, "of the disk");
        world.settle(calls[1], Word::Succeeded, "of the terminal");
        assert_eq!(world.call(call).editor, None);
        // What has ended has worked where it worked.
        assert_eq!(world.call(calls[1]).editor.as_deref(), Some(&place("pen", Some("t1"))));
    }

    fn reading_outside_the_workspace_asks(world) {
        world.prompt("go");
        let calls = world.propose(&["read"]);
        world.find(calls[0], file(FileAccess::Read, "/etc/hosts", false));
        world.expect_call(calls[0], C::Asked);
    }

    fn a_conversation_from_elsewhere_is_taken_in(world) {
        *world = World::vacant();
        crate::import::take_in(world);
        world.expect_session(S::Closed);
        world.user(opened()).unwrap();
        world.expect_session(S::Idle);
    }
}
