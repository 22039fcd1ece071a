//! What attempts cost, whatever comes of them, and what budgets make of it.

use std::time::Duration;

use glasswork_agent_core::session::State as S;
use glasswork_agent_core::turn::State as T;
use glasswork_ai::controls::Speed;
use glasswork_ai::conversation::Block;
use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::model::ModelId;
use glasswork_ai::price::{Prices, Rate, Rates};
use glasswork_ai::rate_limit::RateLimit;
use glasswork_ai::stream::{StopReason, StreamEvent, Usage};
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::budget::{Budget, Elsewhere, Exhausted, Span, Unpriced, day_of};
use glasswork_session_state::charge::{Charge, DAYS};
use glasswork_session_state::domain::{DeadlineKey, Event, Fact};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{CompactWhen, Layer, Mode, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_session_state::tools::Word;
use glasswork_session_state::waiting::waiting_for;
use glasswork_session_state::{compaction, fork, model, prompt, session};
use im::ordmap;
use proptest::prelude::*;

use crate::world::{World, began, call_block, delta, finished, model_id, read, usage};

/// A world whose model costs a cent for 1,000 tokens, of whatever kind but those written to a cache.
pub(crate) fn world() -> World {
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

pub(crate) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(crate) fn limit(world: &mut World, budget: Budget) {
    world.set(Setting::Budget(Sourced::from_layer(budget, Layer::User)));
}

pub(crate) fn counted(input: u64, output: u64) -> StreamEvent {
    StreamEvent::Usage(usage(input, output))
}

pub(crate) fn spent(world: &World) -> String {
    world.session().usage.spent().to_string()
}

fn cost(world: &World) -> Option<String> {
    world.session().usage.cost().map(|cost| cost.to_string())
}

pub(crate) fn why(world: &World) -> &Exhausted {
    match &world.turn().failure {
        Some(TurnFailure::Budget(exhausted)) => exhausted,
        other => panic!("{other:?}"),
    }
}

/// The prices are those of the usual speed. What another one costs nobody knows, and nobody guesses it.
#[test]
fn what_comes_sooner_or_later_than_usual_has_no_known_cost() {
    for (speed, expected) in [
        (None, Some("0.015")),
        (Some(Speed::Standard), Some("0.015")),
        (Some(Speed::Fast), None),
        (Some(Speed::Economy), None),
    ] {
        let mut world = world();
        world.set(Setting::Speed(Sourced::from_layer(speed, Layer::User)));
        world.prompt("go");
        world.connect();
        world.stream(vec![counted(1_000, 500)]);
        world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
        assert_eq!(cost(&world).as_deref(), expected, "{speed:?}");
        assert_eq!(world.session().usage.tokens().output, 500, "{speed:?}");
        world.compare_with_journal();
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

/// There was money for another try when the first one failed, and there is none any more when it is due.
#[test]
fn what_waits_is_not_sent_again_where_the_budget_was_used_up_meanwhile() {
    for world in used_up_while_it_waited() {
        world.compare_with_journal();
    }
}

/// An answer, a summary that a turn needs, and summaries between turns.
pub(crate) fn used_up_while_it_waited() -> Vec<World> {
    let mut worlds = Vec::new();
    let used_up = |world: &mut World| {
        world.connect();
        world.stream(vec![counted(1_000, 0)]);
        world.fail(FailureClass::Overloaded, None);
        let budget = Budget {
            session: Some(money("0.01")),
            ..Budget::default()
        };
        limit(world, budget);
    };
    let expect_blamed = |world: &World| {
        world.expect_turn(T::Failed);
        let why = why(world);
        assert!(
            matches!(why, Exhausted::Spent { span: Span::Session, spent, .. } if *spent == money("0.01")),
            "{why:?}"
        );
        assert!(world.open.is_empty() && world.deadlines().is_empty());
        assert_eq!(spent(world), "0.01");
    };
    // An answer, also the last that the limit of steps allows: that is not what stops it.
    for steps in [1, 50] {
        let mut world = world();
        world.set(Setting::MaxSteps(Sourced::from_layer(steps, Layer::User)));
        world.prompt("go");
        used_up(&mut world);
        world.expect_turn(T::BackingOff);
        world.reach(DeadlineKey::Attempt);
        expect_blamed(&world);
        worlds.push(world);
    }
    // A summary that a turn needs.
    let mut world = over_the_threshold(a_cent());
    world.prompt("go on");
    used_up(&mut world);
    world.expect_turn(T::Compacting);
    world.reach(DeadlineKey::Attempt);
    expect_blamed(&world);
    worlds.push(world);
    // One between turns, after which nothing or something is to be said.
    for spoken in [false, true] {
        let mut world = over_the_threshold(a_cent());
        let off = Sourced::from_layer(CompactWhen::Off, Layer::User);
        world.set(Setting::Compact(off));
        world.user(requested()).unwrap();
        used_up(&mut world);
        if spoken {
            world.prompt("and then");
        }
        world.expect_session(S::Compacting);
        world.reach(DeadlineKey::Attempt);
        world.expect_session(S::Idle);
        assert!(world.session().compactions.open.is_none());
        if spoken {
            expect_blamed(&world);
        }
        assert_eq!(spent(&world), "0.01");
        worlds.push(world);
    }
    worlds
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

#[test]
fn what_a_session_has_spent_itself_counts_on_its_day() {
    let mut world = world();
    limit(
        &mut world,
        Budget {
            day: Some(money("0.02")),
            ..Budget::default()
        },
    );
    world.prompt("one");
    answer(&mut world, usage(1_500, 0));
    world.prompt("two");
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Day, spent, .. } if *spent == money("0.015"))
    );
    world.pass(Duration::from_secs(24 * 60 * 60));
    world.prompt("tomorrow");
    world.expect_turn(T::Connecting);
    world.compare_with_journal();
}

pub(crate) fn turn_budget(text: &str) -> Budget {
    Budget {
        turn: Some(money(text)),
        ..Budget::default()
    }
}

pub(crate) fn prices(world: &mut World, all: &[(&str, Prices)]) {
    let all = all
        .iter()
        .map(|(model, prices)| (model.parse().unwrap(), prices.clone()));
    world.set(Setting::Prices(Sourced::from_layer(all.collect(), Layer::User)));
}

pub(crate) fn a_cent() -> Prices {
    let cent = Some(Decimal(10_000_000));
    Prices {
        version: "test".into(),
        rates: Rates {
            input: cent,
            output: cent,
            ..Rates::default()
        },
        tiers: vec![],
    }
}

/// The model answers, and has counted these tokens.
pub(crate) fn answer(world: &mut World, used: Usage) {
    world.connect();
    world.finish(
        vec![StreamEvent::Usage(used), finished(0, Block::Text("so".into()))],
        StopReason::EndOfTurn,
    );
}

#[test]
fn every_call_of_a_model_without_prices_has_its_entry_and_no_amount() {
    let mut world = World::new();
    prices(&mut world, &[("scripted/test", Prices::unknown())]);
    world.prompt("go");
    world.connect();
    world.stream(vec![counted(1_000, 2)]);
    world.fail(FailureClass::Overloaded, None);
    world.reach(DeadlineKey::Attempt);
    answer(&mut world, usage(500, 1));
    let entries = world.commits.iter().flat_map(|(_, facts, _)| facts);
    let charges: Vec<Charge> = entries
        .filter_map(|fact| match fact {
            Fact::Model(model::Fact::Charged(charge)) => Some(charge.clone()),
            _ => None,
        })
        .collect();
    let charge = |used| Charge {
        usage: Some(used),
        cost: None,
        prices: "not known".into(),
    };
    assert_eq!(charges, [charge(usage(1_000, 2)), charge(usage(500, 1))]);
    assert_eq!((spent(&world).as_str(), cost(&world)), ("0.00", None));
    assert_eq!(world.session().usage.tokens(), usage(1_500, 3));
    assert!(world.session().usage.days.is_empty());
    world.compare_with_journal();
}

#[test]
fn where_there_is_a_budget_a_model_without_a_price_is_asked_only_if_that_is_so_set() {
    let mut world = World::new();
    limit(&mut world, turn_budget("1"));
    world.prompt("go");
    let model = model_id();
    assert_eq!(why(&world), &Exhausted::Unpriced { model });
    world.set(Setting::Unpriced(Sourced::from_layer(
        Unpriced::Allow,
        Layer::User,
    )));
    world.prompt("go");
    answer(&mut world, usage(1_000, 2));
    world.expect_turn(T::Completed);
    // What is spent already counts all the same.
    prices(&mut world, &[("scripted/test", a_cent())]);
    limit(
        &mut world,
        Budget {
            session: Some(money("0.0199")),
            ..Budget::default()
        },
    );
    world.prompt("go");
    answer(&mut world, usage(2_000, 0));
    prices(&mut world, &[]);
    world.prompt("go");
    let spent = money("0.02");
    let none = money("0");
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Session, spent: of, next, .. } if *of == spent && *next == none)
    );
    // What is known of a price is not forgotten because some are not asked for.
    prices(&mut world, &[("scripted/test", a_cent())]);
    limit(&mut world, turn_budget("0"));
    world.prompt("go");
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Turn, next, .. } if *next > none),
        "{:?}",
        why(&world)
    );
    world.compare_with_journal();
}

