//! Picking a session at a real terminal (tmux).

use super::support::House;
use super::terminal::Terminal;

/// A house in whose workspace several sessions were held.
fn lived_in() -> (House, String) {
    let house = House::new();
    let model = house.script(r#"(say: [text("first")]), (say: [text("second")]), (say: [text("third")])"#);
    for words in [
        "Fix the parser",
        "Write the docs",
        "\u{1b}[2J\u{1b}]0;owned\u{7}Clean up",
    ] {
        assert_eq!(house.run(["run", words, "--model", &model]).code, 0);
    }
    (house, model)
}

/// How the terminal is set, for the shell to say.
const STTY: &str = "stty -a | tr ';' '\\n' | grep -c -w -e icanon -e echo -e isig | sed 's/^/modes=/';";

#[test]
fn a_session_is_picked_by_typing_and_goes_on() {
    let (house, _) = lived_in();
    let terminal = Terminal::then(&house, &["resume"], STTY);
    let screen = terminal.until("1 of 3");
    for text in [
        "created (UTC)",
        "msgs",
        "completed",
        "scripted/",
        "> ",
        "Fix the parser",
        "Write the docs",
    ] {
        assert!(screen.contains(text), "{text} is not in {screen}");
    }
    // What was said in a session does not command the terminal.
    assert!(
        screen.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}Clean up"),
        "{screen}"
    );
    terminal.press("Tab");
    terminal.until("Tab: by created");
    terminal.press("Down");
    terminal.until("2 of 3");
    terminal.press("p");
    terminal.press("a");
    terminal.press("r");
    terminal.press("s");
    terminal.until("1 of 1");
    terminal.press("x");
    terminal.until("no session is called so");
    terminal.press("BSpace");
    terminal.until("1 of 1");
    terminal.press("Enter");
    let screen = terminal.until("What is to be done?");
    assert!(screen.contains("Fix the parser"), "{screen}");
    terminal.press("More");
    terminal.press("Enter");
    let screen = terminal.until("modes=");
    assert!(screen.contains("second") && screen.contains("code=0"), "{screen}");
    let rows = house.json(["sessions", "list", "--json"]);
    assert_eq!(
        (&rows[0]["first_words"], &rows[0]["messages"]),
        (&"Fix the parser".into(), &4.into())
    );
}

#[test]
fn whoever_picks_nothing_gets_the_terminal_back() {
    let (house, _) = lived_in();
    let before = Terminal::then(&house, &["--version"], STTY).until("modes=");
    let modes = before
        .lines()
        .find(|line| line.starts_with("modes="))
        .unwrap()
        .to_owned();
    let check = |end: &dyn Fn(&Terminal), code: &str| {
        let terminal = Terminal::then(&house, &["resume"], STTY);
        terminal.until("1 of 3");
        end(&terminal);
        let screen = terminal.until("modes=");
        assert!(
            screen.contains(code) && screen.contains(&modes),
            "{modes}: {screen}"
        );
        // The list is gone with the screen on which it was drawn.
        assert!(!screen.contains("1 of 3"), "{screen}");
    };
    check(&|terminal| terminal.press("Escape"), "code=130");
    check(&|terminal| terminal.press("C-c"), "code=130");
    let terminate = |terminal: &Terminal| {
        let pane = terminal
            .tmux(["display-message", "-p", "#{pane_pid}"])
            .output()
            .unwrap();
        let shell = String::from_utf8(pane.stdout).unwrap();
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let child = std::fs::read_to_string(children).unwrap();
        let pid = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    };
    check(&terminate, "code=143");
}

#[test]
fn what_could_be_several_is_picked_from_those() {
    let (house, model) = lived_in();
    let terminal = Terminal::open(&house, &["run", "Again", "--model", &model, "--resume", "the"]);
    let screen = terminal.until("1 of 2");
    assert!(!screen.contains("Clean up"), "{screen}");
    terminal.press("Enter");
    let screen = terminal.until("code=");
    assert!(screen.contains("second") && screen.contains("code=0"), "{screen}");
}
