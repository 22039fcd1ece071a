//! What is sent: the exact bytes, so that a request can be digested and shown part by part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use glasswork_ai::conversation::{Block, Message, Request, Thought, ToolCall, ToolResult};
use glasswork_ai::failure::FailureClass;
use glasswork_ai::model::{Abilities, Thinking, ToolSpec};
use glasswork_ai::wire::{Differences, Server, Wire};
use proptest::prelude::*;

#[path = "wire_encode/controls.rs"]
mod controls;
#[path = "wire_encode/images.rs"]
mod images;
#[path = "wire_encode/repeated_ids.rs"]
mod repeated_ids;
#[path = "wire_encode/replay.rs"]
mod replay;
#[path = "wire_encode/servers.rs"]
mod servers;

/// A body as JSON, its members in the order of their names: printed, it is the same whether or not the crates of a build
/// have `serde_json` keep the order in which they came. The order in which they are sent is that of the texts below.
fn json(body: &[u8]) -> serde_json::Value {
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body.sort_all_objects();
    body
}

fn call(id: &str, name: &str, arguments: &str) -> Block {
    Block::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        reading: None,
    })
}

fn thought(text: &str, signature: Option<&str>, redacted: Option<&str>) -> Block {
    Block::Thinking(Thought {
        text: text.into(),
        signature: signature.map(Into::into),
        redacted: redacted.map(Into::into),
    })
}

fn result(call: &str, text: &str, is_error: bool) -> Message {
    Message::ToolResult(ToolResult {
        call: call.into(),
        name: "read".into(),
        text: text.into(),
        is_error,
    })
}

/// A conversation with all that can be in one; its answers are by `anthropic/claude-opus-5`, but for the last.
fn conversation(model: &str) -> Request {
    Request {
        output: None,
        model: model.parse().unwrap(),
        system: vec![
            "You are careful.".into(),
            " \n".into(),
            "The workspace is /w.".into(),
        ],
        messages: vec![
            Message::User("Mend it.".into()),
            Message::Assistant {
                model: "anthropic/claude-opus-5".parse().unwrap(),
                blocks: vec![
                    thought("I think.", Some("c2ln"), None),
                    thought("", None, Some("ZGF0YQ==")),
                    Block::Text("I look.".into()),
                    Block::Text("".into()),
                    call("toolu_1", "read", "{\"path\": \"b\", \"a\": 1.50}"),
                    call("functions.read:2", "read", ""),
                    call("toolu_3", "read", "{\"path\": "),
                ],
            },
            result("toolu_1", "line\n\"two\"", false),
            result("functions.read:2", "", true),
            Message::User(" ".into()),
            Message::User("And hurry.".into()),
            result("toolu_3", "not JSON", true),
            Message::Assistant {
                model: "other/model".parse().unwrap(),
                blocks: vec![
                    thought("Foreign.", Some("eA=="), None),
                    Block::Text("Done.".into()),
                ],
            },
            Message::Assistant {
                model: "other/model".parse().unwrap(),
                blocks: vec![Block::Text("\n".into())],
            },
            Message::User("Thanks.".into()),
        ],
        tools: vec![ToolSpec {
            name: "read".into(),
            description: "Reads.".into(),
            parameters: r#"{"type":"object","properties":{"path":{"type":"string"},"a":{"type":"number"}}}"#
                .into(),
        }],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    }
}

/// The body, with a line per entry of its lists so that people can read it; nothing else is changed.
fn shown(wire: Wire, request: &Request) -> String {
    let body = wire.encode(request).unwrap().body;
    let text = std::str::from_utf8(&body).unwrap();
    serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap();
    text.replace(",{\"", ",\n{\"").replace(":[{\"", ":[\n{\"")
}

