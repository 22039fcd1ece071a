//! Results by a schema: which means a model is brought to them by, what its server is sent, and how the call that
//! stands for a result is read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_ai::abilities::Abilities;
use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent};
use glasswork_ai::structured::{Form, Means, Output};
use glasswork_ai::wire::{Differences, Server, StructuredOutput, Wire};
use serde_json::{Value, json};

/// Every server that compiles schemas takes this one.
const CLOSED: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}"#;
/// None of OpenAI and Anthropic does this one: it lets any member in.
const OPEN: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;

fn means(form: Form, with_tools: bool) -> Means {
    Means { form, with_tools }
}

fn best(server: impl Into<Server>, model: &str, can: Option<bool>, schema: &str) -> Means {
    let abilities = Abilities {
        structured_output: can,
        ..Abilities::default()
    };
    let schema = serde_json::from_str(schema).unwrap();
    Means::best(
        &server.into(),
        &format!("p/{model}").parse().unwrap(),
        &abilities,
        &schema,
    )
}

#[test]
fn each_model_is_brought_to_it_by_its_best_means() {
    use Form::{Loose, Prompted, Strict, Tool};
    use Wire::{Anthropic, Gemini, OpenAiChat, OpenAiCompatible, OpenAiResponses};
    let table = [
        (OpenAiResponses, "gpt-5.1", None, CLOSED, Strict, true),
        (OpenAiResponses, "gpt-5.1", Some(true), OPEN, Loose, true),
        (OpenAiResponses, "gpt-5.1", Some(false), CLOSED, Prompted, true),
        (OpenAiResponses, "gpt-5.1", None, "true", Prompted, true),
        (OpenAiResponses, "gpt-4-turbo", None, CLOSED, Prompted, true),
        (OpenAiChat, "gpt-4o", None, CLOSED, Strict, true),
        (OpenAiChat, "gpt-4o-2024-05-13", None, CLOSED, Prompted, true),
        (OpenAiCompatible, "some-model", None, CLOSED, Prompted, true),
        (Anthropic, "claude-sonnet-4-5", None, CLOSED, Strict, true),
        (Anthropic, "claude-sonnet-4-5", None, OPEN, Tool, false),
        (Anthropic, "claude-opus-4-8", Some(true), CLOSED, Strict, true),
        (Anthropic, "claude-opus-4-8", Some(false), CLOSED, Tool, false),
        // What a catalogue says of an old one means the tool.
        (
            Anthropic,
            "claude-3-7-sonnet-latest",
            Some(true),
            CLOSED,
            Tool,
            false,
        ),
        (
            Anthropic,
            "claude-sonnet-4-5",
            None,
            r#"{"type":"string"}"#,
            Prompted,
            true,
        ),
        // No tool can be forced upon a model that always thinks.
        (Anthropic, "claude-fable-5", None, CLOSED, Strict, true),
        (Anthropic, "claude-fable-5", None, OPEN, Prompted, true),
        (Gemini, "gemini-3-pro", None, OPEN, Strict, true),
        (
            Gemini,
            "gemini-3.1-pro",
            None,
            r#"{"type":"string","pattern":"a"}"#,
            Loose,
            true,
        ),
        (Gemini, "gemini-2.5-pro", None, OPEN, Strict, false),
        (Gemini, "models/gemini-flash-latest", None, OPEN, Strict, true),
        (Gemini, "gemini-1.5-pro", None, OPEN, Prompted, true),
        (Gemini, "gemini-2.5-pro", Some(false), OPEN, Prompted, true),
        (Gemini, "gemma-3", None, OPEN, Prompted, true),
    ];
    for (wire, model, can, schema, form, with_tools) in table {
        assert_eq!(
            best(wire, model, can, schema),
            means(form, with_tools),
            "{wire:?} {model} {can:?} {schema}"
        );
    }
    let known = [
        ("openrouter", Strict, true),
        ("xai", Strict, true),
        ("llamacpp", Strict, false),
        ("vllm", Strict, false),
        ("ollama", Strict, false),
        ("lmstudio", Strict, false),
        ("mistral", Strict, false),
        // It takes none in a stream.
        ("groq", Prompted, true),
        ("deepseek", Prompted, true),
        ("unheard-of", Prompted, true),
    ];
    for (name, form, with_tools) in known {
        let server = || Server {
            differences: Differences::known(name, None),
            ..Wire::OpenAiCompatible.into()
        };
        assert_eq!(
            best(server(), "m", None, CLOSED),
            means(form, with_tools),
            "{name}"
        );
        assert_eq!(
            best(server(), "m", Some(false), CLOSED),
            Means::PROMPTED,
            "{name}"
        );
    }
}

