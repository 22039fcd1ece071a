//! What servers of one wire want otherwise: every difference is seen in the bytes.

use glasswork_ai::controls::{After, Cache, Controls, Speed};
use glasswork_ai::model::ThinkingSupport;
use glasswork_ai::wire::{CallIds, DifferencesSet, MaxTokensField, ThinkingBack, ThinkingSwitch};

use super::*;

fn sent(server: &Server, request: &Request) -> String {
    let body = server.encode(request, &Abilities::default()).unwrap().body;
    String::from_utf8(body.to_vec()).unwrap()
}

/// A conversation in which a model thought, called, and was interrupted by the user.
fn talk(model: &str) -> Request {
    Request {
        messages: vec![
            Message::User("Look.".into()),
            Message::Assistant {
                model: model.parse().unwrap(),
                blocks: vec![thought("Own.", None, None), call("call:1", "read", "{}")],
            },
            result("call:1", "found", false),
            Message::User("Stop.".into()),
        ],
        max_output_tokens: Some(9),
        thinking: Thinking::Low,
        controls: Controls {
            speed: Some(Speed::Economy),
            cache: Cache {
                after: vec![After::Message(3)],
                key: Some("k".into()),
                ..Cache::default()
            },
            ..Controls::default()
        },
        ..conversation(model)
    }
}

#[test]
fn every_difference_is_seen() {
    type Set = DifferencesSet;
    let cases: Vec<(DifferencesSet, &str)> = vec![
        (
            Set {
                developer_role: Some(true),
                ..Set::default()
            },
            r#"{"role":"developer","content":"You are"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ReasoningEffort),
                ..Set::default()
            },
            r#""reasoning_effort":"low""#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ReasoningEffortLowToHigh),
                ..Set::default()
            },
            r#""reasoning_effort":"low""#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ReasoningObject),
                ..Set::default()
            },
            r#""reasoning":{"effort":"low"}"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ReasoningEnabled),
                ..Set::default()
            },
            r#""reasoning":{"enabled":true}"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ThinkingType),
                ..Set::default()
            },
            r#""thinking":{"type":"enabled"}"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ThinkingTypeEffort),
                ..Set::default()
            },
            r#""reasoning_effort":"low","thinking":{"type":"enabled"}"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::EnableThinking),
                ..Set::default()
            },
            r#""enable_thinking":true"#,
        ),
        (
            Set {
                thinking_switch: Some(ThinkingSwitch::ChatTemplate),
                ..Set::default()
            },
            r#""chat_template_kwargs":{"enable_thinking":true,"thinking":true}"#,
        ),
        (
            Set {
                thinking_back: Some(ThinkingBack::AsText),
                ..Set::default()
            },
            r#""content":"Own.""#,
        ),
        (
            Set {
                thinking_back: Some(ThinkingBack::ReasoningContent),
                ..Set::default()
            },
            r#""reasoning_content":"Own.""#,
        ),
        (
            Set {
                thinking_back: Some(ThinkingBack::Reasoning),
                ..Set::default()
            },
            r#""reasoning":"Own.""#,
        ),
        (
            Set {
                thinking_back: Some(ThinkingBack::Thinking),
                ..Set::default()
            },
            r#""thinking":"Own.""#,
        ),
        (
            Set {
                thinking_back: Some(ThinkingBack::ReasoningDetails),
                ..Set::default()
            },
            r#""reasoning":"Own.""#,
        ),
        (
            Set {
                usage_in_stream: Some(true),
                ..Set::default()
            },
            r#""stream_options":{"include_usage":true}"#,
        ),
        (
            Set {
                max_tokens_field: Some(MaxTokensField::MaxCompletionTokens),
                ..Set::default()
            },
            r#""max_completion_tokens":9"#,
        ),
        (
            Set {
                tool_result_name: Some(true),
                ..Set::default()
            },
            r#""name":"read","content":"found""#,
        ),
        (
            Set {
                assistant_after_tool_result: Some(true),
                ..Set::default()
            },
            r#"{"role":"assistant","content":"I have the results."}"#,
        ),
        (
            Set {
                strict_field: Some(true),
                ..Set::default()
            },
            r#""strict":false"#,
        ),
        (
            Set {
                call_ids: Some(CallIds::Word),
                ..Set::default()
            },
            r#""tool_call_id":"call_1""#,
        ),
        (
            Set {
                prompt_cache_key: Some(true),
                ..Set::default()
            },
            r#""prompt_cache_key":"k""#,
        ),
        (
            Set {
                service_tier: Some(true),
                ..Set::default()
            },
            r#""service_tier":"flex""#,
        ),
        (
            Set {
                cache_control: Some(true),
                ..Set::default()
            },
            r#"{"role":"user","content":[{"type":"text","text":"Stop.","cache_control":{"type":"ephemeral"}}]}"#,
        ),
    ];
    let plain = Differences::compatible().with(&DifferencesSet {
        thinking_switch: Some(ThinkingSwitch::None),
        usage_in_stream: Some(false),
        ..DifferencesSet::default()
    });
    let request = talk("relay/anthropic/claude-x");
    let of = |differences| Server {
        differences,
        ..Wire::OpenAiCompatible.into()
    };
    let without = sent(&of(plain), &request);
    for (set, expected) in cases {
        assert!(!without.contains(expected), "{expected} in {without}");
        let with = sent(&of(plain.with(&set)), &request);
        assert!(with.contains(expected), "{expected} not in {with}");
    }
}