/// A model that counts what nobody has said a price of would never come to the end of its budget.
#[test]
fn a_price_that_leaves_out_what_is_counted_is_none() {
    let mut world = World::new();
    prices(&mut world, &[("scripted/test", a_cent())]);
    limit(&mut world, turn_budget("1"));
    world.prompt("go");
    let cached = Usage {
        cache_read: 7,
        ..usage(1_000, 1)
    };
    answer(&mut world, cached);
    world.expect_turn(T::Completed);
    world.prompt("go");
    let model = model_id();
    let rate = Rate::CacheRead;
    assert_eq!(why(&world), &Exhausted::HalfPriced { model, rate });
    assert_eq!(
        why(&world).to_string(),
        "there is a budget, and `scripted/test` has counted tokens of which nobody knows the price: say its `cache_read` in \
         the `models` directory of your settings, or set `unpriced: \"allow\"`, or no budget"
    );
    // Said since: what was not counted then does not stand in the way.
    let mut whole = a_cent();
    whole.rates.cache_read = Some(Decimal(1));
    prices(&mut world, &[("scripted/test", whole)]);
    world.prompt("go");
    answer(&mut world, cached);
    prices(&mut world, &[("scripted/test", a_cent())]);
    world.set(Setting::Unpriced(Sourced::from_layer(
        Unpriced::Allow,
        Layer::User,
    )));
    world.prompt("go");
    world.expect_turn(T::Connecting);
    world.compare_with_journal();
}