#[test]
fn a_schema_that_strict_mode_refuses_goes_without_it() {
    let object = |inner: &str| {
        format!(
            r#"{{"type":"object","additionalProperties":false,"required":["a"],"properties":{{"a":{inner}}}}}"#
        )
    };
    let nested = |depth: usize| (0..depth).fold(r#"{"type":"string"}"#.to_owned(), |inner, _| object(&inner));
    // Whether OpenAI, Anthropic and Gemini can hold an answer to it.
    let table = [
        (object(r#"{"type":"string"}"#), [true, true, true]),
        (object(r#"{"type":["string","null"],"enum":["x",null]}"#), [true, true, true]),
        (object(r#"{"type":"integer","minimum":1}"#), [true, false, true]),
        (object(r#"{"type":"string","minLength":1}"#), [false, false, false]),
        (object(r#"{"type":"array","items":{"type":"object"}}"#), [false, false, true]),
        (object(r#"{"type":"array","items":true}"#), [false, false, false]),
        (object(r#"{"allOf":[{"type":"string"}]}"#), [false, false, false]),
        (object(r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#), [true, true, true]),
        // It leads back to itself.
        (object(r##"{"anyOf":[{"$ref":"#"},{"type":"null"}]}"##), [true, false, true]),
        (
            r##"{"type":"object","additionalProperties":false,"required":["a","b"],
                "properties":{"a":{"$ref":"#/$defs/x"},"b":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"string"}}}"##.to_owned(),
            [true, true, true],
        ),
        // A member that may be missing.
        (
            r#"{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"}}}"#.to_owned(),
            [false, true, true],
        ),
        (nested(10), [true, true, true]),
        (nested(11), [false, true, true]),
        (r#"{"type":"array","items":{"type":"string"}}"#.to_owned(), [false, false, true]),
    ];
    let models = [
        (Wire::OpenAiResponses, "gpt-5.1"),
        (Wire::Anthropic, "claude-opus-4-8"),
        (Wire::Gemini, "gemini-3-pro"),
    ];
    for (schema, expected) in table {
        let strict = models.map(|(wire, model)| best(wire, model, None, &schema).form == Form::Strict);
        assert_eq!(strict, expected, "{schema}");
    }
}

fn request(model: &str, schema: &str, means: Means) -> Request {
    Request {
        controls: glasswork_ai::controls::Controls::default(),
        output: Some(Output {
            schema: schema.into(),
            means,
        }),
        model: model.parse().unwrap(),
        system: vec![],
        messages: vec![Message::User("go".into())],
        tools: match means.with_tools || means.form == Form::Tool {
            true => vec![ToolSpec {
                name: "read".into(),
                description: "Reads.".into(),
                parameters: r#"{"type":"object"}"#.into(),
            }],
            false => vec![],
        },
        thinking: Thinking::High,
        max_output_tokens: None,
    }
}

fn sent(wire: Wire, model: &str, schema: &str, means: Means) -> Value {
    let body = wire.encode(&request(model, schema, means)).unwrap().body;
    serde_json::from_slice(&body).unwrap()
}

/// The schemas have an order that no map would give: nothing may be altered on the way.
#[test]
fn each_server_gets_the_schema_in_its_form() {
    let odd = r#"{"type":"object","z":1,"a":2}"#;
    let schema: Value = serde_json::from_str(odd).unwrap();
    let (strict, loose) = (means(Form::Strict, true), means(Form::Loose, true));
    let tool = means(Form::Tool, false);

    for wire in [Wire::OpenAiChat, Wire::OpenAiCompatible] {
        for (means, is_strict) in [(strict, true), (loose, false)] {
            let body = sent(wire, "p/m", odd, means);
            let expected = json!({"type": "json_schema", "json_schema": {"name": "result", "strict": is_strict, "schema": schema}});
            assert_eq!(
                (&body["response_format"], body.get("tool_choice")),
                (&expected, None)
            );
        }
        let body = sent(wire, "p/m", odd, tool);
        assert_eq!(
            body["tool_choice"],
            json!({"type": "function", "function": {"name": "result"}})
        );
        let names: Vec<&Value> = body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| &tool["function"]["name"])
            .collect();
        assert_eq!(names, ["read", "result"]);
        assert_eq!(
            (
                &body["tools"][1]["function"]["parameters"],
                body.get("response_format")
            ),
            (&schema, None)
        );
        let prompted = sent(wire, "p/m", odd, Means::PROMPTED);
        assert!(prompted.get("response_format").is_none() && prompted.get("tool_choice").is_none());
    }

    let body = sent(Wire::OpenAiResponses, "p/m", odd, loose);
    let expected =
        json!({"format": {"type": "json_schema", "name": "result", "strict": false, "schema": schema}});
    assert_eq!(body["text"], expected);
    let body = sent(Wire::OpenAiResponses, "p/m", odd, tool);
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "result"}));

    let body = sent(Wire::Anthropic, "p/claude-opus-4-8", odd, strict);
    assert_eq!(
        body["output_config"],
        json!({"effort": "high", "format": {"type": "json_schema", "schema": schema}})
    );
    assert_eq!(body["thinking"]["type"], "adaptive");
    let body = sent(Wire::Anthropic, "p/claude-sonnet-4-5", odd, tool);
    assert_eq!(
        body["tool_choice"],
        json!({"type": "tool", "name": "result", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        (&body["thinking"], &body["tools"][1]["input_schema"]),
        (&json!({"type": "disabled"}), &schema)
    );
    assert_eq!(body.get("output_config"), None);

    let body = sent(Wire::Gemini, "p/gemini-3-pro", odd, strict);
    assert_eq!(body["generationConfig"]["responseMimeType"], "application/json");
    assert_eq!(body["generationConfig"]["responseJsonSchema"], schema);
    let body = sent(Wire::Gemini, "p/gemini-2.5-pro", CLOSED, tool);
    assert_eq!(
        body["toolConfig"],
        json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["result"]}})
    );

    for wire in Wire::ALL {
        let body = wire.encode(&request("p/m", odd, strict)).unwrap().body;
        assert!(
            String::from_utf8(body.to_vec()).unwrap().contains(odd),
            "{wire:?}"
        );
        let failure = wire.encode(&request("p/m", "[]", strict)).unwrap_err();
        assert!(failure.message.contains("not a JSON object"), "{wire:?}");
        assert!(wire.encode(&request("p/m", "[]", Means::PROMPTED)).is_ok());
    }
}

/// Steps without what a server numbers and counts.
fn answer(wire: Wire, means: Means, body: &str) -> (Vec<(u32, BlockKind)>, Vec<Block>, StopReason) {
    let mut decoder = wire.decoder(&request("p/m", CLOSED, means));
    let mut steps = decoder.feed(body.as_bytes());
    steps.extend(decoder.end());
    let (mut begun, mut blocks, mut end) = (vec![], vec![], None);
    for step in steps {
        match step {
            StreamEvent::BlockStarted { index, kind } => begun.push((index, kind)),
            StreamEvent::BlockFinished { block, .. } => blocks.push(block),
            StreamEvent::Finished(reason) => end = Some(reason),
            StreamEvent::Failed(failure) => panic!("{failure:?}"),
            _ => {}
        }
    }
    (begun, blocks, end.unwrap())
}

#[test]
fn the_call_that_stands_for_the_result_is_the_answer() {
    let body = |name: &str| {
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\",\"model\":\"x\",\"usage\":{{}}}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"{name}\",\"input\":{{}}}}}}\n\n\
             event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{{\\\"n\\\": 1}}\"}}}}\n\n\
             event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
             event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"tool_use\"}},\"usage\":{{}}}}\n\n\
             event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
        )
    };
    let tool = means(Form::Tool, false);
    let (begun, blocks, end) = answer(Wire::Anthropic, tool, &body("result"));
    assert_eq!(begun, [(0, BlockKind::Text)]);
    assert_eq!(blocks, [Block::Text("{\"n\": 1}".into())]);
    assert_eq!(end, StopReason::EndOfTurn);
    // Another tool stays a call, and so does this one where nobody has asked for it.
    for (means, name) in [(tool, "read"), (means(Form::Strict, true), "result")] {
        let (_, blocks, end) = answer(Wire::Anthropic, means, &body(name));
        assert!(
            matches!(&blocks[..], [Block::ToolCall(call)] if &*call.name == name),
            "{blocks:?}"
        );
        assert_eq!(end, StopReason::ToolUse);
    }
}

#[test]
fn a_user_says_what_a_server_takes() {
    let set = ron::from_str("#![enable(implicit_some)] (structured_output: json_schema_alone)").unwrap();
    let server = Server {
        differences: Differences::compatible().with(&set),
        ..Wire::OpenAiCompatible.into()
    };
    assert_eq!(
        server.differences.structured_output,
        StructuredOutput::JsonSchemaAlone
    );
    assert_eq!(best(server, "m", None, CLOSED), means(Form::Strict, false));
}
