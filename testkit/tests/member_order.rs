//! Whether `serde_json` keeps members in the order in which they came is a feature that any crate of a build may switch
//! on. So nothing that lasts or is sent may depend on that order: what the program makes of JSON is the same, in whatever
//! order its members were written. Each text here is read in both orders, sorted and reversed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::fmt::Debug;
use std::path::Path;

use glasswork_agent_core::json_schema::{self, Schema};
use glasswork_agent_session::foreign::{self, Format};
use glasswork_ai::catalogue;
use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::wire::Wire;
use glasswork_engine::digest::Digest;
use serde_json::Value;
use serde_json::value::RawValue;

/// The same JSON with the members of every object in the order of their names, and in the reverse one.
fn both(text: &str) -> [String; 2] {
    let value: Value = serde_json::from_str(text).unwrap();
    [false, true].map(|reverse| {
        let mut out = String::new();
        write(&value, reverse, &mut out);
        out
    })
}

fn write(value: &Value, reverse: bool, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            if reverse {
                members.reverse();
            }
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                *out += &Value::from(name.as_str()).to_string();
                out.push(':');
                write(value, reverse, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, reverse, out);
            }
            out.push(']');
        }
        other => *out += &other.to_string(),
    }
}

/// What is made of a text is the same in both orders.
#[track_caller]
fn same<T: PartialEq + Debug>(text: &str, make: impl Fn(&str) -> T) -> T {
    let [sorted, reversed] = both(text);
    assert_ne!(sorted, reversed, "the text has objects of several members");
    let [made, of_reversed] = [make(&sorted), make(&reversed)];
    assert_eq!(made, of_reversed, "{text}");
    made
}

const SCHEMA: &str = r#"{"type":"object","required":["path","mode"],"additionalProperties":false,
    "properties":{"path":{"type":"string","description":"Where."},
        "mode":{"anyOf":[{"type":"string","enum":["b","a"]},{"type":"integer","minimum":1,"maximum":9}]}}}"#;

fn request(tools: Vec<ToolSpec>) -> Request {
    Request {
        output: None,
        model: "some/model".parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools,
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    }
}

/// A wire that passes a schema on passes it on as the text that it is; one that translates it sends the same bytes in
/// whatever order it was read.
#[test]
fn the_bytes_of_a_body_are_those_of_its_texts() {
    for wire in [
        Wire::Anthropic,
        Wire::OpenAiChat,
        Wire::OpenAiCompatible,
        Wire::OpenAiResponses,
    ] {
        for text in both(SCHEMA) {
            let body = body(wire, &text);
            assert!(body.contains(&text), "{wire:?}: {body}");
        }
    }
    let body = same(SCHEMA, |schema| body(Wire::Gemini, schema));
    assert!(body.contains("\"required\""), "{body}");
}

fn body(wire: Wire, schema: &str) -> String {
    let tool = ToolSpec {
        name: "read".into(),
        description: "Reads.".into(),
        parameters: schema.into(),
    };
    String::from_utf8(wire.encode(&request(vec![tool])).unwrap().body.to_vec()).unwrap()
}

/// What a server says is kept and sent back to it: details of thinking as the same bytes; arguments of calls, and items
/// that it signed, as the text that they are.
#[test]
fn what_is_kept_of_a_stream_is_the_same_in_any_order() {
    let details = r#"{"choices":[{"index":0,"delta":{"content":"Hm.","reasoning_details":[
        {"type":"reasoning.text","text":"Two","index":0,"extra":{"b":1,"a":{"d":2,"c":3}}}]},"finish_reason":"stop"}]}"#;
    let kept = same(details, |event| {
        let mut decoder = Wire::OpenAiChat.decoder(&request(vec![]));
        let mut steps = decoder.feed(format!("data: {event}\n\n").as_bytes());
        steps.extend(decoder.feed(b"data: [DONE]\n\n"));
        steps.extend(decoder.end());
        serde_json::to_string(&steps).unwrap()
    });
    let sorted = r#"\"extra\":{\"a\":{\"c\":3,\"d\":2},\"b\":1}"#;
    assert!(kept.contains(sorted), "{kept}");

    for arguments in both(r#"{"path":"a","mode":{"b":1,"a":2}}"#) {
        let event = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"read","args":{arguments}}}}}]}},"finishReason":"STOP"}}]}}"#
        );
        let mut decoder = Wire::Gemini.decoder(&request(vec![]));
        let mut steps = decoder.feed(format!("data: {event}\n\n").as_bytes());
        steps.extend(decoder.end());
        let kept = serde_json::to_string(&steps).unwrap();
        let quoted = Value::from(&*arguments).to_string();
        assert!(kept.contains(&quoted), "{kept}");
    }
}

