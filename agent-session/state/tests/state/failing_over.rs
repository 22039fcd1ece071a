//! Failover: which model is asked where one gives no answer, and what becomes of what that one had said.

use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::Block;
use glasswork_ai::decimal::Decimal;
use glasswork_ai::failure::FailureClass as F;
use glasswork_ai::model::ModelId;
use glasswork_ai::price::{Prices, Rates};
use glasswork_ai::stream::{StopReason, StreamEvent};
use glasswork_session_state::budget::Budget;
use glasswork_session_state::domain::{DeadlineKey, Event};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::failover::{self, Bar, Candidate, GivenUp, Skip, Why};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::{AttemptWait, TurnFailure};
use glasswork_session_state::waiting::{What, waiting_for};
use glasswork_session_state::{prompt, session};
use im::ordmap;
use proptest::prelude::*;

use crate::scenarios::scenarios;
use crate::world::*;

fn id(name: &str) -> ModelId {
    format!("scripted/{name}").parse().unwrap()
}

fn list(world: &mut World, names: &[&str]) {
    let models = names.iter().map(|name| id(name)).collect();
    world.set(Setting::FallbackModels(Sourced::from_layer(models, Layer::User)));
}

fn attempts(world: &mut World, most: u32) {
    world.set(Setting::RetryAttempts(Sourced::from_layer(most, Layer::User)));
}

/// The model that is asked now.
fn asked(world: &World) -> String {
    let request = world.session().attempt().unwrap().request;
    world.session().requests[&request].model.model.to_string()
}

/// All that the model is sent now.
fn sent(world: &World) -> String {
    let request = world.session().attempt().unwrap().request;
    serde_json::to_string(&world.session().render(request)).unwrap()
}

/// The models that were given up, in order: with `!` those that were not asked.
fn given_up<'a>(given_up: impl IntoIterator<Item = &'a GivenUp>) -> Vec<String> {
    let short = |gone: &GivenUp| match gone.why {
        Why::Failed { .. } => gone.model.model.to_string(),
        Why::Skipped(_) => format!("!{}", gone.model.model),
    };
    given_up.into_iter().map(short).collect()
}

scenarios! {
    fn where_a_model_gives_no_answer_the_next_one_of_the_list_is_asked_for_the_rest_of_the_turn(world) {
        list(world, &["b", "c"]);
        attempts(world, 2);
        world.prompt("go");
        world.fail(F::Overloaded, None);
        world.expect_turn(T::BackingOff);
        world.reach(DeadlineKey::Attempt);
        world.connect();
        world.stream(vec![began(0), delta(0, "I shall "), delta(0, "half")]);
        world.fail(F::Overloaded, None);

        // Only once the attempts are used up, and at once.
        world.expect_turn(T::Connecting);
        assert_eq!((asked(world).as_str(), world.turn().steps), ("b", 1));
        assert_eq!(world.said(), ["user: go", "superseded by scripted/b: I shall half"]);
        assert_eq!(world.branch(), ["user: go"], "it stands on a branch of its own");
        assert!(!sent(world).contains("half"), "{}", sent(world));

        // The rest of the turn is that model's.
        let calls = world.propose(&["read"]);
        world.find(calls[0], read("/work/a"));
        world.settle(calls[0], glasswork_session_state::tools::Word::Succeeded, "text");
        assert_eq!((asked(world).as_str(), world.turn().steps), ("b", 2));
        world.fail(F::Timeout, None);
        world.reach(DeadlineKey::Attempt);
        world.fail(F::Timeout, None);
        assert_eq!(asked(world), "c");
        world.answer("whole");
        world.expect_turn(T::Completed);
        assert_eq!(given_up(&world.turn().failover.given_up), ["test", "b"]);

        // The next turn is the session's own model's again.
        world.prompt("and now?");
        assert_eq!(asked(world), "test");
        world.answer("so");
        assert!(world.turn().failover.given_up.is_empty());
    }
}