#[test]
fn a_limit_is_not_passed_by_what_reaches_it_exactly() {
    // What the next request costs at least is found out first.
    let mut world = world();
    limit(&mut world, turn_budget("0"));
    world.prompt("go");
    let Exhausted::Spent { next, .. } = *why(&world) else {
        panic!()
    };
    assert!(next > money("0"));
    for (less, state) in [(0, T::Connecting), (1, T::Failed)] {
        let mut world = self::world();
        limit(
            &mut world,
            Budget {
                turn: Some(Decimal(next.0 - less)),
                ..Budget::default()
            },
        );
        world.prompt("go");
        world.expect_turn(state);
    }
}

/// What the last answer has taught of how its model counts holds for the price of the next request too.
#[test]
fn the_next_request_is_priced_as_the_conversation_was_counted() {
    let mut world = world();
    world.prompt(&"go on ".repeat(200));
    answer(&mut world, usage(600, 1));
    let context = &world.session().context;
    let (raw, tokens) = (context.tokens(), context.calibration().estimate(context.tokens()));
    assert!(raw + 100 < tokens, "{raw} {tokens}");
    limit(&mut world, turn_budget("0"));
    world.prompt("again");
    let Exhausted::Spent { next, .. } = *why(&world) else {
        panic!("{:?}", why(&world))
    };
    // A cent for 1,000 of them; some more have come since.
    assert!(next >= Decimal(tokens * 10_000), "{next} for {tokens}");
}

