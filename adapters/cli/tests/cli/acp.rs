//! `glasswork acp`: the protocol's own library as a client, and clients that are rude.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;

use glasswork_app_runtime::servers::ServerCommand;
use glasswork_testkit::mcp_server::server;
use glasswork_testkit::packages::installed;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::attach::{Serving, Talk, sockets};
use super::support::{House, PATIENCE, done};

const CONVERSATION: &str = r#"
    (say: [thinking("A file it is."), text("I write."), call("write", (path: "a.txt", content: "one\n"))]),
    (say: [text("Written.")]),
    (say: [call("edit", (path: "a.txt", edits: [(old_text: "one", new_text: "two")]))]),
    (say: [text("As you wish.")]),
    (say: [call("bash", (command: "tail -f /dev/null"))]),
    (say: [text("Still here.")]),
"#;

/// What a model says that has a server of tools.
const WITH_TOOLS: &str = r#"
    (say: [call("mcp__shell__token", ())]), (expect: "[secret:", say: [text("Heard.")]),
    (say: [call("mcp__other__echo", (text: "hello"))]), (expect: "you said hello", say: [text("Heard again.")]),
"#;

pub(crate) fn client() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/acp_client");
    installed(&tests, env!("CARGO_TARGET_TMPDIR"), &["client.mjs", "editor.mjs"])
}

#[test]
fn the_librarys_own_client_has_a_whole_conversation() {
    let folder = client();
    let house = House::new();
    let model = house.script(CONVERSATION);
    let ServerCommand { command, args, .. } = server("shell", "good");
    let token = json!([{ "name": "TOKEN", "value": "not-for-the-record" }]);
    let shell = json!({ "name": "shell", "command": command, "args": args, "env": token });
    let mut node = Command::new("node");
    node.arg(folder.join("client.mjs"))
        .arg(env!("CARGO_BIN_EXE_glasswork"))
        .arg(&house.work)
        .arg(&model)
        .arg(house.script(WITH_TOOLS))
        .arg(shell.to_string())
        .current_dir(&house.work)
        .env_clear()
        .envs(house.environment())
        .stdin(Stdio::null());
    let ended = done(node.output().unwrap());
    assert_eq!((ended.code, &*ended.out), (0, "done\n"), "{}", ended.err);
    assert_eq!(fs::read_to_string(house.work.join("a.txt")).unwrap(), "one\n");
}

/// The program, spoken with line by line.
pub(crate) struct Wire {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<Value>,
}

impl Wire {
    pub(crate) fn start(house: &House, arguments: &[&str]) -> Self {
        Self::with(house, arguments, &[])
    }

    /// The same with more of an environment.
    pub(crate) fn with(house: &House, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = house
            .command([&["acp"], arguments].concat())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Standard output is the protocol alone.
                if sender.send(serde_json::from_str(&line).expect(&line)).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    pub(crate) fn send(&mut self, id: u64, method: &str, params: Value) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.raw(request.to_string().as_bytes());
    }

    /// The next line that fits.
    pub(crate) fn until(&self, mut fits: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("nothing that fits came");
            if fits(&line) {
                return line;
            }
        }
    }

    pub(crate) fn call(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(id, method, params);
        self.until(|line| line["id"] == id && line.get("method").is_none())
    }

    /// Asks the host until its answer has this in it.
    fn until_so(&mut self, query: &str, wanted: &str) {
        for id in 1_000.. {
            let answer = self.call(id, "_glasswork/query", json!({ "query": query }));
            if answer.to_string().contains(wanted) {
                return;
            }
        }
    }

    /// Begins as an editor of this name that shows notices, and loads a session.
    pub(crate) fn join(&mut self, house: &House, name: &str, session: &Value) {
        let capabilities = json!({ "session": { "notices": {} } });
        let info = json!({ "name": name, "version": "1" });
        let hello = json!({ "protocolVersion": 1, "clientCapabilities": capabilities, "clientInfo": info });
        self.call(1, "initialize", hello);
        let params = json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] });
        let loaded = self.call(2, "session/load", params);
        assert_eq!(loaded["result"]["modes"]["currentModeId"], "ask", "{loaded}");
    }

    pub(crate) fn prompt(&mut self, id: u64, session: &Value, text: &str) {
        let prompt = json!([{ "type": "text", "text": text }]);
        self.send(
            id,
            "session/prompt",
            json!({ "sessionId": session, "prompt": prompt }),
        );
    }

    pub(crate) fn begin(&mut self, house: &House) -> Value {
        self.call(1, "initialize", json!({ "protocolVersion": 1 }));
        let new = self.call(2, "session/new", json!({ "cwd": house.work, "mcpServers": [] }));
        new["result"]["sessionId"].clone()
    }

    pub(crate) fn answer(&mut self, request: &Value, result: Value) {
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        self.raw(answer.to_string().as_bytes());
    }

    /// Leaves, and gives the code with which the program ends.
    pub(crate) fn leave(mut self) -> i32 {
        drop(self.input.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

fn last_turn(house: &House) -> Value {
    house.json(["query", "{ session(id: \"last\") { turn { state } } }"])["data"]["session"]["turn"]["state"]
        .clone()
}

#[test]
fn a_client_that_leaves_while_it_is_asked_leaves_nothing_running() {
    let house = House::new();
    let model = house.script(r#"(say: [call("bash", (command: "touch never"))]), (say: [text("end")])"#);
    let mut wire = Wire::start(&house, &["--model", &model]);
    let session = wire.begin(&house);
    wire.send(
        3,
        "session/prompt",
        json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "go" }] }),
    );
    wire.until(|line| line["method"] == "session/request_permission");
    assert_eq!(wire.leave(), 0);
    assert_eq!(last_turn(&house), "cancelled");
    assert!(!house.work.join("never").exists());
}

