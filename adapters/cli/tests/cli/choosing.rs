//! Choosing what a line lacks, at a real terminal (tmux), at one that cannot draw, and where there is none.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use super::attach::Serving;
use super::support::{House, PATIENCE};
use super::terminal::Terminal;

/// A house with files, where a host serves and knows a key.
fn served(turns: &str) -> (House, Serving) {
    let house = House::new().with("ANTHROPIC_API_KEY", "sk-ant-not-a-real-key");
    fs::create_dir(house.work.join("src")).unwrap();
    fs::write(house.work.join("src/parser.rs"), "").unwrap();
    fs::write(house.work.join("b\u{1b}[2Jad"), "").unwrap();
    let model = house.script(turns);
    let serving = Serving::start(&house, &model, &[]);
    (house, serving)
}

/// A person who is attached to a session of their own.
fn attached(house: &House, before: &str) -> Terminal {
    let terminal = Terminal::between(house, before, &["attach", "--new"], "");
    terminal.until("attached to");
    terminal
}

fn say(terminal: &Terminal, line: &str) {
    terminal.press(line);
    terminal.press("Enter");
}

fn setting(house: &House, name: &str) -> Value {
    let query = "{ session(id: \"last\") { settings { name value } } }";
    let answer = house.run(["query", query]);
    let answer: Value = serde_json::from_str(&answer.out).unwrap();
    let settings = answer
        .pointer("/data/session/settings")
        .unwrap()
        .as_array()
        .unwrap();
    let setting = settings.iter().find(|setting| setting["name"] == name).unwrap();
    setting["value"].clone()
}

/// What is done is done by another process: until the record says so.
fn until_set(house: &House, name: &str, right: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    loop {
        let value = setting(house, name);
        if right(&value) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{name} stays {value}");
    }
}