#[test]
fn what_is_wrong_with_a_value_is_told_in_the_same_order() {
    let wrong = r#"{"mode":"c","zeal":{"b":1,"a":2},"alpha":1}"#;
    let told = same(wrong, |value| {
        let value = json_schema::value(value).unwrap();
        let schema = Schema::parse(SCHEMA).unwrap();
        format!("{:?}", schema.check(&value))
    });
    let of_schema = same(SCHEMA, |schema| {
        let schema = Schema::parse(schema).unwrap();
        format!("{:?}", schema.check(&json_schema::value(wrong).unwrap()))
    });
    assert_eq!(told, of_schema);
}

#[test]
fn digests_are_of_members_in_order() {
    let digests = same(SCHEMA, |schema| {
        let value: Value = serde_json::from_str(schema).unwrap();
        let mut digests = Vec::new();
        Digest::of_members(&value, |name, digest| digests.push(format!("{name} {digest}")));
        digests
    });
    assert_eq!(digests.len(), 4);
    // The text of a value that is kept raw is its own.
    let [sorted, reversed] = both(SCHEMA).map(|text| RawValue::from_string(text).unwrap());
    assert_ne!(Digest::of(&sorted), Digest::of(&reversed));
}

/// The transcripts of other agents become events of a journal.
#[test]
fn transcripts_of_others_are_read_the_same_in_any_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent-session/tests/foreign/fixtures");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // Lines that are torn or no JSON are left as they are.
        let turned = |which: usize| -> String {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => both(&text)[which].clone(),
                _ => text
                    .split_inclusive('\n')
                    .map(|line| match serde_json::from_str::<Value>(line) {
                        Ok(_) => both(line)[which].clone() + "\n",
                        Err(_) => line.to_owned(),
                    })
                    .collect(),
            }
        };
        if name.ends_with(".txt") {
            continue;
        }
        let [sorted, reversed] = [0, 1].map(|which| {
            let text = turned(which);
            let format = Format::detect(text.as_bytes()).unwrap();
            foreign::parse(format, text.as_bytes()).unwrap()
        });
        assert_eq!(format!("{sorted:?}"), format!("{reversed:?}"), "{name}");
        read += 1;
    }
    assert!(read >= 11, "{read}");
}

#[test]
fn lists_of_models_are_taken_in_the_same_order() {
    let lists = [
        r#"{"providers":{"b":{"baseUrl":"https://b.example/v1","api":"openai-completions","models":[
            {"id":"z","compat":{"b":1,"a":2}},{"name":"nameless","x":1}]},
            "a":{"baseUrl":"https://a.example","api":"odd-api","modelOverrides":{"m":{"contextWindow":1},"l":{"a":1}}}}}"#,
        r#"{"b":{"npm":"@ai-sdk/openai-compatible","api":"https://b.example/v1","models":{
            "z":{"id":"z","reasoning":true},"broken":{"limit":{"context":"many"}},"a":{"id":"a","reasoning":false}}},
            "a":{"npm":"@ai-sdk/other","api":"https://a.example","models":{"p":{"reasoning":false},"o":{"reasoning":true}}}}"#,
    ];
    for list in lists {
        same(list, |list| {
            format!("{:?}", catalogue::import(list, &|_| true).unwrap())
        });
    }
}
