//! Many clients at the socket of a host in a process of its own: how much memory each takes there, and how long it takes
//! until the last of them has been told of a commit.
//!
//! `cargo bench -p glasswork-rpc --bench clients [-- COMMITS]`: how many, 5,000 unless it is said.

// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_client::directory::{Card, Directory};
use glasswork_query::Graph;
use glasswork_rpc::socket::host::{Offer, Socket};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;
use serde_json::{Value, json};

/// The directory of the socket, in the environment of the host's process.
const PLACE: &str = "GLASSWORK_BENCH_PLACE";
const SCRIPT: &str = r#"(turns: [(say: [text("done")])])"#;
const AT_ONCE: u64 = 250;

fn main() {
    if let Ok(place) = std::env::var(PLACE) {
        return host(Path::new(&place));
    }
    let commits: u64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(5_000);
    let mut alone = None;
    for clients in [1, 10, 100] {
        let seen = run(clients, commits);
        let alone = *alone.get_or_insert(seen.each);
        println!(
            "{clients} clients: {:.1} KiB each where they are idle, {:.1} KiB after {commits} commits; {:.1} µs per commit \
             until the last has it ({:.2} × one client's); {:.0} KiB before the first came; {} commits in gaps",
            seen.idle,
            seen.after,
            seen.each,
            seen.each / alone,
            seen.before,
            seen.gaps
        );
    }
}

/// A host that says its socket and its session, then makes as many commits as it is told, and says that it has.
#[tokio::main]
async fn host(place: &Path) {
    let house = House::of_script(SCRIPT).await;
    let session = house.session(House::settings(Mode::Ask)).await;
    let card = Card {
        host: house.runtime().host_id().to_string(),
        pid: std::process::id(),
        version: "1".to_owned(),
        command: "serve".to_owned(),
        directory: "/".to_owned(),
    };
    let clients = Attachments::new(house.shared(), Limits::default());
    let graph = Graph::new(house.runtime().reader().clone());
    let offer = Offer {
        clients,
        graph,
        card: Arc::new(card),
        house: None,
    };
    let socket = Socket::open(Directory::open(place).unwrap(), offer).unwrap();
    println!("{} {session}", socket.name());
    loop {
        let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
        let Some(Ok(line)) = line.await.unwrap() else {
            break;
        };
        for _ in 0..line.parse::<u64>().unwrap() / AT_ONCE {
            let mut doing = tokio::task::JoinSet::new();
            for number in 0..AT_ONCE {
                let runtime = house.shared();
                doing.spawn(async move {
                    let title = format!("A title of some length, number {number}");
                    runtime.rename(session, &title).await.unwrap();
                });
            }
            while let Some(done) = doing.join_next().await {
                done.unwrap();
            }
        }
    }
    socket.close().await;
    house.close().await;
}

struct Seen {
    /// The host's memory before anybody came, in KiB.
    before: f64,
    /// What each client adds as soon as it is attached, in KiB.
    idle: f64,
    /// The same after the commits.
    after: f64,
    /// Microseconds per commit until every client has it.
    each: f64,
    gaps: u64,
}

fn run(clients: usize, commits: u64) -> Seen {
    let commits = commits / AT_ONCE * AT_ONCE;
    let place = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(PLACE, place.path().join("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tell = child.stdin.take().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let (name, session) = said.trim().split_once(' ').unwrap();
    let path = place.path().join("run").join(format!("{name}.sock"));
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
    };
    let before = resident();
    let streams: Vec<_> = (0..clients).map(|_| attach(&path, session)).collect();
    let idle = (resident() - before) / clients as f64;
    let ready = Arc::new(Barrier::new(clients + 1));
    let readers: Vec<_> = streams
        .into_iter()
        .map(|(mut stream, begun)| {
            let ready = Arc::clone(&ready);
            std::thread::spawn(move || {
                ready.wait();
                let gaps = read(&mut stream, begun + commits);
                // The connection stays until the host's memory was read.
                (stream, gaps)
            })
        })
        .collect();
    ready.wait();
    let time = Instant::now();
    writeln!(tell, "{commits}").unwrap();
    let done: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    let each = time.elapsed().as_secs_f64() * 1e6 / commits as f64;
    let after = (resident() - before) / clients as f64;
    let gaps = done.iter().map(|(_, gaps)| gaps).sum();
    drop(done);
    drop(tell);
    assert!(child.wait().unwrap().success());
    Seen {
        before,
        idle,
        after,
        each,
        gaps,
    }
}

fn attach(path: &Path, session: &str) -> (BufReader<UnixStream>, u64) {
    let mut stream = BufReader::new(UnixStream::connect(path).unwrap());
    let attach = json!({ "session": session, "name": "bench", "role": "observer" });
    let attached = ask(&mut stream, "_glasswork/attach", &attach);
    let subscribe = json!({ "attachment": attached["attachment"] });
    ask(&mut stream, "_glasswork/subscribe", &subscribe);
    (stream, attached["seq"].as_u64().unwrap())
}

fn ask(stream: &mut BufReader<UnixStream>, method: &str, params: &Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    stream
        .get_mut()
        .write_all(format!("{request}\n").as_bytes())
        .unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// Reads until a commit was told of, or lay in a gap; gives how many did.
fn read(stream: &mut BufReader<UnixStream>, last: u64) -> u64 {
    let (mut seen, mut gaps) = (0, 0);
    let mut line = String::new();
    while seen < last {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the host has gone");
        let told: Value = serde_json::from_str(&line).unwrap();
        let params = &told["params"];
        if told["method"] == "_glasswork/gap" {
            seen = params["to"].as_u64().unwrap();
            gaps += seen - params["from"].as_u64().unwrap() + 1;
        } else if let Some(seq) = params["seq"].as_u64() {
            seen = seq;
        }
    }
    gaps
}
