//! `glasswork acp` with an editor that lends what it has open, and its terminals.

use std::fs;

use serde_json::{Value, json};

use super::acp::Wire;
use super::attach::{Serving, Talk, sockets};
use super::support::House;

/// An editor that says what it lends, in a session of its own.
fn editor(house: &House, arguments: &[&str], environment: &[(&str, &str)], terminals: bool) -> (Wire, Value) {
    let mut wire = Wire::with(house, arguments, environment);
    hello(&mut wire, terminals);
    let new = wire.call(2, "session/new", json!({ "cwd": house.work, "mcpServers": [] }));
    (wire, new["result"]["sessionId"].clone())
}

fn hello(wire: &mut Wire, terminals: bool) {
    let files = json!({ "readTextFile": true, "writeTextFile": true });
    let capabilities = json!({ "fs": files, "terminal": terminals });
    let info = json!({ "name": "pen", "version": "1" });
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": capabilities, "clientInfo": info });
    wire.call(1, "initialize", hello);
}

fn asks(method: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["method"] == method
}

/// How the calls of the last session ended, and where they worked.
fn calls(house: &House) -> Vec<(String, Value, String)> {
    let query = "{ session(id: \"last\") { calls(first: 20) { nodes { tool editor { name terminal } outcome { text } } } } }";
    let answer = house.json(["query", query]);
    let nodes = answer["data"]["session"]["calls"]["nodes"].clone();
    let told = |call: &Value| {
        let text = call["outcome"]["text"].as_str().unwrap_or_default().to_owned();
        (
            call["tool"].as_str().unwrap().to_owned(),
            call["editor"].clone(),
            text,
        )
    };
    nodes
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .iter()
        .map(told)
        .collect()
}

/// What an editor has open is what the model reads and changes; the decision comes first, and the record knows of it.
#[test]
fn files_are_read_and_written_in_the_editor_once_that_is_allowed() {
    let house = House::new();
    let outside = house.home.path().join("home/else.txt");
    fs::write(&outside, "of the disk\n").unwrap();
    let outside = outside.canonicalize().unwrap();
    fs::write(house.work.join("a.txt"), "saved\n").unwrap();
    let model = house.script(&format!(
        r#"
        (say: [call("read", (path: "a.txt"))]),
        (expect: "unsaved", say: [call("edit", (path: "a.txt", edits: [(old_text: "unsaved", new_text: "changed")]))]),
        (say: [call("read", (path: "{}"))]),
        (expect: "of the disk", say: [call("write", (path: "b.txt", content: "new"))]),
        (say: [text("done")])
        "#,
        outside.display()
    ));
    let (mut wire, session) = editor(&house, &["--model", &model], &[], false);
    wire.prompt(3, &session, "go");
    let path = json!(house.work.join("a.txt"));
    let read = wire.until(asks("fs/read_text_file"));
    assert_eq!(
        (&read["params"]["path"], &read["params"]["sessionId"]),
        (&path, &session)
    );
    wire.answer(&read, json!({ "content": "unsaved\n" }));
    let allow = json!({ "outcome": { "outcome": "selected", "optionId": "allow" } });
    // Whatever comes before the question is no question to the editor's files.
    let next = wire.until(|line| line.get("id").is_some());
    assert_eq!(next["method"], "session/request_permission", "{next}");
    wire.answer(&next, allow.clone());
    let read = wire.until(asks("fs/read_text_file"));
    wire.answer(&read, json!({ "content": "unsaved\n" }));
    let write = wire.until(|line| line.get("id").is_some());
    assert_eq!(write["method"], "fs/write_text_file", "{write}");
    assert_eq!(
        (&write["params"]["path"], &write["params"]["content"]),
        (&path, &json!("changed\n"))
    );
    wire.answer(&write, json!({}));
    // A file that is none of the workspace's is asked about, and is the disk's.
    let next = wire.until(|line| line.get("id").is_some());
    assert_eq!(next["method"], "session/request_permission", "{next}");
    wire.answer(&next, allow);
    // What is refused the editor does not hear of.
    let next = wire.until(|line| line.get("id").is_some());
    assert_eq!(next["method"], "session/request_permission", "{next}");
    wire.answer(
        &next,
        json!({ "outcome": { "outcome": "selected", "optionId": "reject" } }),
    );
    let ended = wire.until(|line| line.get("id").is_some());
    assert_eq!(
        (&ended["id"], &ended["result"]["stopReason"]),
        (&json!(3), &json!("end_turn"))
    );
    assert_eq!(wire.leave(), 0);
    assert_eq!(fs::read_to_string(house.work.join("a.txt")).unwrap(), "saved\n");
    assert!(!house.work.join("b.txt").exists());
    let pen = json!({ "name": "pen", "terminal": null });
    let places: Vec<_> = calls(&house)
        .into_iter()
        .map(|(tool, editor, _)| (tool, editor))
        .collect();
    let at = |tool: &str, place: &Value| (tool.to_owned(), place.clone());
    assert_eq!(
        places,
        [
            at("read", &pen),
            at("edit", &pen),
            at("read", &Value::Null),
            at("write", &Value::Null)
        ]
    );
}

