use glasswork_app_runtime::reading::Viewer;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::trash::{self, Way, Why};
use glasswork_session_state::{Event, closing, prompt, tools};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{NOW, S, World, ask, failures};

#[test]
fn a_session_at_work_is_shown_whole() {
    let world = World::new(Mode::Ask);
    world.prompt("Run it");
    world.call_bash("make");
    world.accept(Event::Prompt(prompt::Event::Steered {
        text: "quickly".into(),
        key: None,
    }));
    let query = format!("{{ session(id: \"{S}\") {{ id seq asOf at epoch loaded meta {{ title workspace created }}
        state entryCount leaf {{ id }}
        turn {{ id state ended steps maxSteps pending answerDue attempt {{ number waitsFor request {{ id }} }}
            batch {{ id tool arguments state deadline {{ afterMs setBy due }} }}
            deadlines {{ call afterMs setBy }} failure {{ limit }} }}
        queue {{ steering {{ text origin {{ kind }} by {{ id }} at }} followUps {{ text }} returned {{ text }} }}
        openEffects {{ id name class }}
        waitingFor {{ what on call callState since deadline {{ due }} }}
        usage {{ models {{ model attempts failed tokens {{ input output cacheRead cacheWrite }} }} calls callsFailed }}
        tools {{ name parameters by {{ id }} }} }} }}");
    assert_json_snapshot!(world.ask(&query)["session"], @r#"
    {
      "asOf": 5,
      "at": "1970-01-12T13:46:40.000000Z",
      "entryCount": 2,
      "epoch": 1,
      "id": "00000000-0000-0000-0000-000000000002",
      "leaf": {
        "id": "00000000-0000-0000-0000-000000000002/3.0"
      },
      "loaded": true,
      "meta": {
        "created": "1970-01-12T13:46:40.000000Z",
        "title": "A test",
        "workspace": "/work"
      },
      "openEffects": [],
      "queue": {
        "followUps": [],
        "returned": [],
        "steering": [
          {
            "at": "1970-01-12T13:46:40.000000Z",
            "by": {
              "id": "00000000-0000-0000-0000-000000000002/5"
            },
            "origin": {
              "kind": "USER"
            },
            "text": "quickly"
          }
        ]
      },
      "seq": 5,
      "state": "busy",
      "tools": [
        {
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/1"
          },
          "name": "read",
          "parameters": {
            "a": 1
          }
        },
        {
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/1"
          },
          "name": "bash",
          "parameters": {
            "a": 1
          }
        }
      ],
      "turn": {
        "answerDue": false,
        "attempt": {
          "number": 1,
          "request": {
            "id": "00000000-0000-0000-0000-000000000002/r1"
          },
          "waitsFor": null
        },
        "batch": [
          {
            "arguments": {
              "command": "make"
            },
            "deadline": {
              "afterMs": 43200000,
              "due": "1970-01-13T01:46:40.000000Z",
              "setBy": "00000000-0000-0000-0000-000000000002/4"
            },
            "id": "00000000-0000-0000-0000-000000000002/3.0",
            "state": "asked",
            "tool": "bash"
          }
        ],
        "deadlines": [
          {
            "afterMs": 43200000,
            "call": "00000000-0000-0000-0000-000000000002/3.0",
            "setBy": "00000000-0000-0000-0000-000000000002/4"
          }
        ],
        "ended": false,
        "failure": null,
        "id": "00000000-0000-0000-0000-000000000002/2",
        "maxSteps": 200,
        "pending": null,
        "state": "gating",
        "steps": 1
      },
      "usage": {
        "calls": 0,
        "callsFailed": 0,
        "models": [
          {
            "attempts": 1,
            "failed": 0,
            "model": "scripted/test",
            "tokens": {
              "cacheRead": 0,
              "cacheWrite": 0,
              "input": 100,
              "output": 10
            }
          }
        ]
      },
      "waitingFor": [
        {
          "call": "00000000-0000-0000-0000-000000000002/3.0",
          "callState": "asked",
          "deadline": {
            "due": "1970-01-13T01:46:40.000000Z"
          },
          "on": "PERSON",
          "since": "1970-01-12T13:46:40.000000Z",
          "what": "CALL"
        }
      ]
    }
    "#);
}