/// A word that a server does not know would have the whole request refused.
#[test]
fn thinking_is_asked_for_in_words_that_the_server_knows() {
    use Thinking::{Default, High, Low, Medium, Minimal, Off, Xhigh};
    let words = |provider: &str| {
        let server = Server {
            differences: Differences::known(provider, None),
            ..Wire::OpenAiCompatible.into()
        };
        [Default, Off, Minimal, Low, Medium, High, Xhigh].map(|thinking| {
            let request = Request {
                thinking,
                ..talk("x/y")
            };
            let body: serde_json::Value = serde_json::from_str(&sent(&server, &request)).unwrap();
            body["reasoning_effort"].as_str().unwrap_or("-").to_owned()
        })
    };
    for provider in ["groq", "cerebras", "ollama"] {
        let known = ["-", "none", "low", "low", "medium", "high", "high"];
        assert_eq!(words(provider), known, "{provider}");
    }
    let all = ["-", "none", "minimal", "low", "medium", "high", "xhigh"];
    assert_eq!(words("openai"), all);
}

#[test]
fn thinking_is_left_off_in_each_servers_words() {
    let off = |provider: &str| {
        let server = Server {
            differences: Differences::known(provider, None),
            ..Wire::OpenAiCompatible.into()
        };
        let request = Request {
            thinking: Thinking::Off,
            ..talk("x/y")
        };
        let body = sent(&server, &request);
        let (_, tail) = body.rsplit_once("]").unwrap();
        tail.split(",\"max_").next().unwrap().to_owned()
    };
    let providers = [
        "openai",
        "openrouter",
        "deepseek",
        "together",
        "groq",
        "xai",
        "mistral",
        "zai",
        "moonshot",
        "qwen",
        "cerebras",
        "fireworks",
        "ollama",
        "llamacpp",
        "lmstudio",
        "vllm",
        "sglang",
        "unknown",
    ];
    let lines: Vec<String> = providers
        .map(|provider| format!("{provider}: {}", off(provider)))
        .to_vec();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    openai: ,"reasoning_effort":"none"
    openrouter: ,"reasoning":{"effort":"none"}
    deepseek: ,"thinking":{"type":"disabled"}
    together: ,"reasoning":{"enabled":false}
    groq: ,"reasoning_effort":"none"
    xai: ,"reasoning_effort":"none"
    mistral: 
    zai: ,"thinking":{"type":"disabled"}
    moonshot: ,"thinking":{"type":"disabled"}
    qwen: ,"enable_thinking":false
    cerebras: ,"reasoning_effort":"none"
    fireworks: ,"reasoning_effort":"none"
    ollama: ,"reasoning_effort":"none"
    llamacpp: ,"chat_template_kwargs":{"enable_thinking":false,"thinking":false}
    lmstudio: ,"reasoning_effort":"none"
    vllm: ,"chat_template_kwargs":{"enable_thinking":false,"thinking":false}
    sglang: ,"chat_template_kwargs":{"enable_thinking":false,"thinking":false}
    unknown: ,"reasoning_effort":"none"
    "##);
}

