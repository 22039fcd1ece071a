//! Real wires over the loopback: what is sent is what the state says, and every fault has its words and its code.

use glasswork_agent_core::id::RequestId;
use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::archive::Archive as _;
use glasswork_app_runtime::files::FileArchive;
use glasswork_session_state::state::Scope;
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};

use super::support::{Done, House};

fn house(server: &ModelServer, wire: Wire) -> (House, &'static str) {
    let house = House::new()
        .with("GLASSWORK_RETRY_BASE_MS", "1")
        .with("GLASSWORK_RETRY_ATTEMPTS", "2");
    match wire {
        Wire::Anthropic => (
            house
                .with("ANTHROPIC_BASE_URL", &server.url())
                .with("ANTHROPIC_API_KEY", "sk-dummy-1"),
            "anthropic/some-model",
        ),
        Wire::OpenAiChat | Wire::OpenAiCompatible => (
            house
                .with("OPENAI_BASE_URL", &server.url())
                .with("OPENAI_API_KEY", "sk-dummy-1"),
            "openai/some-model",
        ),
        Wire::OpenAiResponses => (own_server(house, server, "openai_responses"), "mine/some-model"),
        Wire::Gemini => (own_server(house, server, "gemini"), "mine/some-model"),
    }
}

/// With a provider `mine` in the user's own files about models.
fn own_server(house: House, server: &ModelServer, api: &str) -> House {
    let folder = house.home.path().join("glasswork/config/models");
    std::fs::create_dir_all(&folder).unwrap();
    let entry = format!(
        "(providers: {{\"mine\": (base_url: \"{}\", api: {api}, key_variable: \"MINE_API_KEY\")}}, \
         models: {{\"mine/some-model\": (context_window: 100000)}})",
        server.url()
    );
    std::fs::write(folder.join("mine.ron"), entry).unwrap();
    house.with("MINE_API_KEY", "sk-dummy-1")
}

