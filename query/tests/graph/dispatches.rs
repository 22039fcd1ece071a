use glasswork_app_runtime::reading::Viewer;
use glasswork_engine::{Party, test_support};
use glasswork_query::Graph;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::{Event, prompt, session};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{S, World, ask, prompted};

/// Everything about a dispatch but times, which differ from run to run.
const ALL: &str = "{ id scope seq refusal event text payload origin { kind effect name connection } grant at
    cause { id } caused { nodes { id } } consequence settles stages { stage } slow
    outcome { kind text data digest effect bytes }
    facts { name payload row { chart key row { from on to } call } }
    effects { id name class payload request call } stops closes
    stateDiff(first: 3) { from to more changes { kind path { field key index } } } }";

fn dispatch(world: &World, id: &str) -> Value {
    world.ask(&format!("{{ dispatch(id: \"{S}/{id}\") {ALL} }}"))["dispatch"].clone()
}

#[test]
fn a_prompt_is_shown_with_all_that_it_led_to() {
    let world = World::new(Mode::Ask);
    let seq = world.prompt("Fix the test");
    assert_json_snapshot!(dispatch(&world, &seq.to_string()), @r#"
    {
      "at": "1970-01-12T13:46:40.000000Z",
      "cause": null,
      "caused": {
        "nodes": []
      },
      "closes": [],
      "consequence": null,
      "effects": [
        {
          "call": null,
          "class": "ONCE",
          "id": "00000000-0000-0000-0000-000000000002/2/0",
          "name": "call_model",
          "payload": {
            "attempt": 1,
            "request": 1
          },
          "request": "00000000-0000-0000-0000-000000000002/r1"
        }
      ],
      "event": "prompted",
      "facts": [
        {
          "name": "session.moved",
          "payload": {
            "row": "begin",
            "to": "busy"
          },
          "row": {
            "call": null,
            "chart": "session",
            "key": "begin",
            "row": {
              "from": "idle",
              "on": "begin",
              "to": "busy"
            }
          }
        },
        {
          "name": "turn.began",
          "payload": {
            "max_steps": 200
          },
          "row": null
        },
        {
          "name": "prompt.said",
          "payload": {
            "text": "Fix the test"
          },
          "row": null
        },
        {
          "name": "turn.moved",
          "payload": {
            "row": "step.request",
            "to": "connecting"
          },
          "row": {
            "call": null,
            "chart": "turn",
            "key": "step.request",
            "row": {
              "from": "preparing",
              "on": "step",
              "to": "connecting"
            }
          }
        },
        {
          "name": "turn.prepared",
          "payload": {
            "model": "scripted/test",
            "plan": {
              "estimate": 21,
              "head": 1,
              "kept": 0,
              "new": [
                {
                  "by": 2,
                  "entry": "2.0",
                  "tokens": 3
                }
              ],
              "tokens": 21
            },
            "thinking": "default"
          },
          "row": null
        },
        {
          "name": "model.called",
          "payload": {
            "after_ms": 60000,
            "effect": 0
          },
          "row": null
        }
      ],
      "grant": "people may do this",
      "id": "00000000-0000-0000-0000-000000000002/2",
      "origin": {
        "connection": null,
        "effect": null,
        "kind": "USER",
        "name": null
      },
      "outcome": {
        "bytes": null,
        "data": null,
        "digest": null,
        "effect": null,
        "kind": "COMMITTED",
        "text": null
      },
      "payload": {
        "prompt": {
          "prompted": {
            "text": "Fix the test"
          }
        }
      },
      "refusal": null,
      "scope": "00000000-0000-0000-0000-000000000002",
      "seq": 2,
      "settles": null,
      "slow": false,
      "stages": [
        {
          "stage": "PERMISSION"
        },
        {
          "stage": "LOG"
        },
        {
          "stage": "HANDLER"
        },
        {
          "stage": "VALIDATE"
        },
        {
          "stage": "APPLY"
        },
        {
          "stage": "EFFECTS"
        }
      ],
      "stateDiff": {
        "changes": [
          {
            "kind": "CHANGED",
            "path": [
              {
                "field": "state",
                "index": null,
                "key": null
              }
            ]
          },
          {
            "kind": "ADDED",
            "path": [
              {
                "field": "turn",
                "index": null,
                "key": null
              }
            ]
          },
          {
            "kind": "ADDED",
            "path": [
              {
                "field": "tree",
                "index": null,
                "key": null
              },
              {
                "field": "entries",
                "index": null,
                "key": null
              },
              {
                "field": null,
                "index": null,
                "key": "2.0"
              }
            ]
          }
        ],
        "from": "00000000-0000-0000-0000-000000000002/1",
        "more": true,
        "to": "00000000-0000-0000-0000-000000000002/2"
      },
      "stops": [],
      "text": "“Fix the test”"
    }
    "#);
}

#[test]
fn a_rejection_is_shown_and_changed_nothing() {
    let world = World::new(Mode::Ask);
    let cancelled = Event::Prompt(prompt::Event::Cancelled);
    assert!(world.engine.ask(world.session, cancelled).is_err());
    assert_json_snapshot!(dispatch(&world, "1!1"), @r#"
    {
      "at": "1970-01-12T13:46:40.000000Z",
      "cause": null,
      "caused": {
        "nodes": []
      },
      "closes": [],
      "consequence": null,
      "effects": [],
      "event": "cancelled",
      "facts": [],
      "grant": null,
      "id": "00000000-0000-0000-0000-000000000002/1!1",
      "origin": {
        "connection": null,
        "effect": null,
        "kind": "USER",
        "name": null
      },
      "outcome": {
        "bytes": null,
        "data": "no_turn",
        "digest": null,
        "effect": null,
        "kind": "REJECTED",
        "text": "nothing is running in this session; send a prompt to begin a turn"
      },
      "payload": null,
      "refusal": 1,
      "scope": "00000000-0000-0000-0000-000000000002",
      "seq": 1,
      "settles": null,
      "slow": false,
      "stages": [
        {
          "stage": "PERMISSION"
        },
        {
          "stage": "LOG"
        },
        {
          "stage": "HANDLER"
        },
        {
          "stage": "VALIDATE"
        },
        {
          "stage": "APPLY"
        },
        {
          "stage": "EFFECTS"
        }
      ],
      "stateDiff": {
        "changes": [],
        "from": "00000000-0000-0000-0000-000000000002/1",
        "more": false,
        "to": "00000000-0000-0000-0000-000000000002/1"
      },
      "stops": [],
      "text": null
    }
    "#);
}

#[test]
fn of_what_was_denied_the_payload_is_not_kept() {
    let world = World::new(Mode::Ask);
    let extension = world.engine.engine.handle(Party::Extension("weather".into()));
    let denied = test_support::wait(extension.dispatch(world.session, prompted("a secret")));
    assert!(denied.is_err());
    let shown = dispatch(&world, "1!1");
    assert_eq!(shown["outcome"]["kind"], "DENIED");
    assert_eq!(shown["origin"]["name"], "weather");
    assert_eq!(shown["outcome"]["digest"].as_str().unwrap().len(), 64);
    assert!(!shown.to_string().contains("a secret"), "{shown:#}");
}

#[test]
fn lists_hold_refusals_in_their_places_and_go_on_from_a_cursor() {
    let world = World::new(Mode::Ask);
    let cancel = || {
        world
            .engine
            .ask(world.session, Event::Prompt(prompt::Event::Cancelled))
            .is_err()
    };
    assert!(cancel() && cancel());
    world.prompt("Fix the test");
    assert!(world.engine.ask(world.session, prompted("Another")).is_err());
    world.say("Done.");
    let list = |arguments: &str| {
        let query = format!(
            "{{ dispatches(session: \"{S}\" {arguments}) {{
            nodes {{ id event }} edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
        );
        let page = world.ask(&query)["dispatches"].clone();
        let ids = page["nodes"].as_array().unwrap().iter();
        let ids: Vec<String> = ids
            .map(|node| node["id"].as_str().unwrap().replace(S, "s"))
            .collect();
        (ids.join(" "), page)
    };
    let (all, page) = list("");
    assert_eq!(all, "s/1 s/1!1 s/1!2 s/2 s/2!1 s/3");
    assert_eq!(
        page["pageInfo"],
        json!({ "hasNextPage": false, "hasPreviousPage": false })
    );
    // Page by page comes to the same, at every size.
    for size in 1..=6 {
        let mut paged = Vec::new();
        let mut after = String::new();
        loop {
            let (ids, page) = list(&format!("first: {size} {after}"));
            paged.push(ids);
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            let cursor = page["edges"].as_array().unwrap().last().unwrap()["cursor"]
                .as_str()
                .unwrap()
                .to_owned();
            after = format!("after: \"{cursor}\"");
        }
        assert_eq!(paged.join(" "), all, "pages of {size}");
    }
    let cases = [
        ("filter: { event: \"cancelled\" }", "s/1!1 s/1!2"),
        ("filter: { event: \"prompted\" }", "s/2 s/2!1"),
        ("filter: { outcome: REJECTED }", "s/1!1 s/1!2 s/2!1"),
        ("filter: { outcome: COMMITTED }", "s/1 s/2 s/3"),
        ("filter: { origin: EFFECT }", "s/3"),
        ("filter: { from: 2 }", "s/2 s/2!1 s/3"),
        ("filter: { to: 1 }", "s/1 s/1!1 s/1!2"),
        (
            "filter: { from: 2, to: 2, origin: USER, outcome: COMMITTED }",
            "s/2",
        ),
        ("filter: { event: \"nothing\" }", ""),
    ];
    for (filter, ids) in cases {
        assert_eq!(list(filter).0, ids, "{filter}");
    }
}

#[test]
fn a_later_process_has_no_traces_and_says_so() {
    let world = World::new(Mode::Ask);
    let seq = world.prompt("Fix the test");
    let query = format!(
        "{{ dispatch(id: \"{S}/{seq}\") {{ event outcome {{ kind }} stages {{ stage }} slow
        journalNanoseconds lineBytes }} }}"
    );
    let mut live = world.ask(&query)["dispatch"].clone();
    let later = ask(&world.later(), Viewer::owner(), &query)["data"]["dispatch"].clone();
    assert_eq!(live["stages"].as_array().unwrap().len(), 6);
    live["stages"] = Value::Null;
    live["slow"] = Value::Null;
    live["journalNanoseconds"] = Value::Null;
    assert_eq!(later, live);
    assert!(live["lineBytes"].as_u64().unwrap() > 100);
}