/// The session lives in another host; the editor that lends leaves while it is asked. The call fails and says so, and
/// the next one has what is on the disk, and says that.
#[test]
fn an_editor_that_leaves_while_it_is_asked_fails_the_call_and_the_next_has_the_disk() {
    let house = House::new();
    fs::write(house.work.join("a.txt"), "saved\n").unwrap();
    let read = r#"call("read", (path: "a.txt"))"#;
    let edit = r#"call("edit", (path: "a.txt", edits: [(old_text: "open", new_text: "x")]))"#;
    let model = house.script(&format!(
        r#"
        (say: [{read}]),
        (expect: "open", say: [{edit}]),
        (expect: "left before it could write", say: [{read}]),
        (expect: "this is the file on the disk", say: [{read}]),
        (say: [text("end")])
        "#
    ));
    let serving = Serving::start(&house, &model, &["--permission-mode", "accept-edits"]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let session = talk.ask("_glasswork/new", json!({ "directory": house.work }))["session"].clone();
    let own = house.script(r#"(say: [text("never")])"#);
    let load = json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] });
    // Who only looks on lends nothing, though it came first.
    let mut onlooker = Wire::start(&house, &["--model", &own]);
    hello(&mut onlooker, false);
    let mut looks_on = load.clone();
    looks_on["_meta"] = json!({ "glasswork": { "role": "observer" } });
    onlooker.call(2, "session/load", looks_on);
    let mut lender = Wire::start(&house, &["--model", &own]);
    hello(&mut lender, false);
    lender.call(2, "session/load", load.clone());
    // One that lends nothing is not asked, though it said the prompt.
    let mut other = Wire::start(&house, &["--model", &own]);
    other.call(1, "initialize", json!({ "protocolVersion": 1 }));
    other.call(2, "session/load", load);
    other.prompt(3, &session, "go");
    for content in ["open\n", "open\n"] {
        let read = lender.until(asks("fs/read_text_file"));
        lender.answer(&read, json!({ "content": content }));
    }
    lender.until(asks("fs/write_text_file"));
    assert_eq!(lender.leave(), 0);
    let ended = other.until(|line| line["id"] == 3);
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    assert_eq!(other.leave(), 0);
    assert_eq!(onlooker.leave(), 0);
    serving.signal(rustix::process::Signal::TERM);
    serving.end();
    assert_eq!(fs::read_to_string(house.work.join("a.txt")).unwrap(), "saved\n");
    let calls = calls(&house);
    let notes: Vec<_> = calls
        .iter()
        .map(|(_, editor, text)| (editor["name"].as_str(), text.as_str()))
        .collect();
    let left = "the editor `pen` left before it could write";
    assert!(
        notes[1].0 == Some("pen") && notes[1].1.starts_with(left),
        "{notes:?}"
    );
    let disk =
        "saved\n[The editor `pen` has left, and with it what was not saved: this is the file on the disk.]";
    // It is said once.
    assert_eq!(notes[2..], [(None, disk), (None, "saved\n")]);
}

