//! The agent's plan where people look at it: on a console, as JSON, and in an editor.

use serde_json::{Value, json};

use super::acp::Wire;
use super::support::House;

const SCRIPT: &str = r#"
    (say: [call("update_plan", (plan: [(step: "look", status: "in_progress", priority: "high"),
        (step: "build \u{1b}[8m", status: "pending"), (step: "tidy", status: "pending")]))]),
    (say: [call("update_plan", (plan: [(step: "look", status: "completed"),
        (step: "build \u{1b}[8m", status: "in_progress"), (step: "tidy", status: "pending")]))]),
    (say: [call("update_plan", (plan: [(step: "a", status: "in_progress"), (step: "b", status: "in_progress")]))]),
    (say: [text("Done.")]),
"#;

#[test]
fn a_console_shows_what_changed_and_commands_nothing() {
    let house = House::new();
    let model = house.script(SCRIPT);
    let ran = house.run(["run", "--model", &model, "go"]);
    assert_eq!((ran.code, &*ran.out), (0, "Done.\n"), "{}", ran.err);
    let shown = "plan: 0 of 3 done\n  [>] look\n  [ ] build \\u{1b}[8m\n  [ ] tidy\nplan: 1 of 3 done\n  [x] look\n  [>] build \\u{1b}[8m\n  \
        The plan stays as it was: steps 1 and 2 are both in progress";
    assert!(ran.err.contains(shown), "{}", ran.err);
    assert!(!ran.err.contains("The plan was updated"), "{}", ran.err);
    let ran = house.run(["run", "--output-format", "stream-json", "--model", &model, "go"]);
    let changed: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == "plan_changed")
        .collect();
    assert_eq!(changed.len(), 2, "{}", ran.out);
    assert_eq!(changed[1]["changed"].as_array().unwrap().len(), 2);
    assert_eq!(changed[1]["plan"]["steps"][2]["status"], "pending");
}

#[test]
fn an_editor_is_told_the_plan_when_it_changes_and_when_it_loads_the_session() {
    let house = House::new();
    let model = house.script(SCRIPT);
    let mut wire = Wire::start(&house, &["--model", &model]);
    let session = wire.begin(&house);
    wire.prompt(3, &session, "go");
    let is_plan = |line: &Value| line["params"]["update"]["sessionUpdate"] == "plan";
    let entry = |content: &str, priority: &str, status: &str| json!({ "content": content, "priority": priority, "status": status });
    let first = wire.until(is_plan);
    assert_eq!(
        first["params"]["update"]["entries"],
        json!([
            entry("look", "high", "in_progress"),
            entry("build \u{1b}[8m", "medium", "pending"),
            entry("tidy", "medium", "pending"),
        ])
    );
    let last = json!([
        entry("look", "medium", "completed"),
        entry("build \u{1b}[8m", "medium", "in_progress"),
        entry("tidy", "medium", "pending"),
    ]);
    assert_eq!(wire.until(is_plan)["params"]["update"]["entries"], last);
    wire.until(|line| line["id"] == 3 && line.get("result").is_some());
    assert_eq!(wire.leave(), 0);

    let mut wire = Wire::start(&house, &["--model", &model]);
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": {} });
    wire.call(0, "initialize", hello);
    let loaded = json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] });
    wire.send(1, "session/load", loaded);
    assert_eq!(wire.until(is_plan)["params"]["update"]["entries"], last);
    wire.until(|line| line["id"] == 1);
    assert_eq!(wire.leave(), 0);
}