#[test]
fn a_day_begins_at_midnight_of_greenwich() {
    let noon = 1_700_000_000_000_000_i64;
    let hour = 3_600_000_000;
    let midnight = noon - noon % (24 * hour);
    let days = [-1, 0, 1, 24 * hour - 1, 24 * hour].map(|more| day_of(Timestamp(midnight + more)));
    let day = days[1];
    assert_eq!(days, [day - 1, day, day, day, day + 1]);
    assert_eq!([day_of(Timestamp(0)), day_of(Timestamp(-5))], [0, 0]);
    // A call counts on the day on which it ends.
    let mut world = world();
    world.now = Timestamp(midnight - 10_000);
    world.prompt("late");
    world.connect();
    world.now = Timestamp(midnight);
    world.finish(
        vec![counted(1_000, 0), finished(0, Block::Text("so".into()))],
        StopReason::EndOfTurn,
    );
    let days: Vec<_> = world
        .session()
        .usage
        .days
        .iter()
        .map(|(day, spent)| (*day, spent.to_string()))
        .collect();
    assert_eq!(days, [(day, "0.01".to_owned())]);
}

#[test]
fn days_are_kept_up_to_their_cap_and_the_oldest_go() {
    let mut world = world();
    let first = day_of(world.now);
    let more = u64::try_from(DAYS).unwrap() + 2;
    for _ in 0..more {
        world.prompt("go");
        answer(&mut world, usage(100, 0));
        world.pass(Duration::from_secs(24 * 60 * 60));
    }
    let days = &world.session().usage.days;
    assert_eq!(days.len(), DAYS);
    assert_eq!(days.keys().next(), Some(&(first + 2)));
    assert_eq!(world.session().usage.spent(), Decimal(1_000_000 * more));
}

/// A fork has the numbers of its parent, and its own budgets.
#[test]
fn what_a_fork_has_inherited_counts_for_no_budget_of_its_own() {
    let mut world = world();
    world.prompt("one");
    answer(&mut world, usage(1_000, 0));
    let at = world.seq;
    let parent = ScopeId::from_u128(7);
    world
        .user(Event::Fork(fork::Event::Entered { parent, at }))
        .unwrap();
    let all = Budget {
        session: Some(money("0.0199")),
        day: Some(money("0.0199")),
        turn: Some(money("0.0199")),
    };
    limit(&mut world, all);
    world.prompt("two");
    answer(&mut world, usage(1_500, 0));
    world.expect_turn(T::Completed);
    let own = world.session().spent();
    assert_eq!(
        (own.spent(), own.days.values().copied().collect::<Vec<_>>()),
        (money("0.015"), vec![money("0.015")])
    );
    assert_eq!(spent(&world), "0.025");
    // A fork of it has nothing of either.
    let at = world.seq;
    world
        .user(Event::Fork(fork::Event::Entered {
            parent: ScopeId::from_u128(8),
            at,
        }))
        .unwrap();
    assert!(world.session().spent().is_empty());
    world.prompt("three");
    answer(&mut world, usage(1_500, 0));
    world.expect_turn(T::Completed);
    world.prompt("four");
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Session, spent, .. } if *spent == money("0.015"))
    );
    world.compare_with_journal();
}

/// A long conversation whose next prompt wants a summary, and another model for that.
pub(crate) fn over_the_threshold(summariser: Prices) -> World {
    let mut world = world();
    for _ in 0..3 {
        world.prompt(&"abc ".repeat(500));
        world.connect();
        let text = "abc ".repeat(500);
        world.finish(vec![finished(0, Block::Text(text.into()))], StopReason::EndOfTurn);
    }
    let window = Some(4_000);
    world.set(Setting::ContextWindow(Sourced::from_layer(
        window,
        Layer::Session,
    )));
    let other = Some("own/short".parse().unwrap());
    world.set(Setting::CompactModel(Sourced::from_layer(other, Layer::User)));
    prices(
        &mut world,
        &[("scripted/test", a_cent()), ("own/short", summariser)],
    );
    world
}