/// Answers what a terminal is asked, and gives all that comes until something does that is not answered.
fn lend_terminals(wire: &mut Wire, shows: &str, stops: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut heard = vec![];
    loop {
        let line = wire.until(|_| true);
        heard.push(line.clone());
        if stops(&line) {
            return heard;
        }
        let answer = match line["method"].as_str().unwrap_or_default() {
            "terminal/create" => json!({ "terminalId": "t1" }),
            "terminal/wait_for_exit" => json!({ "exitCode": 3 }),
            "terminal/output" => json!({ "output": shows, "truncated": false }),
            "terminal/kill" | "terminal/release" => json!({}),
            _ => continue,
        };
        wire.answer(&line, answer);
    }
}

/// What was asked of terminals, in order. How often one is looked at depends on how long it runs.
fn asked_of_terminals(heard: &[Value]) -> Vec<&str> {
    let mut asked: Vec<&str> = heard.iter().filter_map(|line| line["method"].as_str()).collect();
    asked.retain(|method| method.starts_with("terminal/"));
    asked.dedup();
    asked
}

#[test]
fn commands_run_in_a_terminal_of_the_editor_where_that_is_set_and_nowhere_else() {
    let house = House::new();
    let command = r#"call("bash", (command: "echo here"))"#;
    let model = house.script(&format!(
        r#"(say: [{command}]), (expect: "from the terminal", say: [text("on"), {command}]), (say: [text("done")])"#
    ));
    let arguments = ["--model", &*model, "--permission-mode", "yolo"];
    let on = [("GLASSWORK_EDITOR_TERMINALS", "true")];
    let (mut wire, session) = editor(&house, &arguments, &on, true);
    wire.prompt(3, &session, "go");
    let is_next = |line: &Value| line["params"]["update"]["content"]["text"] == "on";
    let heard = lend_terminals(&mut wire, "from the terminal\n", is_next);
    let create = &heard.iter().find(|line| asks("terminal/create")(line)).unwrap()["params"];
    assert_eq!(create["args"], json!(["-c", "echo here"]));
    assert_eq!(create["cwd"], json!(house.work));
    assert_eq!(create["outputByteLimit"], 1 << 20);
    let variables = create["env"].as_array().unwrap();
    let emptied = json!({ "name": "OPENAI_ACCESS_TOKEN", "value": "" });
    assert!(variables.contains(&emptied), "{create}");
    let mut asked = asked_of_terminals(&heard);
    let release = heard.iter().position(asks("terminal/release")).unwrap();
    assert_eq!(
        heard[release]["params"],
        json!({ "sessionId": session, "terminalId": "t1" })
    );
    assert_eq!(
        (asked.remove(0), asked.pop()),
        ("terminal/create", Some("terminal/release"))
    );
    assert!(
        asked.contains(&"terminal/wait_for_exit") && asked.ends_with(&["terminal/output"]),
        "{asked:?}"
    );
    // Before it is given back, the client knows which call runs in it.
    let in_terminal = json!([{ "type": "terminal", "terminalId": "t1" }]);
    let is_shown = |line: &Value| line["params"]["update"]["content"] == in_terminal;
    assert!(heard[..release].iter().any(is_shown), "{heard:#?}");

    // The second time it is killed, for the turn is cancelled.
    lend_terminals(&mut wire, "", |line| line["method"] == "terminal/wait_for_exit");
    let cancel = json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } });
    wire.raw(cancel.to_string().as_bytes());
    let heard = lend_terminals(&mut wire, "so far", |line| line["id"] == 3);
    let ended = &heard[heard.len() - 1];
    assert_eq!(ended["result"]["stopReason"], "cancelled", "{ended}");
    let asked = asked_of_terminals(&heard);
    let end = ["terminal/kill", "terminal/output", "terminal/release"];
    assert!(asked.ends_with(&end), "{asked:?}");
    assert_eq!(wire.leave(), 0);
    let place = json!({ "name": "pen", "terminal": "t1" });
    let settled = calls(&house);
    assert_eq!(settled[0].1, place);
    assert_eq!(settled[0].2, "from the terminal\n[Exit code 3.]\n");
    assert_eq!(settled[1].1, place);
    assert!(settled[1].2.contains("\nso far\n"), "{settled:?}");
    // Who comes later does not know that terminal, and is told what was said in it.
    let mut wire = Wire::start(&house, &["--model", &model]);
    hello(&mut wire, true);
    wire.send(
        2,
        "session/load",
        json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] }),
    );
    let heard = lend_terminals(&mut wire, "", |line| line["id"] == 2);
    let told = heard
        .iter()
        .find(|line| line["params"]["update"]["sessionUpdate"] == "tool_call");
    let content = &told.unwrap()["params"]["update"]["content"];
    assert_eq!(
        content[0]["content"]["text"], "from the terminal\n[Exit code 3.]\n",
        "{content}"
    );
    assert_eq!(wire.leave(), 0);
    // As is built in: commands run here.
    let model = house.script(&format!(
        r#"(say: [{command}]), (expect: "here", say: [text("done")])"#
    ));
    let (mut wire, session) = editor(
        &house,
        &["--model", &model, "--permission-mode", "yolo"],
        &[],
        true,
    );
    wire.prompt(3, &session, "go");
    let ended = wire.until(|line| line.get("id").is_some());
    assert_eq!(
        (&ended["id"], &ended["result"]["stopReason"]),
        (&json!(3), &json!("end_turn"))
    );
    assert_eq!(wire.leave(), 0);
    assert_eq!(
        calls(&house),
        [("bash".to_owned(), Value::Null, "here\n".to_owned())]
    );
}

