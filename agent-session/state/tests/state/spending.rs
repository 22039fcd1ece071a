//! What attempts cost, whatever comes of them, and what budgets make of it.

use std::time::Duration;

use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::Block;
use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::price::{Prices, Rates};
use glasswork_ai::stream::{StopReason, StreamEvent, Usage};
use glasswork_session_state::budget::{Budget, Elsewhere, Exhausted, Span, day_of};
use glasswork_session_state::charge::DAYS;
use glasswork_session_state::domain::{DeadlineKey, Event};
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_session_state::{prompt, session};
use im::ordmap;
use proptest::prelude::*;

use crate::world::{World, began, delta, finished, model_id, usage};

/// A world whose model costs a cent for 1,000 tokens, of whatever kind but those written to a cache.
fn world() -> World {
    let mut world = World::new();
    let cent = Some(Decimal(10_000_000));
    let prices = Prices {
        version: "test".into(),
        rates: Rates {
            input: cent,
            output: cent,
            cache_read: cent,
            ..Rates::default()
        },
        tiers: vec![],
    };
    world.set(Setting::Prices(Sourced::from_layer(
        ordmap! { model_id() => prices },
        Layer::User,
    )));
    world
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn limit(world: &mut World, budget: Budget) {
    world.set(Setting::Budget(Sourced::from_layer(budget, Layer::User)));
}

fn counted(input: u64, output: u64) -> StreamEvent {
    StreamEvent::Usage(usage(input, output))
}

fn spent(world: &World) -> String {
    world.session().usage.spent().to_string()
}

fn cost(world: &World) -> Option<String> {
    world.session().usage.cost().map(|cost| cost.to_string())
}

fn why(world: &World) -> &Exhausted {
    match &world.turn().failure {
        Some(TurnFailure::Budget(exhausted)) => exhausted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_end_of_an_attempt_is_charged() {
    let mut world = world();
    world.prompt("go");
    // A later report replaces an earlier one: only the last is charged.
    world.connect();
    world.stream(vec![counted(1_000, 0), counted(1_000, 500)]);
    world.fail(FailureClass::Overloaded, None);
    assert_eq!(
        (spent(&world).as_str(), cost(&world).as_deref()),
        ("0.015", Some("0.015"))
    );
    // Refused before a token: nothing is known to be used, and nothing is owed.
    world.reach(DeadlineKey::Attempt);
    world.fail(FailureClass::RateLimit, None);
    assert_eq!(cost(&world).as_deref(), Some("0.015"));
    // Dropped on the way.
    world.reach(DeadlineKey::Attempt);
    world.connect();
    world.stream(vec![counted(2_000, 1)]);
    world.user(Event::Prompt(prompt::Event::Cancelled)).unwrap();
    assert_eq!(cost(&world).as_deref(), Some("0.03501"));
    assert_eq!(world.turn().spent, money("0.03501"));
    // Another turn: the sum of the session goes on, that of the turn does not.
    world.prompt("again");
    world.connect();
    world.finish(
        vec![counted(100, 0), finished(0, Block::Text("so".into()))],
        StopReason::EndOfTurn,
    );
    assert_eq!(
        (world.turn().spent, cost(&world).as_deref()),
        (money("0.001"), Some("0.03601"))
    );
    world.compare_with_journal();
}

#[test]
fn what_nobody_counted_or_priced_is_not_known() {
    // The model has spoken, and then nobody hears more.
    let mut silent = world();
    silent.prompt("go");
    silent.connect();
    silent.stream(vec![began(0), delta(0, "I s")]);
    silent.user(Event::Prompt(prompt::Event::Cancelled)).unwrap();
    assert_eq!((spent(&silent).as_str(), cost(&silent)), ("0.00", None));
    // The process ends while the request is under way.
    let mut lost = world();
    lost.prompt("go");
    lost.crash();
    assert_eq!(cost(&lost), None);
    // Nobody knows what writing to the cache costs.
    let mut cached = world();
    cached.prompt("go");
    cached.connect();
    let used = Usage {
        cache_write: 1,
        cache_write_1h: 0,
        ..usage(1_000, 0)
    };
    cached.finish(
        vec![StreamEvent::Usage(used), finished(0, Block::Text("so".into()))],
        StopReason::EndOfTurn,
    );
    assert_eq!((spent(&cached).as_str(), cost(&cached)), ("0.00", None));
    for world in [silent, lost, cached] {
        world.compare_with_journal();
    }
}

#[test]
fn a_request_that_failed_is_not_sent_again_beyond_the_budget() {
    for (limited, state) in [("0.0161", T::Failed), ("1", T::BackingOff)] {
        let mut world = world();
        limit(
            &mut world,
            Budget {
                turn: Some(money(limited)),
                ..Budget::default()
            },
        );
        world.prompt("go");
        world.connect();
        world.stream(vec![counted(1_600, 0)]);
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(state);
        world.compare_with_journal();
    }
}

#[test]
fn a_day_is_over_at_midnight_and_the_others_of_yesterday_do_not_count() {
    let mut world = world();
    limit(
        &mut world,
        Budget {
            day: Some(money("1")),
            ..Budget::default()
        },
    );
    let today = day_of(world.now);
    let elsewhere = |day| {
        Event::Session(session::Event::SpendingTold(Elsewhere {
            day,
            spent: money("1"),
        }))
    };
    world.user(elsewhere(today + 1)).unwrap();
    world.prompt("of another day");
    world.answer("so");
    world.user(elsewhere(today)).unwrap();
    world.prompt("go");
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Day, spent, .. } if spent.0 >= 1_000_000_000)
    );
    world.pass(Duration::from_secs(24 * 60 * 60));
    world.prompt("tomorrow");
    world.expect_turn(T::Connecting);
    world.compare_with_journal();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Totals never fall, days are kept up to their cap, and what is known of the whole is what is known of its parts.
    #[test]
    fn totals_never_fall(calls in proptest::collection::vec((0_u64..5_000, 0_u64..5_000, 0_u32..3, 0_u64..40), 1..12)) {
        let mut world = world();
        let mut last = (money("0"), 0);
        for (input, output, end, days) in calls {
            world.pass(Duration::from_secs(days * 24 * 60 * 60));
            world.prompt("go");
            world.connect();
            world.stream(vec![counted(input, output)]);
            match end {
                0 => world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn),
                1 => world.fail(FailureClass::Invalid, None),
                _ => drop(world.user(Event::Prompt(prompt::Event::Cancelled)).unwrap()),
            }
            let usage = &world.session().usage;
            let now = (usage.spent(), usage.tokens().input_total());
            prop_assert!(now >= last && now.1 >= last.1, "{now:?} after {last:?}");
            prop_assert!(usage.days.len() <= DAYS);
            let by_day: u64 = usage.days.values().map(|spent| spent.0).sum();
            prop_assert_eq!(Decimal(by_day), now.0);
            prop_assert_eq!(usage.cost(), Some(now.0));
            last = now;
        }
        world.compare_with_journal();
    }
}
