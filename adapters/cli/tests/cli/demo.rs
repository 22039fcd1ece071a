//! The demo keeps its word, and says so when it does not.

use std::fs;

use super::support::House;

/// The built-in script, with another edit.
fn script(house: &House, edit: &str) -> String {
    house.script(&format!(
        r#"
        (say: [call("bash", (command: "sh check.sh"))]),
        (expect: "FAILED", say: [{edit}]),
        (say: [call("bash", (command: "sh check.sh"))]),
        (when: "all tests pass", say: [text("done")], otherwise: [text("no luck")]),
        "#
    ))
}

#[test]
fn an_agent_fixes_the_bug_and_its_session_replays_to_an_equal_state() {
    let house = House::new();
    let done = house.run(["demo"]);
    assert_eq!((done.code, &*done.err), (0, ""), "{}", done.out);
    let first = done.out.lines().next().unwrap();
    assert!(
        first.starts_with("Mode yolo") && first.contains("scratch"),
        "{first}"
    );
    for text in [
        "→ bash",
        "→ read",
        "→ edit",
        "FAILED  one_of_one",
        "all tests pass",
        "passes",
        "equal:",
    ] {
        assert!(done.out.contains(text), "{text} is not in {}", done.out);
    }
    let workspace = done
        .out
        .lines()
        .find_map(|line| line.strip_prefix("Workspace "))
        .unwrap();
    assert!(
        fs::read_to_string(format!("{workspace}/total.sh"))
            .unwrap()
            .contains("quantity * price")
    );
    // What it says to try next does work.
    let commands: Vec<_> = done
        .out
        .lines()
        .filter_map(|line| line.trim().strip_prefix("glasswork "))
        .collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands.iter().filter(|command| !command.starts_with("run")) {
        let tried = house.command(["-c", &format!("{} {command}", env!("CARGO_BIN_EXE_glasswork"))]);
        let mut shell = std::process::Command::new("sh");
        shell
            .args(tried.get_args())
            .env_clear()
            .envs(house.environment())
            .current_dir(&house.work);
        let tried = super::support::done(shell.output().unwrap());
        assert_eq!((tried.code, &*tried.err), (0, ""), "{command}");
    }
}

#[test]
fn a_wrong_fix_is_found_by_the_test_that_fails() {
    let house = House::new();
    let edit = r#"call("edit", (path: "total.sh", edits: [(old_text: "quantity + price", new_text: "quantity - price")]))"#;
    let done = house.run(["demo", "--model", &script(&house, edit)]);
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(
        done.out.contains("still fails") && done.out.contains("one_of_one: should print 2.50"),
        "{}",
        done.out
    );
    assert!(done.out.contains("equal:"), "{}", done.out);
}

#[test]
fn a_changed_test_convinces_nobody() {
    let house = House::new();
    let edit = r#"call("write", (path: "check.sh", content: "echo all tests pass"))"#;
    let done = house.run(["demo", "--model", &script(&house, edit)]);
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(done.out.contains("one_of_one"), "{}", done.out);
}

#[test]
fn a_script_that_fails_fails_the_demo() {
    let house = House::new();
    let done = house.run([
        "demo",
        "--model",
        &house.script("(say: [fail(class: auth, message: \"no\")])"),
    ]);
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(done.out.contains("the model gave no answer: no"), "{}", done.out);
}

#[test]
fn every_dispatch_of_the_demo_comes_from_its_prompt() {
    let house = House::new();
    assert_eq!(house.run(["demo"]).code, 0);
    let log = house.json(["log", "last", "--json"]);
    let log = log.as_array().unwrap();
    assert_eq!(
        log.len(),
        house.json(["sessions", "list", "--json"])[0]["commits"]
            .as_u64()
            .unwrap() as usize
    );
    let cause = |dispatch: &serde_json::Value| dispatch["cause"]["id"].as_str().map(str::to_owned);
    let find = |id: &str| log.iter().find(|dispatch| dispatch["id"] == *id).unwrap();
    for dispatch in log {
        let outside = ["USER", "CLIENT"].contains(&dispatch["origin"]["kind"].as_str().unwrap());
        assert_eq!(cause(dispatch).is_none(), outside, "{dispatch:#}");
        let mut first = dispatch;
        while let Some(id) = cause(first) {
            first = find(&id);
        }
        assert!(
            outside || first["event"] == "prompted",
            "{dispatch:#} comes from {first:#}"
        );
    }
}