/// Runs a turn beside the server.
async fn turn(house: House, arguments: &[&str]) -> (House, Done) {
    let arguments: Vec<_> = ["run", "go"]
        .iter()
        .chain(arguments)
        .map(|text| (*text).to_owned())
        .collect();
    tokio::task::spawn_blocking(move || {
        let done = house.run(&arguments);
        (house, done)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_flags_ask_of_a_model_is_sent_as_it_takes_it_and_the_rest_is_told() {
    let script = r#"(turns: [(say: [text("Yes.")])])"#;
    let server = ModelServer::start(Answers::Script(Wire::Anthropic, Script::parse(script).unwrap()))
        .await
        .unwrap();
    let (house, _) = house(&server, Wire::Anthropic);
    let flags = [
        "--model",
        "anthropic/claude-haiku-4-5",
        "--temperature",
        "1.2",
        "--stop",
        "THE \"END\"",
        "--stop",
        "\n",
        "--speed",
        "economy",
        "--cache",
        "long",
    ];
    let (_house, done) = turn(house, &flags).await;
    assert_eq!((done.code, &*done.out), (0, "Yes.\n"), "{}", done.err);
    for note in [
        "note: temperature 1.20 is sent as 1.00: the model does not take so much",
        "note: stop \"\\n\" is not sent: the server takes no blank ones",
        "note: speed economy is not sent: the model or its server does not take it",
    ] {
        assert!(done.err.contains(note), "{note} is not in {}", done.err);
    }
    let body: serde_json::Value = serde_json::from_slice(&server.received()[0].body).unwrap();
    assert_eq!(
        (&body["temperature"], &body["stop_sequences"]),
        (&serde_json::json!(1), &serde_json::json!(["THE \"END\""]))
    );
    assert!(body["system"].to_string().contains(r#""ttl":"1h""#), "{body}");
    for (flags, code) in [(["--temperature", "3"], 2), (["--effort", "most"], 2)] {
        let house = House::new();
        let arguments = ["run", "go"].iter().chain(&flags).map(|text| (*text).to_owned());
        assert_eq!(house.run(arguments.collect::<Vec<_>>()).code, code, "{flags:?}");
    }
}

async fn whole_run(wire: Wire) {
    let script = r#"(turns: [
        (say: [thinking("hm"), text("I look."), call("bash", (command: "echo from-the-tool"))]),
        (expect: "from-the-tool", say: [text("It says from-the-tool.")]),
    ])"#;
    let server = ModelServer::start(Answers::Script(wire, Script::parse(script).unwrap()))
        .await
        .unwrap();
    let (house, model) = house(&server, wire);
    let (house, done) = turn(house, &["--model", model, "--permission-mode", "yolo"]).await;
    assert_eq!(
        (done.code, &*done.out),
        (0, "It says from-the-tool.\n"),
        "{}",
        done.err
    );

    let archive = FileArchive::open(house.home.path().join("glasswork/data")).unwrap();
    let id = archive.list().unwrap()[0].id;
    let loaded = archive.load(id, None).unwrap();
    let Scope::Session(session) = &loaded.scope.state else {
        panic!("no session")
    };
    let received = server.received();
    assert_eq!(received.len(), 2);
    let wire = match wire {
        Wire::OpenAiChat => Wire::OpenAiCompatible,
        wire => wire,
    };
    for (number, sent) in (1..).zip(&received) {
        let request = RequestId(number);
        let digest = &session.requests[&request].body.as_ref().unwrap().digest;
        assert_eq!(**digest, *blake3::hash(&sent.body).to_hex());
        let rendered = wire.encode(&session.render(request).unwrap()).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&rendered.body),
            String::from_utf8_lossy(&sent.body)
        );
    }
    // The key went to the server and nowhere else.
    let journal = std::fs::read_to_string(house.journal()).unwrap();
    assert!(
        received[0]
            .headers
            .iter()
            .any(|(_, value)| value.contains("sk-dummy-1"))
    );
    assert!(!journal.contains("sk-dummy-1") && !done.err.contains("sk-dummy-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_completions_serve_a_whole_run() {
    whole_run(Wire::OpenAiCompatible).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_serve_a_whole_run() {
    whole_run(Wire::OpenAiResponses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gemini_serves_a_whole_run() {
    whole_run(Wire::Gemini).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_spoken_to_as_its_entry_says() {
    let server = ModelServer::start(Answers::Script(
        Wire::OpenAiCompatible,
        Script::parse("(turns: [(say: [text(\"Done.\")])])").unwrap(),
    ))
    .await
    .unwrap();
    let house = House::new();
    let folder = house.home.path().join("glasswork/config/models");
    std::fs::create_dir_all(&folder).unwrap();
    let entry = format!(
        "(providers: {{\"mine\": (base_url: \"{}\", differences: (thinking_switch: chat_template, developer_role: true))}}, \
         models: {{\"mine/some-model\": (context_window: 100000)}})",
        server.url()
    );
    std::fs::write(folder.join("mine.ron"), entry).unwrap();
    let (_, done) = turn(house, &["--model", "mine/some-model:off"]).await;
    assert_eq!((done.code, &*done.out), (0, "Done.\n"), "{}", done.err);
    let sent = String::from_utf8(server.received().remove(0).body).unwrap();
    assert!(
        sent.contains(r#""chat_template_kwargs":{"enable_thinking":false,"thinking":false}"#)
            && sent.contains(r#""role":"developer""#),
        "{sent}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_serve_a_whole_run() {
    whole_run(Wire::Anthropic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_has_its_words_and_its_code() {
    let said = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n\
                data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let half = said
        .split_once("data: {\"choices\":[{\"index\":0,\"delta\":{},")
        .unwrap()
        .0;
    let html = || {
        Reply::status(200)
            .header("content-type", "text/html")
            .body("<html>welcome</html>")
    };
    let limited = || Reply::status(429).body(r#"{"error":{"message":"slow down"}}"#);
    let table: Vec<(Vec<Reply>, i32, &str, usize)> = vec![
        (
            vec![Reply::status(401).body(r#"{"error":{"message":"wrong key"}}"#)],
            1,
            "wrong key",
            1,
        ),
        (
            vec![limited().header("retry-after", "0"), Reply::stream(said)],
            0,
            "slow down",
            2,
        ),
        (vec![limited(), Reply::stream(said)], 0, "slow down", 2),
        (vec![limited(), limited()], 1, "slow down", 2),
        (vec![Reply::status(500), Reply::stream(said)], 0, "500", 2),
        (vec![Reply::status(500), Reply::status(500)], 1, "HTTP 500", 2),
        (vec![html()], 1, "the model gave no answer", 1),
        (
            vec![Reply::stream(half).cut(), Reply::stream(said)],
            0,
            "the request failed",
            2,
        ),
        (
            vec![Reply::stream(half).stall(), Reply::stream(said)],
            0,
            "the request failed",
            2,
        ),
        (
            vec![Reply::never(), Reply::never()],
            1,
            "the model gave no answer",
            2,
        ),
    ];
    for (replies, code, told, requests) in table {
        let case = format!("{replies:?}");
        let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
        let (house, model) = house(&server, Wire::OpenAiCompatible);
        let house = house
            .with("GLASSWORK_CONNECT_TIMEOUT_MS", "300")
            .with("GLASSWORK_FIRST_TOKEN_TIMEOUT_MS", "300")
            .with("GLASSWORK_IDLE_TIMEOUT_MS", "300");
        let (_house, done) = turn(house, &["--model", model]).await;
        assert_eq!(done.code, code, "{case}: {done:?}");
        assert!(done.err.contains(told), "{case}: {told} is not in {}", done.err);
        assert_eq!(done.out, if code == 0 { "hello\n" } else { "" }, "{case}");
        assert_eq!(server.received().len(), requests, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_provider_with_a_key_is_asked() {
    let script = Script::parse(r#"(turns: [(say: [text("here")])])"#).unwrap();
    let server = ModelServer::start(Answers::Script(Wire::Anthropic, script))
        .await
        .unwrap();
    let (house, _) = house(&server, Wire::Anthropic);
    let (_house, done) = turn(house, &[]).await;
    assert_eq!((done.code, &*done.out), (0, "here\n"), "{}", done.err);
    let refused = House::new()
        .with("OPENAI_BASE_URL", &ModelServer::refused_url().await.unwrap())
        .with("GLASSWORK_RETRY_ATTEMPTS", "1");
    let (_house, done) = turn(refused, &["--model", "openai/x"]).await;
    assert_eq!((done.code, &*done.out), (1, ""), "{}", done.err);
}

/// Without the marks that tell a server up to where it may cache: they move on with the conversation.
fn unmarked(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(fields) => {
            fields.remove("cache_control");
            fields
                .values_mut()
                .for_each(|field| *field = unmarked(field.take()));
        }
        serde_json::Value::Array(elements) => {
            elements
                .iter_mut()
                .for_each(|element| *element = unmarked(element.take()));
        }
        _ => {}
    }
    value
}

async fn resumed(wire: Wire) {
    let script = r#"(turns: [
        (say: [text("I look."), call("bash", (command: "echo from-the-tool"))]),
        (say: [text("It says so.")]),
        (say: [text("And again.")]),
    ])"#;
    let server = ModelServer::start(Answers::Script(wire, Script::parse(script).unwrap()))
        .await
        .unwrap();
    let (house, model) = house(&server, wire);
    std::fs::create_dir(house.work.join(".git")).unwrap();
    std::fs::write(house.work.join(".git/HEAD"), "ref: refs/heads/of-no-concern\n").unwrap();
    let (house, done) = turn(house, &["--model", model, "--permission-mode", "yolo"]).await;
    assert_eq!(done.code, 0, "{}", done.err);
    let (house, done) = turn(house, &["--continue", "--permission-mode", "yolo"]).await;
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(
        house.json(["sessions", "list", "--json"])[0]["branch"],
        "of-no-concern"
    );
    let bodies: Vec<String> = server
        .received()
        .into_iter()
        .map(|received| String::from_utf8(received.body).unwrap())
        .collect();
    let [_, before, after] = bodies.as_slice() else {
        panic!("{bodies:?}")
    };
    let json = |body: &str| unmarked(serde_json::from_str(body).unwrap());
    let (old, new) = (json(before), json(after));
    for field in ["model", "system", "tools"] {
        assert_eq!(old[field], new[field], "{field}");
    }
    let (old, new) = (
        old["messages"].as_array().unwrap(),
        new["messages"].as_array().unwrap(),
    );
    assert!(new.starts_with(old) && new.len() == old.len() + 2, "{new:?}");
    // Byte by byte, but for the marks of how far the server may keep it, which move on.
    let plain = |body: &str| body.replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "");
    let (before, after) = (plain(before), plain(after));
    let same = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(old, new)| old == new)
        .count();
    let end = before.rfind("from-the-tool").unwrap();
    assert!(same >= end, "{same} of {end} bytes: {before}\n{after}");
    assert!(
        !after.contains("of-no-concern") && !after.contains("retry"),
        "{after}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_session_sends_what_it_sent_before_and_no_more() {
    resumed(Wire::OpenAiCompatible).await;
    resumed(Wire::Anthropic).await;
}
