//! Servers on one's own machine: what they say of themselves, in the forms in which they say it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use glasswork_ai::abilities::ThinkingSupport;
use glasswork_ai::http::{BaseUrl, Clients, Found, SecretString, probe};
use glasswork_ai::local::{self, LocalModel, Server};
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

fn model(id: &str) -> LocalModel {
    LocalModel {
        id: id.into(),
        ..LocalModel::default()
    }
}

fn lm_studio() -> Value {
    json!({ "object": "list", "data": [
        { "id": "qwen2-vl-7b-instruct", "object": "model", "type": "vlm", "publisher": "mlx-community", "arch": "qwen2_vl",
          "compatibility_type": "mlx", "quantization": "4bit", "state": "not-loaded", "max_context_length": 32768 },
        { "id": "qwen3-8b", "object": "model", "type": "llm", "arch": "qwen3", "state": "loaded",
          "max_context_length": 131072, "loaded_context_length": 4096, "capabilities": ["tool_use"] },
        { "id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048 }
    ] })
}

fn props() -> Value {
    json!({ "default_generation_settings": { "id": 0, "n_ctx": 16384, "speculative": false, "params": {} },
        "total_slots": 1, "model_path": "/models/Qwen3-8B-Q4_K_M.gguf", "modalities": { "vision": false, "audio": false },
        "chat_template": "{%- if tools %}…{%- endif %}{%- if enable_thinking is defined and enable_thinking is false %}…",
        "build_info": "b6096-abc" })
}

fn llama_models() -> Value {
    json!({ "object": "list", "data": [{ "id": "qwen3-8b", "object": "model", "created": 1, "owned_by": "llamacpp",
        "meta": { "vocab_type": 2, "n_vocab": 151936, "n_ctx_train": 40960, "n_params": 8190735360_u64 } }] })
}

fn tags() -> Value {
    json!({ "models": [
        { "name": "qwen3:8b", "model": "qwen3:8b", "size": 5225376047_u64, "details": { "family": "qwen3" } },
        { "name": "llama3.2:latest", "model": "llama3.2:latest", "details": { "family": "llama" } } ] })
}

fn shown(context: &str, abilities: Value) -> Value {
    json!({ "modelfile": "…", "parameters": format!("stop \"<|im_end|>\"\n{context}top_k 20"), "template": "{{ .Prompt }}",
        "details": { "family": "qwen3" }, "capabilities": abilities,
        "model_info": { "general.architecture": "qwen3", "qwen3.context_length": 40960 } })
}

/// Answers of one server in the order in which they are asked for, and what they come to.
async fn check(replies: Vec<Result<Value, u16>>, expected: Option<Found>, asked: &[&str]) {
    let replies = replies.into_iter().map(|reply| match reply {
        Ok(body) => Reply::status(200)
            .header("content-type", "application/json")
            .body(body.to_string()),
        Err(status) => Reply::status(status),
    });
    let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
    let base = BaseUrl::parse(&format!("{}/v1", server.url())).unwrap();
    let key = SecretString::from("a-key");
    assert_eq!(
        probe(&base, Some(&key), &Clients::default()).await.unwrap(),
        expected
    );
    let received = server.received();
    let paths: Vec<String> = received
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert_eq!(paths, asked);
    assert!(
        received
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer a-key"))
    );
}

#[tokio::test]
async fn each_server_is_known_by_the_door_that_it_alone_has() {
    let studio = vec![
        LocalModel {
            longest_window: Some(32_768),
            images: Some(true),
            ..model("qwen2-vl-7b-instruct")
        },
        LocalModel {
            context_window: Some(4_096),
            longest_window: Some(131_072),
            images: Some(false),
            tools: Some(true),
            ..model("qwen3-8b")
        },
    ];
    check(
        vec![Ok(lm_studio())],
        Some(Found {
            server: Server::LmStudio,
            models: studio,
        }),
        &["GET /api/v0/models"],
    )
    .await;
    let llama = LocalModel {
        context_window: Some(16_384),
        longest_window: Some(40_960),
        thinking: ThinkingSupport::Switch,
        tools: Some(true),
        images: Some(false),
        has_template: true,
        ..model("qwen3-8b")
    };
    check(
        vec![Err(404), Ok(props()), Ok(llama_models())],
        Some(Found {
            server: Server::LlamaCpp,
            models: vec![llama.clone()],
        }),
        &["GET /api/v0/models", "GET /props", "GET /v1/models"],
    )
    .await;
    // DeepSeek V3.1 and Kimi K3 look for another name, and another name may end in it.
    for (template, thinking) in [
        ("{%- if not thinking is defined -%}…", ThinkingSupport::Switch),
        ("{%- if thinking is undefined -%}…", ThinkingSupport::Switch),
        (
            "{%- if preserve_thinking is undefined -%}…",
            ThinkingSupport::Unknown,
        ),
    ] {
        let mut props = props();
        props["chat_template"] = json!(template);
        let llama = LocalModel {
            thinking,
            tools: Some(false),
            ..llama.clone()
        };
        check(
            vec![Err(404), Ok(props), Ok(llama_models())],
            Some(Found {
                server: Server::LlamaCpp,
                models: vec![llama],
            }),
            &["GET /api/v0/models", "GET /props", "GET /v1/models"],
        )
        .await;
    }
    let ollama = |id: &str, window, abilities: [bool; 3]| LocalModel {
        context_window: window,
        longest_window: Some(40_960),
        thinking: if abilities[0] {
            ThinkingSupport::Switch
        } else {
            ThinkingSupport::Never
        },
        tools: Some(abilities[1]),
        images: Some(abilities[2]),
        has_template: true,
        ..model(id)
    };
    check(
        vec![
            Err(404),
            Err(404),
            Ok(tags()),
            Ok(shown(
                "num_ctx 8192\n",
                json!(["completion", "tools", "thinking"]),
            )),
            // Without `num_ctx` nobody knows with how much it will be loaded.
            Ok(shown("", json!(["completion", "vision"]))),
        ],
        Some(Found {
            server: Server::Ollama,
            models: vec![
                ollama("qwen3:8b", Some(8_192), [true, true, false]),
                ollama("llama3.2:latest", None, [false, false, true]),
            ],
        }),
        &[
            "GET /api/v0/models",
            "GET /props",
            "GET /api/tags",
            "POST /api/show",
            "POST /api/show",
        ],
    )
    .await;
    let vllm = json!({ "object": "list", "data": [{ "id": "Qwen/Qwen3-32B", "object": "model", "owned_by": "vllm",
        "root": "Qwen/Qwen3-32B", "parent": null, "max_model_len": 32768 }] });
    check(
        vec![Err(404), Err(404), Err(404), Ok(vllm)],
        Some(Found {
            server: Server::Vllm,
            models: vec![LocalModel {
                context_window: Some(32_768),
                ..model("Qwen/Qwen3-32B")
            }],
        }),
        &[
            "GET /api/v0/models",
            "GET /props",
            "GET /api/tags",
            "GET /v1/models",
        ],
    )
    .await;
}

#[test]
fn a_window_is_taken_from_nothing_but_what_a_model_is_loaded_with() {
    let studio = |model: Value| local::lm_studio_models(&json!({ "data": [model] }));
    let one = |model: Value| studio(model).unwrap().remove(0);
    let made = json!({ "id": "m", "type": "llm", "max_context_length": 9 });
    assert_eq!(
        (one(made.clone()).context_window, one(made).longest_window),
        (None, Some(9))
    );
    let nought = json!({ "id": "m", "type": "llm", "max_context_length": 9, "loaded_context_length": 0 });
    assert_eq!(one(nought).context_window, None);
    // Any server of OpenAI's protocol has `data`; this one has more.
    assert_eq!(studio(json!({ "id": "m", "type": "llm" })), None);
    let embeds = json!({ "id": "m", "type": "embeddings", "max_context_length": 9 });
    assert_eq!(studio(embeds), Some(vec![]));

    let listed = json!({ "data": [{ "id": "listed", "meta": { "n_ctx_train": 40_960 } }] });
    let llama = |window: Value, listed: Option<&Value>| {
        let props = json!({ "default_generation_settings": { "n_ctx": window }, "model_alias": "alias", "model_path": "/p" });
        let model = local::llama_cpp_props(&props, listed).unwrap();
        (model.id.to_string(), model.context_window, model.longest_window)
    };
    assert_eq!(
        llama(json!(0), Some(&listed)),
        ("listed".into(), None, Some(40_960))
    );
    assert_eq!(llama(json!(512), None), ("alias".into(), Some(512), None));
    let named = |alias: &str| {
        let props = json!({ "default_generation_settings": {}, "model_alias": alias, "model_path": "/p" });
        local::llama_cpp_props(&props, None).unwrap().id.to_string()
    };
    assert_eq!([named("a"), named("")], ["a", "/p"]);
    assert_eq!(
        local::llama_cpp_props(&json!({ "model_path": "/p" }), Some(&listed)),
        None
    );

    let ollama = |parameters: &str| {
        let answer = json!({ "parameters": parameters,
            "model_info": { "general.architecture": "gemma", "gemma.context_length": 8_192, "llama.context_length": 7 } });
        let model = local::ollama_show(&"m".into(), &answer);
        assert_eq!(model.longest_window, Some(8_192));
        // Where it does not say what it can do, nothing is known of that.
        assert_eq!((model.tools, model.thinking), (None, ThinkingSupport::Unknown));
        model.context_window
    };
    let windows = [
        "",
        "num_ctx 4096",
        "num_ctx_other 5",
        "stop num_ctx",
        "top_k 1\n  num_ctx   77  ",
        "num_ctx many",
    ];
    assert_eq!(
        windows.map(ollama),
        [None, Some(4_096), None, None, Some(77), None]
    );

    let openai = |model: Value| local::openai_models(&json!({ "data": [model] })).unwrap();
    assert_eq!(openai(json!({ "id": "m" })), (Server::Other, vec![model("m")]));
    assert_eq!(
        openai(json!({ "id": "m", "max_model_len": 0 })),
        (Server::Vllm, vec![model("m")])
    );
}

#[test]
fn a_template_tells_of_tools_and_thinking_and_none_tells_nothing() {
    let told = |template: Value| {
        let props =
            json!({ "default_generation_settings": {}, "model_path": "/p", "chat_template": template });
        let model = local::llama_cpp_props(&props, None).unwrap();
        (model.has_template, model.tools, model.thinking)
    };
    use ThinkingSupport::{Switch, Unknown};
    assert_eq!(told(json!("{% if tools %}")), (true, Some(true), Unknown));
    assert_eq!(told(json!("{{ if .Tools }}")), (true, Some(true), Unknown));
    assert_eq!(
        told(json!("{% if enable_thinking %}")),
        (true, Some(false), Switch)
    );
    assert_eq!(told(json!("")), (false, None, Unknown));
    assert_eq!(told(Value::Null), (false, None, Unknown));
    // What nobody says does not take the place of what is known.
    let said = model("m").entry();
    assert_eq!(said, glasswork_ai::catalogue::Entry::default());
    let switch = LocalModel {
        thinking: Switch,
        context_window: Some(5),
        ..model("m")
    }
    .entry();
    assert_eq!((switch.thinking, switch.context_window), (Some(Switch), Some(5)));
}

#[test]
fn what_a_server_says_has_caps() {
    let long = "x".repeat(513);
    let (longest, many) = (
        "x".repeat(512),
        (0..1_500).map(|number| json!({ "id": format!("m{number}") })),
    );
    let data: Vec<Value> = [
        json!({ "id": long }),
        json!({ "id": longest }),
        json!({ "id": "" }),
    ]
    .into_iter()
    .chain(many)
    .collect();
    let (_, models) = local::openai_models(&json!({ "data": data })).unwrap();
    assert_eq!(
        (models.len(), models[0].id.len(), &*models[1].id),
        (1_000, 512, "m0")
    );
    let names: Vec<Value> = [
        json!({ "name": long }),
        json!({ "name": "short", "model": "whole" }),
        json!({ "name": "only" }),
    ]
    .into_iter()
    .chain((0..1_500).map(|number| json!({ "name": format!("m{number}") })))
    .collect();
    let names = local::ollama_tags(&json!({ "models": names })).unwrap();
    assert_eq!((names.len(), &*names[0], &*names[1]), (1_000, "whole", "only"));
}

#[tokio::test]
async fn what_is_no_such_server_is_told_as_nothing() {
    // LM Studio says 200 to doors that it does not have; a page is no answer either.
    let odd = json!({ "error": "Unexpected endpoint or method. (GET /props)" });
    check(
        vec![
            Ok(odd.clone()),
            Ok(odd.clone()),
            Ok(odd.clone()),
            Ok(odd.clone()),
            Ok(odd),
        ],
        None,
        &[
            "GET /api/v0/models",
            "GET /props",
            "GET /v1/models",
            "GET /api/tags",
            "GET /v1/models",
        ],
    )
    .await;
    let refused = BaseUrl::parse(&ModelServer::refused_url().await.unwrap()).unwrap();
    assert_eq!(probe(&refused, None, &Clients::default()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let server = ModelServer::start(Answers::replies(std::iter::repeat_n(Reply::never(), 8)))
        .await
        .unwrap();
    let base = BaseUrl::parse(&server.url()).unwrap();
    assert_eq!(probe(&base, None, &Clients::default()).await.unwrap(), None);
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(text in "\\PC{0,60}", key in "(data|models|capabilities|model_info|parameters|chat_template)", value in "[0-9a-z\"\\[\\]{}:, ]{0,40}") {
        let odd = [text, format!("{{\"{key}\": {value}}}"), format!("{{\"data\": [{{\"{key}\": {value}}}]}}")];
        for answer in odd.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
            let _ = (local::lm_studio_models(&answer), local::llama_cpp_props(&answer, Some(&answer)));
            let _ = (local::ollama_tags(&answer), local::ollama_show(&"x".into(), &answer), local::openai_models(&answer));
        }
    }
}
