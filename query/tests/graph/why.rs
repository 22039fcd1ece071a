use glasswork_app_runtime::reading::Viewer;
use glasswork_session_state::Event;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::tools;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{S, World, ask, failures};

const ALL: &str = "{ subject end chain { dispatch { id event origin { kind } } text }
    decision { verdict rule ruleSays mode modeFrom { layer file line } access unattended
        evidence { __typename ... on FileEvidence { requested resolved insideWorkspace }
            ... on CommandEvidence { command directory } } }
    decidedBy { id } approval { approved by { kind } dispatch { id } } call { state } }";

fn why_call(world: &World, call: glasswork_agent_core::id::CallId) -> Value {
    world.ask(&format!("{{ why(of: {{ toolCall: \"{S}/{call}\" }}) {ALL} }}"))["why"].clone()
}

#[test]
fn an_allowed_call_is_traced_to_its_prompt_and_shows_the_decision_as_it_was_recorded() {
    let world = World::new(Mode::Ask);
    let call = world.turn();
    assert_json_snapshot!(why_call(&world, call), @r#"
    {
      "approval": null,
      "call": {
        "state": "succeeded"
      },
      "chain": [
        {
          "dispatch": {
            "event": "evidence_gathered",
            "id": "00000000-0000-0000-0000-000000000002/4",
            "origin": {
              "kind": "EFFECT"
            }
          },
          "text": "it was found out what call 3.1 would touch"
        },
        {
          "dispatch": {
            "event": "answered",
            "id": "00000000-0000-0000-0000-000000000002/3",
            "origin": {
              "kind": "EFFECT"
            }
          },
          "text": "the model finished: tool_use"
        },
        {
          "dispatch": {
            "event": "prompted",
            "id": "00000000-0000-0000-0000-000000000002/2",
            "origin": {
              "kind": "USER"
            }
          },
          "text": "“Fix the test”"
        }
      ],
      "decidedBy": {
        "id": "00000000-0000-0000-0000-000000000002/4"
      },
      "decision": {
        "access": "READ",
        "evidence": {
          "__typename": "FileEvidence",
          "insideWorkspace": true,
          "requested": "a.txt",
          "resolved": "/work/a.txt"
        },
        "mode": "ASK",
        "modeFrom": {
          "file": "/work/.glasswork/settings.ron",
          "layer": "PROJECT",
          "line": 3
        },
        "rule": "ask.read",
        "ruleSays": "ALLOW",
        "unattended": false,
        "verdict": "ALLOW"
      },
      "end": "OUTSIDE",
      "subject": "00000000-0000-0000-0000-000000000002/3.1"
    }
    "#);
}

#[test]
fn a_call_that_was_asked_about_shows_who_approved_it() {
    let world = World::new(Mode::Ask);
    world.prompt("Run it");
    let call = world.call_bash("make test");
    let before = why_call(&world, call);
    assert_eq!(
        (&before["decision"]["verdict"], &before["approval"]),
        (&json!("ASK"), &Value::Null)
    );
    world.accept(Event::Tools(tools::Event::Approved { call }));
    assert_json_snapshot!(why_call(&world, call), @r#"
    {
      "approval": {
        "approved": true,
        "by": {
          "kind": "USER"
        },
        "dispatch": {
          "id": "00000000-0000-0000-0000-000000000002/5"
        }
      },
      "call": {
        "state": "running"
      },
      "chain": [
        {
          "dispatch": {
            "event": "evidence_gathered",
            "id": "00000000-0000-0000-0000-000000000002/4",
            "origin": {
              "kind": "EFFECT"
            }
          },
          "text": "it was found out what call 3.0 would touch"
        },
        {
          "dispatch": {
            "event": "answered",
            "id": "00000000-0000-0000-0000-000000000002/3",
            "origin": {
              "kind": "EFFECT"
            }
          },
          "text": "the model finished: tool_use"
        },
        {
          "dispatch": {
            "event": "prompted",
            "id": "00000000-0000-0000-0000-000000000002/2",
            "origin": {
              "kind": "USER"
            }
          },
          "text": "“Run it”"
        }
      ],
      "decidedBy": {
        "id": "00000000-0000-0000-0000-000000000002/4"
      },
      "decision": {
        "access": "EXECUTE",
        "evidence": {
          "__typename": "CommandEvidence",
          "command": "make test",
          "directory": "/work"
        },
        "mode": "ASK",
        "modeFrom": {
          "file": "/work/.glasswork/settings.ron",
          "layer": "PROJECT",
          "line": 3
        },
        "rule": "ask.change",
        "ruleSays": "ASK",
        "unattended": false,
        "verdict": "ASK"
      },
      "end": "OUTSIDE",
      "subject": "00000000-0000-0000-0000-000000000002/3.0"
    }
    "#);
}

#[test]
fn a_denied_call_shows_rule_and_file() {
    let world = World::new(Mode::Plan);
    world.prompt("Run it");
    let call = world.call_bash("rm -rf /");
    let why = why_call(&world, call);
    let decision = &why["decision"];
    assert_eq!(
        (
            &decision["verdict"],
            &decision["rule"],
            &decision["modeFrom"],
            &why["call"]["state"]
        ),
        (
            &json!("DENY"),
            &json!("plan.change"),
            &json!({ "layer": "PROJECT", "file": "/work/.glasswork/settings.ron", "line": 3 }),
            &json!("denied"),
        )
    );
}

/// A toy would judge again, with what is set now.
#[test]
fn a_decision_is_not_made_again_when_the_mode_has_changed() {
    let world = World::new(Mode::Plan);
    world.prompt("Run it");
    let call = world.call_bash("make");
    let before = why_call(&world, call);
    world.set(Setting::Mode(Sourced::from_layer(Mode::Yolo, Layer::Session)));
    assert_eq!(why_call(&world, call), before);
    assert_eq!(before["decision"]["mode"], "PLAN");
}

#[test]
fn a_call_that_a_change_of_mode_allowed_names_that_change_and_before_it_the_question() {
    let world = World::new(Mode::Ask);
    world.prompt("Run it");
    let call = world.call_bash("make");
    let asked = world.seq();
    let set = world.set(Setting::Mode(Sourced::from_layer(Mode::Yolo, Layer::Session)));
    let now = why_call(&world, call);
    let query = format!("{{ why(of: {{ toolCall: \"{S}/{call}\" }}, at: {asked}) {ALL} }}");
    let then = world.ask(&query)["why"].clone();
    assert_eq!(
        (
            &now["decision"]["verdict"],
            &now["decision"]["rule"],
            &now["decidedBy"]["id"]
        ),
        (&json!("ALLOW"), &json!("yolo"), &json!(format!("{S}/{set}")))
    );
    assert_eq!(
        (
            &then["decision"]["verdict"],
            &then["decision"]["rule"],
            &then["decidedBy"]["id"]
        ),
        (
            &json!("ASK"),
            &json!("ask.change"),
            &json!(format!("{S}/{asked}"))
        )
    );
    assert_eq!(
        now["chain"], then["chain"],
        "the call itself came from the prompt either way"
    );
}

#[test]
fn a_path_is_shown_as_asked_for_and_as_it_was() {
    let world = World::new(Mode::Ask);
    world.prompt("Look");
    let call = world.call_read("notes.txt", "/etc/passwd");
    let why = why_call(&world, call);
    assert_eq!(
        (&why["decision"]["access"], &why["decision"]["evidence"]),
        (
            &json!("READ_OUTSIDE"),
            &json!({ "__typename": "FileEvidence", "requested": "notes.txt", "resolved": "/etc/passwd",
                "insideWorkspace": false }),
        )
    );
}

#[test]
fn every_dispatch_of_a_turn_is_reached_from_its_prompt() {
    let world = World::new(Mode::Ask);
    let first = world.seq() + 1;
    world.turn();
    for seq in first..=world.seq() {
        let why = world.ask(&format!("{{ why(of: {{ dispatch: \"{S}/{seq}\" }}) {ALL} }}"))["why"].clone();
        let last = why["chain"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(why["end"], "OUTSIDE");
        assert_eq!(last["dispatch"]["id"], format!("{S}/{first}"), "{why:#}");
        assert_eq!(last["text"], "“Fix the test”");
    }
    // And from the prompt onwards: what each led to is what names it as its cause.
    let mut reached = vec![format!("{S}/{first}")];
    let mut next = 0;
    while let Some(id) = reached.get(next).cloned() {
        let caused = world.ask(&format!(
            "{{ dispatch(id: \"{id}\") {{ caused {{ nodes {{ id }} }} }} }}"
        ));
        let nodes = caused["dispatch"]["caused"]["nodes"].as_array().unwrap().clone();
        reached.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        next += 1;
    }
    reached.sort_by_key(|id| id.rsplit('/').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(
        reached,
        (first..=world.seq())
            .map(|seq| format!("{S}/{seq}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn entries_and_request_parts_have_causes_too() {
    let world = World::new(Mode::Ask);
    let call = world.turn();
    let result = world.state().call(call).unwrap().result.unwrap();
    let short = "{ subject end chain { text } }";
    let entry = world.ask(&format!("{{ why(of: {{ entry: \"{S}/{result}\" }}) {short} }}"));
    let part = format!("{{ requestPart: {{ request: \"{S}/r2\", message: 2 }} }}");
    let part = world.ask(&format!("{{ why(of: {part}) {short} }}"));
    assert_json_snapshot!(entry["why"], @r#"
    {
      "chain": [
        {
          "text": "call 3.1 ended: succeeded"
        },
        {
          "text": "it was found out what call 3.1 would touch"
        },
        {
          "text": "the model finished: tool_use"
        },
        {
          "text": "“Fix the test”"
        }
      ],
      "end": "OUTSIDE",
      "subject": "00000000-0000-0000-0000-000000000002/5.0"
    }
    "#);
    assert_eq!(part["why"]["chain"], entry["why"]["chain"]);
    assert_eq!(part["why"]["subject"], format!("{S}/r2/2"));
    // The head of a request came with the opening.
    for (place, name) in [("system: 0", "system/0"), ("tool: 1", "tool/1")] {
        let part = format!("{{ requestPart: {{ request: \"{S}/r2\", {place} }} }}");
        let why = world.ask(&format!(
            "{{ why(of: {part}) {{ subject chain {{ dispatch {{ event }} }} }} }}"
        ));
        assert_eq!(
            why["why"],
            json!({
                "subject": format!("{S}/r2/{name}"),
                "chain": [{ "dispatch": { "event": "opened" } }],
            })
        );
    }
}

#[test]
fn as_of_a_commit_before_it_was_judged_a_call_has_no_decision() {
    let world = World::new(Mode::Ask);
    let call = world.turn();
    let query = format!(
        "{{ why(of: {{ toolCall: \"{S}/{call}\" }}, at: {}) {ALL} }}",
        call.seq
    );
    let why = world.ask(&query)["why"].clone();
    assert_eq!(
        (&why["decision"], &why["decidedBy"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(why["chain"][0]["dispatch"]["id"], format!("{S}/{}", call.seq));
}

#[test]
fn a_later_process_answers_the_same() {
    let world = World::new(Mode::Ask);
    let call = world.turn();
    let query = format!("{{ why(of: {{ toolCall: \"{S}/{call}\" }}) {ALL} }}");
    assert_eq!(
        ask(&world.later(), Viewer::owner(), &query)["data"],
        world.ask(&query)
    );
}

#[test]
fn what_is_not_there_has_no_cause() {
    let world = World::new(Mode::Ask);
    world.turn();
    let cases = [
        (format!("toolCall: \"{S}/9.9\""), "NOT_FOUND"),
        (format!("toolCall: \"{S}\""), "BAD_ID"),
        (format!("entry: \"{S}/99.0\""), "NOT_FOUND"),
        (format!("dispatch: \"{S}/999\""), "NOT_FOUND"),
        (format!("dispatch: \"{S}/2!7\""), "NOT_FOUND"),
        (format!("dispatch: \"{S}/two\""), "BAD_ID"),
        (
            format!("requestPart: {{ request: \"{S}/r9\", message: 0 }}"),
            "NOT_FOUND",
        ),
        (
            format!("requestPart: {{ request: \"{S}/r1\", message: 9 }}"),
            "NOT_FOUND",
        ),
        (
            format!("requestPart: {{ request: \"{S}/1\", message: 0 }}"),
            "BAD_ID",
        ),
        (
            format!("requestPart: {{ request: \"{S}/r1\", system: 9 }}"),
            "NOT_FOUND",
        ),
        (
            format!("requestPart: {{ request: \"{S}/r1\", system: 0, tool: 0 }}"),
            "INVALID",
        ),
        (format!("requestPart: {{ request: \"{S}/r1\" }}"), "INVALID"),
        (format!("toolCall: \"{S}/1.0\", entry: \"{S}/1.0\""), "INVALID"),
    ];
    for (subject, code) in cases {
        let found = failures(
            &world.graph(),
            Viewer::owner(),
            &format!("{{ why(of: {{ {subject} }}) {{ end }} }}"),
        );
        let codes: Vec<_> = found.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, [code], "{subject}");
    }
}
