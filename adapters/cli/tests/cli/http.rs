//! `serve --http`: a host's graph, as a program asks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::{House, PATIENCE};

pub(crate) struct Serving {
    child: Child,
    notes: BufReader<std::process::ChildStderr>,
    pub(crate) address: String,
    pub(crate) token: PathBuf,
}

impl Serving {
    fn start(house: &House, model: &str) -> Self {
        Self::with(house, model, &[])
    }

    pub(crate) fn with(house: &House, model: &str, more: &[&str]) -> Self {
        let serve = ["serve", "--model", model, "--http", "127.0.0.1:0"];
        let mut child = house
            .command([&serve[..], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        notes.read_line(&mut line).unwrap();
        assert!(line.starts_with("glasswork serves"), "{line}");
        line.clear();
        notes.read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://").unwrap_or_else(|| panic!("{line}"));
        let address = rest.split('/').next().unwrap().to_owned();
        let (_, rest) = line
            .split_once("the token lies in ")
            .unwrap_or_else(|| panic!("{line}"));
        let token = PathBuf::from(rest.split(':').next().unwrap());
        Self {
            child,
            notes,
            address,
            token,
        }
    }

    /// The status and the body of an answer.
    fn ask(&self, token: &str, query: &str) -> (u16, Value) {
        let body = json!({ "query": query }).to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST /graphql HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut rest = String::new();
        self.notes.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

/// Every file below the home that has a text in it.
fn with_text(house: &House, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![house.home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
            {
                found.push(path);
            }
        }
    }
    found
}

/// A session of an earlier run is opened, prompted and asked about; the token lies in one file of its owner's, is nowhere
/// else when the host has ended, and opens nothing before that without being said.
#[test]
fn a_program_drives_a_session_over_http() {
    let house = House::new();
    let model = house.script(r#"(say: [text("first")]), (say: [text("second")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let serving = Serving::start(&house, &model);
    assert_eq!(
        serving.token.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let token = std::fs::read_to_string(&serving.token).unwrap();
    assert_eq!(serving.ask("0", "{ host { version } }").0, 401);
    let (status, version) = serving.ask(&token, "{ host { version } }");
    assert_eq!(
        (status, &version["data"]["host"]["version"]),
        (200, &json!(env!("CARGO_PKG_VERSION")))
    );
    let ask = |query: &str| {
        let (status, json) = serving.ask(&token, query);
        assert_eq!(
            (status, &json["errors"]),
            (200, &Value::Null),
            "{query}: {json:#}"
        );
        json["data"].clone()
    };
    let prompt =
        r#"mutation { prompt(session: "last", text: "and now?", key: "k") { repeated dispatch { event } } }"#;
    assert_eq!(
        ask(prompt)["prompt"],
        json!({ "repeated": false, "dispatch": { "event": "prompted" } })
    );
    assert_eq!(ask(prompt)["prompt"]["repeated"], true);
    let begun = std::time::Instant::now();
    loop {
        let seen = ask(r#"{ session(id: "last") { turn { state } entries(first: 50) { nodes { text } } } }"#);
        if seen["session"]["turn"]["state"] == "completed" {
            assert_eq!(
                seen["session"]["entries"]["nodes"].as_array().unwrap().len(),
                4,
                "{seen:#}"
            );
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{seen:#}");
    }
    let path = serving.token.clone();
    let (code, notes) = serving.end();
    assert_eq!(code, Some(143), "{notes}");
    assert!(!path.exists(), "the token outlives its host");
    assert_eq!(with_text(&house, &token), Vec::<PathBuf>::new());
    assert!(!notes.contains(&token));
}

/// What would let others in is refused before anything is served, with what to do.
#[test]
fn what_would_let_others_in_is_refused() {
    let house = House::new();
    let model = house.script(r#"(say: [text("never")])"#);
    let cases: [(&[&str], &str); 4] = [
        (&["--http", "0.0.0.0:0"], "--http-beyond-loopback"),
        (
            &["--http", "127.0.0.1:0", "--http-origin", "*"],
            "is no origin of a page",
        ),
        (&["--http", "127.0.0.1"], "--http"),
        (&["--http-origin", "http://a.example"], "--http"),
    ];
    for (arguments, text) in cases {
        let mut all = vec!["serve", "--model", &*model];
        all.extend(arguments);
        let done = house.run(all);
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(done.err.contains(text), "{arguments:?}: {}", done.err);
    }
    let left = std::fs::read_dir(house.home.path().join("glasswork/run"));
    for entry in left.into_iter().flatten() {
        let path = entry.unwrap().path();
        assert!(
            path.extension().is_none_or(|end| end != "token"),
            "{}",
            path.display()
        );
    }
}

/// The model reads the graph by its tool, and changes nothing through it, whoever approves of everything.
#[test]
fn a_model_cannot_change_anything_through_the_graph() {
    let house = House::new();
    let model = house.script(
        r#"(say: [call("graph", (query: "mutation { rename(session: \"last\", title: \"mine\") { repeated } }"))]),
           (expect: "READ_ONLY", say: [call("graph", (query: "subscription { commits(session: \"last\") { __typename } }"))]),
           (expect: "INVALID", say: [text("Done.")])"#,
    );
    let done = house.yolo(&model);
    assert_eq!(done.code, 0, "{done:?}");
    let seen = house.json([
        "query",
        "{ session(id: \"last\") { meta { title } } sessions { nodes { title } } }",
    ]);
    assert_ne!(seen["data"]["session"]["meta"]["title"], "mine");
    let shown = house.json(["sessions", "show", "last", "--json"]);
    let calls: Vec<&Value> = shown["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["name"] == "graph")
        .collect();
    assert_eq!(calls.len(), 2, "{shown:#}");
}