#[test]
fn what_a_line_lacks_is_picked_from_a_list_and_done_as_if_it_were_typed() {
    let (house, serving) = served(r#"(say: [text("I see it.")])"#);
    let terminal = attached(&house, "");
    // What holds now is stood at; what is typed narrows the list.
    say(&terminal, "/mode");
    let screen = terminal.until("/mode MODE: _");
    assert!(
        screen.contains("> * ask") && screen.contains("2 of 5;"),
        "{screen}"
    );
    for key in ["y", "o", "l"] {
        terminal.press(key);
    }
    terminal.until("1 of 1;");
    terminal.press("Enter");
    until_set(&house, "mode", |value| value == "yolo");
    let screen = terminal.until("/mode yolo");
    assert!(!screen.contains("1 of 1;"), "{screen}");

    // A slash alone picks the command; what that lacks is picked next.
    say(&terminal, "/");
    let screen = terminal.until("Do: _");
    assert!(screen.contains("/approve CALL"), "{screen}");
    for key in ["t", "h", "i", "n", "k"] {
        terminal.press(key);
    }
    terminal.until("1 of 1;");
    terminal.press("Enter");
    terminal.until("/thinking LEVEL: _");
    terminal.press("h");
    terminal.press("i");
    terminal.press("g");
    terminal.until("1 of 2;");
    terminal.press("BSpace");
    terminal.press("BSpace");
    terminal.press("BSpace");
    terminal.until("of 7;");
    terminal.press("End");
    terminal.until("7 of 7;");
    terminal.press("Up");
    terminal.until("6 of 7;");
    terminal.press("Enter");
    until_set(&house, "thinking", |value| value == "high");

    // A file, for a prompt. Its name does not command the terminal.
    say(&terminal, "look at @ please");
    let screen = terminal.until("Name the file: _");
    assert!(
        screen.contains("b [2Jad") && screen.contains("src/parser.rs"),
        "{screen}"
    );
    terminal.press("p");
    terminal.press("a");
    terminal.press("r");
    terminal.until("1 of 1;");
    terminal.press("Enter");
    let screen = terminal.until("I see it.");
    assert!(screen.contains("> look at @src/parser.rs please"), "{screen}");

    // Where nothing is picked nothing is done.
    say(&terminal, "/leaf");
    let screen = terminal.until("/leaf ENTRY|start: _");
    assert!(
        screen.contains("start") && screen.contains("look at @src/parser.rs"),
        "{screen}"
    );
    terminal.press("Escape");
    terminal.until("nothing was chosen, and nothing done");
    say(&terminal, "/approve");
    terminal.until("there is nothing to choose");
    terminal.until("CALL is missing");

    say(&terminal, "/model");
    terminal.until("/model MODEL: _");
    for key in ["a", "n", "t", "h", "r", "o", "p", "i", "c", "/"] {
        terminal.press(key);
    }
    terminal.until("anthropic/_");
    terminal.press("Enter");
    until_set(&house, "model", |value| {
        value
            .as_str()
            .is_some_and(|value| value.starts_with("anthropic/"))
    });
    // The line is the person's again, and so is Ctrl-C.
    terminal.until("/model anthropic/");
    terminal.press("C-c");
    terminal.until("code=130");
    serving.signal(Signal::TERM);
    serving.end();
}

#[test]
fn where_nothing_can_be_drawn_the_list_has_numbers() {
    let (house, serving) = served(r#"(say: [text("I see it.")])"#);
    let terminal = attached(&house, "TERM=dumb");
    say(&terminal, "/mode");
    let screen = terminal.until("its number, or another line:");
    for line in ["   1  plan", "   2* ask", "   5  yolo"] {
        assert!(screen.contains(line), "{line} is not in {screen}");
    }
    say(&terminal, "5");
    until_set(&house, "mode", |value| value == "yolo");
    // Any other line is that line.
    say(&terminal, "/mode");
    terminal.until("   5* yolo");
    say(&terminal, "look");
    terminal.until("I see it.");
    say(&terminal, "/detach");
    terminal.until("code=0");

    // And for a program.
    let done = house.give(
        house.command(["attach", "--new"]),
        "/mode\n1\n/speed\nno number\n/speed\n99\n",
    );
    assert!(done.err.contains("   1  plan"), "{done:?}");
    assert!(done.err.contains("   1  standard"), "{done:?}");
    until_set(&house, "mode", |value| value == "plan");
    assert_eq!(setting(&house, "speed"), Value::Null);
    let done = house.give(house.command(["attach", "--new"]), "write to me @ home\n");
    assert_eq!((done.code, &*done.out), (0, "I see it.\n"), "{done:?}");
    // What is read as JSON is told an error instead.
    let done = house.give(house.command(["attach", "--new", "--json"]), "/mode\n");
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.err.contains("MODE is missing") && !done.err.contains("plan\n"),
        "{done:?}"
    );
    serving.signal(Signal::TERM);
    serving.end();
}

#[test]
fn a_list_is_painted_only_where_that_is_wished() {
    let (house, serving) = served(r#"(say: [text("I see it.")])"#);
    for (before, painted) in [("", true), ("NO_COLOR=1", false)] {
        let terminal = attached(&house, before);
        say(&terminal, "/mode");
        terminal.until("/mode MODE: _");
        let screen = terminal.until("2 of 5;");
        assert!(screen.contains("> * ask"), "{screen}");
        let shown = terminal.tmux(["capture-pane", "-p", "-e"]).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(shown.contains("\u{1b}[7m"), painted, "{before}: {shown:?}");
        terminal.press("C-g");
        terminal.until("nothing was chosen");
        say(&terminal, "/detach");
        terminal.until("code=0");
    }
    serving.signal(Signal::TERM);
    serving.end();
}

/// Whoever attaches is shown a past that others wrote: of a terminal nothing of it may make use.
#[test]
fn a_session_that_others_wrote_commands_no_terminal_that_is_attached_to_it() {
    let house = House::new();
    let model = house.script(
        r#"(say: [thinking("\u{9b}2J"), text("\u{1b}]0;owned\u{7}hi \u{1b}[2J"), call("bash", (command: "printf '\\033[2Jred'"))]),
           (say: [text("\u{1b}[8mhidden")]), (say: [text("\u{1b}[2Jnew")])"#,
    );
    assert_eq!(house.yolo(&model).code, 0);
    let serving = Serving::start(&house, &model, &[]);
    let terminal = Terminal::open(&house, &["attach", "last"]);
    terminal.until("attached to");
    say(&terminal, "go");
    let screen = terminal.until("the turn has ended");
    for part in [
        "\\u{1b}]0;owned\\u{7}hi \\u{1b}[2J",
        "\\u{1b}[8mhidden",
        "\\u{1b}[2Jnew",
    ] {
        assert!(screen.contains(part), "{part} is not in {screen}");
    }
    serving.signal(Signal::TERM);
    serving.end();
}
