//! The whole program, as a person starts it: how soon it asks the model, what it takes, what it adds to each step.
//!
//! ```text
//! cargo build --release -p glasswork-cli
//! cargo bench -p glasswork-app-runtime --bench process
//! ```
//!
//! The program is the one that was built in the same profile; `GLASSWORK=path` names another. The model is a server
//! on the loopback, in this process. Homes are made in `TMPDIR`, so that decides which disk is synced.

// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use glasswork_ai::scripted::Script;
use glasswork_ai::wire::Wire;
use glasswork_app_runtime::archive::Archive as _;
use glasswork_app_runtime::files::FileArchive;
use glasswork_engine::EffectKey;
use glasswork_engine::trace::{EffectPhase, TraceRecord};
use glasswork_session_state::effect::Effect;
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};

const RUNS: usize = 15;
const DELTAS: usize = 20_000;
const STEPS: usize = 100;

fn main() {
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let disk = std::env::temp_dir();
    let memory = Path::new("/dev/shm");
    println!("{}, homes in {}", program().display(), disk.display());
    tasks.block_on(async {
        start(&disk).await;
        if memory.is_dir() {
            start(memory).await;
        }
        deltas().await;
    });
    start_over_tls(&disk);
    steps(&disk);
    if memory.is_dir() {
        steps(memory);
    }
    synced(&disk);
}

/// The program of the same profile: benches lie in `deps`, beside it.
fn program() -> PathBuf {
    std::env::var_os("GLASSWORK").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            own.parent().unwrap().with_file_name("glasswork")
        },
        PathBuf::from,
    )
}

