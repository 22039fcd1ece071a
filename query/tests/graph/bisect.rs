//! Which commit made something so: in order and by halving, and every way in which a search can end.

use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::ScopeId;
use glasswork_query::{BisectError, Bisected, Bisection, Graph, Wanted, Way};
use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::{S, World};

fn asked(select: &str, wanted: Wanted) -> Bisection {
    Bisection {
        session: S.to_owned(),
        select: select.to_owned(),
        path: None,
        wanted,
        from: 1,
        to: None,
        way: Way::Fold,
    }
}

fn bisect(graph: &Graph, what: Bisection) -> Result<Bisected, BisectError> {
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tasks.block_on(graph.bisect(Viewer::owner(), what))
}

fn is(value: impl Into<Value>) -> Wanted {
    Wanted::Is(value.into())
}

/// Commit, value before and value after.
fn found(graph: &Graph, what: Bisection) -> (u64, Value, Value) {
    match bisect(graph, what).unwrap() {
        Bisected::Found {
            commit,
            before,
            after,
            ..
        } => (commit, before, after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_commit_is_found_in_order_and_by_halving() {
    let world = World::new(Mode::Ask);
    let call = world.turn();
    let last = world.seq();
    // What the states really were, asked one by one through the graph.
    let count = |at: u64| {
        let answer = world.ask(&format!("{{ session(id: \"{S}\", at: {at}) {{ entryCount }} }}"));
        answer["session"]["entryCount"].as_u64().unwrap()
    };
    let first = (1..=last).find(|at| count(*at) > 2).unwrap();
    for graph in [world.graph(), world.later()] {
        for way in [Way::Fold, Way::Monotone] {
            let what = Bisection {
                way,
                ..asked("entryCount", Wanted::Above(2.0))
            };
            assert_eq!(
                found(&graph, what),
                (first, json!(count(first - 1)), json!(count(first))),
                "{way:?}"
            );
        }
    }
    // What does not hold on is found in order, at its first time.
    let (commit, before, after) = found(&world.later(), asked("turn { state }", is("gating")));
    assert_eq!((before, after), (json!("connecting"), json!("gating")));
    assert_eq!(commit, call.seq);
    // Of several values one is looked at; what is not there yet is null.
    let what = Bisection {
        path: Some("calls.nodes.0.state".to_owned()),
        ..asked("seq calls { nodes { tool state } }", is("running"))
    };
    let (commit, before, _) = found(&world.later(), what);
    assert!(commit > call.seq && before != Value::Null, "{commit} {before}");
}

#[test]
fn halving_looks_at_few_states_and_folding_at_each_once() {
    let world = World::new(Mode::Ask);
    for _ in 0..8 {
        world.turn();
    }
    let last = world.seq();
    let looked = |way| {
        let what = Bisection {
            way,
            ..asked("entryCount", Wanted::Above(20.0))
        };
        match bisect(&world.later(), what).unwrap() {
            Bisected::Found {
                commit, looked_at, ..
            } => (commit, looked_at),
            other => panic!("{other:?}"),
        }
    };
    let (commit, folded) = looked(Way::Fold);
    let (same, halved) = looked(Way::Monotone);
    assert_eq!(
        (same, folded),
        (commit, commit),
        "in order each state is looked at once"
    );
    assert!(halved <= 3 + u64::from(last.ilog2()), "{halved} of {last}");
}

#[test]
fn a_search_that_finds_nothing_says_how_it_ended() {
    let world = World::new(Mode::Ask);
    world.turn();
    let (graph, last) = (world.later(), world.seq());
    let session = world.session;
    for way in [Way::Fold, Way::Monotone] {
        let what = Bisection {
            way,
            ..asked("id", is(S))
        };
        assert_eq!(
            bisect(&graph, what).unwrap(),
            Bisected::AtOnce {
                session,
                commit: 1,
                value: json!(S)
            }
        );
        let what = Bisection {
            way,
            from: 3,
            to: Some(3),
            ..asked("seq", is(3))
        };
        assert_eq!(
            bisect(&graph, what).unwrap(),
            Bisected::AtOnce {
                session,
                commit: 3,
                value: json!(3)
            }
        );
        let what = Bisection {
            way,
            ..asked("seq", Wanted::Above(1e6))
        };
        assert!(
            matches!(bisect(&graph, what), Ok(Bisected::Never { commit, value, .. })
                if commit == last && value == json!(last)),
            "{way:?}"
        );
    }
}

#[test]
fn a_predicate_that_cannot_be_asked_is_refused_by_name() {
    let world = World::new(Mode::Ask);
    world.turn();
    let graph = world.later();
    let check = |what: Bisection, expected: &str| {
        let error = bisect(&graph, what.clone()).expect_err("an error");
        let text = error.to_string();
        assert!(text.contains(expected), "{what:?}: {text}");
    };
    check(asked("nosuchfield", Wanted::True), "nosuchfield");
    check(asked("turn {", Wanted::True), "expected");
    check(
        asked("id } session(id: $id) { id", Wanted::True),
        "goes on outside",
    );
    check(asked("id } host { version", Wanted::True), "goes on outside");
    check(asked("id } } query Other { host { version }", Wanted::True), "");
    check(asked("id seq", Wanted::True), "say which with `--path`");
    check(
        Bisection {
            path: Some("nothing.here".into()),
            ..asked("seq", Wanted::True)
        },
        "say which with `--path`",
    );
    check(asked("seq", Wanted::True), "no truth value");
    check(asked("id", Wanted::Above(1.0)), "no number");
    // It fails in the first states, before there is such an entry.
    check(
        asked(&format!("entry(id: \"{S}/3.0\") {{ id }}"), is("x")),
        "after commit 1 the question fails",
    );
    check(
        Bisection {
            from: 900,
            ..asked("seq", Wanted::True)
        },
        "there is no commit from 900",
    );
    check(
        Bisection {
            to: Some(900),
            ..asked("seq", Wanted::True)
        },
        "to 900",
    );
    check(
        Bisection {
            from: 4,
            to: Some(2),
            ..asked("seq", Wanted::True)
        },
        "from 4 to 2",
    );
    let unknown = Bisection {
        session: "ffff".into(),
        ..asked("seq", Wanted::True)
    };
    check(unknown, "ffff");
}

#[test]
fn who_may_not_see_a_session_cannot_search_in_it() {
    let world = World::new(Mode::Ask);
    world.turn();
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let viewer = Viewer::of(ScopeId::from_u128(99));
    let error = tasks
        .block_on(world.graph().bisect(viewer, asked("seq", Wanted::Above(1.0))))
        .expect_err("it is not theirs");
    assert_eq!(
        error.to_string(),
        format!("there is no session `{S}`; `glasswork sessions list` shows those there are")
    );
}