#[test]
fn an_answer_is_seen_while_it_arrives() {
    use glasswork_ai::stream::{BlockKind, StreamEvent};
    use glasswork_session_state::model;
    let world = World::new(Mode::Ask);
    world.prompt("Talk");
    let job = world.engine.runner.next();
    let steps = vec![
        StreamEvent::BlockStarted {
            index: 0,
            kind: BlockKind::Text,
        },
        StreamEvent::Delta {
            index: 0,
            text: "Once".into(),
        },
    ];
    job.port.progress(Event::Model(model::Event::Streamed {
        body: None,
        limits: vec![],
        steps,
    }));
    world.engine.fence();
    let query = format!("{{ session(id: \"{S}\") {{ turn {{ state attempt {{ waitsFor
        blocks {{ index finished block {{ kind text }} }} }} }} openEffects {{ name request by {{ id }} }} }} }}");
    assert_eq!(
        world.ask(&query)["session"],
        json!({
            "turn": { "state": "streaming", "attempt": { "waitsFor": "STREAM",
                "blocks": [{ "index": 0, "finished": false, "block": { "kind": "TEXT", "text": "Once" } }] } },
            "openEffects": [{ "name": "call_model", "request": format!("{S}/r1"), "by": { "id": format!("{S}/2") } }],
        })
    );
    drop(job);
    world.engine.fence();
}

#[test]
fn every_setting_is_shown_with_where_it_comes_from() {
    let world = World::new(Mode::AcceptEdits);
    let query =
        format!("{{ session(id: \"{S}\") {{ settings {{ name value source {{ layer file line }} }} }} }}");
    let settings = world.ask(&query)["session"]["settings"].clone();
    let setting = |name: &str| {
        settings
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name)
            .unwrap()
            .clone()
    };
    let source = |layer: &str| json!({ "layer": layer, "file": null, "line": null });
    assert_eq!(
        setting("mode"),
        json!({ "name": "mode", "value": "accept-edits",
            "source": { "layer": "PROJECT", "file": "/work/.glasswork/settings.ron", "line": 3 } })
    );
    assert_eq!(
        setting("model"),
        json!({ "name": "model", "value": "scripted/test", "source": source("FLAG") })
    );
    assert_eq!(setting("max_output_tokens")["value"], Value::Null);
    assert_eq!(
        setting("max_steps"),
        json!({ "name": "max_steps", "value": "200", "source": source("DEFAULT") })
    );
    assert_eq!(
        settings.as_array().unwrap().len(),
        world.state().settings.all().len()
    );
}

#[test]
fn the_past_is_as_it_was_here_and_in_a_later_process() {
    let world = World::new(Mode::Ask);
    world.turn();
    let fields = "{ seq asOf state entryCount turn { state steps } usage { calls } }";
    let end = world.seq();
    let states: Vec<Value> = (0..=end)
        .map(|at| {
            let query = format!("{{ session(id: \"{S}\", at: {at}) {fields} }}");
            let here = world.ask(&query)["session"].clone();
            assert_eq!(
                ask(&world.later(), Viewer::owner(), &query)["data"]["session"],
                here,
                "at {at}"
            );
            here
        })
        .collect();
    assert_json_snapshot!(states.iter().map(|state| format!("{} {} {} {}", state["seq"], state["state"],
        state["turn"]["state"], state["entryCount"])).collect::<Vec<_>>(), @r#"
    [
      "0 \"vacant\" null 0",
      "1 \"idle\" null 0",
      "2 \"busy\" \"connecting\" 1",
      "3 \"busy\" \"gating\" 2",
      "4 \"busy\" \"executing\" 2",
      "5 \"busy\" \"connecting\" 3",
      "6 \"idle\" \"completed\" 4"
    ]
    "#);
    let future = format!("{{ session(id: \"{S}\", at: {}) {{ id }} }}", end + 1);
    let expected = [("FUTURE".to_owned(), "session".to_owned())];
    assert_eq!(world.failures(&future), expected);
    assert_eq!(failures(&world.later(), Viewer::owner(), &future), expected);
}

#[test]
fn the_conversation_is_read_by_pages_from_either_end() {
    let world = World::new(Mode::Ask);
    world.turn();
    let read = |arguments: &str| {
        let query = format!(
            "{{ session(id: \"{S}\") {{ entries{arguments} {{
            nodes {{ kind preview }} pageInfo {{ endCursor hasNextPage hasPreviousPage }} }} }} }}"
        );
        let page = world.ask(&query)["session"]["entries"].clone();
        let said = page["nodes"].as_array().unwrap().iter();
        (
            said.map(|node| node["preview"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            page["pageInfo"].clone(),
        )
    };
    let all = ["Fix the test", "I look.", "contents of a", "Fixed."];
    assert_eq!(read("").0, all);
    assert_eq!(read("(allBranches: true)").0, all);
    assert_eq!(read("(newest: 2)").0, all[2..]);
    let (first, page) = read("(first: 3)");
    assert_eq!(
        (first.as_slice(), &page["hasNextPage"]),
        (&all.map(str::to_owned)[..3], &json!(true))
    );
    assert_eq!(read(&format!("(after: {})", page["endCursor"])).0, all[3..]);
    let wrong = format!("{{ session(id: \"{S}\") {{ entries(after: \"x\") {{ nodes {{ id }} }} state }} }}");
    assert_eq!(
        world.failures(&wrong),
        [("BAD_ID".to_owned(), "session.entries".to_owned())]
    );
}