/// Which failures another model is asked for: of the session's own model, and of one that stands in for it.
#[test]
fn the_class_of_a_failure_decides() {
    let check = |class: F, on_auth: bool, own: bool, standing_in: bool| {
        let begin = || {
            let mut world = World::new();
            list(&mut world, &["b", "c"]);
            attempts(&mut world, 1);
            world.set(Setting::FallbackOnAuth(Sourced::from_layer(on_auth, Layer::User)));
            world.prompt("go");
            world
        };
        let mut world = begin();
        world.fail(class, None);
        assert_eq!(asked(&world) == "b", own, "{class:?}");
        let mut world = begin();
        world.fail(F::Overloaded, None);
        world.fail(class, None);
        assert_eq!(asked(&world) == "c", standing_in, "{class:?}, standing in");
        if !standing_in {
            world.expect_turn(T::Failed);
            // What is too long for one is not told as the fault of all.
            let all = matches!(&world.turn().failure, Some(TurnFailure::NobodyAnswered { .. }));
            assert_eq!(all, class != F::ContextOverflow, "{:?}", world.turn().failure);
        }
        world.compare_with_journal();
    };
    for class in [
        F::RateLimit,
        F::Overloaded,
        F::Unavailable,
        F::Timeout,
        F::Transport,
        F::Quota,
        F::BreakerOpen,
    ] {
        check(class, false, true, true);
    }
    check(F::Auth, false, false, true);
    check(F::Auth, true, true, true);
    check(F::Invalid, true, false, true);
    check(F::Protocol, true, false, true);
    check(F::Refusal, true, false, false);
    check(F::ContextOverflow, true, false, false);
}

/// A world whose list has one model for each reason not to ask one, and one that can be asked.
fn with_obstacles(open: bool) -> World {
    let mut world = World::new();
    let known = |name: &str| Candidate {
        model: id(name),
        barred: None,
        window: None,
        tools: None,
    };
    let candidates = vec![
        Candidate {
            barred: Some(Bar::NoKey {
                expected: "OTHER_KEY".into(),
            }),
            ..known("keyless")
        },
        Candidate {
            barred: Some(Bar::NoProvider),
            ..known("nowhere")
        },
        Candidate {
            window: Some(10),
            ..known("small")
        },
        Candidate {
            tools: Some(false),
            ..known("handless")
        },
        known("dear"),
        Candidate {
            window: Some(100_000),
            tools: Some(true),
            ..known("good")
        },
    ];
    let cent = |price: u64| Prices {
        version: "test".into(),
        rates: Rates {
            input: Some(Decimal(price)),
            output: Some(Decimal(price)),
            ..Rates::default()
        },
        tiers: vec![],
    };
    let prices = ordmap! {
        id("test") => cent(1), id("dear") => cent(100_000_000_000_000), id("good") => cent(1)
    };
    world.set(Setting::Prices(Sourced::from_layer(prices, Layer::User)));
    let budget = Budget {
        turn: Some("0.5".parse().unwrap()),
        ..Budget::default()
    };
    world.set(Setting::Budget(Sourced::from_layer(budget, Layer::User)));
    let mut names = vec![
        "test", "keyless", "nowhere", "small", "handless", "dear", "keyless",
    ];
    names.extend(open.then_some("good"));
    list(&mut world, &names);
    attempts(&mut world, 1);
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
    // Some words, which the small one has no room for.
    world.prompt(&"go on ".repeat(20));
    world
}

#[test]
fn what_cannot_be_asked_is_passed_over_and_each_reason_is_told() {
    let mut world = with_obstacles(true);
    world.fail(F::Quota, None);
    world.expect_turn(T::Connecting);
    assert_eq!(asked(&world), "good");
    let passed = ["test", "!keyless", "!nowhere", "!small", "!handless", "!dear"];
    assert_eq!(given_up(&world.turn().failover.given_up), passed);
    // Its window is the one that counts now.
    assert_eq!(world.session().window(), Some(100_000));

    // Once that fails too, everything is told, the skipped with their reasons.
    world.fail(F::Unavailable, None);
    world.expect_turn(T::Failed);
    let Some(TurnFailure::NobodyAnswered { given_up: all }) = &world.turn().failure else {
        panic!("{:?}", world.turn().failure)
    };
    let told: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "scripted/test: it failed",
            "scripted/keyless: not asked: there is no key for it: set OTHER_KEY",
            "scripted/nowhere: not asked: there is no such provider",
            "scripted/small: not asked: it takes 10 tokens, and the conversation has about 50",
            "scripted/handless: not asked: it cannot call tools",
            "scripted/dear: not asked: the budget of the turn, $0.50, does not allow another request: $0.00 is spent, and \
             the request costs $5000.00 or more; `budget` in the settings sets another",
            "scripted/good: it failed",
        ]
    );
    world.compare_with_journal();

    // The same where nobody can be asked at all.
    let mut world = with_obstacles(false);
    world.fail(F::Quota, None);
    world.expect_turn(T::Failed);
    let Some(TurnFailure::NobodyAnswered { given_up: all }) = &world.turn().failure else {
        panic!("{:?}", world.turn().failure)
    };
    assert_eq!(given_up(all), passed);
    world.compare_with_journal();
}