/// As each server's own documentation or client has it; the sources stand beside the rows.
#[test]
fn servers_are_asked_in_the_fields_that_they_document() {
    let of = |provider: &str, model: &str, level| {
        let server = Server {
            differences: Differences::known(provider, None),
            ..Wire::OpenAiCompatible.into()
        };
        let body = sent(
            &server,
            &Request {
                thinking: level,
                ..talk(model)
            },
        );
        json(body.as_bytes())
    };
    let keys = [
        "max_tokens",
        "max_completion_tokens",
        "reasoning_effort",
        "thinking",
        "reasoning",
        "chat_template_kwargs",
        "stream_options",
    ];
    let back = ["reasoning_content", "reasoning"];
    let line = |provider: &str| {
        let body = of(provider, &format!("{provider}/m"), Thinking::Xhigh);
        let asked = keys
            .iter()
            .filter_map(|key| Some(format!("{key}={}", body.get(key)?)));
        let own = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|message| back.iter().find(|key| message.get(key).is_some()));
        let own = own.map_or("never", |own| own);
        format!("{provider}: {} back={own}", asked.collect::<Vec<_>>().join(" "))
    };
    let lines: Vec<String> = [
        "deepseek", "groq", "moonshot", "cerebras", "together", "vllm", "sglang", "ollama",
    ]
    .map(line)
    .to_vec();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    deepseek: max_tokens=9 reasoning_effort="max" thinking={"type":"enabled"} stream_options={"include_usage":true} back=reasoning_content
    groq: max_completion_tokens=9 reasoning_effort="high" stream_options={"include_usage":true} back=reasoning
    moonshot: max_completion_tokens=9 thinking={"type":"enabled"} stream_options={"include_usage":true} back=reasoning_content
    cerebras: max_completion_tokens=9 reasoning_effort="high" stream_options={"include_usage":true} back=never
    together: max_tokens=9 reasoning={"enabled":true} stream_options={"include_usage":true} back=never
    vllm: max_tokens=9 chat_template_kwargs={"enable_thinking":true,"thinking":true} stream_options={"include_usage":true} back=reasoning
    sglang: max_tokens=9 chat_template_kwargs={"enable_thinking":true,"thinking":true} stream_options={"include_usage":true} back=reasoning_content
    ollama: max_tokens=9 reasoning_effort="high" stream_options={"include_usage":true} back=reasoning
    "##);
}

