//! A second process: this test binary, told to run one test in another role.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "GLASSWORK_TEST_ROLE";
const DATA: &str = "GLASSWORK_TEST_DATA";

/// What stands before each line that a second process says: the test harness prints beside it.
const SAYS: &str = "\u{1}says:";

/// Plays `role` where this process was started for it, and says whether it was: then the test has no more to do.
pub fn plays(role: &str, part: impl FnOnce(&Path)) -> bool {
    let mine = std::env::var(ROLE).as_deref() == Ok(role);
    if mine {
        part(Path::new(&std::env::var(DATA).unwrap()));
    }
    mine
}

pub fn say(text: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{SAYS}{text}").unwrap();
    out.flush().unwrap();
}

pub struct Second {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// How a second process is started.
pub enum Start {
    Plainly,
    /// With a limit on the length of files, in blocks of 512 bytes, whose signal is ignored.
    WithFileLimit(u32),
    /// As somebody who is not root, if this is root.
    WithoutPrivilege,
}

impl Second {
    /// Starts `test` (its full path within this binary) in `role`.
    pub fn start(test: &str, role: &str, data: &Path, how: &Start) -> Self {
        let binary = std::env::current_exe().unwrap();
        let mut command = match how {
            Start::Plainly => Command::new(binary),
            Start::WithFileLimit(blocks) => {
                let mut shell = Command::new("/bin/sh");
                shell
                    .args([
                        "-c",
                        &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
                    ])
                    .arg(binary);
                shell
            }
            Start::WithoutPrivilege if is_root() => {
                let mut setpriv = Command::new("setpriv");
                setpriv
                    .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                    .arg(binary);
                setpriv
            }
            Start::WithoutPrivilege => Command::new(binary),
        };
        let mut child = command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DATA, data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing it says; `None` once it has ended.
    pub fn hear(&mut self) -> Option<String> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    /// Lets it go on, if it waits for [`go_on`].
    pub fn let_go_on(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Kills it as a kernel out of memory would.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let rest = std::iter::from_fn(|| self.hear()).collect();
        self.child.wait().unwrap();
        rest
    }

    /// Waits for its end, which must be a good one.
    pub fn end(mut self) -> Vec<String> {
        self.let_go_on();
        let said = std::iter::from_fn(|| self.hear()).collect();
        let Self { child, .. } = self;
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "the second process failed: {said:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }
}

/// Waits until the first process lets this one go on.
pub fn go_on() {
    let mut nothing = String::new();
    std::io::stdin().read_line(&mut nothing).unwrap();
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