#[test]
fn calls_are_found_by_state_tool_and_name() {
    let world = World::new(Mode::Ask);
    let read = world.turn();
    world.prompt("Run it");
    let bash = world.call_bash("make");
    let list = |filter: &str| {
        let query =
            format!("{{ session(id: \"{S}\") {{ calls(filter: {{ {filter} }}) {{ nodes {{ id }} }} }} }}");
        let nodes = world.ask(&query)["session"]["calls"]["nodes"].clone();
        nodes
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (read, bash) = (format!("{S}/{read}"), format!("{S}/{bash}"));
    let cases = [
        ("", vec![read.clone(), bash.clone()]),
        ("tool: \"bash\"", vec![bash.clone()]),
        ("state: \"succeeded\"", vec![read.clone()]),
        ("settled: false", vec![bash.clone()]),
        ("settled: true, tool: \"bash\"", vec![]),
    ];
    for (filter, ids) in cases {
        assert_eq!(list(filter), ids, "{filter}");
    }
    let query = format!(
        "{{ session(id: \"{S}\") {{ call(id: \"{read}\") {{ tool arguments state
        outcome {{ text isError }} result {{ id text }} entry {{ id }} by {{ event }} }} }} }}"
    );
    assert_json_snapshot!(world.ask(&query)["session"]["call"], @r#"
    {
      "arguments": {
        "path": "a.txt"
      },
      "by": {
        "event": "answered"
      },
      "entry": {
        "id": "00000000-0000-0000-0000-000000000002/3.0"
      },
      "outcome": {
        "isError": false,
        "text": "contents of a"
      },
      "result": {
        "id": "00000000-0000-0000-0000-000000000002/5.0",
        "text": "contents of a"
      },
      "state": "succeeded",
      "tool": "read"
    }
    "#);
    let other = world.open(Mode::Ask);
    let foreign = format!("{{ session(id: \"{other}\") {{ call(id: \"{read}\") {{ id }} }} }}");
    assert_eq!(
        world.failures(&foreign),
        [("NOT_FOUND".to_owned(), "session.call".to_owned())]
    );
    let call = world.state().calls.keys().next_back().copied().unwrap();
    world.accept(Event::Tools(tools::Event::Refused { call, reason: None }));
    assert_eq!(list("state: \"denied\""), [bash]);
    world.say("Then not.");
}

