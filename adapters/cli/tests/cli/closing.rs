//! Closing sessions, alone and with all that were forked from them; and what forks count.

use serde_json::{Value, json};

use super::support::{House, Working};

fn fork(house: &House, session: &str) -> String {
    let forked = house.run(["sessions", "fork", session]);
    assert_eq!(forked.code, 0, "{forked:?}");
    forked.out.trim().to_owned()
}

fn statuses(house: &House) -> Vec<(Value, Value)> {
    let rows = house.json(["sessions", "list", "--all", "--json"]);
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (row["id"].clone(), row["status"].clone()))
        .collect()
}

#[test]
fn a_tree_is_closed_but_for_what_is_at_work() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Said.")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let root = house.json(["sessions", "list", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = fork(&house, &root);
    let below = fork(&house, &first);
    let second = fork(&house, &root);

    // One of them is at work, in another process.
    let pipe = house.pipe("go");
    let waits = house.script(r#"(say: [text("Said.")]), (say: [call("bash", (command: "cat go")), text("I wait.")]), (say: [text("Done.")])"#);
    let working = Working::start(
        &house,
        &waits,
        &["--resume", &second, "--permission-mode", "yolo"],
    );
    working.until("tool_started");
    let done = house.run(["sessions", "close", &root, "--tree"]);
    assert_eq!(done.code, 1, "{done:?}");
    let closed: Vec<&str> = done.out.lines().collect();
    assert_eq!(closed, [&*below, &*first, &*root]);
    assert!(
        done.err.starts_with(&format!("{second} stays open: ")) && done.err.contains("process"),
        "{}",
        done.err
    );
    std::fs::write(pipe, "").unwrap();
    assert_eq!(working.end().code, 0);

    let done = house.json(["sessions", "close", &root, "--tree", "--json"]);
    assert_eq!(done, json!({ "closed": [second], "stayed": [] }));
    assert!(statuses(&house).iter().all(|(_, status)| status == "closed"));
    // There is nothing left to be closed.
    let again = house.run(["sessions", "close", &root, "--tree"]);
    assert_eq!((again.code, &*again.out, &*again.err), (0, "", ""));
    let unknown = house.run(["sessions", "close", "0", "--tree"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn one_session_is_closed_alone() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Said.")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let root = house.json(["sessions", "list", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let child = fork(&house, &root);
    let done = house.json(["sessions", "close", &root, "--json"]);
    assert_eq!(done, json!({ "closed": [root], "stayed": [] }));
    let all = statuses(&house);
    assert!(
        all.contains(&(json!(root), json!("closed"))) && all.contains(&(json!(child), json!("completed")))
    );
}

/// What a fork was given counts once, whether anybody has opened it or not.
#[test]
fn what_was_used_is_counted_once() {
    let house = House::new();
    let spend = |input: u32| format!(r#"(say: [text("Said.")], usage: (input: {input}, output: 1))"#);
    let model = house.script(&format!("{}, {}", spend(100), spend(10)));
    assert_eq!(house.yolo(&model).code, 0);
    let root = house.json(["sessions", "list", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let opened = fork(&house, &root);
    let unopened = fork(&house, &root);
    let run = [
        "run",
        "go",
        "--resume",
        &opened,
        "--permission-mode",
        "yolo",
        "--model",
        &model,
    ];
    assert_eq!(house.run(run).code, 0);
    let rows = house.json(["sessions", "list", "--all", "--json"]);
    let tokens = |id: &str| {
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["id"] == id)
            .unwrap();
        (
            row["tokens"].as_u64().unwrap(),
            row["own_tokens"].as_u64().unwrap(),
        )
    };
    assert_eq!(tokens(&root), (101, 101));
    assert_eq!(tokens(&unopened), (101, 0));
    assert_eq!(tokens(&opened), (112, 11));
    let query = "query ($id: String!) { session(id: $id) { usage { tokens { input } } ownUsage { tokens { input } } \
                 inheritedUsage { tokens { input } } } }";
    let variables = json!({ "id": opened }).to_string();
    let asked = house.json(["query", query, "--variables", &variables]);
    assert_eq!(
        asked["data"]["session"],
        json!({
            "usage": { "tokens": { "input": 110 } },
            "ownUsage": { "tokens": { "input": 10 } },
            "inheritedUsage": { "tokens": { "input": 100 } },
        })
    );
    let doctor = house.run(["doctor"]);
    assert!(doctor.out.contains("112 tokens"), "{}", doctor.out);
}
