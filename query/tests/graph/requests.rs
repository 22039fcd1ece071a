use glasswork_ai::conversation::{Block, Thought};
use glasswork_ai::stream::StopReason;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::{Event, session};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{S, World, counted, system, tool};

const PARTS: &str = "{ id number recorded by { id event } model thinking base kept
    system { name text by { id } } tools { name by { id } }
    messages { nodes { index kind text sent by { id event } } }
    body { digest bytes } cache { status read written input } attempts steering }";

#[test]
fn a_request_is_shown_part_by_part_each_with_the_dispatch_that_put_it_there() {
    let world = World::new(Mode::Ask);
    world.turn();
    let request = world.ask(&format!("{{ request(session: \"{S}\", step: 2) {PARTS} }}"))["request"].clone();
    assert_json_snapshot!(request, @r#"
    {
      "attempts": 1,
      "base": "00000000-0000-0000-0000-000000000002/r1",
      "body": {
        "bytes": 1002,
        "digest": "body of request 2"
      },
      "by": {
        "event": "tool_settled",
        "id": "00000000-0000-0000-0000-000000000002/5"
      },
      "cache": {
        "input": 120,
        "read": 100,
        "status": "HIT",
        "written": 0
      },
      "id": "00000000-0000-0000-0000-000000000002/r2",
      "kept": 1,
      "messages": {
        "nodes": [
          {
            "by": {
              "event": "prompted",
              "id": "00000000-0000-0000-0000-000000000002/2"
            },
            "index": 0,
            "kind": "PROMPT",
            "sent": true,
            "text": "Fix the test"
          },
          {
            "by": {
              "event": "answered",
              "id": "00000000-0000-0000-0000-000000000002/3"
            },
            "index": 1,
            "kind": "ASSISTANT",
            "sent": true,
            "text": "I look."
          },
          {
            "by": {
              "event": "tool_settled",
              "id": "00000000-0000-0000-0000-000000000002/5"
            },
            "index": 2,
            "kind": "TOOL_RESULT",
            "sent": true,
            "text": "contents of a"
          }
        ]
      },
      "model": "scripted/test",
      "number": 2,
      "recorded": true,
      "steering": null,
      "system": [
        {
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/1"
          },
          "name": "base",
          "text": "You are a test."
        }
      ],
      "thinking": "DEFAULT",
      "tools": [
        {
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/1"
          },
          "name": "read"
        },
        {
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/1"
          },
          "name": "bash"
        }
      ]
    }
    "#);
}

/// What is shown as sent is what the rendering has, in its order: also where a message is left out.
#[test]
fn the_messages_that_are_sent_are_those_of_the_rendering() {
    let world = World::new(Mode::Ask);
    world.prompt("Think");
    let thought = Thought {
        text: "hm".into(),
        signature: None,
        redacted: None,
    };
    world.answer(
        vec![Block::Thinking(thought)],
        StopReason::EndOfTurn,
        counted(1, 0),
    );
    // Nothing was said: the model is told so, and asked again.
    let query =
        format!("{{ request(session: \"{S}\", step: 2) {{ messages {{ nodes {{ kind sent text }} }} }} }}");
    let messages = world.ask(&query)["request"]["messages"]["nodes"].clone();
    let told = "[Notice of the runtime, not of the user] Your last answer was empty. Go on with the task, or say that it \
                is done.";
    assert_eq!(
        messages,
        json!([
            { "kind": "PROMPT", "sent": true, "text": "Think" },
            { "kind": "ASSISTANT", "sent": false, "text": "" },
            { "kind": "NOTICE", "sent": true, "text": told },
        ])
    );
    let rendered = world
        .state()
        .render(glasswork_agent_core::id::RequestId(2))
        .unwrap();
    let sent = messages
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["sent"] == true)
        .count();
    assert_eq!(sent, rendered.messages.len());
    world.say("It.");
}

#[test]
fn what_would_be_sent_now_is_what_is_sent_then() {
    let world = World::new(Mode::Ask);
    world.prompt("Fix the test");
    world.call_read("a.txt", "/work/a.txt");
    let text =
        "{ messages { nodes { text by { id } } } system { text } tools { name } kept base model number }";
    let ready = world.seq();
    world.settle("contents of a");
    let sent = world.ask(&format!("{{ request(session: \"{S}\", step: 2) {text} }}"))["request"].clone();
    let would = world.ask(&format!(
        "{{ nextRequest(session: \"{S}\", at: {ready}) {text} }}"
    ))["nextRequest"]
        .clone();
    // The result is not in the conversation yet; all else is the same.
    assert_eq!(
        would["messages"]["nodes"].as_array().unwrap()[..],
        sent["messages"]["nodes"].as_array().unwrap()[..2]
    );
    for part in ["system", "tools", "kept", "base", "model", "number"] {
        assert_eq!(would[part], sent[part], "{part}");
    }
    world.say("Fixed.");
    let next = world.ask(&format!(
        "{{ nextRequest(session: \"{S}\") {{ number recorded by {{ id }} body {{ bytes }}
        messageCount cache {{ status }} steering }} }}"
    ));
    assert_eq!(
        next["nextRequest"],
        json!({ "number": 3, "recorded": false, "by": null, "body": null, "messageCount": 4,
            "cache": { "status": "NOT_REPORTED" }, "steering": [] })
    );
}

