//! A conversation that a model of each wire made, sent to a model of each other: what the provider takes, and what it must
//! never see.

use std::collections::BTreeMap;

use glasswork_ai::controls::After;
use glasswork_ai::conversation::Kept;
use glasswork_ai::stream::StreamEvent;
use glasswork_testkit::request_rules::check_body;

use super::*;

struct Made {
    model: &'static str,
    wire: Wire,
    stream: &'static str,
    /// What goes back to this model and to no other.
    secrets: &'static [&'static str],
    /// What of its thinking others are told as text.
    thought: &'static str,
}

const MADE: [Made; 4] = [
    Made {
        model: "anthropic/claude-opus-5",
        wire: Wire::Anthropic,
        stream: include_str!("../golden/anthropic_tools.sse"),
        secrets: &["EqQBcg=="],
        thought: "The file first.",
    },
    Made {
        model: "openai/gpt-5.2",
        wire: Wire::OpenAiResponses,
        stream: include_str!("../golden/responses_tools.sse"),
        secrets: &["gAAAAAB=", "rs_0", "\"phase\":\"commentary\""],
        thought: "The file first.",
    },
    Made {
        model: "gemini/gemini-3-pro-preview",
        wire: Wire::Gemini,
        stream: include_str!("../golden/gemini_tools.sse"),
        secrets: &["U2ln", "Q2FsbA=="],
        thought: "around.",
    },
    Made {
        model: "openrouter/anthropic/claude-opus-5",
        wire: Wire::OpenAiCompatible,
        stream: include_str!("../golden/openai_details.sse"),
        secrets: &["c2ln", "RW5j", "U2ln"],
        thought: "and two.",
    },
];

