//! A person at a real terminal (tmux): asked before anything is done, and heard at once.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::support::{House, PATIENCE};

static OPENED: AtomicU32 = AtomicU32::new(0);

/// A terminal in which one command runs.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    pub(crate) fn open(house: &House, arguments: &[&str]) -> Self {
        Self::then(house, arguments, "")
    }

    /// With something for the shell to do afterwards.
    pub(crate) fn then(house: &House, arguments: &[&str], afterwards: &str) -> Self {
        Self::between(house, "", arguments, afterwards)
    }

    /// With something for the shell to do before and afterwards.
    pub(crate) fn between(house: &House, before: &str, arguments: &[&str], afterwards: &str) -> Self {
        let terminal = Self {
            // Of its own: the server of an earlier one may still be on its way out.
            socket: house
                .home
                .path()
                .join(format!("tmux-{}", OPENED.fetch_add(1, Ordering::Relaxed)))
                .display()
                .to_string(),
        };
        let quoted: Vec<_> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
        let line = format!(
            "trap : INT; {before} '{}' {}; echo \"code=$?\"; {afterwards}",
            env!("CARGO_BIN_EXE_glasswork"),
            quoted.join(" ")
        );
        glasswork_testkit::programs::ensure("tmux", "tmux");
        let mut tmux = terminal.tmux(["-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50"]);
        tmux.env_clear()
            .envs(house.environment())
            .env("TERM", "xterm-256color")
            .current_dir(&house.work);
        for (name, value) in house.environment() {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        let status = tmux.args(["sh", "-c", &format!("{line} read wait")]).status();
        assert!(status.expect("these tests need tmux").success());
        terminal
    }

    pub(crate) fn tmux<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-S", &self.socket]).args(arguments);
        tmux
    }

    pub(crate) fn screen(&self) -> String {
        let output = self.tmux(["capture-pane", "-p", "-J"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen shows this.
    pub(crate) fn until(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "`{text}` does not come:\n{screen}");
            // tmux has no way to wait for content; it is asked again.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn press(&self, key: &str) {
        assert!(self.tmux(["send-keys", key]).status().unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(["kill-server"]).status();
    }
}

const ASKS: &str = r#"
    (say: [call("bash", (command: "echo one >> log\nprintf '\\033[8m' # hidden"))]),
    (say: [text("On it went.")])"#;

fn asked(house: &House) -> Terminal {
    let model = house.script(ASKS);
    let terminal = Terminal::open(house, &["run", "go", "--model", &model]);
    let screen = terminal.until("[y/n]");
    for text in [
        "May this call of `bash` run?",
        "  | echo one >> log",
        "  | printf '\\033[8m' # hidden",
        "rule ask.change",
    ] {
        assert!(screen.contains(text), "{text} is not in {screen}");
    }
    assert!(
        !house.work.join("log").exists(),
        "it was run before anybody said so"
    );
    terminal
}

/// Changes how long a file may be that the program writes.
fn limit(model: &str, bytes: &str) {
    let found = Command::new("pgrep")
        .args(["-f", &format!("glasswork run go --model {model}")])
        .output()
        .unwrap();
    let pid = String::from_utf8(found.stdout)
        .unwrap()
        .lines()
        .next_back()
        .unwrap()
        .to_owned();
    let limited = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={bytes}:")])
        .status();
    assert!(limited.unwrap().success());
}

#[test]
fn what_was_shown_is_kept_in_memory_until_the_disk_is_well() {
    let house = House::new();
    let model = house.script(ASKS);
    let arguments = ["run", "go", "--model", &*model];
    // Without this the system ends a program that writes too much.
    let terminal = Terminal::between(&house, "trap '' XFSZ;", &arguments, "");
    terminal.until("[y/n]");
    limit(&model, "1");
    terminal.press("y");
    terminal.press("Enter");
    let screen = terminal.until("the last of what you saw is in memory alone");
    assert!(
        screen.contains("make room, and it is written; Ctrl-C gives it up"),
        "{screen}"
    );
    limit(&model, "unlimited");
    let screen = terminal.until("code=1");
    assert!(
        screen.contains("the disk takes lines again, and has all that you saw"),
        "{screen}"
    );
    let id = house.json(["sessions", "list", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        screen.contains(&format!("`glasswork run --resume {id}` goes on")),
        "{screen}"
    );
    let again = house.run(["run", "again", "--resume", &*id, "--model", &*model]);
    assert_eq!((again.code, &*again.out), (0, "On it went.\n"), "{}", again.err);
}

#[test]
fn yes_lets_it_run() {
    let house = House::new();
    let terminal = asked(&house);
    terminal.press("maybe");
    terminal.press("Enter");
    terminal.until("Type y to let it run");
    terminal.press("y");
    terminal.press("Enter");
    let screen = terminal.until("code=");
    assert!(
        screen.contains("On it went.") && screen.contains("code=0"),
        "{screen}"
    );
    assert_eq!(std::fs::read_to_string(house.work.join("log")).unwrap(), "one\n");
}

#[test]
fn no_does_not() {
    let house = House::new();
    let terminal = asked(&house);
    terminal.press("n");
    terminal.press("Enter");
    let screen = terminal.until("code=");
    assert!(
        screen.contains("On it went.") && screen.contains("a person said no") && screen.contains("code=0"),
        "{screen}"
    );
    assert!(!house.work.join("log").exists());
}

#[test]
fn an_interrupt_is_an_answer_too() {
    let house = House::new();
    let terminal = asked(&house);
    terminal.press("C-c");
    let screen = terminal.until("code=");
    assert!(
        screen.contains("cancelled") && screen.contains("code=130"),
        "{screen}"
    );
    assert!(!house.work.join("log").exists());
    assert_eq!(
        house.json(["sessions", "show", "last", "--json"])["status"]["turn"]["state"],
        "cancelled"
    );
}

#[test]
fn an_interrupt_stops_an_answer_that_never_ends() {
    let house = House::new();
    let model = house.script(r#"(say: [text("I am thinking about"), stall])"#);
    let terminal = Terminal::open(&house, &["run", "go", "--model", &model]);
    terminal.until("I am thinking about");
    terminal.press("C-c");
    terminal.until("code=130");
}

#[test]
fn the_trash_is_emptied_by_a_y_and_by_nothing_else() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Said.")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    assert_eq!(house.run(["sessions", "trash", "last"]).code, 0);
    let rows = || {
        house
            .json(["sessions", "trash", "--json"])
            .as_array()
            .unwrap()
            .len()
    };
    let answer = |keys: &[&str]| {
        let terminal = Terminal::open(&house, &["sessions", "trash", "--empty"]);
        let asked = terminal.until("[y/N]");
        assert!(asked.contains("for good?"), "{asked}");
        assert_eq!(rows(), 1, "nothing is removed before somebody says so");
        for key in keys {
            terminal.press(key);
        }
        terminal.until("code=")
    };
    for no in [
        &["n", "Enter"][..],
        &["Enter"],
        &["m", "a", "y", "Enter"],
        &["C-d"],
        &["C-c"],
    ] {
        let screen = answer(no);
        assert!(!screen.contains("1 removed"), "{no:?}: {screen}");
        assert_eq!(rows(), 1, "{no:?}");
    }
    let screen = answer(&["y", "Enter"]);
    assert!(
        screen.contains("1 removed.") && screen.contains("code=0"),
        "{screen}"
    );
    assert_eq!(rows(), 0);
}

#[test]
fn an_archive_does_not_go_to_a_terminal() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Said.")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let terminal = Terminal::open(&house, &["sessions", "export", "last", "-o", "-"]);
    let screen = terminal.until("code=");
    assert!(
        screen.contains("an archive is no text") && screen.contains("code=2"),
        "{screen}"
    );
}