/// What the host says of a model of which it knows the window alone.
fn windowed(world: &mut World, name: &str, window: u64) {
    let candidates = vec![Candidate {
        model: id(name),
        barred: None,
        window: Some(window),
        tools: None,
    }];
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
}

fn says(world: &mut World, text: &str, input: u64) {
    world.connect();
    let counted = StreamEvent::Usage(usage(input, 1));
    world.finish(
        vec![counted, finished(0, Block::Text(text.into()))],
        StopReason::EndOfTurn,
    );
}

/// How long the conversation is, is what the last answer has taught of it; a window that it fills leaves no room.
#[test]
fn a_window_is_compared_with_the_conversation_as_it_was_counted() {
    let begin = |window: Option<u64>| {
        let mut world = World::new();
        list(&mut world, &["b"]);
        attempts(&mut world, 1);
        world.prompt(&"go on ".repeat(200));
        // Twice as many tokens as anybody would have thought.
        says(&mut world, "so", 600);
        world.prompt("again");
        let context = &world.session().context;
        let (raw, tokens) = (context.tokens(), context.calibration().estimate(context.tokens()));
        assert!(raw + 100 < tokens, "{raw} {tokens}");
        if let Some(less) = window {
            windowed(&mut world, "b", tokens + 1 - less);
        }
        world.fail(F::Overloaded, None);
        world
    };
    for (window, is_asked) in [(None, true), (Some(0), true), (Some(1), false), (Some(50), false)] {
        let world = begin(window);
        let state = if is_asked { T::Connecting } else { T::Failed };
        world.expect_turn(state);
        world.compare_with_journal();
    }
}

#[test]
fn what_stands_far_down_a_list_is_not_looked_at() {
    let mut world = World::new();
    let names: Vec<String> = (0..failover::MOST).map(|n| format!("m{n}")).collect();
    let candidates = names
        .iter()
        .map(|name| Candidate {
            model: id(name),
            barred: Some(Bar::NoProvider),
            window: None,
            tools: None,
        })
        .collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("good");
    list(&mut world, &names);
    attempts(&mut world, 1);
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
    world.prompt("go");
    world.fail(F::Overloaded, None);
    world.expect_turn(T::Failed);
    let Some(TurnFailure::NobodyAnswered { given_up: all }) = &world.turn().failure else {
        panic!("{:?}", world.turn().failure)
    };
    assert_eq!(all.len(), 1 + failover::MOST);
    world.compare_with_journal();
}

/// How many tokens a model counts of some words says nothing of how many another one does.
#[test]
fn what_was_learnt_of_the_counting_of_one_model_is_forgotten_with_it() {
    let mut world = World::new();
    list(&mut world, &["b"]);
    attempts(&mut world, 1);
    world.prompt(&"go on ".repeat(200));
    says(&mut world, "so", 600);
    world.prompt("again");
    let counted = |world: &World| {
        let context = &world.session().context;
        (context.tokens(), context.calibration().estimate(context.tokens()))
    };
    let (raw, tokens) = counted(&world);
    assert!(raw + 100 < tokens, "{raw} {tokens}");
    world.fail(F::Overloaded, None);
    assert_eq!(asked(&world), "b");
    let (raw, tokens) = counted(&world);
    assert_eq!(raw, tokens);
    world.compare_with_journal();
}

/// Where there are no tools, one that can call none is as good as any.
#[test]
fn a_model_that_calls_no_tools_is_asked_where_there_are_none() {
    let mut world = World::vacant();
    let Event::Session(session::Event::Opened {
        workspace,
        title,
        settings,
        system,
        tools: _,
    }) = opened()
    else {
        panic!("not an opening");
    };
    world
        .user(Event::Session(session::Event::Opened {
            workspace,
            title,
            settings,
            system,
            tools: vec![],
        }))
        .unwrap();
    list(&mut world, &["handless"]);
    attempts(&mut world, 1);
    let candidates = vec![Candidate {
        model: id("handless"),
        barred: None,
        window: None,
        tools: Some(false),
    }];
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
    world.prompt("go");
    world.fail(F::Overloaded, None);
    world.expect_turn(T::Connecting);
    assert_eq!(asked(&world), "handless");
    world.compare_with_journal();
}