#[test]
fn anthropic_messages() {
    insta::assert_snapshot!(shown(Wire::Anthropic, &conversation("anthropic/claude-opus-5")), @r##"
    {"model":"claude-opus-5","max_tokens":32000,"tools":[
    {"name":"read","description":"Reads.","input_schema":{"type":"object","properties":{"path":{"type":"string"},"a":{"type":"number"}}}}],"system":[
    {"type":"text","text":"You are careful."},
    {"type":"text","text":"The workspace is /w."}],"messages":[
    {"role":"user","content":[
    {"type":"text","text":"Mend it."}]},
    {"role":"assistant","content":[
    {"type":"thinking","thinking":"I think.","signature":"c2ln"},
    {"type":"redacted_thinking","data":"ZGF0YQ=="},
    {"type":"text","text":"I look."},
    {"type":"tool_use","id":"toolu_1","name":"read","input":{"path": "b", "a": 1.50}},
    {"type":"tool_use","id":"functions_read_2","name":"read","input":{}},
    {"type":"tool_use","id":"toolu_3","name":"read","input":{"not_a_json_object":"{\"path\": "}}]},
    {"role":"user","content":[
    {"type":"tool_result","tool_use_id":"toolu_1","content":"line\n\"two\""},
    {"type":"tool_result","tool_use_id":"functions_read_2","is_error":true},
    {"type":"tool_result","tool_use_id":"toolu_3","content":"not JSON","is_error":true},
    {"type":"text","text":"And hurry."}]},
    {"role":"assistant","content":[
    {"type":"text","text":"Foreign."},
    {"type":"text","text":"Done."}]},
    {"role":"user","content":[
    {"type":"text","text":"Thanks."}]}],"stream":true}
    "##);
}

#[test]
fn anthropic_messages_of_another_model() {
    let mut request = conversation("anthropic/claude-sonnet-5");
    request.system = vec![];
    request.tools = vec![];
    request.messages.drain(2..7);
    insta::assert_snapshot!(shown(Wire::Anthropic, &request), @r##"
    {"model":"claude-sonnet-5","max_tokens":32000,"messages":[
    {"role":"user","content":[
    {"type":"text","text":"Mend it."}]},
    {"role":"assistant","content":[
    {"type":"text","text":"I think."},
    {"type":"text","text":"I look."},
    {"type":"tool_use","id":"toolu_1","name":"read","input":{"path": "b", "a": 1.50}},
    {"type":"tool_use","id":"functions_read_2","name":"read","input":{}},
    {"type":"tool_use","id":"toolu_3","name":"read","input":{"not_a_json_object":"{\"path\": "}},
    {"type":"text","text":"Foreign."},
    {"type":"text","text":"Done."}]},
    {"role":"user","content":[
    {"type":"text","text":"Thanks."}]}],"stream":true}
    "##);
}

#[test]
fn openai_messages() {
    insta::assert_snapshot!(shown(Wire::OpenAiChat, &conversation("openai/gpt-x")), @r##"
    {"model":"gpt-x","messages":[
    {"role":"developer","content":"You are careful.\n\nThe workspace is /w."},
    {"role":"user","content":"Mend it."},
    {"role":"assistant","content":"I think.\n\nI look.","tool_calls":[
    {"id":"toolu_1","type":"function","function":{"name":"read","arguments":"{\"path\": \"b\", \"a\": 1.50}"}},
    {"id":"functions.read:2","type":"function","function":{"name":"read","arguments":"{}"}},
    {"id":"toolu_3","type":"function","function":{"name":"read","arguments":"{\"path\": "}}]},
    {"role":"tool","tool_call_id":"toolu_1","content":"line\n\"two\""},
    {"role":"tool","tool_call_id":"functions.read:2","content":""},
    {"role":"user","content":"And hurry."},
    {"role":"tool","tool_call_id":"toolu_3","content":"not JSON"},
    {"role":"assistant","content":"Foreign.\n\nDone."},
    {"role":"user","content":"Thanks."}],"tools":[
    {"type":"function","function":{"name":"read","description":"Reads.","parameters":{"type":"object","properties":{"path":{"type":"string"},"a":{"type":"number"}}}}}],"stream":true,"stream_options":{"include_usage":true}}
    "##);
}

#[test]
fn openai_keeps_a_models_own_thinking_to_itself() {
    let own = shown(Wire::OpenAiChat, &conversation("anthropic/claude-opus-5"));
    assert!(!own.contains("I think.") && own.contains("Foreign."), "{own}");
}

#[test]
fn limits_and_thinking_take_the_form_that_the_server_knows() {
    let tail = |wire: Wire, model: &str, thinking, limit| {
        let request = Request {
            output: None,
            model: model.parse().unwrap(),
            system: vec![],
            messages: vec![Message::User("go".into())],
            tools: vec![],
            thinking,
            max_output_tokens: limit,
            controls: glasswork_ai::controls::Controls::default(),
        };
        let body = wire.encode(&request).unwrap().body;
        String::from_utf8(body.to_vec()).unwrap()
    };
    let check = |wire, model, thinking, limit, expected: &str, absent: &str| {
        let body = tail(wire, model, thinking, limit);
        assert!(body.contains(expected), "{body}");
        assert!(absent.is_empty() || !body.contains(absent), "{body}");
    };
    use Thinking::{Default, High, Low, Medium, Off};
    use Wire::{Anthropic, OpenAiChat, OpenAiCompatible};
    let adaptive =
        r#""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"medium"}"#;
    check(
        Anthropic,
        "a/claude-opus-5",
        Default,
        None,
        "\"max_tokens\":32000",
        "thinking",
    );
    check(
        Anthropic,
        "a/claude-opus-5",
        Default,
        Some(9),
        "\"max_tokens\":9",
        "",
    );
    check(
        Anthropic,
        "a/claude-opus-5",
        Off,
        None,
        r#""thinking":{"type":"disabled"}"#,
        "",
    );
    check(Anthropic, "a/claude-opus-5", Medium, None, adaptive, "budget");
    check(
        Anthropic,
        "a/claude-sonnet-4-5",
        Low,
        None,
        r#"{"type":"enabled","budget_tokens":4096}"#,
        "effort",
    );
    check(
        Anthropic,
        "a/claude-sonnet-4-5",
        High,
        Some(4096),
        r#""budget_tokens":2048"#,
        "",
    );
    check(
        Anthropic,
        "a/claude-sonnet-4-5",
        High,
        Some(2000),
        r#""thinking":{"type":"disabled"}"#,
        "",
    );
    check(
        OpenAiChat,
        "o/x",
        Default,
        None,
        "\"stream_options\":{\"include_usage\":true}",
        "reasoning_effort",
    );
    check(OpenAiChat, "o/x", Default, None, "\"stream\":true", "max_");
    check(
        OpenAiChat,
        "o/x",
        High,
        Some(9),
        r#""reasoning_effort":"high","max_completion_tokens":9,"#,
        "max_tokens",
    );
    check(
        OpenAiCompatible,
        "o/x",
        Off,
        Some(9),
        r#""reasoning_effort":"none","max_tokens":9,"#,
        "completion",
    );
}

#[test]
fn paths_and_headers_hold_no_secret_and_a_bad_schema_is_told() {
    let mut request = conversation("a/b");
    let anthropic = Wire::Anthropic.encode(&request).unwrap();
    assert_eq!((anthropic.method, &*anthropic.path), ("POST", "messages"));
    assert!(
        anthropic
            .headers
            .contains(&("anthropic-version", "2023-06-01".into()))
    );
    let openai = Wire::OpenAiChat.encode(&request).unwrap();
    assert_eq!((openai.method, &*openai.path), ("POST", "chat/completions"));
    for bad in ["", "[]", "{\"type\":"] {
        request.tools[0].parameters = bad.into();
        for wire in Wire::ALL {
            let failure = wire.encode(&request).unwrap_err();
            assert_eq!(failure.class, FailureClass::Invalid);
            assert!(failure.message.contains("`read`"), "{failure}");
        }
    }
}

fn block() -> impl Strategy<Value = Block> {
    let text = "[ a\n\"]{0,3}";
    prop_oneof![
        text.prop_map(|text| Block::Text(text.into())),
        (
            text,
            proptest::option::of("[a-z]{0,3}"),
            proptest::option::of("[a-z]{0,3}")
        )
            .prop_map(|(text, signature, redacted)| thought(
                &text,
                signature.as_deref(),
                redacted.as_deref()
            )),
        ("[a-z:é]{1,4}", "[{}\":a1,]{0,6}").prop_map(|(id, arguments)| call(&id, "read", &arguments)),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let model = prop_oneof![Just("a/b"), Just("c/d")];
    prop_oneof![
        "[ a\n]{0,3}".prop_map(|text| Message::User(text.into())),
        ("[a-z:]{1,4}", "[ a\n]{0,3}", any::<bool>())
            .prop_map(|(id, text, is_error)| result(&id, &text, is_error)),
        (proptest::collection::vec(block(), 0..4), model).prop_map(|(blocks, model)| Message::Assistant {
            blocks,
            model: model.parse().unwrap(),
        }),
    ]
}

proptest! {
    #[test]
    fn anthropic_is_never_sent_what_it_does_not_take(messages in proptest::collection::vec(message(), 0..8)) {
        let mut request = Request { messages, ..conversation("a/b") };
        // A breakpoint after everything: where none may stand, none does.
        let places = 0..request.messages.len() as u64;
        request.controls.cache.after = places.map(glasswork_ai::controls::After::Message).collect();
        let body = Wire::Anthropic.encode(&request).unwrap().body;
        let body = json(&body);
        let mut role_before = "";
        for message in body["messages"].as_array().unwrap() {
            let role = message["role"].as_str().unwrap();
            prop_assert_ne!(role, role_before, "roles alternate");
            role_before = role;
            let parts = message["content"].as_array().unwrap();
            prop_assert!(!parts.is_empty());
            let mut text_came = false;
            for part in parts {
                match part["type"].as_str().unwrap() {
                    "text" => {
                        text_came = true;
                        prop_assert!(!part["text"].as_str().unwrap().trim().is_empty());
                    }
                    "tool_result" => prop_assert!(!text_came, "results come before text"),
                    "tool_use" => {
                        prop_assert!(part["input"].is_object());
                        let id = part["id"].as_str().unwrap();
                        prop_assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
                    }
                    "thinking" => prop_assert!(part["signature"].is_string() && part["cache_control"].is_null()),
                    "redacted_thinking" => prop_assert!(part["cache_control"].is_null()),
                    other => prop_assert!(false, "{}", other),
                }
            }
        }
    }
}

/// Whatever a model calls, and with whatever, the conversation can still be sent.
#[test]
fn calls_that_no_server_would_take_back_are_sent_in_a_form_that_it_takes() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let quoted = |text: &str| serde_json::json!({ "not_a_json_object": text });
    let brackets = format!("{{\"a\":\"{}\\\"\"}}", "[{".repeat(500));
    let cases = [
        ("", "{}", "unnamed", None),
        ("a.b c", "{}", "a_b_c", None),
        ("lesen\u{e4}", "{}", "lesen_", None),
        (&*"n".repeat(65), "{}", &*"n".repeat(64), None),
        (&*"n".repeat(64), "{}", &*"n".repeat(64), None),
        ("read", &*nested(64), "read", None),
        ("read", &*nested(65), "read", Some(quoted(&nested(65)))),
        ("read", &*nested(4000), "read", Some(quoted(&nested(4000)))),
        ("read", &*brackets, "read", None),
    ];
    for (name, arguments, sent, input) in cases {
        let mut request = conversation("anthropic/claude-opus-5");
        request.messages = vec![
            Message::User("a".into()),
            Message::Assistant {
                model: request.model.clone(),
                blocks: vec![call("1", name, arguments)],
            },
            result("1", "b", true),
        ];
        let body = |wire: Wire| json(&wire.encode(&request).unwrap().body);
        let part = &body(Wire::Anthropic)["messages"][1]["content"][0];
        assert_eq!(part["name"], sent, "{name}");
        let input = input.unwrap_or_else(|| serde_json::from_str(arguments).unwrap());
        assert_eq!(part["input"], input, "{arguments}");
        for wire in [Wire::OpenAiChat, Wire::OpenAiCompatible] {
            let function = &body(wire)["messages"][2]["tool_calls"][0]["function"];
            assert_eq!(
                (&function["name"], &function["arguments"]),
                (&sent.into(), &arguments.into())
            );
        }
    }
}