const DIFF: &str = "{ keptCount parts { kind index name change before after by { id } }
    cacheMiss { part { kind name change } by { id } text } }";

fn difference(world: &World, from: u64, to: u64) -> Value {
    world.ask(&format!(
        "{{ requestDiff(session: \"{S}\", from: {from}, to: {to}) {DIFF} }}"
    ))["requestDiff"]
        .clone()
}

#[test]
fn messages_at_the_end_are_no_cause_of_a_cache_miss() {
    let world = World::new(Mode::Ask);
    world.turn();
    let difference = difference(&world, 1, 2);
    assert_eq!(difference["cacheMiss"], Value::Null);
    assert_json_snapshot!(difference, @r#"
    {
      "cacheMiss": null,
      "keptCount": 6,
      "parts": [
        {
          "after": "I look.",
          "before": null,
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/3"
          },
          "change": "ADDED",
          "index": 1,
          "kind": "MESSAGE",
          "name": "assistant"
        },
        {
          "after": "contents of a",
          "before": null,
          "by": {
            "id": "00000000-0000-0000-0000-000000000002/5"
          },
          "change": "ADDED",
          "index": 2,
          "kind": "MESSAGE",
          "name": "tool_result"
        }
      ]
    }
    "#);
}

fn reopened(world: &World, prompt: &str, tools: &[&str]) -> u64 {
    let settings = Settings::clone(&world.state().settings);
    world.accept(Event::Session(session::Event::Opened {
        workspace: "/work".into(),
        title: None,
        settings: Box::new(settings),
        system: vec![system("base", prompt)],
        tools: tools.iter().copied().map(tool).collect(),
    }))
}

#[test]
fn the_cause_of_a_cache_miss_is_the_first_part_that_differs_and_the_dispatch_that_changed_it() {
    let model = |world: &World| {
        let other = "scripted/other".parse().unwrap();
        world.set(Setting::Model(Sourced::from_layer(Some(other), Layer::Session)))
    };
    type Change = Box<dyn Fn(&World) -> u64>;
    let cases: [(&str, Change, Value); 5] = [
        (
            "another system prompt",
            Box::new(|world| reopened(world, "You are another test.", &["read", "bash"])),
            json!({ "kind": "SYSTEM", "name": "base", "change": "CHANGED" }),
        ),
        (
            "one tool more",
            Box::new(|world| reopened(world, "You are a test.", &["read", "bash", "write"])),
            json!({ "kind": "TOOL", "name": "write", "change": "ADDED" }),
        ),
        (
            "one tool less",
            Box::new(|world| reopened(world, "You are a test.", &["read"])),
            json!({ "kind": "TOOL", "name": "bash", "change": "REMOVED" }),
        ),
        (
            "tools in another order",
            Box::new(|world| reopened(world, "You are a test.", &["bash", "read"])),
            json!({ "kind": "TOOL", "name": "bash", "change": "CHANGED" }),
        ),
        (
            "another model",
            Box::new(model),
            json!({ "kind": "MODEL", "name": "scripted/other", "change": "CHANGED" }),
        ),
    ];
    for (name, change, part) in cases {
        let world = World::new(Mode::Ask);
        world.prompt("One");
        world.say("First.");
        let by = change(&world);
        // A later change of something else must not be blamed.
        world.set(Setting::MaxSteps(Sourced::from_layer(9, Layer::Session)));
        world.prompt("Two");
        world.say("Second.");
        let miss = difference(&world, 1, 2)["cacheMiss"].clone();
        assert_eq!(miss["part"], part, "{name}");
        assert_eq!(miss["by"]["id"], format!("{S}/{by}"), "{name}");
        assert!(miss["text"].is_string(), "{name}");
    }
}

#[test]
fn the_cache_is_reported_as_the_provider_counted_it() {
    let world = World::new(Mode::Ask);
    world.turn();
    let query =
        format!("{{ session(id: \"{S}\") {{ requests {{ nodes {{ cache {{ status read input }} }} }} }} }}");
    assert_eq!(
        world.ask(&query)["session"]["requests"]["nodes"],
        json!([
            { "cache": { "status": "MISS", "read": 0, "input": 100 } },
            { "cache": { "status": "HIT", "read": 100, "input": 120 } },
        ])
    );
}
