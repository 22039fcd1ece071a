//! What a request carries beside the conversation, in the bytes of each wire; and what models take of it.

use glasswork_ai::controls::{After, Cache, Controls, Effort, Life, Speed};
use glasswork_ai::model::ThinkingSupport;
use glasswork_ai::takes::{Asked, CacheForm};

use super::*;

fn all(life: Life) -> Controls {
    Controls {
        temperature: Some("0.7".parse().unwrap()),
        top_p: Some("0.95".parse().unwrap()),
        stop: vec!["END".into(), "\n\n".into()],
        effort: Some(Effort::Xhigh),
        speed: Some(Speed::Fast),
        cache: Cache {
            after: vec![After::Tools, After::System, After::Message(2), After::Message(3)],
            life,
            key: Some("a-session".into()),
        },
    }
}

fn short(model: &str, controls: Controls) -> Request {
    Request {
        messages: vec![
            Message::User("go".into()),
            Message::Assistant {
                model: model.parse().unwrap(),
                blocks: vec![call("c1", "read", "{}"), call("c2", "read", "{}")],
            },
            result("c1", "one", false),
            result("c2", "two", false),
        ],
        system: vec!["Be good.".into()],
        controls,
        ..conversation(model)
    }
}

#[test]
fn each_wire_has_its_words_for_them() {
    let mut shown = Vec::new();
    for (wire, model) in [
        (Wire::Anthropic, "anthropic/claude-opus-4-5"),
        (Wire::OpenAiChat, "openai/gpt-4.1"),
        (Wire::OpenAiResponses, "openai/gpt-5.1"),
        (Wire::Gemini, "google/gemini-2.5-pro"),
        (Wire::OpenAiCompatible, "mine/some"),
    ] {
        let sent = wire.encode(&short(model, all(Life::Long))).unwrap();
        let body = json(&sent.body);
        let keys = [
            "temperature",
            "top_p",
            "stop",
            "stop_sequences",
            "output_config",
            "speed",
            "service_tier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "generationConfig",
        ];
        let found: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(format!("{key}={}", body.get(key)?)))
            .collect();
        let beta = sent.headers.iter().find(|(name, _)| *name == "anthropic-beta");
        let beta = beta
            .map(|(_, value)| format!(" beta={value}"))
            .unwrap_or_default();
        let marks = body
            .to_string()
            .matches(r#""cache_control":{"ttl":"1h","type":"ephemeral"}"#)
            .count();
        shown.push(format!("{wire:?}: {}{beta} marks={marks}", found.join(" ")));
    }
    insta::assert_snapshot!(shown.join("\n"), @r##"
    Anthropic: temperature=0.7 top_p=0.95 stop_sequences=["END","\n\n"] output_config={"effort":"max"} speed="fast" beta=fast-mode-2026-02-01 marks=4
    OpenAiChat: temperature=0.7 top_p=0.95 stop=["END","\n\n"] service_tier="priority" prompt_cache_key="a-session" prompt_cache_retention="24h" marks=0
    OpenAiResponses: temperature=0.7 top_p=0.95 service_tier="priority" prompt_cache_key="a-session" prompt_cache_retention="24h" marks=0
    Gemini: generationConfig={"stopSequences":["END","\n\n"],"temperature":0.7,"thinkingConfig":{"includeThoughts":true},"topP":0.95} marks=0
    OpenAiCompatible: temperature=0.7 top_p=0.95 stop=["END","\n\n"] marks=0
    "##);
}

#[test]
fn breakpoints_stand_where_the_request_says() {
    let body = |wire: Wire, life| {
        let server = Server {
            differences: Differences::known("openrouter", None),
            ..wire.into()
        };
        let request = short(
            "openrouter/anthropic/claude-x",
            Controls {
                effort: None,
                ..all(life)
            },
        );
        let body = server.encode(&request, &Abilities::default()).unwrap().body;
        String::from_utf8(body.to_vec())
            .unwrap()
            .replace(",{\"", ",\n{\"")
            .replace(":[{\"", ":[\n{\"")
    };
    insta::assert_snapshot!(body(Wire::Anthropic, Life::Short), @r##"
    {"model":"anthropic/claude-x","max_tokens":32000,"tools":[
    {"name":"read","description":"Reads.","input_schema":{"type":"object","properties":{"path":{"type":"string"},"a":{"type":"number"}}},"cache_control":{"type":"ephemeral"}}],"system":[
    {"type":"text","text":"Be good.","cache_control":{"type":"ephemeral"}}],"messages":[
    {"role":"user","content":[
    {"type":"text","text":"go"}]},
    {"role":"assistant","content":[
    {"type":"tool_use","id":"c1","name":"read","input":{}},
    {"type":"tool_use","id":"c2","name":"read","input":{}}]},
    {"role":"user","content":[
    {"type":"tool_result","tool_use_id":"c1","content":"one","cache_control":{"type":"ephemeral"}},
    {"type":"tool_result","tool_use_id":"c2","content":"two","cache_control":{"type":"ephemeral"}}]}],"temperature":0.7,"top_p":0.95,"stop_sequences":["END","\n\n"],"speed":"fast","stream":true}
    "##);
    insta::assert_snapshot!(body(Wire::OpenAiCompatible, Life::Long), @r##"
    {"model":"anthropic/claude-x","messages":[
    {"role":"system","content":[
    {"type":"text","text":"Be good.","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
    {"role":"user","content":"go"},
    {"role":"assistant","content":null,"tool_calls":[
    {"id":"c1","type":"function","function":{"name":"read","arguments":"{}"}},
    {"id":"c2","type":"function","function":{"name":"read","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"c1","content":[
    {"type":"text","text":"one","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
    {"role":"tool","tool_call_id":"c2","content":[
    {"type":"text","text":"two","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"tools":[
    {"type":"function","function":{"name":"read","description":"Reads.","parameters":{"type":"object","properties":{"path":{"type":"string"},"a":{"type":"number"}}}}}],"temperature":0.7,"top_p":0.95,"stop":["END","\n\n"],"stream":true,"stream_options":{"include_usage":true}}
    "##);
}

/// Asks a model for everything, and shows what becomes of it.
fn fitted(wire: Wire, model: &str, thinking: Thinking) -> String {
    let model = model.parse().unwrap();
    let takes = Server::from(wire).takes(&model, &Abilities::default());
    let stop: Vec<std::sync::Arc<str>> = ["a", "b", "c", "d", "e", " "].map(Into::into).to_vec();
    let fitted = takes.fit(&Asked {
        thinking,
        temperature: Some("1.5".parse().unwrap()),
        top_p: Some("0.9".parse().unwrap()),
        stop: &stop,
        effort: Some(Effort::Xhigh),
        speed: Some(Speed::Fast),
    });
    let sent = serde_json::to_string(&fitted.controls).unwrap();
    let adjusted: Vec<String> = fitted
        .adjusted
        .iter()
        .map(|adjusted| format!("\n    {adjusted}"))
        .collect();
    // Whatever was asked for is sent, or told.
    assert!(
        fitted.controls.temperature.is_some() || adjusted.iter().any(|line| line.contains("temperature"))
    );
    assert!(fitted.controls.top_p.is_some() || adjusted.iter().any(|line| line.contains("top_p")));
    let refused = fitted
        .adjusted
        .iter()
        .filter(|one| one.control == glasswork_ai::adjusted::Control::Stop);
    assert_eq!(fitted.controls.stop.len() + refused.count(), stop.len());
    format!(
        "{model} {thinking:?}: thinking {:?} {sent}{}",
        fitted.thinking,
        adjusted.concat()
    )
}

#[test]
fn what_a_model_does_not_take_is_told() {
    let lines: Vec<String> = [
        (Wire::Anthropic, "anthropic/claude-opus-5", Thinking::Default),
        (Wire::Anthropic, "anthropic/claude-sonnet-4-6", Thinking::Off),
        (Wire::Anthropic, "anthropic/claude-haiku-4-5", Thinking::High),
        (Wire::OpenAiResponses, "openai/gpt-5.1", Thinking::Default),
        (Wire::OpenAiResponses, "openai/gpt-4.1", Thinking::High),
        (Wire::OpenAiChat, "openai/o3", Thinking::Off),
        (Wire::Gemini, "google/gemini-3-pro-preview", Thinking::Medium),
        (Wire::OpenAiCompatible, "mine/some", Thinking::Default),
    ]
    .into_iter()
    .map(|(wire, model, thinking)| fitted(wire, model, thinking))
    .collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    anthropic/claude-opus-5 Default: thinking Default {"stop":["a","b","c","d","e"],"effort":"xhigh","speed":"fast"}
        temperature 1.50 is not sent: the model or its server does not take it
        top_p 0.90 is not sent: the model or its server does not take it
        stop " " is not sent: the server takes no blank ones
    anthropic/claude-sonnet-4-6 Off: thinking Off {"temperature":"1.00","stop":["a","b","c","d","e"],"effort":"xhigh"}
        temperature 1.50 is sent as 1.00: the model does not take so much
        top_p 0.90 is not sent: the model does not take it together with a temperature
        stop " " is not sent: the server takes no blank ones
        speed fast is not sent: the model or its server does not take it
    anthropic/claude-haiku-4-5 High: thinking High {"stop":["a","b","c","d","e"]}
        effort xhigh is not sent: with this provider effort is thinking, and `thinking` is set
        temperature 1.50 is not sent: the model takes it only where it does not think
        top_p 0.90 is not sent: the model takes it only where it does not think
        stop " " is not sent: the server takes no blank ones
        speed fast is not sent: the model or its server does not take it
    openai/gpt-5.1 Default: thinking Xhigh {"speed":"fast"}
        effort xhigh is sent as thinking xhigh: with this provider effort is thinking
        thinking xhigh is sent as high: the model or its server does not take it
        temperature 1.50 is not sent: the model takes it only where it does not think
        top_p 0.90 is not sent: the model takes it only where it does not think
        stop "a" is not sent: the model or its server does not take it
        stop "b" is not sent: the model or its server does not take it
        stop "c" is not sent: the model or its server does not take it
        stop "d" is not sent: the model or its server does not take it
        stop "e" is not sent: the model or its server does not take it
        stop " " is not sent: the model or its server does not take it
    openai/gpt-4.1 High: thinking High {"temperature":"1.50","top_p":"0.90","speed":"fast"}
        effort xhigh is not sent: with this provider effort is thinking, and `thinking` is set
        thinking high is not sent: the model or its server does not take it
        stop "a" is not sent: the model or its server does not take it
        stop "b" is not sent: the model or its server does not take it
        stop "c" is not sent: the model or its server does not take it
        stop "d" is not sent: the model or its server does not take it
        stop "e" is not sent: the model or its server does not take it
        stop " " is not sent: the model or its server does not take it
    openai/o3 Off: thinking Off {"speed":"fast"}
        effort xhigh is not sent: with this provider effort is thinking, and `thinking` is set
        thinking off is sent as low: the model or its server does not take it
        temperature 1.50 is not sent: the model takes it only where it does not think
        top_p 0.90 is not sent: the model takes it only where it does not think
        stop "a" is not sent: the model or its server does not take it
        stop "b" is not sent: the model or its server does not take it
        stop "c" is not sent: the model or its server does not take it
        stop "d" is not sent: the model or its server does not take it
        stop "e" is not sent: the model or its server does not take it
        stop " " is not sent: the model or its server does not take it
    google/gemini-3-pro-preview Medium: thinking Medium {"temperature":"1.50","top_p":"0.90","stop":["a","b","c","d","e"]}
        effort xhigh is not sent: with this provider effort is thinking, and `thinking` is set
        thinking medium is sent as low: the model or its server does not take it
        stop " " is not sent: the server takes at most 5
        speed fast is not sent: the model or its server does not take it
    mine/some Default: thinking Xhigh {"temperature":"1.50","top_p":"0.90","stop":["a","b","c","d"]}
        effort xhigh is sent as thinking xhigh: with this provider effort is thinking
        stop "e" is not sent: the server takes at most 4
        stop " " is not sent: the server takes at most 4
        speed fast is not sent: the model or its server does not take it
    "##);
}

#[test]
fn caches_are_asked_as_their_servers_want_it() {
    let form =
        |server: Server, model: &str| server.takes(&model.parse().unwrap(), &Abilities::default()).cache;
    let relay = || Server {
        differences: Differences::known("openrouter", None),
        ..Wire::OpenAiCompatible.into()
    };
    let marks = |tools| CacheForm::Marks { most: 4, tools };
    let key = |long| CacheForm::Key { long };
    let table = [
        (Wire::Anthropic.into(), "anthropic/claude-opus-5", marks(true)),
        (relay(), "openrouter/anthropic/claude-sonnet-5", marks(false)),
        (relay(), "openrouter/qwen/qwen3", CacheForm::Own),
        (Wire::OpenAiResponses.into(), "openai/gpt-5.1-codex", key(true)),
        (Wire::OpenAiResponses.into(), "openai/gpt-5", key(true)),
        (Wire::OpenAiResponses.into(), "openai/gpt-5-mini", key(false)),
        (Wire::OpenAiResponses.into(), "openai/gpt-5.6-sol", key(false)),
        (Wire::OpenAiChat.into(), "openai/gpt-4o", key(false)),
        (Wire::Gemini.into(), "google/gemini-3-pro", CacheForm::Own),
        (Wire::OpenAiCompatible.into(), "mine/some", CacheForm::Own),
    ];
    for (server, model, expected) in table {
        assert_eq!(form(server, model), expected, "{model}");
    }
}

#[test]
fn an_answer_to_go_on_with_comes_last_and_without_blanks_at_its_end() {
    let mut request = short("anthropic/claude-opus-5", Controls::default());
    request.messages.push(Message::Assistant {
        model: request.model.clone(),
        blocks: vec![Block::Text("I search. \n".into())],
    });
    let ends = r#"{"role":"assistant","content":[{"type":"text","text":"I search."}]}],"stream":true}"#;
    let sent = |request: &Request| {
        String::from_utf8(Wire::Anthropic.encode(request).unwrap().body.to_vec()).unwrap()
    };
    assert!(sent(&request).ends_with(ends), "{}", sent(&request));
    // What is not at the end is what was said.
    request.messages.push(Message::User("Go on.".into()));
    assert!(
        sent(&request).contains(r#""text":"I search. \n"}"#),
        "{}",
        sent(&request)
    );
}

#[test]
fn thinking_that_a_model_does_not_have_takes_nothing_away() {
    let server = Server::from(Wire::Anthropic);
    let takes = server.takes(
        &"anthropic/claude-3-5-haiku-latest".parse().unwrap(),
        &Abilities::default(),
    );
    assert_eq!(takes.thinking, ThinkingSupport::Never);
    let fitted = takes.fit(&Asked {
        thinking: Thinking::High,
        temperature: Some("0.5".parse().unwrap()),
        top_p: Some("0.9".parse().unwrap()),
        stop: &[],
        effort: None,
        speed: None,
    });
    let told: Vec<String> = fitted.adjusted.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["thinking high is not sent: the model or its server does not take it"]
    );
    assert!(fitted.controls.temperature.is_some() && fitted.controls.top_p.is_some());
}