/// The list of events is not written beside the enum: each that happens here is in it, under the same name.
#[test]
fn what_happens_is_what_the_schema_says_can_happen() {
    let world = World::new(Mode::Ask);
    world.turn();
    assert!(
        world
            .engine
            .ask(world.session, Event::Prompt(prompt::Event::Cancelled))
            .is_err()
    );
    let schema = world.ask(
        "{ schema { events { name path fields urgent } facts { name fields }
        effects { name fields classes } stages { name } charts deadlines attemptDeadlines outcomes
        errorCodes { code } } }",
    )["schema"]
        .clone();
    let names = |list: &str| -> Vec<String> {
        schema[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| kind["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (events, facts, effects) = (names("events"), names("facts"), names("effects"));
    let query = format!(
        "{{ dispatches(session: \"{S}\") {{ nodes {{ event facts {{ name }} effects {{ name }} }} }} }}"
    );
    for dispatch in world.ask(&query)["dispatches"]["nodes"].as_array().unwrap() {
        assert!(
            events.contains(&dispatch["event"].as_str().unwrap().to_owned()),
            "{dispatch}"
        );
        for (list, known) in [("facts", &facts), ("effects", &effects)] {
            for kind in dispatch[list].as_array().unwrap() {
                assert!(
                    known.contains(&kind["name"].as_str().unwrap().to_owned()),
                    "{kind}"
                );
            }
        }
    }
    let urgent: Vec<_> = schema["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["urgent"] == true)
        .collect();
    assert_eq!(
        urgent
            .iter()
            .map(|event| event["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["interrupted", "cancelled"]
    );
    assert_eq!(
        schema["effects"],
        json!([
            { "name": "call_model", "fields": ["request", "attempt"], "classes": ["ONCE"] },
            { "name": "summarise", "fields": ["request", "attempt"], "classes": ["ONCE"] },
            { "name": "gather_evidence", "fields": ["call"], "classes": ["AGAIN"] },
            { "name": "run_tool", "fields": ["call", "access", "path"], "classes": ["AGAIN", "ONCE"] },
            { "name": "start_server", "fields": ["server"], "classes": ["ONCE"] },
            { "name": "fork", "fields": ["child", "of", "at"], "classes": ["AGAIN"] },
            { "name": "trash", "fields": ["session", "way"], "classes": ["AGAIN"] },
            { "name": "close_session", "fields": ["session"], "classes": ["AGAIN"] },
        ])
    );
    assert_eq!(
        schema["deadlines"],
        json!(["attempt", "answer", "call", "server"])
    );
    assert_eq!(
        schema["charts"],
        json!(["session", "turn", "tool_call", "mcp_server"])
    );
}

/// Commits are read piece by piece; the seams do not show.
#[test]
fn a_long_record_is_read_over_its_seams() {
    let world = World::new(Mode::Ask);
    while world.seq() < 2_060 {
        let title = format!("Title {}", world.seq()).into();
        world.accept(Event::Session(session::Event::Retitled { title }));
    }
    let list = |graph: &Graph, from: u64| {
        let query = format!(
            "{{ dispatches(session: \"{S}\", filter: {{ from: {from} }}, first: 20) {{ nodes {{ seq event }} }} }}"
        );
        let nodes = ask(graph, Viewer::owner(), &query)["data"]["dispatches"]["nodes"].clone();
        let seqs = nodes
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["seq"].as_u64().unwrap());
        seqs.collect::<Vec<_>>()
    };
    for graph in [world.graph(), world.later()] {
        assert_eq!(list(&graph, 1_015), (1_015..1_035).collect::<Vec<_>>());
        assert_eq!(list(&graph, 2_045), (2_045..=2_060).collect::<Vec<_>>());
        assert_eq!(list(&graph, 2_061), Vec::<u64>::new());
    }
}

#[test]
fn of_a_past_session_no_later_dispatch_is_listed() {
    let world = World::new(Mode::Ask);
    world.turn();
    let query = format!(
        "{{ session(id: \"{S}\", at: 2) {{ dispatches(filter: {{ to: 100 }}) {{ nodes {{ seq }} }} }} }}"
    );
    let nodes = world.ask(&query)["session"]["dispatches"]["nodes"].clone();
    let seqs: Vec<&Value> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["seq"])
        .collect();
    assert_eq!(seqs.last().map(|seq| seq.as_u64()), Some(Some(2)), "{nodes}");
}