#[test]
fn levels_are_what_a_model_knows() {
    use Thinking::{Minimal, Off, Xhigh};
    let tail = |wire: Wire, model: &str, level, abilities: &Abilities| {
        let request = Request {
            thinking: level,
            messages: vec![Message::User("go".into())],
            tools: vec![],
            system: vec![],
            ..conversation(model)
        };
        let body = Server::from(wire).encode(&request, abilities).unwrap().body;
        let body = json(&body);
        let keys = [
            "reasoning",
            "include",
            "reasoning_effort",
            "thinking",
            "output_config",
            "generationConfig",
        ];
        let found = keys
            .iter()
            .filter_map(|key| Some(format!("{key}={}", body.get(key)?)));
        format!("{model} {level:?}: {}", found.collect::<Vec<_>>().join(" "))
    };
    let unknown = Abilities::default();
    let said = Abilities {
        thinking: ThinkingSupport::Budget {
            least: 2048,
            most: 3000,
            off: false,
        },
        ..Abilities::default()
    };
    let mut lines = Vec::new();
    for (wire, model) in [
        (Wire::OpenAiResponses, "openai/gpt-5.2"),
        (Wire::OpenAiResponses, "openai/gpt-4.1"),
        (Wire::OpenAiResponses, "openai/o3"),
        (Wire::OpenAiChat, "openai/gpt-5"),
        (Wire::Anthropic, "anthropic/claude-opus-5"),
        (Wire::Anthropic, "anthropic/claude-haiku-4-5"),
        (Wire::Anthropic, "anthropic/claude-3-5-haiku-latest"),
        (Wire::Gemini, "gemini/gemini-3-pro-preview"),
        (Wire::Gemini, "gemini/gemini-2.5-flash"),
        (Wire::Gemini, "gemini/gemini-2.5-pro"),
        (Wire::Gemini, "gemini/gemini-2.0-flash"),
    ] {
        for level in [Thinking::Default, Off, Minimal, Xhigh] {
            lines.push(tail(wire, model, level, &unknown));
        }
    }
    lines.push(tail(Wire::Gemini, "gemini/gemini-3-pro", Xhigh, &said));
    lines.push(tail(Wire::Anthropic, "anthropic/claude-opus-5", Off, &said));
    insta::assert_snapshot!(lines.join("\n"), @r##"
    openai/gpt-5.2 Default: include=["reasoning.encrypted_content"]
    openai/gpt-5.2 Off: reasoning={"effort":"none"} include=["reasoning.encrypted_content"]
    openai/gpt-5.2 Minimal: reasoning={"effort":"low","summary":"auto"} include=["reasoning.encrypted_content"]
    openai/gpt-5.2 Xhigh: reasoning={"effort":"xhigh","summary":"auto"} include=["reasoning.encrypted_content"]
    openai/gpt-4.1 Default: 
    openai/gpt-4.1 Off: 
    openai/gpt-4.1 Minimal: 
    openai/gpt-4.1 Xhigh: 
    openai/o3 Default: include=["reasoning.encrypted_content"]
    openai/o3 Off: reasoning={"effort":"low","summary":"auto"} include=["reasoning.encrypted_content"]
    openai/o3 Minimal: reasoning={"effort":"low","summary":"auto"} include=["reasoning.encrypted_content"]
    openai/o3 Xhigh: reasoning={"effort":"high","summary":"auto"} include=["reasoning.encrypted_content"]
    openai/gpt-5 Default: 
    openai/gpt-5 Off: reasoning_effort="minimal"
    openai/gpt-5 Minimal: reasoning_effort="minimal"
    openai/gpt-5 Xhigh: reasoning_effort="high"
    anthropic/claude-opus-5 Default: 
    anthropic/claude-opus-5 Off: thinking={"type":"disabled"}
    anthropic/claude-opus-5 Minimal: thinking={"display":"summarized","type":"adaptive"} output_config={"effort":"low"}
    anthropic/claude-opus-5 Xhigh: thinking={"display":"summarized","type":"adaptive"} output_config={"effort":"max"}
    anthropic/claude-haiku-4-5 Default: 
    anthropic/claude-haiku-4-5 Off: thinking={"type":"disabled"}
    anthropic/claude-haiku-4-5 Minimal: thinking={"budget_tokens":1024,"type":"enabled"}
    anthropic/claude-haiku-4-5 Xhigh: thinking={"budget_tokens":16000,"type":"enabled"}
    anthropic/claude-3-5-haiku-latest Default: 
    anthropic/claude-3-5-haiku-latest Off: 
    anthropic/claude-3-5-haiku-latest Minimal: 
    anthropic/claude-3-5-haiku-latest Xhigh: 
    gemini/gemini-3-pro-preview Default: generationConfig={"thinkingConfig":{"includeThoughts":true}}
    gemini/gemini-3-pro-preview Off: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}
    gemini/gemini-3-pro-preview Minimal: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}
    gemini/gemini-3-pro-preview Xhigh: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"high"}}
    gemini/gemini-2.5-flash Default: generationConfig={"thinkingConfig":{"includeThoughts":true}}
    gemini/gemini-2.5-flash Off: generationConfig={"thinkingConfig":{"includeThoughts":false,"thinkingBudget":0}}
    gemini/gemini-2.5-flash Minimal: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}}
    gemini/gemini-2.5-flash Xhigh: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":24576}}
    gemini/gemini-2.5-pro Default: generationConfig={"thinkingConfig":{"includeThoughts":true}}
    gemini/gemini-2.5-pro Off: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}}
    gemini/gemini-2.5-pro Minimal: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}}
    gemini/gemini-2.5-pro Xhigh: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":32768}}
    gemini/gemini-2.0-flash Default: 
    gemini/gemini-2.0-flash Off: 
    gemini/gemini-2.0-flash Minimal: 
    gemini/gemini-2.0-flash Xhigh: 
    gemini/gemini-3-pro Xhigh: generationConfig={"thinkingConfig":{"includeThoughts":true,"thinkingBudget":3000}}
    anthropic/claude-opus-5 Off: thinking={"budget_tokens":2048,"type":"enabled"}
    "##);
}

#[test]
fn a_models_id_cannot_lead_to_another_address() {
    for model in [
        "g/..",
        "g/../x",
        "g/a/../../b",
        "g/a?key=b",
        "g/a#b",
        "g/a b",
        "g//a",
    ] {
        let failure = Wire::Gemini.encode(&talk(model)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Invalid, "{model}");
    }
    let path = |model: &str| Wire::Gemini.encode(&talk(model)).unwrap().path.into_owned();
    assert_eq!(
        path("g/gemini-2.5-pro"),
        "models/gemini-2.5-pro:streamGenerateContent"
    );
    assert_eq!(
        path("g/tunedModels/mine"),
        "tunedModels/mine:streamGenerateContent"
    );
}
