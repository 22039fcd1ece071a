//! What calls cost, and budgets: whole turns with prices. The house replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::decimal::Money;
use glasswork_ai::model::ModelId;
use glasswork_ai::price::{Prices, Rates};
use glasswork_app_runtime::archive::Archive as _;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_app_runtime::projection::report;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::budget::{Budget, Exhausted, Span};
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::{Scope, TurnFailure};
use glasswork_testkit::house::{House, MODEL, TurnEnd, scripted};

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// Tells the house that its model costs $1 for a million tokens of input, $10 of output, and $0.10 read from the cache.
fn priced(house: &House) {
    let price = |text: &str| Some(text.parse().unwrap());
    let entry = Entry {
        price: Rates {
            input: price("1"),
            output: price("10"),
            cache_read: price("0.1"),
            ..Rates::default()
        },
        ..Entry::default()
    };
    let file = [(MODEL.parse::<ModelId>().unwrap(), entry)];
    let catalogue = Catalogue::with([("own.ron".into(), BTreeMap::from(file))]);
    house.runtime().know_models(Arc::new(catalogue));
}

fn settings(budget: Budget) -> Settings {
    Settings {
        budget: Sourced::from_layer(budget, Layer::Flag),
        retry_base_ms: Sourced::from_layer(1, Layer::Flag),
        ..House::settings(Mode::Yolo)
    }
}

fn exhausted(end: &TurnEnd) -> &Exhausted {
    match &end.failure {
        Some(TurnFailure::Budget(exhausted)) => exhausted,
        other => panic!("it ended otherwise: {other:?}"),
    }
}

/// What was spent after each commit, as a reader of the record finds it.
fn course(house: &House, session: ScopeId) -> Vec<(Money, u64)> {
    let last = house.archive().load(session, None).unwrap().scope.seq;
    let at = |seq| match &house.archive().load(session, Some(seq)).unwrap().scope.state {
        Scope::Session(session) => (session.usage.spent(), session.usage.tokens().input_total()),
        Scope::Host(_) => panic!("a session"),
    };
    (1..=last).map(at).collect()
}

