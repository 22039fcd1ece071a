//! A home, a workspace, and the binary in them. What a test made is replayed at its end.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take that takes no time; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct House {
    pub(crate) home: tempfile::TempDir,
    pub(crate) work: PathBuf,
    variables: Vec<(String, String)>,
    replays: bool,
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gw-").tempdir().unwrap();
        let work = home.path().join("work");
        for folder in ["work", "tmp", "home"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        let work = work.canonicalize().unwrap();
        Self {
            home,
            work,
            variables: Vec::new(),
            replays: true,
        }
    }

    /// With a variable for every command.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the replay at the end: the test damages a journal.
    pub(crate) fn with_damage(mut self) -> Self {
        self.replays = false;
        self
    }

    /// Writes a script; gives the name of the model that plays it.
    pub(crate) fn script(&self, turns: &str) -> String {
        let text = format!("(turns: [{turns}])");
        let name = format!("{}.ron", blake3::hash(text.as_bytes()).to_hex());
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        format!("scripted/{}", path.display())
    }

    /// A pipe in the workspace, by name.
    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        let path = self.work.join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path();
        let mut all = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("HOME".to_owned(), home.join("home").display().to_string()),
            (
                "GLASSWORK_HOME".to_owned(),
                home.join("glasswork").display().to_string(),
            ),
            ("TMPDIR".to_owned(), home.join("tmp").display().to_string()),
        ];
        all.extend(self.variables.clone());
        all
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glasswork"));
        command
            .args(arguments)
            .current_dir(&self.work)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        done(self.command(arguments).output().unwrap())
    }

    /// A line that `bash` runs.
    pub(crate) fn shell(&self, line: &str) -> Done {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", line])
            .env_clear()
            .envs(self.environment())
            .current_dir(&self.work)
            .stdin(Stdio::null());
        done(shell.output().unwrap())
    }

    /// A turn whose command runs until somebody writes to the pipe.
    pub(crate) fn busy(&self) -> (Working, PathBuf) {
        let (up, go) = (self.pipe("up"), self.pipe("go"));
        let model =
            self.script(r#"(say: [call("bash", (command: "echo up > up; cat go"))]), (say: [text("end")])"#);
        let working = Working::start(self, &model, &["--permission-mode", "yolo"]);
        assert_eq!(hear(&up), "up\n");
        (working, go)
    }

    /// A command that succeeds and prints JSON.
    pub(crate) fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let done = self.run(arguments);
        assert_eq!((done.code, &*done.err), (0, ""), "{}", done.out);
        serde_json::from_str(&done.out).unwrap()
    }

    /// A turn in mode yolo.
    pub(crate) fn yolo(&self, model: &str) -> Done {
        self.run(["run", "go", "--permission-mode", "yolo", "--model", model])
    }

    pub(crate) fn give(&self, mut command: Command, input: &str) -> Done {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The child may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        done(child.wait_with_output().unwrap())
    }

    pub(crate) fn journal(&self) -> PathBuf {
        let mut found = Vec::new();
        journals(&self.home.path().join("glasswork/data/sessions"), &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

impl Drop for House {
    /// Whatever happened to its process: a session loads, and every decision in it is made again as it was.
    fn drop(&mut self) {
        if !self.replays || std::thread::panicking() || !self.home.path().join("glasswork").exists() {
            return;
        }
        let sessions = self.json(["sessions", "list", "--all", "--json"]);
        for session in sessions.as_array().unwrap() {
            let replayed = self.run(["replay", session["id"].as_str().unwrap()]);
            assert_eq!(replayed.code, 0, "{replayed:?}");
        }
    }
}

fn journals(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some(OsStr::new("jsonl")) {
            found.push(path);
        } else if path.is_dir() && !path.with_extension("jsonl").exists() {
            journals(&path, found);
        }
    }
}

pub(crate) fn done(output: Output) -> Done {
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until somebody has written to a pipe, and gives what they wrote.
pub(crate) fn hear(pipe: &Path) -> String {
    let (sender, heard) = mpsc::channel();
    let pipe = pipe.to_owned();
    std::thread::spawn(move || sender.send(fs::read_to_string(pipe).unwrap()));
    heard.recv_timeout(PATIENCE).expect("nobody wrote to the pipe")
}

/// A command that is at work, and what it says, line by line.
pub(crate) struct Working {
    pub(crate) child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Working {
    /// Starts a `run` whose output is a stream of JSON.
    pub(crate) fn start(house: &House, model: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["run", "go", "--model", model, "--output-format", "stream-json"];
        arguments.extend(more);
        let mut child = house
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for an update of this type.
    pub(crate) fn until(&self, kind: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no `{kind}` came"));
            if line["type"] == kind {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Done {
        let output = self.child.wait_with_output().unwrap();
        done(output)
    }
}

fn lines(from: ChildStdout) -> mpsc::Receiver<Value> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}