#[test]
fn a_client_that_leaves_while_a_command_runs_has_it_ended() {
    let house = House::new();
    let model = house.script(r#"(say: [call("bash", (command: "echo $$ > pid; exec tail -f /dev/null"))])"#);
    let mut wire = Wire::start(&house, &["--model", &model, "--permission-mode", "yolo"]);
    let session = wire.begin(&house);
    wire.send(
        3,
        "session/prompt",
        json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "go" }] }),
    );
    wire.until(|line| line["params"]["update"]["status"] == "in_progress");
    assert_eq!(wire.leave(), 0);
    assert_eq!(last_turn(&house), "cancelled");
    // It may have been ended before it wrote that down, or between making the file and writing into it.
    let written = fs::read_to_string(house.work.join("pid")).unwrap_or_default();
    if let Ok(pid) = written.trim().parse::<u32>() {
        assert!(
            !Path::new("/proc").join(pid.to_string()).exists(),
            "the command {pid} still runs"
        );
    }
}

#[test]
fn without_a_model_a_session_wants_a_sign_in_and_says_which() {
    let house = House::new();
    let mut wire = Wire::start(&house, &[]);
    wire.call(1, "initialize", json!({ "protocolVersion": 1 }));
    let refused = wire.call(2, "session/new", json!({ "cwd": house.work, "mcpServers": [] }));
    assert_eq!(refused["error"]["code"], -32000, "{refused}");
    let told = refused["error"]["message"].as_str().unwrap();
    assert!(told.contains("glasswork login anthropic"), "{told}");
    assert_eq!(wire.leave(), 0);
}

#[test]
fn whatever_comes_in_is_answered_or_left_and_the_session_goes_on() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Here.")])"#);
    let mut wire = Wire::start(&house, &["--model", &model]);
    let session = wire.begin(&house);
    let deep = "[".repeat(100_000);
    let batch = format!("[{}1]", "1,".repeat(100_000));
    let table: [(&[u8], i64); 9] = [
        (b"no json", -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\xff\xe2\x82\"}",
            -32601,
        ),
        (b"\0", -32700),
        (deep.as_bytes(), -32700),
        (batch.as_bytes(), -32600),
        (br#"{"id":8,"method":"session/list","params":{}}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":9,"method":"no/such"}"#, -32601),
        (
            br#"{"jsonrpc":"2.0","id":10,"method":"session/prompt","params":{"sessionId":5}}"#,
            -32602,
        ),
        (br#"{"jsonrpc":"2.0","id":{},"method":"session/list"}"#, -32600),
    ];
    for (line, code) in table {
        wire.raw(line);
        let answer = wire.until(|line| line.get("error").is_some());
        assert_eq!(
            answer["error"]["code"],
            code,
            "{} {answer}",
            String::from_utf8_lossy(&line[..line.len().min(60)])
        );
    }
    // A line that is longer than is taken, told without being kept.
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        wire.input.as_mut().unwrap().write_all(&piece).unwrap();
    }
    wire.raw(b"");
    let answer = wire.until(|line| line.get("error").is_some());
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    assert!(
        answer.to_string().len() < 1000,
        "what is too long is not said back"
    );

    // Ids of any kind, and one twice at once.
    for id in ["0", "-1", "9007199254740993", "\"a\""] {
        wire.raw(
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"session/list","params":{{}}}}"#).as_bytes(),
        );
        let answer = wire.until(|line| line.get("result").is_some());
        assert_eq!(answer["id"].to_string(), id);
    }
    let said = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "Hello?" }] });
    let answer = wire.call(20, "session/prompt", said);
    assert_eq!(answer["result"]["stopReason"], "end_turn", "{answer}");
    assert_eq!(wire.leave(), 0);
}