/// 100,000 tokens of input, of which half is cached, and 1,000 of output: $0.05 + $0.005 + $0.01.
const USAGE: &str = "usage: (input: 50000, cache_read: 50000, output: 1000)";
const ONE: &str = "0.065";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_charged_once_and_totals_never_fall() {
    let house = House::of_script(&format!(
        r#"(turns: [
            (first: [(times: 1, say: [text("I se"), cut])], say: [text("I look."), call("bash", (command: "true"))], {USAGE}),
            (say: [text("Done.")], {USAGE}),
        ])"#
    ))
    .await;
    priced(&house);
    let session = house.session(settings(Budget::default())).await;
    let end = house.turn(session, "go").await;
    assert_eq!((end.state, &*end.text), (State::Completed, "I seI look.Done."));
    let now = house.now(session);
    let used = &now.usage.models[&MODEL.parse::<ModelId>().unwrap()];
    // The attempt that broke off had begun to answer; what it cost nobody said.
    assert_eq!((used.attempts, used.failed, used.unreported), (3, 1, 1));
    assert_eq!((used.spent, used.cost()), (money("0.13"), None));
    assert_eq!(now.turn.as_ref().unwrap().spent, money("0.13"));
    assert_eq!(
        now.usage.days.values().copied().collect::<Vec<_>>(),
        [money("0.13")]
    );
    let told = report::of_last_turn(&now, 0);
    assert_eq!((told.cost, told.turn_spent), (None, 130_000_000));
    let course = course(&house, session);
    assert!(course.is_sorted(), "{course:?}");
    assert_eq!(course.last().unwrap().0, money("0.13"));
    let another = house.session(settings(Budget::default())).await;
    // Nothing was asked here; nothing was spent.
    assert_eq!(house.now(another).usage.cost(), Some(money("0")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_stops_before_the_request_that_would_break_its_budget() {
    let more = format!(r#"(say: [call("bash", (command: "true"))], {USAGE})"#);
    let house = House::of_script(&format!(
        "(turns: [{more}, {more}, (say: [fail(class: protocol)])])"
    ))
    .await;
    priced(&house);
    let budget = Budget {
        turn: Some(money("0.13")),
        ..Budget::default()
    };
    let session = house.session(settings(budget)).await;
    let end = house.turn(session, "go").await;
    // What is spent is the budget itself: there is room for nothing more, however little that may cost.
    let Exhausted::Spent {
        span,
        limit,
        spent,
        next,
    } = exhausted(&end)
    else {
        panic!("{end:?}")
    };
    assert_eq!(
        (*span, *limit, *spent),
        (Span::Turn, money("0.13"), money("0.13"))
    );
    assert!(*next > money("0"), "{next}");
    let now = house.now(session);
    assert_eq!(now.requests.len(), 2, "the third was not even prepared");
    assert_eq!(ending::of_last_turn(&now), ExitCode::Limit);
    // The next turn has a budget of its own.
    let end = house.turn(session, "go on").await;
    assert!(
        matches!(end.failure, Some(TurnFailure::Model(_))),
        "{:?}",
        end.failure
    );
    house.close().await;
}

/// Its last command still runs then. Whoever closes has the last word; the budget comes back with the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_closed_at_the_end_of_its_budget_sends_nothing_more() {
    let house = House::of_script(&format!(
        r#"(turns: [(say: [call("bash", (command: "sleep 600"))], {USAGE}), (say: [fail(class: protocol)])])"#
    ))
    .await;
    priced(&house);
    let opening = || Opening {
        workspace: house.workspace(),
        settings: settings(Budget {
            session: Some(money(ONE)),
            ..Budget::default()
        }),
        title: None,
        servers: vec![],
    };
    let session = house.session(opening().settings).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    while watch
        .session()
        .open_turn()
        .is_none_or(|turn| turn.state != State::Executing)
    {
        watch.next().await;
    }
    house.runtime().close(session).await.unwrap();
    let seen = house.snapshot().session(session, None).unwrap();
    let closed = seen.session().unwrap();
    let turn = closed.turn.as_ref().unwrap();
    assert_eq!(
        (turn.state, &turn.failure, turn.spent),
        (State::Cancelled, &None, money(ONE))
    );
    assert_eq!(
        (closed.requests.len(), closed.usage.cost()),
        (1, Some(money(ONE)))
    );
    assert_eq!(own_costs(&house), (vec![Some(money(ONE).0)], money(ONE).0));
    house.runtime().open(session, opening()).await.unwrap();
    let end = house.turn(session, "go on").await;
    assert!(
        matches!(exhausted(&end), Exhausted::Spent { span: Span::Session, spent, .. } if *spent == money(ONE)),
        "{end:?}"
    );
    assert_eq!(house.now(session).requests.len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_and_a_day_have_budgets_over_turns_and_sessions() {
    let script = format!(r#"(turns: [(say: [text("Done.")], {USAGE}), (say: [fail(class: protocol)])])"#);
    let house = House::of_script(&script).await;
    priced(&house);
    let budget = Budget {
        session: Some(money(ONE)),
        ..Budget::default()
    };
    let first = house.session(settings(budget)).await;
    assert_eq!(house.turn(first, "one").await.state, State::Completed);
    let end = house.turn(first, "two").await;
    assert!(
        matches!(
            exhausted(&end),
            Exhausted::Spent {
                span: Span::Session,
                ..
            }
        ),
        "{end:?}"
    );
    // Nor is there money for a summary.
    let refused = house.runtime().compact(first, None, None).await.unwrap_err();
    assert!(
        refused.to_string().contains("the budget of the session, $0.065"),
        "{refused}"
    );

    // Another session, which is mounted beside the first one.
    let budget = Budget {
        day: Some(money(ONE)),
        ..Budget::default()
    };
    let second = house.session(settings(budget)).await;
    let end = house.turn(second, "three").await;
    assert!(
        matches!(exhausted(&end), Exhausted::Spent { span: Span::Day, .. }),
        "{end:?}"
    );
    assert_eq!(house.now(second).requests.len(), 0);

    // A process later, in which the first one is not mounted: the index knows.
    let home = house.close().await;
    let house = House::at(home, scripted(&script), Arc::new(SystemClock::default())).await;
    priced(&house);
    let third = house.session(settings(budget)).await;
    let end = house.turn(third, "four").await;
    assert!(
        matches!(exhausted(&end), Exhausted::Spent { span: Span::Day, .. }),
        "{end:?}"
    );
    let opening = Opening {
        workspace: house.workspace(),
        settings: settings(Budget {
            day: Some(money("0.14")),
            ..Budget::default()
        }),
        title: None,
        servers: vec![],
    };
    // Twice as much: there is room for one more.
    house.runtime().give_up(third).await.unwrap();
    house.runtime().open(third, opening.clone()).await.unwrap();
    assert_eq!(house.turn(third, "five").await.state, State::Completed);
    // What it has spent itself is in the index by now, too, and is not told to it as another's.
    house.runtime().give_up(third).await.unwrap();
    house.runtime().open(third, opening).await.unwrap();
    house.turn(third, "six").await;
    assert_eq!(house.now(third).usage.elsewhere.unwrap().spent, money(ONE));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fork_has_inherited_was_spent_once() {
    let turn = format!(r#"(say: [text("Done.")], {USAGE})"#);
    let house = House::of_script(&format!("(turns: [{turn}, {turn}, {turn}])")).await;
    priced(&house);
    let first = house.session(settings(Budget::default())).await;
    assert_eq!(house.turn(first, "one").await.state, State::Completed);
    let fork = house.runtime().fork(first, ForkAt::Head).await.unwrap();
    // Of its own budget nothing is spent yet; of the day's, what its parent has spent, once: 0.065 and 0.065 fit.
    let opening = |day: &str| Opening {
        workspace: house.workspace(),
        settings: settings(Budget {
            session: Some(money(ONE)),
            day: Some(money(day)),
            ..Budget::default()
        }),
        title: None,
        servers: vec![],
    };
    house.runtime().open(fork, opening("0.1301")).await.unwrap();
    assert_eq!(house.turn(fork, "two").await.state, State::Completed);
    let now = house.now(fork);
    assert_eq!(
        (now.usage.spent(), now.spent().spent()),
        (money("0.13"), money(ONE))
    );
    assert_eq!(now.turn.as_ref().unwrap().spent, money(ONE));
    let end = house.turn(fork, "three").await;
    assert!(
        matches!(
            exhausted(&end),
            Exhausted::Spent {
                span: Span::Session,
                ..
            }
        ),
        "{end:?}"
    );
    // A process later both are in the index, each with its own.
    let home = house.close().await;
    let house = House::at(
        home,
        scripted("(turns: [(say: [text(\"Yes.\")])])"),
        Arc::new(SystemClock::default()),
    )
    .await;
    priced(&house);
    let budget = Budget {
        day: Some(money("0.14")),
        ..Budget::default()
    };
    let third = house.session(settings(budget)).await;
    assert_eq!(house.turn(third, "four").await.state, State::Completed);
    assert_eq!(house.now(third).usage.elsewhere.unwrap().spent, money("0.13"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_without_a_price_lets_nothing_through_and_no_budget_everything() {
    let house = House::of_script(r#"(turns: [(say: [text("Done.")])])"#).await;
    let budget = Budget {
        day: Some(money("100")),
        ..Budget::default()
    };
    let session = house.session(settings(budget)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(
        exhausted(&end),
        &Exhausted::Unpriced {
            model: MODEL.parse().unwrap()
        }
    );
    assert_eq!(house.now(session).requests.len(), 0);
    let free = house.session(settings(Budget::default())).await;
    assert_eq!(house.turn(free, "go").await.state, State::Completed);
    assert_eq!(house.now(free).usage.cost(), None, "nobody knows");
    assert_eq!(house.now(free).usage.elsewhere, None, "nobody asks");
    house.close().await;
}

/// What the list says that each session has cost itself; whether it is known of all of them; and what that comes to.
fn own_costs(house: &House) -> (Vec<Option<u64>>, u64) {
    let rows = house.snapshot().sessions().unwrap();
    let mut costs: Vec<Option<u64>> = rows.iter().map(|row| row.archived.own_cost).collect();
    costs.sort_unstable();
    let sum = costs.iter().flatten().sum();
    (costs, sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_over_sessions_count_every_call_once_whatever_was_forked() {
    let turn = format!(r#"(say: [text("Done.")], {USAGE})"#);
    let house = House::of_script(&format!("(turns: [{turn}, {turn}, {turn}, {turn}])")).await;
    priced(&house);
    let opening = || Opening {
        workspace: house.workspace(),
        settings: settings(Budget::default()),
        title: None,
        servers: vec![],
    };
    let first = house.session(settings(Budget::default())).await;
    house.turn(first, "one").await;
    let cost = money(ONE).0;
    assert_eq!(own_costs(&house), (vec![Some(cost)], cost));
    // One that is not opened yet, and one that has gone on, and a fork of that.
    let unopened = house.runtime().fork(first, ForkAt::Head).await.unwrap();
    assert_eq!(own_costs(&house), (vec![None, Some(cost)], cost));
    let second = house.runtime().fork(first, ForkAt::Head).await.unwrap();
    house.runtime().open(second, opening()).await.unwrap();
    house.turn(second, "two").await;
    let third = house.runtime().fork(second, ForkAt::Head).await.unwrap();
    house.runtime().open(third, opening()).await.unwrap();
    house.turn(third, "three").await;
    let all = (vec![None, Some(cost), Some(cost), Some(cost)], 3 * cost);
    assert_eq!(own_costs(&house), all);
    let row = house.snapshot().row(third).unwrap().unwrap().archived;
    assert_eq!((row.cost, row.own_cost), (Some(3 * cost), Some(cost)));
    house.runtime().open(unopened, opening()).await.unwrap();
    // The budget of the day of another session: what the four have spent, once.
    let day = Budget {
        day: Some(money("100")),
        ..Budget::default()
    };
    let other = house.session(settings(day)).await;
    house.turn(other, "four").await;
    assert_eq!(house.now(other).usage.elsewhere.unwrap().spent.0, 3 * cost);
    // A process later all of that is in the index alone.
    let home = house.close().await;
    let house = House::at(
        home,
        scripted(&format!("(turns: [{turn}])")),
        Arc::new(SystemClock::default()),
    )
    .await;
    priced(&house);
    let last = house.session(settings(day)).await;
    house.turn(last, "five").await;
    assert_eq!(house.now(last).usage.elsewhere.unwrap().spent.0, 4 * cost);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_costs_nothing_unless_the_user_says_so_and_every_call_is_on_the_ledger() {
    let house = House::of_script(&format!(r#"(turns: [(say: [text("Done.")], {USAGE})])"#)).await;
    house.runtime().know_models(Arc::new(Catalogue::default()));
    let budget = Budget {
        turn: Some(money("0")),
        session: Some(money("0")),
        day: Some(money("0")),
    };
    let session = house.session(settings(budget)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(end.state, State::Completed, "{:?}", end.failure);
    let now = house.now(session);
    let model: ModelId = MODEL.parse().unwrap();
    assert_eq!(
        (now.usage.cost(), now.usage.models[&model].priced.output),
        (Some(money("0")), 1_000)
    );
    assert_eq!(
        &*now.settings.prices.value[&model].version,
        "scripts cost nothing"
    );
    // Of another one nothing is known, and that is what its session is told.
    let other: ModelId = "elsewhere/m".parse().unwrap();
    let chosen = Setting::Model(Sourced::from_layer(Some(other.clone()), Layer::Session));
    house.runtime().set(session, chosen).await.unwrap();
    let prices = house.now(session).settings.prices.value.clone();
    assert_eq!((prices.len(), prices[&other].is_unknown()), (2, true));
    let end = house.turn(session, "go").await;
    assert_eq!(exhausted(&end), &Exhausted::Unpriced { model: other });
    house.close().await;
}

/// Also of those that would only be asked where another one fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_the_prices_of_all_models_that_it_may_ask() {
    let house = House::of_script(r#"(turns: [])"#).await;
    priced(&house);
    let [compact, fallback] =
        ["scripted/compact", "scripted/fallback"].map(|id| id.parse::<ModelId>().unwrap());
    let session = house
        .session(Settings {
            compact_model: Sourced::from_layer(Some(compact.clone()), Layer::Flag),
            fallback_models: Sourced::from_layer(vec![fallback.clone()], Layer::Flag),
            ..settings(Budget::default())
        })
        .await;
    let now = house.now(session);
    let prices = &now.settings.prices.value;
    let mut told: Vec<_> = prices.keys().cloned().collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, [compact, fallback, MODEL.parse().unwrap()]);
    house.close().await;
}

/// A price that became known since a session was opened first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_known_of_a_price_holds_from_then_on() {
    let script = format!(r#"(turns: [(say: [text("Done.")], {USAGE}), (say: [text("Done.")], {USAGE})])"#);
    let house = House::of_script(&script).await;
    let session = house.session(settings(Budget::default())).await;
    house.turn(session, "one").await;
    let unknown = Setting::Prices(Sourced::default_of(
        im::ordmap! { MODEL.parse().unwrap() => Prices::unknown() },
    ));
    house.runtime().set(session, unknown).await.unwrap();
    priced(&house);
    let chosen = Setting::Model(Sourced::from_layer(Some(MODEL.parse().unwrap()), Layer::Session));
    house.runtime().set(session, chosen).await.unwrap();
    house.turn(session, "two").await;
    let now = house.now(session);
    assert_eq!((now.usage.spent(), now.usage.cost()), (money(ONE), None));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_may_lead_to_a_request_is_told_first_what_the_others_have_spent() {
    let turn = format!(r#"(say: [text("Done.")], {USAGE})"#);
    let house = House::of_script(&format!("(turns: [{}])", [&*turn; 6].join(", "))).await;
    priced(&house);
    let budget = Budget {
        day: Some(money("100")),
        ..Budget::default()
    };
    let session = house.session(settings(budget)).await;
    let other = house.session(settings(Budget::default())).await;
    let told = |house: &House| {
        house
            .now(session)
            .usage
            .elsewhere
            .map(|elsewhere| elsewhere.spent.0)
    };
    let cost = money(ONE).0;
    house.turn(session, "one").await;
    assert_eq!(told(&house), Some(0));
    house.turn(other, "two").await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().follow_up(session, "three", None).await.unwrap();
    while watch.session().open_turn().is_some() || watch.session().past.is_empty() {
        watch.next().await;
    }
    assert_eq!(told(&house), Some(cost));
    house.turn(other, "four").await;
    // There is too little to summarise, which is found out after that.
    let _ = house.runtime().compact(session, None, None).await;
    assert_eq!(told(&house), Some(2 * cost));
    house.turn(other, "five").await;
    let _ = house.runtime().resume(session).await;
    assert_eq!(told(&house), Some(3 * cost));
    house.turn(other, "six").await;
    let left = house.runtime().move_leaf_with_summary(session, None, None, None);
    let _ = left.await;
    assert_eq!(told(&house), Some(4 * cost));
    house.close().await;
}
