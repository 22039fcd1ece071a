//! Hosts and those who attach to them, as processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{House, PATIENCE};

fn run(house: &House) -> PathBuf {
    house.home.path().join("glasswork/run")
}

/// The sockets of those who live, and of those who have died since somebody looked.
pub(crate) fn sockets(house: &House) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run(house)).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sock"))
        .collect()
}

/// A host that serves.
pub(crate) struct Serving {
    child: Child,
    notes: BufReader<std::process::ChildStderr>,
}

impl Serving {
    pub(crate) fn start(house: &House, model: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--model", model];
        arguments.extend(more);
        let mut child = house
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        notes.read_line(&mut line).unwrap();
        assert!(line.starts_with("glasswork serves"), "{line}");
        Self { child, notes }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its code and what it said after it began to serve.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.notes, &mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

/// A client that speaks for itself.
pub(crate) struct Talk {
    stream: BufReader<UnixStream>,
    last: u64,
    told: std::collections::VecDeque<Value>,
}

impl Talk {
    pub(crate) fn to(socket: &Path) -> Self {
        Self::reach(socket).expect("a host")
    }

    /// The same, where the host may be gone.
    pub(crate) fn reach(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Self {
            stream: BufReader::new(stream),
            last: 0,
            told: Default::default(),
        })
    }

    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            // Whoever was killed may leave a part of a line.
            Ok(_) if !line.ends_with('\n') => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params });
        let stream = self.stream.get_mut();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        loop {
            let line = self.line().expect("an answer");
            if line["id"] == json!(self.last) {
                assert!(line["error"].is_null(), "{method}: {line}");
                return line["result"].clone();
            }
            self.told.push_back(line);
        }
    }

    pub(crate) fn told(&mut self) -> Option<Value> {
        self.told.pop_front().or_else(|| self.line())
    }

    /// Asks where the host may be gone, or going.
    fn try_ask(&mut self, method: &str, params: Value) -> Option<Value> {
        self.last += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params });
        let stream = self.stream.get_mut();
        stream.write_all(format!("{request}\n").as_bytes()).ok()?;
        loop {
            let line = self.line()?;
            if line["id"] == json!(self.last) {
                return line.get("result").cloned();
            }
            self.told.push_back(line);
        }
    }

    /// Attaches where the host may be gone, or going.
    pub(crate) fn join(&mut self, session: &str, seen: Option<(u64, u64)>) -> Option<Value> {
        let seen = seen.map(|(epoch, seq)| json!({ "epoch": epoch, "seq": seq }));
        let params = json!({ "session": session, "name": "test", "seen": seen });
        let attached = self.try_ask("_glasswork/attach", params)?;
        let attachment = json!({ "attachment": attached["attachment"] });
        self.try_ask("_glasswork/subscribe", attachment)?;
        Some(attached)
    }

    pub(crate) fn attach(&mut self, session: &str, seen: Option<(u64, u64)>) -> Value {
        let seen = seen.map(|(epoch, seq)| json!({ "epoch": epoch, "seq": seq }));
        let params = json!({ "session": session, "name": "test", "seen": seen });
        let attached = self.ask("_glasswork/attach", params);
        let attachment = json!({ "attachment": attached["attachment"] });
        self.ask("_glasswork/subscribe", attachment);
        attached
    }

    /// Checks that every commit comes once and in order, until one brings an update of this type.
    pub(crate) fn until(&mut self, seq: &mut u64, kind: &str) -> Value {
        loop {
            let told = self.told().expect("an update");
            if told["method"] != "_glasswork/update" {
                continue;
            }
            *seq += 1;
            assert_eq!(told["params"]["seq"], json!(*seq), "{told}");
            let updates = told["params"]["updates"].as_array().unwrap();
            if let Some(found) = updates.iter().find(|update| update["type"] == kind) {
                return found.clone();
            }
        }
    }
}

const ASKS: &str = r#"(say: [call("bash", (command: "true"))]), (say: [text("done")])"#;