/// A summary on the way to the next model is nobody's answer: it waits for a breaker, and no model of the list is asked
/// for it.
#[test]
fn a_summary_falls_back_on_nobody() {
    let mut world = World::new();
    for _ in 0..3 {
        world.prompt(&"abc ".repeat(500));
        world.answer(&"abc ".repeat(500));
    }
    list(&mut world, &["b", "c"]);
    windowed(&mut world, "b", 4_000);
    world.prompt("go on");
    world.fail(F::Quota, None);
    world.expect_turn(T::Compacting);
    world.fail(F::BreakerOpen, Some(20_000));
    world.expect_turn(T::Compacting);
    let waiting = waiting_for(world.session());
    assert_eq!(waiting[0].what, What::Answer(AttemptWait::Backoff));
    world.compare_with_journal();
}

#[test]
fn a_model_of_which_nothing_is_known_is_tried_and_one_without_prices_is_not_where_there_is_a_budget() {
    let mut world = World::new();
    list(&mut world, &["b"]);
    let budget = Budget {
        turn: Some("1".parse().unwrap()),
        ..Budget::default()
    };
    attempts(&mut world, 1);
    world.prompt("go");
    world.set(Setting::Budget(Sourced::from_layer(budget, Layer::User)));
    world.fail(F::Overloaded, None);
    let Some(TurnFailure::NobodyAnswered { given_up: all }) = &world.turn().failure else {
        panic!("{:?}", world.turn().failure)
    };
    assert!(matches!(&all[1].why, Why::Skipped(Skip::Budget(_))), "{all:?}");
}

#[test]
fn nobody_waits_for_a_breaker_where_another_model_can_be_asked_and_else_the_wait_is_shown() {
    let mut world = World::new();
    list(&mut world, &["b"]);
    world.prompt("go");
    world.fail(F::BreakerOpen, Some(20_000));
    world.expect_turn(T::Connecting);
    assert_eq!(asked(&world), "b");
    // Nobody is left to be asked: it waits until the breaker lets a try through.
    world.fail(F::BreakerOpen, Some(20_000));
    world.expect_turn(T::BackingOff);
    let waiting = waiting_for(world.session());
    assert_eq!(waiting[0].what, What::Answer(AttemptWait::Backoff));
    assert_eq!(waiting[0].deadline.unwrap().after_ms, 20_000);
    world.reach(DeadlineKey::Attempt);
    assert_eq!(asked(&world), "b");
    world.answer("so");
    world.expect_turn(T::Completed);
    world.compare_with_journal();
}

#[test]
fn it_stops_and_rests_on_the_way_to_the_next_model_as_at_every_safe_point() {
    for (ask, state) in [
        (prompt::Event::Interrupted, T::Interrupted),
        (prompt::Event::Paused, T::Paused),
    ] {
        let mut world = World::new();
        list(&mut world, &["b"]);
        attempts(&mut world, 1);
        world.prompt("go");
        world.ask(ask);
        world.fail(F::Overloaded, None);
        world.expect_turn(state);
        assert!(world.open.is_empty());
        if state == T::Paused {
            world.ask(prompt::Event::Resumed);
            assert_eq!(asked(&world), "b");
            world.answer("so");
        }
        world.compare_with_journal();
    }
    // The process ends while the other model is asked.
    let mut world = World::new();
    list(&mut world, &["b"]);
    attempts(&mut world, 1);
    world.prompt("go");
    world.fail(F::Overloaded, None);
    world.crash();
    world.expect_turn(T::Abandoned);
    world.prompt("again");
    assert_eq!(asked(&world), "test");
}

#[test]
fn the_same_step_is_asked_for_again_so_the_limit_of_steps_does_not_stand_in_the_way() {
    let mut world = World::new();
    list(&mut world, &["b", "c"]);
    attempts(&mut world, 1);
    world.set(Setting::MaxSteps(Sourced::from_layer(1, Layer::User)));
    world.prompt("go");
    world.fail(F::Overloaded, None);
    world.fail(F::Overloaded, None);
    assert_eq!((asked(&world).as_str(), world.turn().steps), ("c", 1));
    let calls = world.propose(&["read"]);
    world.find(calls[0], read("/work/a"));
    world.settle(calls[0], glasswork_session_state::tools::Word::Succeeded, "text");
    assert_eq!(world.turn().failure, Some(TurnFailure::Limit { max_steps: 1 }));
}

