//! A second process: this test binary, told to run one test in another role, in a home.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::kill::Kill;

const ROLE: &str = "GLASSWORK_TEST_ROLE";
const HOME: &str = "GLASSWORK_TEST_HOME";

/// What stands before each line that a second process says: the test harness prints beside it.
const SAYS: &str = "\u{1}says:";

/// Plays `role` where this process was started for it, and says whether it was: then the test has no more to do.
pub(crate) async fn plays(role: &str, part: impl AsyncFnOnce(&Path)) -> bool {
    let mine = std::env::var(ROLE).as_deref() == Ok(role);
    if mine {
        part(Path::new(&std::env::var(HOME).unwrap())).await;
    }
    mine
}

/// Tells the first process. What was told must be there afterwards.
pub(crate) fn say(text: impl std::fmt::Display) {
    use std::io::Write;
    // In one write, so that a kill leaves whole lines.
    let line = format!("\n{SAYS}{text}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A second process at work.
pub(crate) struct Second(Child);

/// What a second process said, and how it ended.
pub(crate) struct Said {
    /// Its words, in order.
    pub lines: Vec<String>,
    /// Whether it was killed; else it came to its end.
    pub killed: bool,
}

impl Said {
    /// All that it said after this word.
    pub(crate) fn all(&self, word: &str) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().filter_map(|line| line.split_once(' '));
        lines.filter_map(move |(first, rest)| (first == word).then_some(rest))
    }
}

impl Second {
    /// Starts `test` (its full path within this binary) in `role`, to be killed so.
    pub(crate) fn start(test: &str, role: &str, home: &Path, kill: Option<Kill>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(HOME, home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(kill) = kill {
            kill.put_into(&mut command);
        }
        Self(command.spawn().unwrap())
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Said {
        let output = self.0.wait_with_output().unwrap();
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