#[test]
fn a_host_serves_a_console_that_begins_prompts_and_leaves_and_drains_when_it_is_told_to_end() {
    let house = House::new();
    let serving = Serving::start(&house, &house.script(r#"(say: [text("hello you")])"#), &[]);
    let attached = house.give(house.command(["attach", "--new"]), "say hello\n");
    assert_eq!(
        (attached.code, &*attached.out),
        (0, "hello you\n"),
        "{attached:?}"
    );
    assert!(attached.err.contains("> say hello\n"), "{}", attached.err);
    assert!(
        attached.err.contains("the turn has ended: completed\n"),
        "{}",
        attached.err
    );
    let hosts = house.json(["hosts", "--json"]);
    assert_eq!(hosts[0]["command"], "serve");
    assert_eq!(hosts[0]["info"]["clients"], json!([]));
    let session = hosts[0]["info"]["sessions"][0]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    // Another one sees what was before; what it types in vain is told.
    let again = house.give(
        house.command(["attach", &session[..13], "--json", "--observe"]),
        "more\n/aprove 1.0\n/help\n/detach\n",
    );
    assert_eq!(again.code, 0, "{again:?}");
    let first: Value = serde_json::from_str(again.out.lines().next().unwrap()).unwrap();
    let transcript = first["params"]["base"]["transcript"].as_array().unwrap();
    let texts: Vec<_> = transcript
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["say hello", "hello you"]);
    assert!(again.err.contains("did you mean `/approve`?"), "{}", again.err);
    assert!(again.err.contains("/refuse CALL [REASON]"), "{}", again.err);
    // Commands are done by the host; when the last one is answered, nothing more can be typed.
    let commands = house.give(
        house.command(["attach", &session[..13]]),
        "/rename The greeting\n/thinking low\n/status\n",
    );
    assert_eq!(commands.code, 0, "{commands:?}");
    for part in ["The greeting", "thinking low", "it waits for a prompt"] {
        assert!(commands.err.contains(part), "{part}: {}", commands.err);
    }
    let wrong = house.give(house.command(["attach", &session[..13]]), "/approve 1.0\n");
    assert_eq!(wrong.code, 1, "{wrong:?}");
    serving.signal(Signal::TERM);
    let (code, notes) = serving.end();
    assert_eq!((code, &*notes), (Some(143), ""));
    assert_eq!(house.json(["hosts", "--json"]), json!([]));
    assert_eq!(house.run(["attach"]).code, 2);
    assert!(sockets(&house).is_empty());
}

#[test]
fn a_session_that_was_closed_is_shown_as_it_is_and_goes_on_with_the_first_prompt() {
    let house = House::new();
    let model = house.script(r#"(say: [text("one")]), (say: [text("two")])"#);
    let first = house.run(["run", "--model", &model, "first"]);
    assert_eq!((first.code, &*first.out), (0, "one\n"), "{first:?}");
    let id = house.json(["sessions", "list", "--all", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(house.run(["sessions", "close", &id]).code, 0);
    // What the journal says; the list of sessions follows it a moment later.
    let state = || {
        let query = format!("{{ session(id: \"{id}\") {{ state }} }}");
        house.json(["query", &query])["data"]["session"]["state"].clone()
    };
    let serving = Serving::start(&house, &model, &[]);
    // Who only looks changes nothing.
    let looks = house.give(house.command(["attach", &id, "--observe", "--json"]), "/status\n");
    assert_eq!(looks.code, 0, "{looks:?}");
    assert_eq!(state(), "closed");
    let prompts = house.give(house.command(["attach", &id]), "second\n");
    assert_eq!((prompts.code, &*prompts.out), (0, "one\ntwo\n"), "{prompts:?}");
    assert_eq!(state(), "idle");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), (Some(143), String::new()));
}

#[test]
fn a_client_joins_a_run_and_answers_for_its_call_before_anybody_at_a_terminal() {
    let house = House::new();
    let (working, go) = house.busy();
    let [socket] = &sockets(&house)[..] else {
        panic!("one socket")
    };
    let mut talk = Talk::to(socket);
    let info = talk.ask("_glasswork/host", json!({}));
    assert_eq!(
        (&info["command"], &info["sessions"][0]["running"]),
        (&json!("run"), &json!(true))
    );
    let attached = talk.attach("last", None);
    let attachment = attached["attachment"].clone();
    let steered = talk.ask(
        "_glasswork/steer",
        json!({ "attachment": attachment, "text": "and be brief" }),
    );
    std::fs::write(go, "on\n").unwrap();
    let mut seq = attached["seq"].as_u64().unwrap();
    assert!(steered["seq"].as_u64().unwrap() > seq);
    let said = talk.until(&mut seq, "said");
    assert_eq!(said["text"], "and be brief");
    talk.until(&mut seq, "turn_ended");
    let ended = talk.told().unwrap();
    // More commits may come before the session is given up.
    let ended =
        std::iter::successors(Some(ended), |_| talk.told()).find(|told| told["method"] == "_glasswork/ended");
    assert!(ended.is_some());
    assert_eq!(talk.told(), None);
    assert_eq!(working.end().code, 0);
    assert!(sockets(&house).is_empty());
}

#[test]
fn clients_of_a_host_that_was_killed_find_the_next_one_and_are_told_to_begin_anew() {
    let house = House::new();
    let model = house.script(ASKS);
    let serving = Serving::start(&house, &model, &[]);
    let socket = sockets(&house).remove(0);
    let (mut one, mut two) = (Talk::to(&socket), Talk::to(&socket));
    let begun = one.ask("_glasswork/new", json!({ "directory": house.work }));
    let session = begun["session"].as_str().unwrap();
    let (first, second) = (one.attach(session, None), two.attach(session, None));
    let mut seqs = [first["seq"].as_u64().unwrap(), second["seq"].as_u64().unwrap()];
    one.ask(
        "_glasswork/prompt",
        json!({ "attachment": first["attachment"], "text": "go" }),
    );
    let call = one.until(&mut seqs[0], "tool_asked")["call"].clone();
    assert_eq!(two.until(&mut seqs[1], "tool_asked")["call"], call);
    assert_eq!(seqs[0], seqs[1]);
    serving.signal(Signal::KILL);
    let (code, _) = serving.end();
    assert_eq!(code, None);
    assert!(std::iter::from_fn(|| one.told()).all(|told| told["method"] == "_glasswork/update"));
    // What it left lies there still, and nobody listens. The next host clears it away.
    assert!(UnixStream::connect(&socket).is_err());
    let serving = Serving::start(&house, &model, &[]);
    let [next] = &sockets(&house)[..] else {
        panic!("one socket: {:?}", sockets(&house))
    };
    assert_ne!(*next, socket);
    let epoch = first["epoch"].as_u64().unwrap();
    let bases: Vec<Value> = seqs
        .into_iter()
        .map(|seq| {
            let mut talk = Talk::to(next);
            talk.attach(session, Some((epoch, seq)));
            let told = talk.told().unwrap();
            assert_eq!(told["method"], "_glasswork/resync", "{told}");
            assert!(told["params"]["epoch"].as_u64().unwrap() > epoch);
            assert!(
                told["params"]["seq"].as_u64().unwrap() >= seq,
                "what was told is on the disk"
            );
            told["params"]["base"].clone()
        })
        .collect();
    assert_eq!(bases[0], bases[1]);
    serving.signal(Signal::INT);
    assert_eq!(serving.end().0, Some(130));
}

#[test]
fn a_host_that_is_told_to_end_waits_for_a_turn_and_has_it_rest_when_that_takes_too_long() {
    let house = House::new();
    let serving = Serving::start(&house, &house.script(ASKS), &["--drain", "0"]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let begun = talk.ask("_glasswork/new", json!({ "directory": house.work }));
    let attached = talk.attach(begun["session"].as_str().unwrap(), None);
    let prompt = json!({ "attachment": attached["attachment"], "text": "go" });
    talk.ask("_glasswork/prompt", prompt);
    let mut seq = attached["seq"].as_u64().unwrap();
    talk.until(&mut seq, "tool_asked");
    serving.signal(Signal::TERM);
    // A call about which somebody is asked is given up, and the turn rests.
    let (mut stopping, mut rests) = (Value::Null, false);
    while stopping.is_null() || !rests {
        let told = talk.told().expect("what the host does");
        if told["method"] == "_glasswork/stopping" {
            stopping = told["params"]["deadline_seconds"].clone();
        }
        let updates = told["params"]["updates"].as_array();
        rests |= updates.is_some_and(|updates| updates.iter().any(|update| update["type"] == "turn_paused"));
    }
    assert_eq!(stopping, 0);
    let (code, notes) = serving.end();
    assert_eq!(code, Some(143));
    assert!(
        notes.starts_with("stopping: 1 turns run and have 0 seconds"),
        "{notes}"
    );
    // The next host lets it go on.
    let serving = Serving::start(&house, &house.script(ASKS), &[]);
    let session = begun["session"].as_str().unwrap();
    let gone_on = house.give(house.command(["attach", session]), "/continue\n");
    assert_eq!((gone_on.code, &*gone_on.out), (0, "done\n"), "{gone_on:?}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
}

#[test]
fn a_directory_that_is_not_safe_stops_a_host_that_serves_and_a_run_goes_on_without_a_socket() {
    let house = House::new();
    let elsewhere = house.home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::create_dir(house.home.path().join("glasswork")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, run(&house)).unwrap();
    let model = house.script(r#"(say: [text("one")])"#);
    let served = house.run(["serve", "--model", &model]);
    assert_eq!(served.code, 1, "{served:?}");
    assert!(served.err.contains("is not used for sockets"), "{}", served.err);
    let ran = house.run(["run", "go", "--model", &model]);
    assert_eq!((ran.code, &*ran.out), (0, "one\n"), "{ran:?}");
    assert!(ran.err.contains("nobody can attach to this run"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}
