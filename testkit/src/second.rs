//! A second process: this test binary, told to run one test in another role, in a home.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROLE: &str = "GLASSWORK_TEST_ROLE";
const HOME: &str = "GLASSWORK_TEST_HOME";

/// What stands before each line that a second process says: the test harness prints beside it.
const SAYS: &str = "\u{1}says:";

/// Plays `role` where this process was started for it, and says whether it was: then the test has no more to do.
///
/// # Panics
/// Where it was started without a home.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
pub async fn plays(role: &str, part: impl AsyncFnOnce(&Path)) -> bool {
    let mine = std::env::var(ROLE).as_deref() == Ok(role);
    if mine {
        part(Path::new(&std::env::var(HOME).expect("a home"))).await;
    }
    mine
}

/// Tells the first process. What was told must be there afterwards.
///
/// # Panics
/// Where nobody listens.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
pub fn say(text: impl std::fmt::Display) {
    // In one write, so that a kill leaves whole lines.
    let line = format!("\n{SAYS}{text}\n");
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).expect("somebody listens");
}

/// A second process at work.
#[derive(Debug)]
pub struct Second(Child);

/// What a second process said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its words, in order.
    pub lines: Vec<String>,
    /// Whether it was killed; else it came to its end.
    pub killed: bool,
}

impl Said {
    /// All that it said after this word.
    pub fn all(&self, word: &str) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().filter_map(|line| line.split_once(' '));
        lines.filter_map(move |(first, rest)| (first == word).then_some(rest))
    }
}

/// What starts `test` (its full path within this binary) in `role`.
///
/// # Panics
/// Where this binary cannot be found.
#[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
#[must_use]
pub fn command(test: &str, role: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(HOME, home);
    command
}

/// Has another program start this one, with its words behind that program's own.
#[must_use]
pub fn through(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        outer.env(name, value.unwrap_or(OsStr::new("")));
    }
    outer
}

impl Second {
    /// Starts it.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command.spawn().expect("a second process"))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it has failed.
    #[allow(clippy::expect_used, reason = "a test kit fails by panicking")]
    #[must_use]
    pub fn end(self) -> Said {
        let output = self.0.wait_with_output().expect("a second process");
        let killed = output.status.signal() == Some(9);
        let lines = String::from_utf8_lossy(&output.stdout);
        let said = Said {
            lines: lines
                .lines()
                .filter_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
                .collect(),
            killed,
        };
        assert!(
            killed || output.status.success(),
            "the second process failed: {:?}\n{}\n{lines}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
        );
        said
    }
}