#[test]
fn what_the_servers_own_tools_did_goes_back_whole_or_not_at_all() {
    let item = |text: &str| Block::Kept(Kept::Item(text.into()));
    let call = || item(r#"{"type":"server_tool_use","id":"s1","name":"web_search","input":{}}"#);
    let found = || item(r#"{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}"#);
    let said = || Block::Text("So.".into());
    let kinds = |blocks: Vec<Block>, model: &str| {
        let request = Request {
            messages: vec![
                Message::User("a".into()),
                Message::Assistant {
                    blocks,
                    model: model.parse().unwrap(),
                },
                Message::User("b".into()),
            ],
            ..conversation("anthropic/claude-opus-5")
        };
        let body = Wire::Anthropic.encode(&request).unwrap().body;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        check_body(Wire::Anthropic, &body).unwrap();
        let parts = body["messages"][1]["content"].as_array().unwrap().iter();
        let kinds: Vec<String> = parts
            .map(|part| part["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.join(" ")
    };
    let own = "anthropic/claude-opus-5-20260101";
    assert_eq!(
        kinds(vec![call(), found(), said()], own),
        "server_tool_use web_search_tool_result text"
    );
    assert_eq!(kinds(vec![call(), said()], own), "text");
    assert_eq!(kinds(vec![said(), call()], own), "text server_tool_use");
    assert_eq!(
        kinds(vec![call(), found(), said()], "anthropic/claude-opus-4-8"),
        "text"
    );
}

/// The conversation after an answer and the results of its calls.
fn conversation_of(made: &Made) -> Vec<Message> {
    let go = Message::User("Look.".into());
    let request = Request {
        messages: vec![go.clone()],
        ..conversation(made.model)
    };
    let mut decoder = made.wire.decoder(&request);
    let mut steps = decoder.feed(made.stream.as_bytes());
    steps.extend(decoder.end());
    // Calls are finished last; a conversation has the blocks by number.
    let finished: BTreeMap<u32, Block> = steps
        .into_iter()
        .filter_map(|step| match step {
            StreamEvent::BlockFinished { index, block } => Some((index, block)),
            _ => None,
        })
        .collect();
    let blocks: Vec<Block> = finished.into_values().collect();
    let results: Vec<Message> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::ToolCall(call) => Some(Message::ToolResult(ToolResult {
                call: call.id.clone(),
                name: call.name.clone(),
                text: "found".into(),
                is_error: false,
            })),
            _ => None,
        })
        .collect();
    let answer = Message::Assistant {
        model: made.model.parse().unwrap(),
        blocks,
    };
    [go, answer].into_iter().chain(results).collect()
}

#[test]
fn what_one_model_said_can_be_sent_to_every_other_and_only_it_gets_back_what_is_its_own() {
    for made in &MADE {
        let messages = conversation_of(made);
        for to in &MADE {
            let request = Request {
                messages: messages.clone(),
                ..conversation(to.model)
            };
            let server = Server {
                differences: Differences::known(&request.model.provider, None),
                ..to.wire.into()
            };
            let sent = server.encode(&request, &Abilities::default()).unwrap().body;
            let sent = String::from_utf8(sent.to_vec()).unwrap();
            let what = format!("{} to {}: {sent}", made.model, to.model);
            check_body(to.wire, &serde_json::from_str(&sent).unwrap())
                .unwrap_or_else(|rule| panic!("{rule}: {what}"));
            for secret in made.secrets {
                assert_eq!(
                    sent.contains(secret),
                    made.model == to.model,
                    "{secret} in {what}"
                );
            }
            if made.model != to.model {
                assert!(sent.contains(made.thought), "{what}");
            }
            // The first call of another's answer is marked as one that Gemini did not sign.
            if to.wire == Wire::Gemini {
                assert_eq!(
                    sent.contains("skip_thought_signature_validator"),
                    made.wire != Wire::Gemini,
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn own_thinking_goes_back_as_each_wire_wants_it() {
    let back = |made: &Made| {
        let request = Request {
            messages: conversation_of(made),
            tools: vec![],
            system: vec![],
            ..conversation(made.model)
        };
        let server = Server {
            differences: Differences::known(&request.model.provider, None),
            ..made.wire.into()
        };
        let sent = server.encode(&request, &Abilities::default()).unwrap();
        String::from_utf8(sent.body.to_vec())
            .unwrap()
            .replace(",{\"", ",\n{\"")
    };
    let bodies: Vec<String> = MADE.iter().map(back).collect();
    insta::assert_snapshot!(bodies.join("\n\n"), @r##"
    {"model":"claude-opus-5","max_tokens":32000,"messages":[{"role":"user","content":[{"type":"text","text":"Look."}]},
    {"role":"assistant","content":[{"type":"thinking","thinking":"The file first.","signature":"EqQBcg=="},
    {"type":"text","text":"I lööк."},
    {"type":"tool_use","id":"toolu_a","name":"read","input":{"path": "a.txt"}},
    {"type":"tool_use","id":"toolu_b","name":"now","input":{}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_a","content":"found"},
    {"type":"tool_result","tool_use_id":"toolu_b","content":"found"}]}],"stream":true}

    {"model":"gpt-5.2","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Look."}]},
    {"type":"reasoning","id":"rs_0","summary":[{"type":"summary_text","text":"**Looking** around\n\nThe file first."}],"encrypted_content":"gAAAAAB="},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I löök 🦀."}],"phase":"commentary"},
    {"type":"function_call","call_id":"call_a","name":"read","arguments":"{\"path\": \"a.txt\"}"},
    {"type":"function_call","call_id":"call_b","name":"now","arguments":"{}"},
    {"type":"function_call_output","call_id":"call_a","output":"found"},
    {"type":"function_call_output","call_id":"call_b","output":"found"}],"include":["reasoning.encrypted_content"],"store":false,"stream":true}

    {"contents":[{"role":"user","parts":[{"text":"Look."}]},
    {"role":"model","parts":[{"text":"I löök 🦀.","thoughtSignature":"U2ln"},
    {"functionCall":{"id":"call_1_3","name":"read","args":{"path": "a.txt", "n": 1.5}},"thoughtSignature":"Q2FsbA=="},
    {"functionCall":{"id":"fc-7","name":"now","args":{}}},
    {"functionCall":{"id":"call_1_6","name":"now","args":{}}}]},
    {"role":"user","parts":[{"functionResponse":{"id":"call_1_3","name":"read","response":{"output":"found"}}},
    {"functionResponse":{"id":"fc-7","name":"now","response":{"output":"found"}}},
    {"functionResponse":{"id":"call_1_6","name":"now","response":{"output":"found"}}}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}

    {"model":"anthropic/claude-opus-5","messages":[{"role":"user","content":"Look."},
    {"role":"assistant","content":"Four.","reasoning_details":[{"format":"anthropic-claude-v1","index":0,"signature":"c2ln","text":"Two and two.","type":"reasoning.text"},
    {"data":"RW5j","format":"anthropic-claude-v1","index":1,"type":"reasoning.encrypted"}],"tool_calls":[{"id":"x","type":"function","function":{"name":"read","arguments":"{\"path\": \"a\"}"},"extra_content":{"google":{"thought_signature":"U2ln"}}}]},
    {"role":"tool","tool_call_id":"x","content":"found"}],"stream":true,"stream_options":{"include_usage":true}}
    "##);
}

#[test]
fn a_batch_of_another_model_is_finished_without_a_budget_for_thinking() {
    let thinking = |model: &str, messages: Vec<Message>| {
        let request = Request {
            messages,
            thinking: Thinking::High,
            ..conversation(model)
        };
        let sent = Wire::Anthropic.encode(&request).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        let interleaved = sent.headers.iter().any(|(name, _)| *name == "anthropic-beta");
        assert_eq!(
            interleaved,
            body["thinking"]["type"] == "enabled",
            "{:?}",
            sent.headers
        );
        body["thinking"]["type"].as_str().unwrap().to_owned()
    };
    let foreign = conversation_of(&MADE[1]);
    let mut later = foreign.clone();
    later.extend([
        Message::Assistant {
            model: MADE[1].model.parse().unwrap(),
            blocks: vec![Block::Text("Done.".into())],
        },
        Message::User("More.".into()),
    ]);
    assert_eq!(
        thinking("anthropic/claude-sonnet-4-5", foreign.clone()),
        "disabled"
    );
    assert_eq!(thinking("anthropic/claude-sonnet-4-5", later), "enabled");
    // Those that decide themselves do not mind.
    assert_eq!(thinking("anthropic/claude-opus-5", foreign), "adaptive");
}

/// The body that a server of this wire is sent for these blocks of an answer that `said` gave, between words of the user.
fn body_with(wire: Wire, model: &str, said: &str, blocks: Vec<Block>) -> String {
    let request = Request {
        messages: vec![
            Message::User("Look.".into()),
            Message::Assistant {
                model: said.parse().unwrap(),
                blocks,
            },
            Message::User("Well?".into()),
        ],
        tools: vec![],
        system: vec![],
        ..conversation(model)
    };
    let server = Server {
        differences: Differences::known(&request.model.provider, None),
        ..wire.into()
    };
    let sent = server.encode(&request, &Abilities::default()).unwrap();
    String::from_utf8(sent.body.to_vec()).unwrap()
}

#[test]
fn what_only_one_model_understands_goes_to_no_other_and_not_without_what_it_led_to() {
    let reasoning = || {
        Block::Kept(Kept::Reasoning {
            id: "rs_1".into(),
            encrypted: Some("ZW5j".into()),
        })
    };
    let sent = |said: &str, blocks| body_with(Wire::OpenAiResponses, "openai/gpt-5.2", said, blocks);
    let led = || vec![reasoning(), Block::Text("So.".into())];
    assert!(sent("openai/gpt-5.2", led()).contains("rs_1"));
    assert!(!sent("openai/gpt-4.1", led()).contains("rs_1"));
    assert!(
        !sent("openai/gpt-5.2", vec![reasoning()]).contains("rs_1"),
        "it led to nothing"
    );
    // Thinking of another model is told as text, and in no field of its own.
    let deepseek = |said: &str| {
        let blocks = vec![thought("Hm.", None, None), Block::Text("So.".into())];
        body_with(Wire::OpenAiCompatible, "deepseek/deepseek-chat", said, blocks)
    };
    let own = deepseek("deepseek/deepseek-chat");
    assert_eq!(own.matches("Hm.").count(), 1, "{own}");
    let others = deepseek("zai/glm-4.6");
    assert_eq!(others.matches("Hm.").count(), 1, "{others}");
    assert!(others.contains("\"content\":\"Hm.\\n\\nSo.\""), "{others}");
}

#[test]
fn results_come_before_words_wherever_they_stood() {
    let mut request = conversation("google/gemini-2.5-pro");
    request.messages = vec![
        Message::User("Look.".into()),
        Message::Assistant {
            model: "google/gemini-2.5-pro".parse().unwrap(),
            blocks: vec![call("a", "read", "{}")],
        },
        Message::User("Be quick.".into()),
        result("a", "found", false),
    ];
    for wire in [Wire::Gemini, Wire::Anthropic] {
        let sent = wire.encode(&request).unwrap();
        let body = String::from_utf8(sent.body.to_vec()).unwrap();
        assert!(body.find("found") < body.find("Be quick."), "{body}");
    }
}

#[test]
fn nothing_is_asked_for_that_the_request_has_no_use_for() {
    // Thinking between calls is asked for where there are tools.
    let mut request = conversation("anthropic/claude-sonnet-4-5");
    request.thinking = Thinking::High;
    request.messages = vec![Message::User("Look.".into())];
    let betas = |request: &Request| {
        let sent = Wire::Anthropic.encode(request).unwrap();
        sent.headers.iter().any(|(name, _)| *name == "anthropic-beta")
    };
    assert!(betas(&request));
    request.tools.clear();
    assert!(!betas(&request));
    // A level that no model of Gemini knows is the highest that they know, also for one of which nothing is said.
    request.model = "google/new-model".parse().unwrap();
    request.thinking = Thinking::Xhigh;
    let sent = Wire::Gemini.encode(&request).unwrap();
    let body = String::from_utf8(sent.body.to_vec()).unwrap();
    assert!(body.contains("\"thinkingLevel\":\"high\""), "{body}");
    // A breakpoint on a result that is blank would be refused.
    request.model = "openrouter/anthropic/claude-sonnet-4.5".parse().unwrap();
    request.system.clear();
    request.messages = vec![
        Message::User("Look.".into()),
        Message::Assistant {
            model: request.model.clone(),
            blocks: vec![call("a", "read", "{}")],
        },
        result("a", " ", false),
    ];
    request.controls.cache.after = [0, 2].map(After::Message).to_vec();
    let server = Server {
        differences: Differences::known("openrouter", None),
        ..Wire::OpenAiCompatible.into()
    };
    let sent = server.encode(&request, &Abilities::default()).unwrap();
    let body = String::from_utf8(sent.body.to_vec()).unwrap();
    assert_eq!(body.matches("cache_control").count(), 1, "{body}");
    assert!(body.contains("\"content\":\" \""), "{body}");
}
