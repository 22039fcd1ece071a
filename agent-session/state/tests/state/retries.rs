//! Whether and when a request is sent again.

use std::time::Duration;

use glasswork_agent_core::turn::State as T;
use glasswork_ai::conversation::Block;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::rate_limit::RateLimit;
use glasswork_ai::stream::StopReason;
use glasswork_session_state::domain::DeadlineKey;
use glasswork_session_state::model;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::TurnFailure;

use crate::world::{World, began, delta, failure, finished};

fn wait(world: &World) -> u64 {
    world.deadlines()[&DeadlineKey::Attempt].after_ms
}

#[test]
fn waits_double_and_vary_and_end() {
    let mut world = World::new();
    world.prompt("go");
    for longest in [2_000, 4_000, 8_000] {
        world.fail(FailureClass::Overloaded, None);
        world.expect_turn(T::BackingOff);
        let waits = wait(&world);
        assert!(
            (longest * 3 / 4..=longest).contains(&waits),
            "{waits} of {longest}"
        );
        world.reach(DeadlineKey::Attempt);
    }
    world.fail(FailureClass::Overloaded, None);
    world.expect_turn(T::Failed);
    world.compare_with_journal();
}

#[test]
fn the_wait_depends_on_the_dispatch_alone() {
    let wait_at = |prompts: u32| {
        let mut world = World::new();
        for _ in 0..prompts {
            world.prompt("go");
            world.answer("so");
        }
        world.prompt("go");
        world.fail(FailureClass::Overloaded, None);
        wait(&world)
    };
    assert_eq!(wait_at(0), wait_at(0));
    let waits: std::collections::BTreeSet<u64> = (0..8).map(wait_at).collect();
    assert!(waits.len() > 1);
}

#[test]
fn own_waits_are_capped() {
    let mut world = World::new();
    world.set(Setting::RetryAttempts(Sourced::from_layer(100, Layer::User)));
    world.prompt("go");
    for _ in 0..8 {
        world.fail(FailureClass::Unavailable, None);
        assert!(wait(&world) <= 60_000);
        world.reach(DeadlineKey::Attempt);
    }
}

#[test]
fn what_the_server_asks_is_honoured_within_the_budget() {
    let mut world = World::new();
    world.prompt("go");
    world.fail(FailureClass::RateLimit, Some(90_000));
    assert_eq!(wait(&world), 90_000);
    world.reach(DeadlineKey::Attempt);
    world.fail(FailureClass::RateLimit, Some(509_000));
    assert_eq!(wait(&world), 509_000, "all that is left");
}

#[test]
fn no_wait_goes_beyond_the_budget() {
    let within = |asked| {
        let mut world = World::new();
        world.set(Setting::RetryBudgetMs(Sourced::from_layer(1_000, Layer::User)));
        world.prompt("go");
        world.fail(FailureClass::Overloaded, asked);
        (world.turn().state == T::BackingOff).then(|| wait(&world))
    };
    let left = within(None).unwrap();
    assert!(
        left <= 1_000,
        "its own wait of two seconds ends with the budget: {left}"
    );
    assert_eq!((within(Some(left)), within(Some(left + 1))), (Some(left), None));
}

/// Waiting less than the server asks would only be refused again.
#[test]
fn what_the_server_asks_beyond_the_budget_ends_the_turn_at_once_and_says_so() {
    let mut world = World::new();
    world.prompt("go");
    world.fail(FailureClass::RateLimit, Some(90_000));
    world.reach(DeadlineKey::Attempt);
    // An hour is more than all attempts together may take; of its last second a part is a whole one to who waits.
    world.fail(FailureClass::RateLimit, Some(3_599_001));
    world.expect_turn(T::Failed);
    let Some(TurnFailure::Model(failure)) = world.turn().failure.clone() else {
        panic!("{:?}", world.turn().failure)
    };
    assert_eq!(
        (failure.class, failure.retry_after_ms),
        (FailureClass::RateLimit, Some(3_599_001))
    );
    assert_eq!(
        &*failure.message,
        "it failed; the server asks to wait for 3600 s, and `retry_budget_ms` leaves 509 s for that: say it again \
         later, or raise the setting"
    );
    world.compare_with_journal();
}

