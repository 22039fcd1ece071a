use glasswork_agent_core::id::EntryId;
use glasswork_ai::stream::BlockKind;
use glasswork_ai::stream::StreamEvent;
use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::{Event, fork, model, prompt, session, tree};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{S, World, ask, failures};

const CHANGES: &str = "{ from to more changes { kind path { field key index } before after } }";

/// The changes in short: `settings.mode.value`, `calls[3.1]`, `parts#0`.
fn paths(diff: &Value) -> Vec<String> {
    let change = |change: &Value| {
        let path = change["path"].as_array().unwrap().iter().map(|segment| {
            match (&segment["field"], &segment["key"], &segment["index"]) {
                (Value::String(field), Value::Null, Value::Null) => format!(".{field}"),
                (Value::Null, Value::String(key), Value::Null) => format!("[{key}]"),
                (Value::Null, Value::Null, Value::Number(index)) => format!("#{index}"),
                _ => panic!("not one of three: {segment}"),
            }
        });
        format!(
            "{} {}",
            change["kind"].as_str().unwrap().to_lowercase(),
            path.collect::<String>()
        )
    };
    diff["changes"].as_array().unwrap().iter().map(change).collect()
}

fn diff(world: &World, from: u64, to: u64) -> Value {
    world.ask(&format!(
        "{{ diff(session: \"{S}\", from: {from}, to: {to}) {CHANGES} }}"
    ))["diff"]
        .clone()
}

#[test]
fn a_title_is_one_change_with_both_values() {
    let world = World::new(Mode::Ask);
    let seq = world.accept(Event::Session(session::Event::Retitled {
        title: "Another".into(),
    }));
    assert_eq!(
        diff(&world, seq - 1, seq),
        json!({
            "from": format!("{S}/{}", seq - 1),
            "to": format!("{S}/{seq}"),
            "more": false,
            "changes": [{
                "kind": "CHANGED",
                "path": [
                    { "field": "meta", "key": null, "index": null },
                    { "field": "title", "key": null, "index": null },
                ],
                "before": "\"A test\"",
                "after": "\"Another\"",
            }],
        })
    );
    let again = world.ask(&format!(
        "{{ dispatch(id: \"{S}/{seq}\") {{ stateDiff {CHANGES} }} }}"
    ));
    assert_eq!(again["dispatch"]["stateDiff"], diff(&world, seq - 1, seq));
}

