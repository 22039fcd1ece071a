//! Models at the command line: which there are, what is known of them, which one a text means, and what they may cost.

use std::fs;

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::support::House;

fn own(house: &House, name: &str, text: &str) {
    let folder = house.home.path().join("glasswork/config/models");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn models_are_listed_with_what_is_known_of_them() {
    let house = House::new().with("ANTHROPIC_API_KEY", "sk-dummy-1");
    own(
        &house,
        "mine.ron",
        r#"(models: {"anthropic/claude-mine": (context_window: 1000, price: (input: 0.25)), "home/a": (tools: false)})"#,
    );
    // Those that can be asked; those of others only where they are asked for.
    let listed = house.json(["models", "--json"]);
    let names = |listed: &Value| -> Vec<String> {
        let all = listed.as_array().unwrap().iter();
        all.map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(
        names(&listed).iter().all(|name| name.starts_with("anthropic/")),
        "{listed}"
    );
    assert!(names(&listed).contains(&"anthropic/claude-sonnet-5".to_owned()));
    let all = names(&house.json(["models", "--all", "--json"]));
    assert!(all.contains(&"home/a".to_owned()) && all.contains(&"openai/gpt-5".to_owned()));
    assert!(all.is_sorted());
    let told = house.run(["models", "mine"]);
    assert_eq!((told.code, &*told.err), (0, ""));
    assert_eq!(
        told.out,
        "anthropic/claude-mine      1000         ?  $0.25 in, ? out\n"
    );
    let told = house.run(["models", "home/a"]);
    assert_eq!(
        told.out.trim_end(),
        "home/a         ?         ?  price not known         no tools, no key"
    );

    let shown = house.json(["models", "show", "claude-mine", "--json"]);
    let file = house.home.path().join("glasswork/config/models/mine.ron");
    assert_eq!(
        shown,
        json!({
            "id": "anthropic/claude-mine", "context_window": 1000, "max_output": null, "usable": true,
            "prices": { "version": file, "rates": { "input": "0.25" } },
            "abilities": { "thinking": "unknown", "tools": null, "images": null, "structured_output": null },
            "from": [file],
        })
    );
    let told = house.run(["models", "show", "anthropic/claude-sonnet-4-5"]);
    assert!(told.out.contains("price from         litellm "), "{}", told.out);
    assert!(
        told.out.contains("input $3.00, output $15.00, cache read $0.30"),
        "{}",
        told.out
    );
    let told = house.run(["models", "show", "opus-5"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("may be any of these"), "{}", told.err);
    let told = house.run(["doctor"]);
    assert!(told.out.contains("and 1 files of your own"), "{}", told.out);

    own(&house, "wrong.ron", "(\n  models: {\"home/a\": (widow: 1)})");
    let told = house.run(["models"]);
    assert_eq!(told.code, 2);
    assert!(
        told.err.contains("wrong.ron:2:") && told.err.contains("widow"),
        "{}",
        told.err
    );
}

#[test]
fn a_part_of_a_name_is_enough_where_it_can_be_only_one_and_a_level_may_stand_behind_it() {
    let house = House::new();
    own(
        &house,
        "mine.ron",
        r#"(models: {"home/wizard-7b": (tools: true)})"#,
    );
    let told = house.run(["run", "go", "--model", "wizard:high"]);
    // It was found, and nobody answers for it.
    assert_eq!(told.code, 2);
    assert!(told.err.contains("there is no provider `home`"), "{}", told.err);
    let told = house.run(["run", "go", "--model", "no-such-model"]);
    assert_eq!(told.code, 2);
    assert!(
        told.err.contains("there is no model `no-such-model`"),
        "{}",
        told.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_ones_own_is_asked_with_its_key_and_its_price_counts() {
    let script = r#"(turns: [
        (say: [call("bash", (command: "true"))], usage: (input: 100000, output: 10)),
        (say: [text("Done.")], usage: (input: 100000, output: 10)),
    ])"#;
    let server = ModelServer::start(Answers::Script(
        Wire::OpenAiCompatible,
        Script::parse(script).unwrap(),
    ))
    .await
    .unwrap();
    let house = House::new().with("HOME_SERVER_KEY", "of-no-special-looks");
    let text = format!(
        r#"(providers: {{"home": (base_url: "{}", key_variable: "HOME_SERVER_KEY")}},
            models: {{"home/wizard": (context_window: 500000, price: (input: 1, output: 10))}})"#,
        server.url()
    );
    own(&house, "home.ron", &text);
    block_in_place(|| {
        let run = |arguments: &[&str]| {
            let all = [
                "run",
                "go",
                "--model",
                "wizard:low",
                "--permission-mode",
                "yolo",
                "--output-format",
                "json",
            ];
            house.run(all.iter().chain(arguments))
        };
        let told = run(&[]);
        assert_eq!(told.code, 0, "{}", told.err);
        let report: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(
            (&report["cost"], &report["turn_spent"]),
            (&json!(200_200_000), &json!(200_200_000))
        );
        let rows = house.json(["sessions", "list", "--json"]);
        assert_eq!(rows[0]["cost"], json!(200_200_000));
        let told = house.run(["sessions", "list"]);
        assert!(told.out.contains("home/wizard  $0.21\n"), "{}", told.out);

        let told = run(&["--max-budget", "0.10"]);
        assert_eq!(told.code, 5, "{}", told.err);
        let report: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(
            (&report["steps"], &report["cost"]),
            (&json!(1), &json!(100_100_000))
        );
        assert!(
            report["failure_text"]
                .as_str()
                .unwrap()
                .contains("the budget of the turn, $0.10"),
            "{report}"
        );

        // The day has cost $0.3003 by now.
        let folder = house.home.path().join("glasswork/config");
        fs::write(folder.join("settings.ron"), "(budget: (day: 0.30, session: 5))").unwrap();
        let told = run(&[]);
        let report: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!((told.code, &report["steps"]), (5, &json!(0)));
        assert!(
            report["failure_text"]
                .as_str()
                .unwrap()
                .contains("the budget of the day, $0.30"),
            "{report}"
        );
        let settings = house.json(["settings", "--json"]);
        let budget = settings["settings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "budget");
        assert_eq!(
            budget.unwrap()["value"],
            json!({ "day": "0.30", "session": "5.00" })
        );
    });
    for request in server.received() {
        assert_eq!(
            request.header("authorization"),
            Some("Bearer of-no-special-looks")
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["reasoning_effort"], "low");
    }
}

/// A server on this machine is asked once what it is loaded with, and what it says is the room that a session has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_this_machine_tells_its_window() {
    let json_reply = |body: Value| {
        Reply::status(200)
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    let props = json!({ "default_generation_settings": { "n_ctx": 6144 }, "model_path": "/m/q.gguf",
        "chat_template": "{% if tools %}{% endif %}", "modalities": { "vision": false } });
    let listed =
        json!({ "object": "list", "data": [{ "id": "q", "object": "model", "owned_by": "llamacpp" }] });
    let answer = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Yes.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let asked = |rest: Vec<Reply>| {
        let probed = [
            Reply::status(404),
            json_reply(props.clone()),
            json_reply(listed.clone()),
        ];
        probed.into_iter().chain(rest)
    };
    let replies = asked(vec![]).chain(asked(vec![Reply::stream(answer)]));
    let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
    let house = House::new();
    let url = format!("{}/v1", server.url());
    own(
        &house,
        "home.ron",
        &format!(r#"(providers: {{"home": (base_url: "{url}")}})"#),
    );
    block_in_place(|| {
        let found = house.json(["models", "--local", "--json"]);
        let ours = found
            .as_array()
            .unwrap()
            .iter()
            .find(|server| server["provider"] == "home")
            .unwrap();
        assert_eq!(
            ours,
            &json!({ "provider": "home", "base_url": url, "kind": "llama.cpp", "models": [{
                "id": "q", "context_window": 6144, "longest_window": null, "thinking": "unknown", "tools": true,
                "images": false, "has_template": true }] })
        );
        let told = house.run(["run", "go", "--model", "home/q"]);
        assert_eq!((told.code, &*told.out), (0, "Yes.\n"), "{}", told.err);
        let query = r#"{ session(id: "last") { settings { name value source { layer file } } } }"#;
        let settings = house.json(["query", query])["data"]["session"]["settings"].clone();
        let window = settings
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "context_window");
        let window = window.unwrap();
        assert_eq!(window["value"], "6144");
        // It is known from whom it is known.
        let from = json!({ "layer": "DEFAULT", "file": format!("llama.cpp at {url}") });
        assert_eq!(window["source"], from);
    });
    let paths: Vec<String> = server
        .received()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    let probed = ["/api/v0/models", "/props", "/v1/models"];
    assert_eq!(
        paths,
        [&probed[..], &probed[..], &["/v1/chat/completions"]].concat()
    );
}

#[test]
fn lists_of_other_programs_become_a_file_of_ones_own() {
    let house = House::new();
    let list = house.work.join("models.json");
    let text = r#"{ "providers": { "relay": { "baseUrl": "https://relay.example/v1", "apiKey": "$RELAY_API_KEY",
        "models": [{ "id": "big", "contextWindow": 4096, "compat": {} }] }, "other": { "models": [] } } }"#;
    fs::write(&list, text).unwrap();
    let place = house.home.path().join("glasswork/config/models/imported-pi.ron");
    let told = house.run(["models", "import", "models.json", "--dry-run"]);
    assert_eq!(
        (told.code, &*told.out),
        (0, "1 models and 1 servers from pi; nothing was written\n")
    );
    assert_eq!(
        told.err,
        "not taken: relay/big: `compat` has no counterpart here\n"
    );
    assert!(!place.exists());
    let told = house.json(["models", "import", "models.json", "--provider", "relay", "--json"]);
    assert_eq!(
        told,
        json!({ "format": "pi", "file": place, "providers": ["relay"], "models": 1, "more_left": 0,
                "left": ["relay/big: `compat` has no counterpart here"] })
    );
    let told = house.run(["models", "relay/big"]);
    assert_eq!(
        told.out.trim_end(),
        "relay/big      4096         ?  price not known         no key"
    );
    let told = house.run(["run", "go", "--model", "relay/big"]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("set RELAY_API_KEY"), "{}", told.err);
    fs::write(&list, "{}").unwrap();
    let told = house.run(["models", "import", "models.json"]);
    assert_eq!(told.code, 2);
    assert!(place.exists(), "what was there stays");
}