#[test]
fn a_summary_is_paid_for_by_the_turn_that_needs_it_and_refused_where_its_model_has_no_price() {
    let mut world = over_the_threshold(Prices::unknown());
    limit(&mut world, turn_budget("5"));
    world.prompt("go on");
    let model = "own/short".parse().unwrap();
    assert_eq!(why(&world), &Exhausted::Unpriced { model });

    let mut world = over_the_threshold(a_cent());
    limit(&mut world, turn_budget("5"));
    world.prompt("go on");
    world.expect_turn(T::Compacting);
    // A summary that fails is charged as well, and not asked for again beyond the budget.
    world.connect();
    world.stream(vec![counted(400_000, 0)]);
    world.fail(FailureClass::Overloaded, None);
    world.expect_turn(T::Compacting);
    assert_eq!(world.turn().spent, money("4"));
    world.reach(DeadlineKey::Attempt);
    world.connect();
    world.stream(vec![counted(99_900, 0)]);
    world.fail(FailureClass::Overloaded, None);
    world.expect_turn(T::Failed);
    assert!(
        matches!(why(&world), Exhausted::Spent { span: Span::Turn, spent, .. } if *spent == money("4.999"))
    );
    let used = &world.session().usage.models[&"own/short".parse::<ModelId>().unwrap()];
    assert_eq!(
        (used.attempts, used.failed, used.cost()),
        (2, 2, Some(money("4.999")))
    );
    world.compare_with_journal();
}

/// What a summary costs is found out by the prices of the model that makes it, and only where there is to be one.
#[test]
fn a_summary_costs_what_its_own_model_costs() {
    // Ten times as dear as the model that summarises: there is money for another try of that, and for no answer.
    let mut world = over_the_threshold(a_cent());
    let mut dear = a_cent();
    dear.rates.input = Some(Decimal(100_000_000));
    prices(&mut world, &[("scripted/test", dear), ("own/short", a_cent())]);
    limit(&mut world, turn_budget("0.6"));
    world.prompt("go on");
    world.expect_turn(T::Compacting);
    world.connect();
    world.stream(vec![counted(40_000, 0)]);
    world.fail(FailureClass::Overloaded, None);
    world.expect_turn(T::Compacting);
    assert_eq!(world.turn().spent, money("0.4"));
    let own = world.session().exhausted(&model_id(), world.now);
    assert!(matches!(own, Some(Exhausted::Spent { .. })), "{own:?}");
    world.compare_with_journal();

    // Of a model that need not summarise yet nobody wants a price.
    let mut short = self::world();
    let other = Some("own/short".parse().unwrap());
    short.set(Setting::CompactModel(Sourced::from_layer(other, Layer::User)));
    limit(&mut short, turn_budget("5"));
    short.prompt("go");
    short.expect_turn(T::Connecting);
    short.compare_with_journal();
}

pub(crate) fn requested() -> Event {
    Event::Compaction(compaction::Event::Requested {
        focus: None,
        key: None,
    })
}

#[test]
fn a_summary_between_turns_is_paid_for_by_the_session_and_by_no_turn() {
    let mut world = over_the_threshold(a_cent());
    limit(&mut world, turn_budget("0.1"));
    world.set(Setting::Compact(Sourced::from_layer(
        CompactWhen::Off,
        Layer::User,
    )));
    world.prompt("go");
    answer(&mut world, usage(9_900, 0));
    assert_eq!(world.turn().spent, money("0.099"));
    // That turn is over: its budget says nothing of what comes after it.
    world.user(requested()).unwrap();
    world.expect_session(S::Compacting);
    world.connect();
    world.stream(vec![counted(2_000, 0)]);
    world.fail(FailureClass::Invalid, None);
    world.expect_session(S::Idle);
    assert_eq!(
        (world.turn().spent, spent(&world).as_str()),
        (money("0.099"), "0.119")
    );
    limit(
        &mut world,
        Budget {
            session: Some(money("0.119")),
            ..Budget::default()
        },
    );
    assert!(matches!(
        world.user(requested()),
        Err(Rejection::Budget(Exhausted::Spent {
            span: Span::Session,
            ..
        }))
    ));
    world.compare_with_journal();
}

/// A summary is asked for at the usual speed, whatever is set for answers: nothing about its price is unknown.
#[test]
fn a_summary_is_asked_for_again_whatever_the_speed_of_answers() {
    let mut world = over_the_threshold(a_cent());
    let off = Sourced::from_layer(CompactWhen::Off, Layer::User);
    world.set(Setting::Compact(off));
    let fast = Sourced::from_layer(Some(Speed::Fast), Layer::User);
    world.set(Setting::Speed(fast));
    limit(&mut world, turn_budget("5"));
    world.user(requested()).unwrap();
    world.fail(FailureClass::Overloaded, None);
    world.expect_session(S::Compacting);
    world.compare_with_journal();
}