/// What the model does with an editor in Node; then, over a WebSocket, with one that leaves.
const LENT: &str = r#"
    (say: [call("read", (path: "a.txt"))]),
    (expect: "unsaved", say: [call("edit", (path: "a.txt", edits: [(old_text: "unsaved", new_text: "changed")]))]),
    (say: [call("read", (path: "a.txt"))]),
    (expect: "changed", say: [call("bash", (command: "echo in a terminal; sleep 1000 >/dev/null 2>&1 & exit 3"))]),
    (expect: "Exit code 3", say: [text("So it is.")]),
    (say: [call("bash", (command: "tail -f /dev/null"))]),
    (say: [call("bash", (command: "until [ -e go ]; do sleep 0.05; done", timeout: 60))]),
    (say: [text("The other has left.")]),
"#;

fn node(house: &House, arguments: &[&str]) {
    let mut node = std::process::Command::new("node");
    node.arg(super::acp::client().join("editor.mjs"))
        .args(arguments)
        .current_dir(&house.work)
        .env_clear()
        .envs(house.environment())
        .stdin(std::process::Stdio::null());
    let ended = super::support::done(node.output().unwrap());
    assert_eq!((ended.code, &*ended.out), (0, "done\n"), "{}", ended.err);
}

#[test]
fn the_librarys_own_client_lends_files_and_terminals() {
    let house = House::new().with("GLASSWORK_EDITOR_TERMINALS", "true");
    let model = house.script(LENT);
    let work = house.work.display().to_string();
    node(&house, &["stdio", env!("CARGO_BIN_EXE_glasswork"), &work, &model]);
}

#[test]
fn the_librarys_own_client_does_the_same_over_a_websocket() {
    let house = House::new().with("GLASSWORK_EDITOR_TERMINALS", "true");
    let model = house.script(LENT);
    let serving = super::http::Serving::with(&house, &model, &["--permission-mode", "yolo"]);
    let (url, token) = (
        format!("ws://{}/acp", serving.address),
        serving.token.display().to_string(),
    );
    let work = house.work.display().to_string();
    node(&house, &["ws", &url, &work, &token]);
    let (code, notes) = serving.end();
    assert_eq!(code, Some(143), "{notes}");
}