#[test]
fn another_model_is_asked_and_what_failed_too_often_is_named_and_can_be_reset() {
    let house = House::new()
        .with("GLASSWORK_RETRY_ATTEMPTS", "1")
        .with("GLASSWORK_BREAKER_FAILURES", "1");
    // Nobody listens there.
    own(
        &house,
        "down.ron",
        r#"(providers: {"down": (base_url: "http://127.0.0.1:1")}, models: {"down/model": (context_window: 100000)})"#,
    );
    let script = house.script(r#"(say: [text("whole")])"#);
    let told = house.run([
        "run",
        "go",
        "--permission-mode",
        "yolo",
        "--model",
        "down/model",
        "--fallback-model",
        "nobody/model",
        "--fallback-model",
        &script,
    ]);
    assert_eq!((told.code, told.out.as_str()), (0, "whole\n"), "{}", told.err);
    assert!(told.err.contains("nobody/model: not asked"), "{}", told.err);
    assert!(
        told.err
            .contains("down/model gave no answer; for the rest of this turn"),
        "{}",
        told.err
    );

    let finding = || {
        let findings = house.json(["doctor", "--json"]);
        let mut all = findings.as_array().unwrap().iter();
        all.find(|finding| finding["what"] == "breakers").unwrap().clone()
    };
    let open = finding();
    assert_eq!(open["health"], "limited", "{open}");
    assert!(
        open["text"]
            .as_str()
            .unwrap()
            .contains("`glasswork models reset down`"),
        "{open}"
    );
    let told = house.run(["run", "go", "--model", "down/model"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("nothing was sent"), "{}", told.err);

    assert_eq!(house.run(["models", "reset", "down"]).out, "down: reset\n");
    assert_eq!(finding()["health"], "good");
    let told = house.run(["models", "reset"]);
    assert_eq!((told.code, told.out.as_str()), (0, ""));
    assert!(told.err.contains("nothing to reset"), "{}", told.err);
}
