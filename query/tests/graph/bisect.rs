//! Which commit made something so: in order and by halving, and every way in which a search can end.

use glasswork_app_runtime::bisecting::{self, Bisected, Judged, PROBES, Search, SearchError, Way};
use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::ScopeId;
use glasswork_query::{BisectError, Bisection, Graph, MOST_STATES, Wanted};
use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::{S, World, ask, limited};

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

fn bisect(graph: &Graph, what: Bisection) -> Result<Bisected<Value>, BisectError> {
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
    let probed = PROBES + 2;
    let most = probed + u64::from((last / probed).ilog2()) + 2;
    assert!(most < commit, "halving would show nothing");
    assert!(halved <= most, "{halved} of {last}");
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
                value: json!(S),
                looked_at: match way {
                    Way::Fold => 1,
                    Way::Monotone => last.min(PROBES + 2),
                },
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
                value: json!(3),
                looked_at: 1,
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
    check(asked("id seq", Wanted::True), "say which with `path`");
    check(
        Bisection {
            path: Some("nothing.here".into()),
            ..asked("seq", Wanted::True)
        },
        "say which with `path`",
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

/// What was asked of the graph as a field, and what came of it: the data of the field, and errors by code and text.
fn field(graph: &Graph, viewer: Viewer, at: &str, arguments: &str) -> (Value, Vec<(String, String)>) {
    let query = format!(
        "{{ session(id: \"{S}\"{at}) {{ bisect({arguments}) {{ end commit previous before after lookedAt \
         dispatch {{ id event }} }} }} }}"
    );
    let mut answer = ask(graph, viewer, &query);
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = errors
        .iter()
        .map(|error| (text(&error["extensions"]["code"]), text(&error["message"])));
    let errors = errors.collect();
    (answer["data"]["session"]["bisect"].take(), errors)
}

#[test]
fn a_search_is_a_field_of_a_session_and_finds_what_a_terminal_finds() {
    let world = World::new(Mode::Ask);
    world.turn();
    world.turn();
    for graph in [world.graph(), world.later()] {
        for (way, monotone) in [(Way::Fold, "false"), (Way::Monotone, "true")] {
            let what = Bisection {
                way,
                ..asked("entryCount", Wanted::Above(2.0))
            };
            let Bisected::Found {
                commit,
                previous,
                before,
                after,
                looked_at,
                ..
            } = bisect(&graph, what).unwrap()
            else {
                panic!("it is found");
            };
            let arguments = format!("query: \"entryCount\", above: 2, monotone: {monotone}");
            let (found, errors) = field(&graph, Viewer::owner(), "", &arguments);
            assert_eq!(errors, []);
            let event = world.ask(&format!("{{ dispatch(id: \"{S}/{commit}\") {{ event }} }}"));
            assert_eq!(
                found,
                json!({
                    "end": "FOUND", "commit": commit, "previous": previous, "before": before.to_string(),
                    "after": after.to_string(), "lookedAt": looked_at,
                    "dispatch": { "id": format!("{S}/{commit}"), "event": event["dispatch"]["event"] },
                })
            );
        }
    }
    // Words and paths as at a terminal, and a null is told as it is.
    let arguments =
        "query: \"seq calls { nodes { state } }\", path: \"calls.nodes.0.state\", is: \"running\"";
    let (found, errors) = field(&world.graph(), Viewer::owner(), "", arguments);
    assert_eq!(
        (&found["end"], &found["after"]),
        (&json!("FOUND"), &json!("\"running\""))
    );
    assert_eq!(errors, []);
    let never = field(
        &world.graph(),
        Viewer::owner(),
        "",
        "query: \"turn { state }\", is: \"paused\"",
    );
    let last = world.seq();
    assert_eq!(
        never.0,
        json!({
            "end": "NEVER", "commit": last, "previous": null, "before": null, "after": "\"completed\"",
            "lookedAt": last, "dispatch": null,
        })
    );
    let at_once = field(
        &world.graph(),
        Viewer::owner(),
        "",
        "query: \"seq\", above: 3, from: 5",
    );
    assert_eq!(
        (
            &at_once.0["end"],
            &at_once.0["commit"],
            &at_once.0["dispatch"]["id"]
        ),
        (&json!("AT_ONCE"), &json!(5), &json!(format!("{S}/5")))
    );
}

#[test]
fn a_search_in_the_past_knows_nothing_of_what_came_later() {
    let world = World::new(Mode::Ask);
    world.turn();
    let then = world.seq();
    world.turn();
    let at = format!(", at: {then}");
    let above = format!("query: \"seq\", above: {}", then);
    let (found, _) = field(&world.graph(), Viewer::owner(), "", &above);
    assert_eq!(
        (&found["end"], &found["commit"]),
        (&json!("FOUND"), &json!(then + 1))
    );
    let (found, _) = field(&world.graph(), Viewer::owner(), &at, &above);
    assert_eq!((&found["end"], &found["commit"]), (&json!("NEVER"), &json!(then)));
    let (found, errors) = field(
        &world.graph(),
        Viewer::owner(),
        &at,
        &format!("query: \"seq\", above: 1, to: {}", then + 1),
    );
    assert_eq!(found, Value::Null);
    assert_eq!(
        errors,
        [(
            "FUTURE".to_owned(),
            format!(
                "there is no commit from 1 to {}: the session has {then}",
                then + 1
            )
        )]
    );
}

#[test]
fn a_field_refuses_with_the_words_of_a_terminal() {
    let world = World::new(Mode::Ask);
    world.turn();
    let graph = world.later();
    let check = |what: Bisection, arguments: &str, code: &str| {
        let told = bisect(&graph, what).expect_err("an error").to_string();
        let (found, errors) = field(&graph, Viewer::owner(), "", arguments);
        assert_eq!(found, Value::Null, "{arguments}");
        assert_eq!(errors, [(code.to_owned(), told)], "{arguments}");
    };
    check(
        asked("nosuchfield", Wanted::True),
        "query: \"nosuchfield\"",
        "INVALID",
    );
    check(asked("turn {", Wanted::True), "query: \"turn {\"", "MALFORMED");
    check(
        asked("id } host { version", Wanted::True),
        "query: \"id } host { version\"",
        "INVALID",
    );
    check(asked("id seq", Wanted::True), "query: \"id seq\"", "INVALID");
    check(asked("seq", Wanted::True), "query: \"seq\"", "INVALID");
    check(
        asked("id", Wanted::Above(1.0)),
        "query: \"id\", above: 1",
        "INVALID",
    );
    check(
        asked(&format!("entry(id: \"{S}/3.0\") {{ id }}"), is("x")),
        &format!("query: \"entry(id: \\\"{S}/3.0\\\") {{ id }}\", is: \"x\""),
        "NOT_FOUND",
    );
    check(
        Bisection {
            from: 4,
            to: Some(2),
            ..asked("seq", Wanted::True)
        },
        "query: \"seq\", from: 4, to: 2",
        "INVALID",
    );
    let deep = format!("turn {}{}", "{ view ".repeat(40), "}".repeat(40));
    check(
        asked(&deep, Wanted::True),
        &format!("query: \"{deep}\""),
        "TOO_DEEP",
    );
    // A search in a search would look at as many states as there are, squared.
    let within = "bisect(query: \"seq\", above: 3) { commit }";
    check(
        asked(within, Wanted::Above(1.0)),
        "query: \"bisect(query: \\\"seq\\\", above: 3) { commit }\", above: 1",
        "INVALID",
    );
    let both = field(&graph, Viewer::owner(), "", "query: \"seq\", above: 1, is: \"2\"");
    assert_eq!(both.1[0].0, "INVALID");
}

#[test]
fn what_does_not_hold_on_is_not_found_by_halving() {
    let world = World::new(Mode::Ask);
    for _ in 0..4 {
        world.turn();
    }
    let graph = world.later();
    // Turns begin and end: nearly half of the states are of one that is completed.
    let what = Bisection {
        way: Way::Monotone,
        ..asked("turn { state }", is("completed"))
    };
    let error = bisect(&graph, what).expect_err("it does not hold on").to_string();
    assert!(error.starts_with("it does not hold on once it holds"), "{error}");
    // What it says is so.
    let commits: Vec<u64> = error
        .split(|char: char| !char.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let state = |at: u64| {
        world.ask(&format!(
            "{{ session(id: \"{S}\", at: {at}) {{ turn {{ state }} }} }}"
        ))["session"]["turn"]["state"]
            .take()
    };
    let [holds, not] = commits[..] else {
        panic!("{error}");
    };
    assert!(holds < not);
    assert_eq!(state(holds), "completed");
    assert_ne!(state(not), "completed");
    let (_, errors) = field(
        &graph,
        Viewer::owner(),
        "",
        "query: \"turn { state }\", is: \"completed\", monotone: true",
    );
    assert_eq!(errors, [("INVALID".to_owned(), error)]);
    // It holds after the first and not after the last.
    let what = Bisection {
        way: Way::Monotone,
        ..asked("seq", is(1))
    };
    assert!(bisect(&graph, what).is_err());
}

#[test]
fn a_search_has_its_share_of_states_time_and_places() {
    let world = World::new(Mode::Ask);
    world.turn();
    let last = world.seq();
    let never = "query: \"seq\", above: 1e9";
    let few = limited(&world, |limits| limits.states = last - 1);
    let (found, errors) = field(&few, Viewer::owner(), "", never);
    assert_eq!((found, &*errors[0].0), (Value::Null, "TOO_EXPENSIVE"));
    assert!(
        errors[0].1.contains(&format!("more than {} states", last - 1)),
        "{errors:?}"
    );
    let enough = limited(&world, |limits| limits.states = last);
    assert_eq!(field(&enough, Viewer::owner(), "", never).0["end"], "NEVER");
    let few = limited(&world, |limits| limits.states = 3);
    let halved = "query: \"seq\", above: 2, monotone: true";
    assert_eq!(field(&few, Viewer::owner(), "", halved).1[0].0, "TOO_EXPENSIVE");
    // Ten of them are more than one query may ask for.
    let many = |count: usize| {
        let fields: String = (0..count)
            .map(|n| format!("b{n}: bisect(query: \"seq\", above: 3) {{ commit }} "))
            .collect();
        ask(
            &world.graph(),
            Viewer::owner(),
            &format!("{{ session(id: \"{S}\") {{ {fields} }} }}"),
        )
    };
    assert_eq!(many(10)["errors"][0]["extensions"]["code"], "TOO_EXPENSIVE");
    let nine = many(9);
    assert_eq!(nine["errors"], Value::Null, "{nine}");
    assert_eq!(nine["data"]["session"]["b8"]["commit"], json!(4));
    let none = limited(&world, |limits| {
        limits.bisections = 0;
        limits.time = std::time::Duration::from_millis(50);
    });
    assert_eq!(field(&none, Viewer::owner(), "", never).1[0].0, "TIMED_OUT");
}

#[test]
fn a_viewer_of_one_session_searches_in_that_one() {
    let world = World::new(Mode::Ask);
    world.turn();
    let (found, errors) = field(
        &world.graph(),
        Viewer::of(world.session),
        "",
        "query: \"seq\", above: 3",
    );
    assert_eq!((&found["commit"], errors), (&json!(4), vec![]));
    let error = field(
        &world.graph(),
        Viewer::of(ScopeId::from_u128(99)),
        "",
        "query: \"seq\", above: 3",
    );
    assert_eq!(error.1[0].0, "NOT_FOUND");
}

#[test]
fn a_search_that_has_no_time_left_says_how_far_it_came() {
    let world = World::new(Mode::Ask);
    world.turn();
    let snapshot = world.reader().snapshot(Viewer::owner());
    let search = |way, looks: u64| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(3_600);
        let mut what = Search {
            session: world.session,
            from: 1,
            to: None,
            way,
            most: looks,
            until: Some(until),
        };
        if looks == 0 {
            what.until = Some(std::time::Instant::now());
            what.most = MOST_STATES;
        }
        bisecting::search::<u64, SearchError>(&snapshot, &what, |commit, _| {
            Ok(Judged {
                value: commit,
                holds: false,
            })
        })
    };
    for way in [Way::Fold, Way::Monotone] {
        let late = search(way, 0);
        assert!(
            matches!(
                late,
                Err(SearchError::Late {
                    looked_at: 0,
                    commit: 1
                })
            ),
            "{way:?}: {late:?}"
        );
        assert!(
            matches!(search(way, 2), Err(SearchError::TooMany { most: 2 })),
            "{way:?}"
        );
        assert!(
            matches!(search(way, MOST_STATES), Ok(Bisected::Never { .. })),
            "{way:?}"
        );
    }
}