#[test]
fn the_list_of_sessions_is_newest_first_and_filtered() {
    let world = World::new(Mode::Ask);
    let other = world.open(Mode::Ask).to_string();
    let list = |arguments: &str| {
        world.ask(&format!(
            "{{ sessions{arguments} {{ nodes {{ id seq loaded damage created updated title firstWords workspace
            branch model messages tokens cost status parent pinned owner {{ pid }} }}
            pageInfo {{ hasNextPage endCursor }} }} }}"
        ))["sessions"]
            .clone()
    };
    let cursor = format!("updated:{other}:1000000000000");
    assert_eq!(
        list("(first: 1)"),
        json!({
            "nodes": [{
                "id": other, "seq": 1, "loaded": true, "damage": null, "created": NOW, "updated": NOW,
                "title": "A test", "firstWords": null, "workspace": "/work", "branch": null, "model": "scripted/test",
                "messages": 0, "tokens": 0, "cost": null, "status": "NEW", "parent": null, "pinned": false,
                "owner": null,
            }],
            "pageInfo": { "hasNextPage": true, "endCursor": cursor },
        })
    );
    assert_eq!(list(&format!("(after: \"{cursor}\")"))["nodes"][0]["id"], S);
    assert_eq!(list("(filter: { loaded: false })")["nodes"], json!([]));
    let ids = |arguments: &str| -> Vec<String> {
        let nodes = list(arguments)["nodes"].as_array().unwrap().clone();
        nodes
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        ids("(filter: { loaded: true }, sort: TITLE)"),
        [S, other.as_str()]
    );
    assert_eq!(
        ids("(filter: { status: NEW }, sort: CREATED)"),
        [other.as_str(), S]
    );
    assert_eq!(ids("(filter: { status: PAUSED })"), [""; 0]);
    assert_eq!(
        ids("(filter: { named: \"a TEST\", workspace: \"/work\" })").len(),
        2
    );
    world.prompt("Why?");
    assert_eq!(ids("(sort: MESSAGES)"), [S, other.as_str()]);
    assert_eq!(ids("(filter: { status: RUNNING })"), [S]);
    // A place in a list that is sorted otherwise is none in this one.
    let elsewhere = format!("{{ sessions(after: \"{cursor}\", sort: TITLE) {{ nodes {{ id }} }} }}");
    assert_eq!(
        world.failures(&elsewhere),
        [("BAD_ID".to_owned(), "sessions".to_owned())]
    );
    let later = ask(
        &world.later(),
        Viewer::owner(),
        "{ sessions { nodes { loaded session { state } } } }",
    );
    assert_eq!(
        later["data"]["sessions"]["nodes"],
        json!([{ "loaded": false, "session": { "state": "idle" } }, { "loaded": false, "session": { "state": "busy" } }])
    );
}

/// To look at each of many for a page of three would cost with the number of those that are mounted.
#[test]
fn a_page_of_the_newest_looks_at_those_that_it_shows() {
    let world = World::new(Mode::Ask);
    let mut newest: Vec<String> = (0..20).map(|_| world.open(Mode::Ask).to_string()).collect();
    newest.reverse();
    newest.push(S.to_owned());
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    world.archive.looked_at();
    loop {
        let page = world.ask(&format!(
            "{{ sessions(first: 3, after: {after}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
        ))["sessions"]
            .clone();
        let nodes = page["nodes"].as_array().unwrap();
        assert!(world.archive.looked_at() <= 4, "{page}");
        seen.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, newest);
    // What one of them is asked for costs nothing with the others either.
    world.ask(&format!("{{ sessions(filter: {{ named: \"a test\" }}, first: 1) {{ nodes {{ id }} }} session(id: \"{S}\") {{ id }} }}"));
    assert!(world.archive.looked_at() <= 3);
}

#[test]
fn the_host_shows_itself() {
    let world = World::new(Mode::Ask);
    let host =
        world.ask("{ host { version started providers { name credential credentialFrom } mounted { id } } }");
    assert_eq!(
        host["host"],
        json!({
            "version": "0.1.0",
            "started": NOW,
            "providers": [{ "name": "scripted", "credential": "NOT_NEEDED", "credentialFrom": null }],
            "mounted": [{ "id": S }],
        })
    );
}

#[test]
fn what_a_host_does_for_sessions_can_be_watched() {
    let world = World::new(Mode::Ask);
    let other = world.open(Mode::Ask);
    let ask = || {
        world.ask(
            "{ host { leftByOthers { host } underWay { host forks { child of at effect }
            moves { session way why effect } closings { root now effect left closed stayed { session why } } } } }",
        )["host"]
            .clone()
    };
    let none = json!({ "host": world.host, "forks": [], "moves": [], "closings": [] });
    assert_eq!(ask(), json!({ "leftByOthers": [], "underWay": none }));
    let session = world.session;
    let asked = |event| world.engine.accept(world.host, event).id.seq;
    let moved = asked(Event::Trash(trash::Event::Requested {
        session,
        way: Way::In,
        why: Why::Kept,
    }));
    let closed = asked(Event::Closing(closing::Event::Requested {
        root: session,
        sessions: vec![other, session],
    }));
    let host = world.host;
    let under_way = ask()["underWay"].clone();
    assert_eq!(
        under_way["moves"],
        json!([{ "session": session, "way": "IN", "why": "KEPT", "effect": format!("{host}/{moved}/0") }])
    );
    assert_eq!(
        under_way["closings"],
        json!([{
            "root": session,
            "now": other,
            "effect": format!("{host}/{closed}/0"),
            "left": [session],
            "closed": [],
            "stayed": [],
        }])
    );
}
