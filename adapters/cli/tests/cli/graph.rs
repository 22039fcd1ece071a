//! Asking about sessions: in a later process, beside a running one, and with what is wrong told.

use serde_json::json;

use super::support::{Done, House};

fn house_with_session() -> House {
    let house = House::new();
    let model = house.script(
        r#"(say: [text("I look."), call("bash", (command: "echo out"))]), (say: [call("graph", (query: "{ session(id: \"last\") { meta { workspace } } }"))]),
           (expect: "workspace", say: [text("Done.")])"#,
    );
    assert_eq!(house.yolo(&model).code, 0);
    house
}

fn call(house: &House, tool: &str) -> String {
    let shown = house.json(["sessions", "show", "last", "--json"]);
    let transcript = shown["transcript"].as_array().unwrap();
    let call = transcript.iter().find(|line| line["name"] == tool).unwrap();
    format!("last/{}", call["call"].as_str().unwrap())
}

#[test]
fn a_later_process_can_ask_what_happened_and_why() {
    let house = house_with_session();
    let bash = call(&house, "bash");
    let why = house.json(["why", &*bash, "--json"]);
    assert_eq!(
        (
            &why["decision"]["rule"],
            &why["decision"]["modeFrom"]["file"],
            &why["end"]
        ),
        (&json!("yolo"), &json!("--permission-mode"), &json!("OUTSIDE"))
    );
    assert_eq!(
        why["chain"].as_array().unwrap().last().unwrap()["dispatch"]["event"],
        "prompted"
    );
    let decided = why["decidedBy"]["id"].as_str().unwrap();
    let trace = house.json(["trace", decided, "--json"]);
    assert_eq!(trace["event"], "evidence_gathered");
    assert_eq!(trace["stages"].as_array().unwrap().len(), 6);
    assert!(
        trace["stages"][2]["nanoseconds"].as_u64().unwrap() > 0,
        "{trace:#}"
    );
    let answer = house.json([
        "query",
        "query Q($id: String!) { session(id: $id, at: 2) { seq turn { state } } }",
        "--variables",
        r#"{"id":"last"}"#,
    ]);
    assert_eq!(
        answer,
        json!({ "data": { "session": { "seq": 2, "turn": { "state": "connecting" } } } })
    );
    let piped = house.give(house.command(["query", "-"]), "{ sessions { nodes { seq } } }");
    assert_eq!(piped.code, 0, "{piped:?}");
    // For people: the same.
    let told = |arguments: &[&str], texts: &[&str]| {
        let done = house.run(arguments);
        assert_eq!((done.code, &*done.err), (0, ""), "{arguments:?}");
        for text in texts {
            assert!(
                done.out.contains(text),
                "{arguments:?}: {text} is not in {}",
                done.out
            );
        }
    };
    told(
        &["why", &bash],
        &[
            "bash {command: echo out} is succeeded",
            "by rule yolo in mode yolo (--permission-mode)",
            "which came from outside",
        ],
    );
    told(&["why", "last/r2/1"], &["prompted", "which came from outside"]);
    told(&["why", "last/2"], &["prompted"]);
    told(&["log", "last"], &["opened", "prompted", "effect 2/0"]);
    told(
        &["trace", decided],
        &[
            "evidence_gathered",
            "handler ",
            "~ turn.state \"gating\" → \"executing\"",
        ],
    );
}

#[test]
fn what_cannot_be_asked_is_told() {
    let house = house_with_session();
    let check = |arguments: &[&str], told: &str| -> Done {
        let done = house.run(arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(
            done.err.contains(told),
            "{arguments:?}: {told} is not in {}",
            done.err
        );
        done
    };
    let done = check(&["query", "{ nope }"], "Unknown field");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["errors"][0]["extensions"]["code"],
        "INVALID"
    );
    check(&["query", "{ sessions"], "expected");
    check(
        &["query", "{ host { version } }", "--variables", "{"],
        "--variables is not JSON",
    );
    check(&["query", r#"{ session(id: "ffff") { seq } }"#], "ffff");
    check(&["log", "ffff"], "ffff");
    check(&["trace", "last/9999"], "9999");
    check(&["trace", "nonsense"], "nonsense");
    check(&["why", "last/9999.1"], "9999.1");
    check(&["why", "last/r99/0"], "r99");
    check(&["why", "last/r1/x"], "session/r3/0");
    check(&["charts", "pie"], "session, turn, tool_call");
}

#[test]
fn a_running_session_answers_too() {
    let house = House::new();
    let (working, go) = house.busy();
    let waiting = house.json([
        "query",
        r#"{ session(id: "last") { turn { state } waitingFor { on } } }"#,
    ]);
    assert_eq!(
        waiting["data"]["session"]["turn"]["state"], "executing",
        "{waiting:#}"
    );
    assert_eq!(house.run(["log", "last"]).code, 0);
    std::fs::write(&go, "").unwrap();
    working.until("result");
    assert_eq!(working.end().code, 0);
}

#[test]
fn a_replayed_state_can_be_asked_about() {
    let house = house_with_session();
    let query = r#"{ session(id: "last") { seq turn { state } } }"#;
    let document = house.json([
        "replay", "last", "--until", "2", "--query", query, "--format", "json",
    ]);
    assert_eq!(
        (&document["equal"], &document["commits"], &document["answer"]),
        (
            &json!(true),
            &json!(2),
            &json!({ "session": { "seq": 2, "turn": { "state": "connecting" } } })
        )
    );
    // A file by its path, wherever it lies.
    let copy = house.home.path().join("copy.jsonl");
    std::fs::copy(house.journal(), &copy).unwrap();
    let copied = house.run([
        "replay",
        &*copy.display().to_string(),
        "--query",
        query,
        "--format",
        "ron",
    ]);
    assert!(
        copied.code == 0 && copied.out.contains("completed") && copied.out.contains("equal: true"),
        "{copied:?}"
    );
    let rows = "{ sessions { nodes { seq bytes created } } }";
    let answer =
        |record: &str| house.json(["replay", record, "--query", rows, "--format", "json"])["answer"].clone();
    assert_eq!(answer("last"), answer(&copy.display().to_string()));
    assert!(answer("last")["sessions"]["nodes"][0]["bytes"].as_u64().unwrap() > 1000);
    let text = house.run(["replay", "last"]);
    assert!(
        text.out.starts_with("equal: ") && text.out.contains("each as before"),
        "{text:?}"
    );
    assert_eq!(house.run(["replay", "last", "--until", "9999"]).code, 2);
}

#[test]
fn charts_and_schema_are_those_that_run() {
    let house = House::new();
    let charts = house.json(["charts", "--format", "json"]);
    let names: Vec<_> = charts
        .as_array()
        .unwrap()
        .iter()
        .map(|chart| chart["name"].clone())
        .collect();
    assert_eq!(
        json!(names),
        json!(["session", "turn", "tool_call", "mcp_server"])
    );
    assert!(house.run(["charts", "turn"]).out.contains("streaming"));
    assert!(
        house
            .run(["charts", "turn", "--format", "mermaid"])
            .out
            .starts_with("stateDiagram-v2")
    );
    let schema = house.run(["schema"]).out;
    assert!(
        schema.contains("type Query") && schema.contains("requestDiff"),
        "{schema}"
    );
}