#[test]
fn whoever_chooses_a_model_during_the_turn_gets_that_one() {
    let mut world = World::new();
    list(&mut world, &["b"]);
    attempts(&mut world, 1);
    world.prompt("go");
    world.fail(F::Overloaded, None);
    assert_eq!(asked(&world), "b");
    world.set(Setting::Model(Sourced::from_layer(
        Some(id("mine")),
        Layer::Session,
    )));
    let calls = world.propose(&["read"]);
    world.find(calls[0], read("/work/a"));
    world.settle(calls[0], glasswork_session_state::tools::Word::Succeeded, "text");
    assert_eq!(asked(&world), "mine");
    // The one that was given up is not tried a second time.
    world.fail(F::Overloaded, None);
    assert_eq!(asked(&world), "b");
    // Whoever chooses one after the turn changes nothing of what it was.
    world.answer("so");
    world.set(Setting::Model(Sourced::from_layer(
        Some(id("yours")),
        Layer::Session,
    )));
    assert_eq!(world.turn().failover.model, Some(id("b")));
    world.compare_with_journal();
}

#[test]
fn what_is_told_is_noted_once_and_only_of_an_open_session() {
    let told = || {
        Event::Failover(failover::Event::Told {
            candidates: vec![Candidate {
                model: id("b"),
                barred: None,
                window: None,
                tools: None,
            }],
        })
    };
    let mut world = World::new();
    world.user(told()).unwrap();
    world.user(told()).unwrap();
    assert_eq!(world.commits.last().unwrap().1, []);
    // One that takes more than it was said to is no longer what was told.
    let window = |world: &World| world.session().candidates[&id("b")].window;
    windowed(&mut world, "b", 7);
    assert_eq!(window(&world), Some(7));
    windowed(&mut world, "b", 8);
    assert_eq!(window(&world), Some(8));
    // Of more than are looked at nothing is kept.
    let many = (0..failover::MOST + 2).map(|n| Candidate {
        model: id(&format!("m{n}")),
        barred: None,
        window: None,
        tools: None,
    });
    let candidates = many.collect();
    world
        .user(Event::Failover(failover::Event::Told { candidates }))
        .unwrap();
    assert_eq!(world.session().candidates.len(), failover::MOST);
    world.user(Event::Session(session::Event::Closed)).unwrap();
    assert_eq!(world.user(told()), Err(Rejection::NotOpen));
}

#[test]
fn a_long_half_answer_is_kept_in_part() {
    let mut world = World::new();
    list(&mut world, &["b"]);
    attempts(&mut world, 1);
    world.prompt("go");
    world.connect();
    // Two bytes each, so that the cut may fall into one.
    world.stream(vec![began(0), delta(0, "."), delta(0, &"ä".repeat(20_000))]);
    world.fail(F::Transport, None);
    let said = world.said()[1].len();
    assert!((16_000..17_000).contains(&said), "{said}");
    world.compare_with_journal();
}

fn class(which: u8) -> F {
    [
        F::Overloaded,
        F::Unavailable,
        F::RateLimit,
        F::Timeout,
        F::Transport,
        F::Quota,
        F::BreakerOpen,
        F::Auth,
        F::Invalid,
        F::Refusal,
        F::Protocol,
        F::ContextOverflow,
    ][usize::from(which) % 12]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever fails, in whatever order, with whatever list: the turn comes to a typed end, each model is asked no more
    /// often than its attempts allow, and never two at a time.
    #[test]
    fn whatever_fails_the_requests_are_bounded_and_the_end_is_typed(
        failures in prop::collection::vec((any::<u8>(), prop::option::of(0u64..700_000)), 60),
        names in prop::collection::vec("[a-e]", 0..8),
        most in 1u32..4,
        on_auth in any::<bool>(),
    ) {
        let mut world = World::new();
        list(&mut world, &names.iter().map(String::as_str).collect::<Vec<_>>());
        attempts(&mut world, most);
        world.set(Setting::FallbackOnAuth(Sourced::from_layer(on_auth, Layer::User)));
        world.prompt("go");
        let mut sent = 0;
        for (which, retry_after) in failures {
            if world.turn().state.is_terminal() {
                break;
            }
            let calls = world.open.values().filter(|effect| matches!(effect, Effect::CallModel { .. }));
            prop_assert_eq!(calls.count(), 1);
            sent += 1;
            if which % 5 == 0 {
                world.connect();
                world.stream(vec![began(0), delta(0, "half")]);
            }
            world.fail(class(which), retry_after);
            prop_assert!(!world.branch().concat().contains("half"));
            if world.turn().state == T::BackingOff {
                world.reach(DeadlineKey::Attempt);
            }
        }
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        prop_assert!(sent <= (different.len() + 1) * most as usize, "{} requests", sent);
        prop_assert_eq!(world.turn().state, T::Failed);
        prop_assert!(world.turn().failure.is_some());
        prop_assert!(world.open.is_empty());
        world.compare_with_journal();
    }
}