#[test]
fn what_was_priced_when_it_was_counted_stays_known() {
    let mut world = world();
    limit(&mut world, turn_budget("1"));
    world.prompt("go");
    let cached = Usage {
        cache_read: 7,
        ..usage(1_000, 1)
    };
    answer(&mut world, cached);
    prices(&mut world, &[("scripted/test", a_cent())]);
    world.prompt("go");
    world.expect_turn(T::Connecting);
}

#[test]
fn where_both_are_used_up_the_limit_of_steps_is_blamed() {
    let mut world = world();
    limit(&mut world, turn_budget("0.01"));
    world.set(Setting::MaxSteps(Sourced::from_layer(1, Layer::User)));
    world.set_mode(Mode::Yolo);
    world.prompt("go");
    world.connect();
    world.finish(
        vec![counted(1_000, 0), finished(0, call_block("read", 0))],
        StopReason::ToolUse,
    );
    let calls: Vec<_> = world.turn().batch.iter().copied().collect();
    world.find(calls[0], read("/a"));
    world.settle(calls[0], Word::Succeeded, "so");
    assert_eq!(world.turn().failure, Some(TurnFailure::Limit { max_steps: 1 }));
}

#[test]
fn what_is_told_twice_is_noted_once() {
    let mut world = world();
    let told = || {
        Event::Session(session::Event::SpendingTold(Elsewhere {
            day: 3,
            spent: money("1"),
        }))
    };
    world.user(told()).unwrap();
    assert_eq!(world.commits.last().unwrap().1.len(), 1);
    world.user(told()).unwrap();
    assert_eq!(world.commits.last().unwrap().1, []);
}

/// A request that was sent may be answered, and paid for, whether anybody still listens or not.
#[test]
fn what_was_dropped_on_its_way_is_not_known_to_be_free() {
    let cancel = |world: &mut World| {
        world.user(Event::Prompt(prompt::Event::Cancelled)).unwrap();
        assert_eq!((spent(world).as_str(), cost(world)), ("0.00", None));
        world.compare_with_journal();
    };
    let mut connecting = world();
    connecting.prompt("go");
    cancel(&mut connecting);
    let mut connected = world();
    connected.prompt("go");
    connected.connect();
    cancel(&mut connected);
    let mut summary = over_the_threshold(a_cent());
    summary.set(Setting::Compact(Sourced::from_layer(
        CompactWhen::Off,
        Layer::User,
    )));
    summary.user(requested()).unwrap();
    cancel(&mut summary);
    // One that said something, and then broke off without a count.
    let mut broken = world();
    broken.prompt("go");
    broken.connect();
    broken.stream(vec![began(0), delta(0, "I s")]);
    broken.fail(FailureClass::Invalid, None);
    assert_eq!(cost(&broken), None);
    // One that refused at once wants nothing, and what waits to be sent again was not sent.
    let mut refused = world();
    refused.prompt("go");
    refused.fail(FailureClass::Overloaded, None);
    refused.user(Event::Prompt(prompt::Event::Cancelled)).unwrap();
    assert_eq!(cost(&refused).as_deref(), Some("0.00"));
}

#[test]
fn whoever_waits_for_a_provider_sees_what_that_allows() {
    let mut world = World::new();
    world.prompt("go");
    let allowed = |world: &World| waiting_for(world.session())[0].allowed.clone();
    assert_eq!(allowed(&world), None);
    let limit = RateLimit {
        name: "requests".into(),
        limit: Some(50),
        remaining: Some(0),
        reset_ms: Some(9_000),
    };
    world
        .model(model::Event::Connected {
            body: None,
            limits: vec![limit.clone()],
        })
        .unwrap();
    let said = allowed(&world).unwrap();
    assert_eq!(
        (&*said.provider, &said.said.limits),
        ("scripted", &vec![limit.clone()])
    );
    world.fail(FailureClass::RateLimit, Some(9_000));
    world.expect_turn(T::BackingOff);
    assert_eq!(allowed(&world).unwrap().said.limits, [limit]);
    // Who waits for a person waits for no provider.
    world.ask(prompt::Event::Cancelled);
    assert_eq!(allowed(&world), None);
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
