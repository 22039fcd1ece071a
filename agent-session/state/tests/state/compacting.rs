//! Making the conversation shorter, one story each. `coverage` counts their rows too.

use glasswork_agent_core::compaction::{Hindrance, Why};
use glasswork_agent_core::context::Purpose;
use glasswork_agent_core::id::RequestId;
use glasswork_agent_core::session::State as S;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::{Block, Message};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream::StopReason;
use glasswork_session_state::compaction::{Event as Compact, Guard};
use glasswork_session_state::domain::{DeadlineKey, Event, Reply};
use glasswork_session_state::evidence::FileAccess;
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{CompactWhen, Layer, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_session_state::tools::Word;
use glasswork_session_state::{prompt, session, tree};

use crate::scenarios::scenarios;
use crate::world::*;

/// Text of so many tokens, by our count.
fn text(tokens: usize) -> String {
    "abc ".repeat(tokens)
}

/// A turn of a thousand tokens.
fn turn(world: &mut World, name: &str) {
    world.prompt(&format!("{name} {}", text(498)));
    world.answer(&text(500));
    world.expect_turn(T::Completed);
}

/// A window of so many tokens: a quarter is kept free, and another quarter stays.
fn window(world: &mut World, tokens: u64) {
    world.set(Setting::ContextWindow(Sourced::from_layer(
        Some(tokens),
        Layer::Session,
    )));
}

fn requested(focus: Option<&str>) -> Event {
    Event::Compaction(Compact::Requested {
        focus: focus.map(Into::into),
        key: None,
    })
}

/// Five turns, and a request for a summary on its way.
fn compacting(world: &mut World) {
    for name in ["one", "two", "three", "four", "five"] {
        turn(world, name);
    }
    window(world, 8_000);
    world.user(requested(None)).unwrap();
    world.expect_session(S::Compacting);
}

/// A long conversation in which the next prompt is over the threshold, and that prompt.
fn over_the_threshold(world: &mut World) {
    for name in ["one", "two", "three"] {
        turn(world, name);
    }
    window(world, 4_000);
    world.prompt("go on");
    world.expect_turn(T::Compacting);
}

/// What the model is sent by a request: the first words of each message.
fn sent(world: &World, request: u64) -> Vec<String> {
    let request = world.session().render(RequestId(request)).unwrap();
    let short = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let said = |message: &Message| match message {
        Message::User(text) => format!("user {}", short(text)),
        Message::Assistant { blocks, .. } => format!("model {}", blocks.len()),
        Message::ToolResult(result) => format!("result {}", short(&result.text)),
        Message::Image(shown) => format!("image {}", shown.image),
    };
    request.messages.iter().map(said).collect()
}

fn last(world: &World) -> u64 {
    world.session().requests.get_max().unwrap().0.0
}

scenarios! {
    fn by_hand_what_is_old_gives_way(world) {
        for name in ["one", "two", "three", "four", "five"] {
            turn(world, name);
        }
        window(world, 8_000);
        let before = world.session().context.tokens();
        world.user(requested(Some(" the parser "))).unwrap();
        world.expect_session(S::Compacting);
        // It is provenance: the request says which entries it is about.
        let id = last(world);
        let prepared = &world.session().requests[&RequestId(id)];
        let focus = Some("the parser".into());
        assert!(matches!(&prepared.purpose, Purpose::Summary { focus: asked, .. } if *asked == focus));
        assert_eq!((prepared.plan.base, prepared.plan.kept), (Some(RequestId(5)), 6));
        let request = world.session().render(RequestId(id)).unwrap();
        let Message::User(question) = &request.messages[0] else { panic!() };
        assert!(question.contains("one abc") && question.contains("three abc"), "{question}");
        assert!(!question.contains("four abc") && question.contains("the parser"));
        assert!(request.tools.is_empty() && request.messages.len() == 1);

        world.answer("notes");
        world.expect_session(S::Idle);
        let Body::Compaction(made) = &world.session().tree.entries().last().unwrap().1.body else { panic!() };
        assert_eq!((made.tokens_before, &*made.summary), (before, "notes"));
        assert_eq!(made.tokens_after, world.session().context.tokens());
        assert!(made.tokens_after < before / 2 + 1_000);
        assert_eq!(made.why, Why::Asked { focus: Some("the parser".into()) });
        world.prompt("six");
        assert_eq!(
            sent(world, last(world)),
            ["user [What", "user four", "model 1", "user five", "model 1", "user six"]
        );
        let request = world.session().render(RequestId(last(world))).unwrap();
        let Message::User(told) = &request.messages[0] else { panic!() };
        assert!(told.contains("one abc abc") && told.contains("notes"), "{told}");
        world.answer("done");
        // What it used is counted: five turns, the summary, the turn after.
        assert_eq!(world.session().usage.models[&model_id()].attempts, 7);
    }

    fn a_second_one_brings_the_first_up_to_date(world) {
        compacting(world);
        world.answer("first notes");
        turn(world, "six");
        turn(world, "seven");
        turn(world, "eight");
        world.user(requested(None)).unwrap();
        let request = world.session().render(RequestId(last(world))).unwrap();
        let Message::User(question) = &request.messages[0] else { panic!() };
        assert!(question.contains("first notes") && question.contains("four abc"), "{question}");
        assert!(!question.contains("one abc"));
        world.answer("second notes");
        world.prompt("nine");
        let request = world.session().render(RequestId(last(world))).unwrap();
        let Message::User(told) = &request.messages[0] else { panic!() };
        assert!(told.contains("one abc abc") && told.contains("second notes"), "{told}");
        assert!(!told.contains("first notes"));
        let users = request.messages.iter().filter(|message| matches!(message, Message::User(_)));
        assert_eq!(users.count(), 4);
    }

    fn a_prompt_waits_for_the_summary(world) {
        compacting(world);
        assert_eq!(world.prompt("six"), Reply::Queued(Lane::FollowUp));
        world.expect_session(S::Compacting);
        world.answer("notes");
        world.expect_session(S::Busy);
        world.expect_turn(T::Connecting);
        assert_eq!(world.said().last().unwrap(), "user: six");
    }

    fn only_what_was_said_since_begins_a_turn(world) {
        compacting(world);
        world.prompt("six");
        world.ask(prompt::Event::Cancelled);
        // What waits from before waits on …
        world.user(requested(None)).unwrap();
        world.answer("notes");
        world.expect_session(S::Idle);
        world.prompt("seven");
        world.answer("to seven");
        world.answer("to six");
        for name in ["eight", "nine"] {
            turn(world, name);
        }
        world.prompt("ten");
        world.ask(prompt::Event::Interrupted);
        world.answer("so");
        world.expect_turn(T::Interrupted);
        // … and what is said now begins a turn, however the last one ended.
        world.user(requested(None)).unwrap();
        world.prompt("eleven");
        world.answer("more notes");
        world.expect_session(S::Busy);
        assert_eq!(world.said().last().unwrap(), "user: eleven");
    }

    fn a_follow_up_waits_for_the_summary_and_is_said_though_there_is_none(world) {
        compacting(world);
        world.ask(followed_up("six"));
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_session(S::Busy);
        assert_eq!(world.said().last().unwrap(), "user: six");
    }

    fn without_a_summary_everything_stays_as_it_was(world) {
        compacting(world);
        let before = world.session().context.clone();
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_session(S::Idle);
        assert_eq!(world.session().context, before);
        // By hand it may be tried again at once.
        world.user(requested(None)).unwrap();
        world.expect_session(S::Compacting);
    }

    fn a_failure_that_may_pass_is_tried_again(world) {
        compacting(world);
        world.fail(FailureClass::Overloaded, None);
        world.expect_session(S::Compacting);
        world.reach(DeadlineKey::Attempt);
        world.answer("notes");
        world.expect_session(S::Idle);
        assert_eq!(world.said().last().unwrap(), "notes: notes");
    }

    fn a_summary_that_never_begins_is_tried_again(world) {
        compacting(world);
        world.reach(DeadlineKey::Attempt);
        world.reach(DeadlineKey::Attempt);
        world.connect();
        world.reach(DeadlineKey::Attempt);
        world.reach(DeadlineKey::Attempt);
        world.answer("notes");
        assert_eq!(world.said().last().unwrap(), "notes: notes");
    }

    fn it_can_be_stopped(world) {
        compacting(world);
        let before = world.session().context.clone();
        world.prompt("six");
        assert_eq!(world.ask(prompt::Event::Cancelled), Reply::Stopping { returned: vec![] });
        world.expect_session(S::Idle);
        assert!(world.open.is_empty() && world.deadlines().is_empty());
        assert_eq!(world.session().context, before);
        // The prompt is not lost.
        assert_eq!(world.session().queue.follow_ups.len(), 1);
        world.user(requested(None)).unwrap();
        world.connect();
        world.ask(prompt::Event::Interrupted);
        world.expect_session(S::Idle);
    }

    fn closing_stops_it(world) {
        compacting(world);
        world.user(Event::Session(session::Event::Closed)).unwrap();
        world.expect_session(S::Closed);
        assert!(world.open.is_empty());
    }

    fn the_process_ends_while_it_is_made(world) {
        compacting(world);
        world.prompt("six");
        world.connect();
        world.stream(vec![began(0), delta(0, "half of the no")]);
        let before = world.session().context.clone();
        world.crash();
        world.expect_session(S::Idle);
        assert_eq!(world.session().context, before);
        assert_eq!(&*world.session().queue.follow_ups[0].text, "six");
        assert!(world.said().iter().all(|said| !said.starts_with("notes")));
    }

    fn what_is_asked_for_must_make_sense(world) {
        let nothing = Rejection::CannotCompact(Hindrance::Nothing);
        assert_eq!(world.user(requested(None)), Err(nothing));
        let long = "x".repeat(5_000);
        turn(world, "one");
        assert_eq!(world.user(requested(Some(&long))), Err(Rejection::FocusTooLong));
        world.prompt("two");
        assert_eq!(world.user(requested(None)), Err(Rejection::Busy));
        world.answer("x");
        for name in ["three", "four"] {
            turn(world, name);
        }
        world.user(requested(None)).unwrap();
        assert_eq!(world.user(requested(None)), Err(Rejection::Compacting));
        let moved = tree::Event::LeafMoved { to: None, key: None };
        assert_eq!(world.user(Event::Tree(moved)), Err(Rejection::Compacting));
    }

    fn it_can_be_undone(world) {
        compacting(world);
        let before = world.session().context.clone();
        world.answer("notes");
        assert_ne!(world.session().context.parts(), before.parts());
        world.user(Event::Compaction(Compact::Undone { key: None })).unwrap();
        assert_eq!(world.session().context.parts(), before.parts());
        assert_eq!(world.session().context.base(), before.base());
        let undone = world.user(Event::Compaction(Compact::Undone { key: None }));
        assert_eq!(undone, Err(Rejection::NoCompactionHere { before: None }));
        world.prompt("six");
        assert_eq!(sent(world, last(world)).len(), 11);
    }

    fn a_leaf_on_either_side_of_it_has_its_own_context(world) {
        compacting(world);
        let whole = world.session().context.parts().clone();
        let leaf = world.session().tree.leaf();
        world.answer("notes");
        let compacted = world.session().tree.leaf();
        let parts = world.session().context.parts().clone();
        turn(world, "six");
        let after = world.session().tree.leaf();
        let longer = world.session().context.parts().clone();
        for (to, expected) in [
            (leaf, &whole), (after, &longer), (compacted, &parts), (leaf, &whole), (compacted, &parts), (after, &longer),
        ] {
            world.user(Event::Tree(tree::Event::LeafMoved { to, key: None })).unwrap();
            assert_eq!(world.session().context.parts(), expected, "{to:?}");
        }
    }

    fn before_a_request_that_leaves_too_little_room(world) {
        over_the_threshold(world);
        let steered = world.ask(steered("with care"));
        assert_eq!(steered, Reply::Queued(Lane::Steering));
        world.ask(followed_up("and then"));
        world.answer("notes");
        world.expect_turn(T::Connecting);
        let request = world.session().render(RequestId(last(world))).unwrap();
        assert_eq!(request.messages.last(), Some(&Message::User("with care".into())));
        assert!(world.session().context.tokens() < 3_000);
        world.answer("done");
        // The follow-up has begun the next turn.
        assert_eq!(world.said().last().unwrap(), "user: and then");
    }

    fn at_the_threshold_the_turn_goes_on_without_a_summary(world) {
        over_the_threshold(world);
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_turn(T::Connecting);
        assert_eq!(world.session().requests[&RequestId(last(world))].purpose, Purpose::Step);
        // Not again in this turn, but in the next one.
        let call = world.propose(&["read"])[0];
        world.find(call, file(FileAccess::Read, "/work/a", true));
        world.settle(call, Word::Succeeded, "text");
        world.expect_turn(T::Connecting);
        world.answer("done");
        world.prompt("once more");
        world.expect_turn(T::Compacting);
    }

    fn a_summary_in_a_turn_is_tried_again(world) {
        over_the_threshold(world);
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::Compacting);
        world.reach(DeadlineKey::Attempt);
        world.answer("notes");
        world.expect_turn(T::Connecting);
    }

    fn inside_a_long_loop(world) {
        window(world, 4_000);
        world.set_mode(glasswork_session_state::settings::Mode::Yolo);
        world.prompt("look at everything");
        let mut compactions = 0;
        for step in 0..40 {
            let call = world.propose(&["read"])[0];
            world.find(call, file(FileAccess::Read, &format!("/work/{step}"), true));
            // Something new each time, or it would be a loop of another kind.
            world.settle(call, Word::Succeeded, &format!("{step:02}{}", text(398)));
            if world.turn().state == T::Compacting {
                compactions += 1;
                world.answer("notes");
            }
            world.expect_turn(T::Connecting);
            assert!(world.session().context.tokens() <= 3_000);
            let messages = sent(world, last(world));
            // Each result follows its call.
            for (place, said) in messages.iter().enumerate().filter(|(_, said)| said.starts_with("result")) {
                assert!(messages[place - 1].starts_with("model"), "{said} after {}", messages[place - 1]);
            }
            let request = world.session().render(RequestId(last(world))).unwrap();
            let Message::User(first) = &request.messages[0] else { panic!() };
            assert!(first.contains("look at everything"), "{first}");
        }
        assert!(compactions >= 5, "{compactions}");
        let Body::Compaction(made) = &world.session().tree.entries().rev()
            .find(|(_, entry)| matches!(entry.body, Body::Compaction(_))).unwrap().1.body else { panic!() };
        assert!(made.carried.read.paths.iter().any(|path| &**path == "/work/0"));
    }

    fn after_the_provider_refused_it_is_sent_once_more(world) {
        for name in ["one", "two", "three"] {
            turn(world, name);
        }
        world.prompt("go on");
        world.fail(FailureClass::ContextOverflow, None);
        world.expect_turn(T::Compacting);
        world.answer("notes");
        world.expect_turn(T::Connecting);
        world.fail(FailureClass::ContextOverflow, None);
        world.expect_turn(T::Failed);
        let failed = TurnFailure::TooLong {
            failure: failure(FailureClass::ContextOverflow, None),
            hindrance: Hindrance::Again,
        };
        assert_eq!(world.turn().failure, Some(failed));
        // In the next turn it may be tried again.
        turn_over_after_overflow(world);
    }

    fn without_a_summary_after_a_refusal_the_turn_fails(world) {
        for name in ["one", "two", "three"] {
            turn(world, name);
        }
        world.prompt("go on");
        world.fail(FailureClass::ContextOverflow, None);
        world.connect();
        world.fail(FailureClass::Auth, None);
        world.expect_turn(T::Failed);
        let failed = TurnFailure::TooLong {
            failure: failure(FailureClass::ContextOverflow, None),
            hindrance: Hindrance::NoSummary { message: "it failed".into() },
        };
        assert_eq!(world.turn().failure, Some(failed));
        assert_eq!(world.said().last().unwrap(), "user: go on");
    }

    fn what_cannot_be_shorter_fails_with_the_reason(world) {
        world.prompt(&text(2_000));
        world.fail(FailureClass::ContextOverflow, None);
        world.expect_turn(T::Failed);
        let failed = TurnFailure::TooLong {
            failure: failure(FailureClass::ContextOverflow, None),
            hindrance: Hindrance::Nothing,
        };
        assert_eq!(world.turn().failure, Some(failed));
    }

    fn stopping_in_the_middle(world) {
        over_the_threshold(world);
        world.ask(steered("with care"));
        let stopping = world.ask(prompt::Event::Interrupted);
        assert_eq!(stopping, Reply::Stopping { returned: vec!["with care".into()] });
        world.expect_turn(T::Interrupted);
        world.prompt("go on");
        world.expect_turn(T::Compacting);
        world.connect();
        world.ask(prompt::Event::Cancelled);
        world.expect_turn(T::Cancelled);
        world.prompt("go on");
        world.expect_turn(T::Compacting);
        world.crash();
        world.expect_turn(T::Abandoned);
        assert_eq!(world.said().last().unwrap(), "user: go on");
        assert!(world.open.is_empty() && world.deadlines().is_empty());
    }

    fn a_pause_waits_for_the_summary(world) {
        over_the_threshold(world);
        world.ask(prompt::Event::Paused);
        world.answer("notes");
        world.expect_turn(T::Paused);
        world.ask(prompt::Event::Resumed);
        world.expect_turn(T::Connecting);
    }

    fn an_answer_that_is_no_summary_is_not_taken(world) {
        let answers: [(Vec<Block>, StopReason, &str); 5] = [
            (vec![], StopReason::EndOfTurn, "the summary is empty"),
            (vec![Block::Text("  \n".into())], StopReason::EndOfTurn, "the summary is empty"),
            (vec![Block::Text("half".into())], StopReason::Length, "the summary did not end within"),
            (vec![Block::Text("no".into())], StopReason::Refusal, "the model refused to summarise"),
            (vec![call_block("read", 0)], StopReason::ToolUse, "the model called a tool instead of summarising"),
        ];
        for name in ["one", "two", "three", "four", "five"] {
            turn(world, name);
        }
        let before = world.session().context.clone();
        for (blocks, stop, reason) in answers {
            world.user(requested(None)).unwrap();
            world.connect();
            let steps = (0u32..).zip(blocks).map(|(index, block)| finished(index, block));
            world.finish(steps.collect(), stop);
            world.expect_session(S::Idle);
            let Some(Guard::NoSummary { message, .. }) = &world.session().compactions.guard else { panic!() };
            assert!(message.starts_with(reason), "{message}");
            assert_eq!(world.session().context, before);
        }
        assert!(world.session().calls.is_empty());
    }

    fn a_summary_that_is_longer_is_not_taken(world) {
        compacting(world);
        world.answer(&text(4_000));
        world.expect_session(S::Idle);
        let Some(Guard::NoSummary { message, .. }) = &world.session().compactions.guard else { panic!() };
        assert!(message.contains("not shorter than what it stands for"), "{message}");
    }

    fn one_that_saves_little_is_not_repeated(world) {
        over_the_threshold(world);
        world.answer(&text(1_400));
        world.expect_turn(T::Connecting);
        let guard = world.session().compactions.guard.clone();
        assert!(matches!(guard, Some(Guard::NotShrunk { .. })), "{guard:?}");
        let call = world.propose(&["read"])[0];
        world.find(call, file(FileAccess::Read, "/work/a", true));
        world.settle(call, Word::Succeeded, "text");
        // Too long, and yet it is sent: the provider has the last word …
        world.expect_turn(T::Connecting);
        world.fail(FailureClass::ContextOverflow, None);
        // … and then the turn says why it stops.
        world.expect_turn(T::Failed);
        let Some(TurnFailure::TooLong { hindrance: Hindrance::NotShrunk { .. }, .. }) = world.turn().failure else {
            panic!("{:?}", world.turn().failure)
        };
        // A larger window is another question.
        window(world, 5_000);
        assert_eq!(world.session().compactions.guard, None);
    }

    fn what_one_model_could_not_shorten_another_may(world) {
        let others = vec!["scripted/b".parse().unwrap()];
        world.set(Setting::FallbackModels(Sourced::from_layer(others, Layer::User)));
        world.set(Setting::RetryAttempts(Sourced::from_layer(1, Layer::User)));
        over_the_threshold(world);
        world.answer(&text(1_400));
        assert!(world.session().compactions.guard.is_some());
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::Connecting);
        assert_eq!(world.session().compactions.guard, None);
    }

    fn it_is_off_where_so_set_and_in_a_large_window(world) {
        for name in ["one", "two", "three"] {
            turn(world, name);
        }
        let when = |when| Setting::Compact(Sourced::from_layer(when, Layer::Session));
        world.set(when(CompactWhen::Off));
        window(world, 3_000);
        world.prompt("four");
        world.expect_turn(T::Connecting);
        world.answer("so");
        assert_eq!(world.session().compaction_threshold(), None);
        world.set(when(CompactWhen::Auto));
        assert_eq!(world.session().compaction_threshold(), Some(2_250));
        window(world, 400_000);
        assert_eq!(world.session().compaction_threshold(), None);
        world.set(when(CompactWhen::On));
        assert_eq!(world.session().compaction_threshold(), Some(400_000 - 16_384));
    }

    fn a_pinned_entry_is_carried_word_for_word(world) {
        turn(world, "one");
        world.prompt("never touch the lock file");
        let pinned = world.session().tree.leaf().unwrap();
        world.answer("understood");
        for name in ["three", "four", "five"] {
            turn(world, name);
        }
        world.user(Event::Tree(tree::Event::Pinned { entry: pinned, pinned: true })).unwrap();
        for _ in 0..2 {
            world.user(requested(None)).unwrap();
            world.answer("notes");
            let Body::Compaction(made) = &world.session().tree.entries().last().unwrap().1.body else { panic!() };
            assert_eq!(&*made.carried.pinned[0].text, "never touch the lock file");
            turn(world, "more");
            turn(world, "and more");
        }
    }
}

/// Another turn after one that was refused for its length.
fn turn_over_after_overflow(world: &mut World) {
    turn(world, "four");
    turn(world, "five");
    world.prompt("again");
    world.fail(FailureClass::ContextOverflow, None);
    world.expect_turn(T::Compacting);
}
