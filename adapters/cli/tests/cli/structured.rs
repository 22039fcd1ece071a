//! `run --schema`: standard output is the result alone, and each end has its code.

use std::fs;

use serde_json::{Value, json};

use glasswork_agent_core::json_schema::SCHEMA_BYTES;

use super::support::{Done, House};
use super::terminal::Terminal;

const SCHEMA: &str = r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#;

fn run(house: &House, schema: &str, turns: &str, more: &[&str]) -> Done {
    fs::write(house.work.join("result.json"), schema).unwrap();
    let model = house.script(turns);
    let mut arguments = vec!["run", "count", "--schema", "result.json", "--model", &*model];
    arguments.extend(more);
    house.run(arguments)
}

#[test]
fn standard_output_is_the_result_alone() {
    let house = House::new();
    let work = r#"(say: [text("I look."), call("bash", (command: "echo 3"))])"#;
    let fenced = r#"(expect: "3", say: [text("Here:\n```json\n{\n  \"n\": 3\n}\n```")])"#;
    let turns = format!("{work}, {fenced}");
    let yolo = ["--permission-mode", "yolo"];
    let done = run(&house, SCHEMA, &turns, &yolo);
    assert_eq!((done.code, &*done.out), (0, "{\"n\":3}\n"), "{}", done.err);
    for text in [
        "the model is told which result is wanted",
        "the result stood in a fence",
    ] {
        assert!(done.err.contains(text), "{text} is not in {}", done.err);
    }

    let done = run(
        &house,
        SCHEMA,
        &turns,
        &[&yolo[..], &["--output-format", "json"]].concat(),
    );
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&document["result"], &document["exit_code"]),
        (&json!({"n": 3}), &json!(0))
    );

    let done = run(
        &house,
        SCHEMA,
        &turns,
        &[&yolo[..], &["--output-format", "stream-json"]].concat(),
    );
    let lines: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let judged = lines.iter().find(|line| line["type"] == "result_judged").unwrap();
    assert_eq!(
        (&judged["value"], &judged["around"]),
        (&json!({"n": 3}), &json!("fence"))
    );
    let wanted = lines.iter().find(|line| line["type"] == "result_wanted").unwrap();
    assert_eq!(wanted["telling"], "wanted");
    assert_eq!(lines.last().unwrap()["result"], json!({"n": 3}));
}

#[test]
fn an_answer_that_is_not_the_result_has_a_code_of_its_own() {
    let house = House::new();
    let wrong = r#"(say: [text("{\"n\": \"three\"}")])"#;
    let done = run(&house, SCHEMA, &format!("{wrong}, {wrong}"), &[]);
    assert_eq!((done.code, &*done.out), (6, ""), "{}", done.err);
    assert!(
        done.err
            .contains("`n`: expected an integer, got the string \"three\""),
        "{}",
        done.err
    );
    let right = r#"(expect: "expected an integer", say: [text("{\"n\": 3}")])"#;
    let done = run(&house, SCHEMA, &format!("{wrong}, {right}"), &[]);
    assert_eq!((done.code, &*done.out), (0, "{\"n\":3}\n"), "{}", done.err);
    // A limit is a limit.
    let done = run(
        &house,
        SCHEMA,
        &format!("{wrong}, {right}"),
        &["--max-steps", "1"],
    );
    assert_eq!((done.code, &*done.out), (5, ""), "{}", done.err);
}

#[test]
fn what_is_no_schema_begins_nothing() {
    let house = House::new();
    for (schema, told) in [
        ("{\"type\": \"int\"}", "result.json: /type: expected a type"),
        ("{\"type\": ", "result.json: line 1 column 9: no JSON"),
        (r##"{"$ref": "#"}"##, "it leads back to itself"),
    ] {
        let done = run(&house, schema, r#"(say: [text("1")])"#, &[]);
        assert_eq!((done.code, &*done.out), (2, ""), "{schema}");
        assert!(done.err.contains(told), "{told} is not in {}", done.err);
    }
    let missing = house.run(["run", "go", "--schema", "none.json"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.contains("cannot read the schema none.json"),
        "{}",
        missing.err
    );
    assert!(!house.home.path().join("glasswork/data/sessions").exists());
}

#[test]
fn a_person_sees_the_result_too_and_not_only_the_words_around_it() {
    let house = House::new();
    fs::write(house.work.join("result.json"), SCHEMA).unwrap();
    let model = house.script(r#"(say: [text("Here:\n```json\n{\n  \"n\": 3\n}\n```")])"#);
    let arguments = ["run", "count", "--schema", "result.json", "--model", &*model];
    let screen = Terminal::open(&house, &arguments).until("code=0");
    assert!(screen.lines().any(|line| line.trim() == r#"{"n":3}"#), "{screen}");
    assert_eq!(screen.matches("```json").count(), 1, "{screen}");
}

#[test]
fn a_schema_may_be_so_long_and_no_longer() {
    let house = House::new();
    for (bytes, code) in [(SCHEMA_BYTES, 0), (SCHEMA_BYTES + 1, 2)] {
        let schema = format!("{SCHEMA:<bytes$}");
        let done = run(&house, &schema, r#"(say: [text("{\"n\": 3}")])"#, &[]);
        assert_eq!(done.code, code, "{bytes}: {}", done.err);
        let told = done.err.contains("the schema result.json is longer than");
        assert_eq!(told, code == 2, "{bytes}: {}", done.err);
    }
}