#[test]
fn a_whole_turn_shows_what_came_and_what_changed() {
    let world = World::new(Mode::Ask);
    let before = world.seq();
    world.turn();
    assert_json_snapshot!(paths(&diff(&world, before, world.seq())), @r#"
    [
      "added .turn",
      "added .tree.entries[2.0]",
      "added .tree.entries[3.0]",
      "added .tree.entries[5.0]",
      "added .tree.entries[6.0]",
      "added .tree.leaf",
      "added .calls[3.1]",
      "changed .footprint",
      "added .context.parts#0",
      "added .context.parts#1",
      "added .context.parts#2",
      "added .context.parts#3",
      "changed .context.tokens",
      "added .context.base",
      "changed .context.calibration.counted",
      "changed .context.calibration.reported",
      "added .requests[1]",
      "added .requests[2]",
      "added .usage.models[scripted/test]",
      "changed .usage.calls"
    ]
    "#);
}

/// The ways to what changed are those of the state as it is written down.
#[test]
fn the_fields_of_a_difference_are_the_fields_of_the_state() {
    let world = World::new(Mode::Ask);
    let key = Some("once".into());
    let keyed = prompt::Event::Prompted {
        result: None,
        text: "One".into(),
        max_steps: None,
        images: vec![],
        key,
    };
    world.accept(Event::Prompt(keyed));
    world.say("First.");
    world.prompt("Two");
    world.call_read("a.txt", "/work/a.txt");
    world.accept(Event::Prompt(prompt::Event::Steered {
        text: "quickly".into(),
        key: None,
    }));
    let query = format!(
        "{{ diff(session: \"{S}\", from: 0, to: {}, first: 1000) {{ more changes {{ path {{ field }} }} }} }}",
        world.seq()
    );
    let diff = world.ask(&query)["diff"].clone();
    assert_eq!(diff["more"], false);
    let first = |change: &Value| change["path"][0]["field"].as_str().unwrap().to_owned();
    let mut changed: Vec<_> = diff["changes"].as_array().unwrap().iter().map(first).collect();
    changed.sort();
    changed.dedup();
    let state = serde_json::to_value(&*world.state()).unwrap();
    let mut fields: Vec<_> = state.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    // All but the id has changed since the session was empty.
    fields.retain(|field| field != "id");
    assert_eq!(changed, fields);
    world.settle("contents of a");
}

#[test]
fn backwards_what_came_is_gone_and_equal_states_do_not_differ() {
    let world = World::new(Mode::Ask);
    let before = world.seq();
    world.turn();
    let now = world.seq();
    let forwards = paths(&diff(&world, before, now));
    let mut turned: Vec<_> = paths(&diff(&world, now, before))
        .into_iter()
        .map(|path| match path.split_once(' ').unwrap() {
            ("added", path) => format!("removed {path}"),
            ("removed", path) => format!("added {path}"),
            (_, path) => format!("changed {path}"),
        })
        .collect();
    let mut forwards = forwards;
    forwards.sort();
    turned.sort();
    assert_eq!(turned, forwards);
    assert_eq!(paths(&diff(&world, now, now)), Vec::<String>::new());
}

#[test]
fn the_list_is_cut_and_says_so() {
    let world = World::new(Mode::Ask);
    world.turn();
    let cut = world.ask(&format!(
        "{{ diff(session: \"{S}\", from: 0, to: {}, first: 2) {CHANGES} }}",
        world.seq()
    ));
    assert_eq!(
        (paths(&cut["diff"]).len(), &cut["diff"]["more"]),
        (2, &json!(true))
    );
}

#[test]
fn a_long_value_is_cut_between_letters() {
    let world = World::new(Mode::Ask);
    let seq = world.prompt(&"ä".repeat(2_000));
    let diff = diff(&world, seq - 1, seq);
    for change in diff["changes"].as_array().unwrap() {
        assert!(change["after"].as_str().unwrap_or_default().len() <= 400 + "…".len());
    }
}

/// Pieces of an answer are not kept as states of their own; the difference that each made is found all the same.
#[test]
fn a_delta_has_a_difference_of_its_own_while_at_answers_with_the_state_before_it() {
    let world = World::new(Mode::Ask);
    world.prompt("Talk");
    let job = world.engine.runner.next();
    let stream = |steps| {
        Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        })
    };
    job.port.progress(stream(vec![StreamEvent::BlockStarted {
        index: 0,
        kind: BlockKind::Text,
    }]));
    world.engine.fence();
    let first = world.seq();
    for word in ["Once ", "upon ", "a time"] {
        job.port.progress(stream(vec![StreamEvent::Delta {
            index: 0,
            text: word.into(),
        }]));
        world.engine.fence();
    }
    let last = world.seq();
    assert_eq!(last, first + 3);
    // One more commit, so that none of them is the present.
    world.accept(Event::Session(session::Event::Retitled { title: "t".into() }));
    let one = diff(&world, last - 1, last);
    let text = ".turn.attempt.answer.blocks[0].growing.text";
    assert_eq!(
        paths(&one),
        [
            "changed .turn.attempt.wait.deadline.set_by".to_owned(),
            format!("changed {text}.chunks#0"),
            format!("changed {text}.bytes"),
        ]
    );
    assert!(one.to_string().contains("Once upon a time"), "{one:#}");
    let seen = world.ask(&format!(
        "{{ session(id: \"{S}\", at: {last}) {{ seq asOf turn {{ state }} }} }}"
    ));
    assert_eq!(seen["session"]["seq"], last);
    assert!(seen["session"]["asOf"].as_u64().unwrap() < first, "{seen}");
    let later = format!(
        "{{ diff(session: \"{S}\", from: {}, to: {last}) {CHANGES} }}",
        last - 1
    );
    assert_eq!(ask(&world.later(), Viewer::owner(), &later)["data"]["diff"], one);
    drop(job);
    world.engine.fence();
}

#[test]
fn what_is_not_there_does_not_differ() {
    let world = World::new(Mode::Ask);
    let codes = |from: u64, to: u64| {
        let query = format!("{{ diff(session: \"{S}\", from: {from}, to: {to}) {{ more }} }}");
        let live = failures(&world.graph(), Viewer::owner(), &query);
        assert_eq!(failures(&world.later(), Viewer::owner(), &query), live);
        live
    };
    assert_eq!(codes(1, 99), [("FUTURE".to_owned(), "diff".to_owned())]);
    assert_eq!(codes(0, 1), []);
}

#[test]
fn what_stands_beside_the_conversation_is_compared_too() {
    let world = World::new(Mode::Ask);
    world.turn();
    let entry: EntryId = "2.0".parse().unwrap();
    let label = Some("works".into());
    let events: [(Event, &[&str]); 4] = [
        (
            Event::Tree(tree::Event::Labelled { entry, label }),
            &["added .tree.labels[2.0]"],
        ),
        (
            Event::Tree(tree::Event::Pinned { entry, pinned: true }),
            &["added .tree.pinned#0"],
        ),
        (
            Event::Fork(fork::Event::Requested {
                child: ScopeId::from_u128(9),
                of: world.state().id,
                at: 1,
            }),
            &["added .children[00000000-0000-0000-0000-000000000009]"],
        ),
        (
            Event::Session(session::Event::Retitled {
                title: "[secret:password:000212345:1]".into(),
            }),
            &["changed .meta.title", "added .masked[000212345:1]"],
        ),
    ];
    for (event, expected) in events {
        let seq = world.accept(event.clone());
        assert_eq!(paths(&diff(&world, seq - 1, seq)), expected, "{event:?}");
    }
}