/// The words of the agent that are told before these requests are answered, and how those that wait ended.
pub(crate) fn until_answered(wire: &Wire, ids: &[u64]) -> (String, Vec<Value>) {
    let (mut said, mut answers) = (String::new(), BTreeMap::new());
    while answers.len() < ids.len() {
        let line = wire.until(|_| true);
        let update = &line["params"]["update"];
        if update["sessionUpdate"] == "agent_message_chunk" {
            said += update["content"]["text"].as_str().unwrap();
        }
        let id = line["id"].as_u64().filter(|id| ids.contains(id));
        if let Some(id) = id.filter(|_| line.get("method").is_none()) {
            answers.insert(id, line["result"]["stopReason"].clone());
        }
    }
    (said, answers.into_values().collect())
}

#[test]
fn a_command_that_has_a_turn_go_on_is_answered_when_it_ends() {
    let house = House::new();
    // A call that is asked about when the turn shall rest is not run.
    let call = r#"(say: [call("bash", (command: "touch never"))])"#;
    let model = house.script(&format!(r#"{call}, {call}, (say: [text("On.")])"#));
    let mut wire = Wire::start(&house, &["--model", &model]);
    let session = wire.begin(&house);
    wire.prompt(3, &session, "go");
    // The same turn rests twice.
    for (pause, going) in [(4, 3), (6, 5)] {
        wire.until(|line| line["method"] == "session/request_permission");
        wire.prompt(pause, &session, "/pause");
        let ended = until_answered(&wire, &[going, pause]);
        assert_eq!(ended, (String::new(), vec!["end_turn".into(); 2]));
        assert_eq!(last_turn(&house), "paused");
        wire.prompt(pause + 1, &session, "/continue");
    }
    let ended = until_answered(&wire, &[7]);
    assert_eq!(ended, ("On.".to_owned(), vec!["end_turn".into()]));
    assert_eq!(last_turn(&house), "completed");
    // Where nothing goes on, words for after it begin a turn.
    wire.prompt(8, &session, "/follow-up and now?");
    let ended = until_answered(&wire, &[8]).1;
    assert_eq!(
        ended,
        [Value::Null],
        "there is nothing more in the script, which is told as an error"
    );
    assert_eq!(wire.leave(), 0);
}

#[test]
fn a_summary_is_waited_for_and_one_that_is_given_up_is_cancelled() {
    let house = House::new();
    let long = "word ".repeat(600);
    let answers = format!(r#"(say: [text("{long}")]), "#).repeat(5);
    let model = |summary: &str| {
        let first = format!(r#"(when: "Write the notes", say: [{summary}], otherwise: [text("{long}")])"#);
        house.script(&format!("{first}, {answers}"))
    };
    let made = model(r#"wait(300), text("A tidy attic.")"#);
    let mut wire = Wire::start(&house, &["--model", &made]);
    let session = wire.begin(&house);
    for id in 3..7 {
        wire.prompt(id, &session, "Tidy the attic.");
        assert_eq!(until_answered(&wire, &[id]).1, ["end_turn"]);
    }
    wire.prompt(7, &session, "/compact");
    assert_eq!(
        until_answered(&wire, &[7]),
        (String::new(), vec!["end_turn".into()])
    );
    let shown = house.run(["sessions", "show", "last"]).out;
    assert!(shown.contains("— compacted: about"), "{shown}");
    // It is over indeed: what comes now is a turn of its own.
    wire.prompt(8, &session, "And now?");
    assert_eq!(
        until_answered(&wire, &[8]),
        (long.clone(), vec!["end_turn".into()])
    );
    assert_eq!(wire.leave(), 0);

    let never = model("stall");
    let mut wire = Wire::start(&house, &["--model", &never]);
    let session = wire.begin(&house);
    for id in 3..7 {
        wire.prompt(id, &session, "Tidy the attic.");
        assert_eq!(until_answered(&wire, &[id]).1, ["end_turn"]);
    }
    wire.prompt(7, &session, "/compact");
    wire.until_so("{ session(id: \"last\") { state } }", "compacting");
    // What is said meanwhile waits for it, and is not said where it is given up.
    wire.prompt(8, &session, "And now?");
    let queue = "{ session(id: \"last\") { queue { followUps { text } } } }";
    wire.until_so(queue, "And now?");
    wire.raw(cancels(&session).as_bytes());
    assert_eq!(until_answered(&wire, &[7, 8]).1, ["cancelled", "cancelled"]);
    assert_eq!(wire.leave(), 0);
}

fn cancels(session: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } }).to_string()
}

/// Neither runs a turn yet then nor stands a prompt in the line.
#[test]
fn what_is_cancelled_as_soon_as_it_is_said_does_not_go_on() {
    let house = House::new();
    let model = house.script(&"(say: [stall]), ".repeat(9));
    let mut wire = Wire::start(&house, &["--model", &model]);
    let session = wire.begin(&house);
    for id in 3..11 {
        wire.prompt(id, &session, "go");
        wire.raw(cancels(&session).as_bytes());
        assert_eq!(until_answered(&wire, &[id]).1, ["cancelled"]);
    }
    // And what is said after that is not meant.
    wire.prompt(11, &session, "go");
    wire.until_so("{ session(id: \"last\") { state } }", "busy");
    wire.raw(cancels(&session).as_bytes());
    assert_eq!(until_answered(&wire, &[11]).1, ["cancelled"]);
    assert_eq!(last_turn(&house), "cancelled");
    assert_eq!(wire.leave(), 0);
}

/// The compactions that are told before a request is answered, by status and summary, each under one id.
fn compactions(wire: &Wire, id: u64) -> Vec<(String, String)> {
    let (mut told, mut ids) = (vec![], std::collections::BTreeSet::new());
    wire.until(|line| {
        let update = &line["params"]["update"];
        if update["sessionUpdate"] == "compaction_update" {
            ids.insert(update["compactionId"].to_string());
            let summary = update["summary"][0]["text"].as_str().unwrap_or_default();
            told.push((update["status"].as_str().unwrap().to_owned(), summary.to_owned()));
        }
        assert_ne!(update["title"], "What is old is summarised", "told twice");
        line["id"] == id && line.get("method").is_none()
    });
    assert!(ids.len() <= 1, "{ids:?}");
    told
}

#[test]
fn a_client_that_shows_compactions_is_told_of_them_as_such() {
    let house = House::new();
    let long = "word ".repeat(600);
    let answers = format!(r#"(say: [text("{long}")]), "#).repeat(4);
    let model = |summary: &str| {
        let first = format!(r#"(when: "Write the notes", say: [{summary}], otherwise: [text("{long}")])"#);
        house.script(&format!("{first}, {answers}"))
    };
    let hello = json!({ "session": { "compaction": {}, "notices": {} } });
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": hello });
    let begin = |model: &str| {
        let mut wire = Wire::start(&house, &["--model", model]);
        wire.call(1, "initialize", hello.clone());
        let new = wire.call(2, "session/new", json!({ "cwd": house.work, "mcpServers": [] }));
        let session = new["result"]["sessionId"].clone();
        for id in 3..7 {
            wire.prompt(id, &session, "Tidy the attic.");
            until_answered(&wire, &[id]);
        }
        (wire, session)
    };
    let entry = |status: &str, summary: &str| (status.to_owned(), summary.to_owned());
    let made = model(r#"text("A tidy attic.")"#);
    let (mut wire, session) = begin(&made);
    wire.prompt(7, &session, "/compact");
    let whole = [entry("in_progress", ""), entry("completed", "A tidy attic.")];
    assert_eq!(compactions(&wire, 7), whole);
    assert_eq!(wire.leave(), 0);
    // Whoever comes later finds it in its place.
    let mut wire = Wire::start(&house, &["--model", &made]);
    wire.call(1, "initialize", hello.clone());
    wire.send(
        2,
        "session/load",
        json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] }),
    );
    assert_eq!(compactions(&wire, 2), whole[1..]);
    assert_eq!(wire.leave(), 0);

    let (mut wire, session) = begin(&model("stall"));
    wire.prompt(7, &session, "/compact");
    wire.until(|line| line["params"]["update"]["status"] == "in_progress");
    wire.raw(cancels(&session).as_bytes());
    assert_eq!(compactions(&wire, 7), [entry("cancelled", "")]);
    assert_eq!(wire.leave(), 0);
}

const JOINED: &str = r#"
    (say: [call("bash", (command: "true"))]), (say: [text("done")]),
    (say: [call("bash", (command: "touch never"))])
"#;

#[test]
fn editors_join_a_session_of_another_host_and_the_first_answer_counts() {
    let house = House::new();
    let serving = Serving::start(&house, &house.script(JOINED), &[]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let session = talk.ask("_glasswork/new", json!({ "directory": house.work }))["session"].clone();
    // What their own hosts would ask; the turns before were those of the other host.
    let own = house.script(&r#"(say: [text("on")]),"#.repeat(4));
    let [mut one, mut two] = [(); 2].map(|()| Wire::start(&house, &["--model", &own]));
    one.join(&house, "one", &session);
    two.join(&house, "two", &session);
    let clients = talk.ask("_glasswork/host", json!({}))["clients"].clone();
    let names: Vec<_> = clients
        .as_array()
        .unwrap()
        .iter()
        .map(|client| &client["name"])
        .collect();
    assert_eq!(names, ["one", "two"]);

    one.prompt(3, &session, "go");
    let asks = |line: &Value| line["method"] == "session/request_permission";
    let (of_one, of_two) = (one.until(asks), two.until(asks));
    // Of what somebody else said a client is told.
    let allow = json!({ "outcome": { "outcome": "selected", "optionId": "allow" } });
    two.raw(
        json!({ "jsonrpc": "2.0", "id": of_two["id"], "result": allow })
            .to_string()
            .as_bytes(),
    );
    let mut missing = vec![
        "who was faster",
        "that nobody waits for an answer",
        "how the turn ended",
    ];
    while !missing.is_empty() {
        let line = one.until(|_| true);
        let is_told = line["params"]["update"]["title"] == "Allowed";
        if is_told {
            let by = line["params"]["update"]["description"].as_str().unwrap();
            assert!(by.starts_with("by `two`, client "), "{by}");
        }
        let is_withdrawn = line["method"] == "$/cancel_request";
        if is_withdrawn {
            assert_eq!(line["params"]["requestId"], of_one["id"], "{line}");
        }
        let is_ended = line["id"] == 3;
        if is_ended {
            assert_eq!(line["result"]["stopReason"], "end_turn", "{line}");
        }
        missing.retain(|what| match *what {
            "who was faster" => !is_told,
            "how the turn ended" => !is_ended,
            _ => !is_withdrawn,
        });
    }

    // Who leaves takes nothing along.
    assert_eq!(one.leave(), 0);
    two.prompt(4, &session, "once more");
    two.until(asks);
    // A host that is killed is told of, and the session is opened here.
    serving.signal(Signal::KILL);
    let gone = two.until(|line| line["id"] == 4);
    assert_eq!(gone["error"]["code"], -32603, "{gone}");
    let (code, _) = serving.end();
    assert_eq!(code, None);
    let load = json!({ "sessionId": session, "cwd": house.work, "mcpServers": [] });
    let loaded = two.call(5, "session/load", load);
    assert!(loaded["error"].is_null(), "{loaded}");
    two.prompt(6, &session, "and now?");
    let on = two.until(|line| line["id"] == 6);
    assert_eq!(on["result"]["stopReason"], "end_turn", "{on}");
    assert_eq!(two.leave(), 0);
    assert!(!house.work.join("never").exists());
}

/// What the registry of agents wants to know, but for the address of a release.
#[test]
fn the_manifest_is_of_this_version() {
    let text = include_str!("../../../../docs/agent.json");
    let manifest: Value = serde_json::from_str(text).unwrap();
    assert_eq!(manifest["id"], "glasswork");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    for (system, target) in manifest["distribution"]["binary"].as_object().unwrap() {
        assert_eq!(target["args"], json!(["acp"]), "{system}");
        let archive = format!("glasswork-{}-{system}.tar.gz", env!("CARGO_PKG_VERSION"));
        assert!(
            target["archive"].as_str().unwrap().ends_with(&archive),
            "{system}"
        );
    }
}