/// What is not tried again anyway is told as it came.
#[test]
fn a_failure_that_lasts_is_not_explained_by_patience() {
    let mut world = World::new();
    world.prompt("go");
    world.fail(FailureClass::Quota, Some(3_600_000));
    let Some(TurnFailure::Model(failure)) = world.turn().failure.clone() else {
        panic!("{:?}", world.turn().failure)
    };
    assert!(
        !failure.message.contains("retry_budget_ms"),
        "{}",
        failure.message
    );
}

#[test]
fn the_budget_ends_attempts_that_take_long() {
    let mut world = World::new();
    world.prompt("go");
    world.pass(Duration::from_secs(601));
    world.fail(FailureClass::Transport, None);
    world.expect_turn(T::Failed);
}

/// A stream that never falls silent and never ends.
#[test]
fn an_attempt_ends_in_time_however_much_arrives() {
    let mut world = World::new();
    world.set(Setting::AnswerTimeoutMs(Sourced::from_layer(
        150_000,
        Layer::User,
    )));
    world.prompt("go");
    world.connect();
    world.stream(vec![began(0), delta(0, "so")]);
    for _ in 0..3 {
        world.pass(Duration::from_secs(40));
        world.stream(vec![delta(0, " and so")]);
    }
    let total = world.deadlines()[&DeadlineKey::Answer];
    assert_eq!(total.after_ms, 150_000);
    assert!(wait(&world) > 0, "the deadline of silence runs beside it");
    world.reach(DeadlineKey::Answer);
    world.expect_turn(T::BackingOff);
    let failure = world.turn().attempt.as_ref().unwrap().failure.clone().unwrap();
    assert_eq!(
        (failure.class, &*failure.message),
        (
            FailureClass::Timeout,
            "the answer was not complete within 150000 ms"
        )
    );
    assert!(
        !world.deadlines().contains_key(&DeadlineKey::Answer),
        "nothing arrives while it waits"
    );
    world.reach(DeadlineKey::Attempt);
    let again = world.deadlines()[&DeadlineKey::Answer];
    assert!(again.set_at > total.set_at, "each attempt has its own");
    world.compare_with_journal();
}

#[test]
fn what_a_provider_allows_is_known_until_it_says_something_else() {
    let limit = |remaining| RateLimit {
        name: "requests".into(),
        limit: Some(60),
        remaining: Some(remaining),
        reset_ms: Some(1_000),
    };
    let left = |world: &World| {
        let limits = world.session().limits.values();
        limits
            .map(|said| said.limits[0].remaining.unwrap())
            .collect::<Vec<_>>()
    };
    let mut world = World::new();
    world.prompt("go");
    assert_eq!(left(&world), [] as [u64; 0]);
    world
        .model(model::Event::Answered {
            body: None,
            limits: vec![limit(0)],
            steps: vec![],
            outcome: model::Outcome::Failed(failure(FailureClass::RateLimit, Some(1_000))),
        })
        .unwrap();
    assert_eq!(left(&world), [0]);
    world.reach(DeadlineKey::Attempt);
    world
        .model(model::Event::Connected {
            body: None,
            limits: vec![limit(60)],
        })
        .unwrap();
    assert_eq!(left(&world), [60]);
    world.finish(vec![finished(0, Block::Text("so".into()))], StopReason::EndOfTurn);
    assert_eq!(
        left(&world),
        [60],
        "a server that says nothing takes nothing back"
    );
    world.compare_with_journal();
}

#[test]
fn only_what_may_pass_is_tried_again() {
    use FailureClass as F;
    let cases = [
        (F::RateLimit, T::BackingOff),
        (F::Overloaded, T::BackingOff),
        (F::Unavailable, T::BackingOff),
        (F::Timeout, T::BackingOff),
        (F::Transport, T::BackingOff),
        (F::Auth, T::Failed),
        (F::Invalid, T::Failed),
        (F::ContextOverflow, T::Failed),
        (F::Quota, T::Failed),
        (F::Refusal, T::Failed),
        (F::Protocol, T::Failed),
    ];
    for (class, state) in cases {
        let mut world = World::new();
        world.prompt("go");
        world.fail(class, None);
        assert_eq!(world.turn().state, state, "{class:?}");
    }
}