/// A person's home, with nothing in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new(parent: &Path) -> Self {
        let home = tempfile::Builder::new().prefix("gw-").tempdir_in(parent).unwrap();
        ["work", "tmp", "home"]
            .iter()
            .for_each(|folder| fs::create_dir(home.path().join(folder)).unwrap());
        Self(home)
    }

    /// `glasswork run`, with a server where the model needs one.
    fn run(&self, model: &str, server: Option<&str>) -> Command {
        let home = self.0.path();
        let mut command = Command::new(program());
        command
            .args(["run", "go", "--permission-mode", "yolo", "--model", model])
            .current_dir(home.join("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home.join("home"))
            .env("GLASSWORK_HOME", home.join("glasswork"))
            .env("TMPDIR", home.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(url) = server {
            command.env("OPENAI_BASE_URL", url).env("OPENAI_API_KEY", "none");
        }
        command
    }

    /// A model that plays this script within the program.
    fn scripted(&self, script: &str) -> String {
        let path = self.0.path().join("script.ron");
        fs::write(&path, script).unwrap();
        format!("scripted/{}", path.display())
    }
}

const SERVED: &str = "openai/some-model";

/// From the start of the process until the server has its request; and what the process has become by then.
async fn start(parent: &Path) {
    let (mut took, mut busy, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let home = Home::new(parent);
        let server = ModelServer::start(Answers::replies([Reply::never()]))
            .await
            .unwrap();
        let mut command = home.run(SERVED, Some(&server.url()));
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        server.until_received(1).await;
        took.push(millis(begun.elapsed()));
        busy.push(processor(&child));
        memory.push(most_memory(&child));
        end(&mut child);
    }
    let place = parent.display();
    show(
        &format!("start to first request, home in {place}"),
        "ms",
        &mut took,
    );
    show("  of that on processors", "ms CPU", &mut busy);
    show("  the process by then", "MiB", &mut memory);
}

/// From the start of the process until a server hears the first byte of TLS: certificates are found by then.
fn start_over_tls(parent: &Path) {
    let (mut took, mut busy, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let home = Home::new(parent);
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", server.local_addr().unwrap());
        let mut command = home.run(SERVED, Some(&url));
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let (mut connection, _) = server.accept().unwrap();
        connection.read_exact(&mut [0]).unwrap();
        took.push(millis(begun.elapsed()));
        busy.push(processor(&child));
        memory.push(most_memory(&child));
        end(&mut child);
    }
    show("start to first byte of TLS", "ms", &mut took);
    show("  of that on processors", "ms CPU", &mut busy);
    show("  the process by then", "MiB", &mut memory);
}

/// What 20,000 deltas cost, beyond the same text in one.
async fn deltas() {
    let letters = "x".repeat(DELTAS);
    let script = |chunk: usize| {
        format!(r#"(chunk: {chunk}, turns: [(say: [text("{letters}"), call("ls", ())]), (say: [stall])])"#)
    };
    let (mut tiny, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        tiny.push(served(&script(1)).await);
        whole.push(served(&script(DELTAS)).await);
    }
    let mut more: Vec<_> = tiny
        .iter()
        .zip(&whole)
        .map(|(tiny, whole)| tiny - whole)
        .collect();
    show("20,000 deltas", "ms CPU", &mut tiny);
    show("the same text in one", "ms CPU", &mut whole);
    show("  the difference, pair by pair", "ms CPU", &mut more);
}

/// Time on processors until the second request, in milliseconds. The process is held there, so its threads can be
/// asked, to the nanosecond.
async fn served(script: &str) -> f64 {
    let home = Home::new(&std::env::temp_dir());
    let script = Script::parse(script).unwrap();
    let server = ModelServer::start(Answers::Script(Wire::OpenAiCompatible, script))
        .await
        .unwrap();
    let mut child = home.run(SERVED, Some(&server.url())).spawn().unwrap();
    server.until_received(2).await;
    let millis = processor(&child);
    end(&mut child);
    millis
}

/// What the threads that a process has now have spent on processors, in milliseconds.
fn processor(child: &Child) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let nanos = tasks.map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    nanos.sum::<f64>() / 1e6
}

/// What a step of a turn takes besides the model and the tool, as the traces have it.
fn steps(parent: &Path) {
    // Each call names the folder in a way of its own: a model that asks the same again and again is stopped.
    let calls: String = (0..STEPS)
        .map(|step| format!(r#"(say: [call("ls", (path: ".{}"))]),"#, "/.".repeat(step)))
        .collect();
    let script = format!(r#"(turns: [{calls} (say: [text("done")])])"#);
    let mut overhead = Vec::new();
    for _ in 0..5 {
        let home = Home::new(parent);
        assert!(
            home.run(&home.scripted(&script), None)
                .status()
                .unwrap()
                .success()
        );
        overhead.extend(beside(&home.0.path().join("glasswork/data")));
    }
    show(
        &format!("overhead of a step, home in {}", parent.display()),
        "ms",
        &mut overhead,
    );
}

/// For each step of the only session, from one call of the model to the next, the time in which neither the model
/// nor a tool worked; in milliseconds.
fn beside(data: &Path) -> Vec<f64> {
    let archive = FileArchive::open(data).unwrap();
    let session = archive.list().unwrap()[0].id;
    let commits = archive.commits(session, 1..=u64::MAX).unwrap();
    let effect = |key: EffectKey| {
        let commit = &commits[usize::try_from(key.seq).unwrap() - 1];
        &commit.effects[usize::from(key.ordinal)]
    };
    let (mut begun, mut worked, mut called) = (BTreeMap::new(), 0, None);
    let mut steps = Vec::new();
    for record in archive.traces(session).unwrap() {
        let TraceRecord::Effect(trace) = &*record else {
            continue;
        };
        let (key, now) = (trace.effect, trace.at.0);
        match (trace.phase, effect(key)) {
            (EffectPhase::Started, Effect::CallModel { .. }) => {
                if let Some(before) = called.replace(now) {
                    steps.push((now - before - worked) as f64 / 1_000.0);
                }
                worked = 0;
                begun.insert(key, now);
            }
            (EffectPhase::Started, Effect::RunTool { .. }) => {
                begun.insert(key, now);
            }
            (EffectPhase::Finished, _) => {
                worked += begun.remove(&key).map_or(0, |begun| now - begun);
            }
            _ => {}
        }
    }
    steps
}

/// What the disk takes for a sync of one appended line.
fn synced(parent: &Path) {
    let folder = tempfile::tempdir_in(parent).unwrap();
    let mut file = File::create(folder.path().join("lines")).unwrap();
    let mut took: Vec<_> = (0..100)
        .map(|_| {
            file.write_all(&[b'x'; 600]).unwrap();
            let begun = Instant::now();
            file.sync_data().unwrap();
            millis(begun.elapsed())
        })
        .collect();
    show("a bare sync of a line, same disk", "ms", &mut took);
}

/// The most memory that a process has had so far, in MiB.
fn most_memory(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn show(what: &str, unit: &str, figures: &mut [f64]) {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    let median = figures[figures.len() / 2];
    let high = figures[figures.len() * 9 / 10];
    println!("{what:46} median {median:8.2} {unit}   ({least:.2}–{most:.2}, nine of ten ≤ {high:.2})");
}
