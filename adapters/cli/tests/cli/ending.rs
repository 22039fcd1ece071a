//! Signals, in every state of a turn: it ends in a named state, with its code, and can be gone on with.

use rustix::process::Signal;

use super::support::{House, Working, hear};

/// Stops a turn in mode yolo at the update `at`.
fn check(house: &House, turns: &str, at: &str, signal: Signal, code: i32) {
    let model = house.script(turns);
    let working = Working::start(house, &model, &["--permission-mode", "yolo"]);
    working.until(at);
    working.signal(signal);
    let result = working.until("result");
    assert_eq!(
        (result["state"].as_str(), result["exit_code"].as_i64()),
        (Some("cancelled"), Some(code.into())),
        "{result:#}"
    );
    let done = working.end();
    assert_eq!(done.code, code, "{turns}: {done:?}");
    assert!(done.err.contains("Ctrl-C once more"), "{}", done.err);
}

const STATES: [(&str, &str); 4] = [
    // Connecting, waiting for the first token, streaming, backing off.
    ("(say: [stall])", "request_prepared"),
    ("(say: [connected, stall])", "request_prepared"),
    (r#"(say: [text("I am about to"), stall])"#, "text"),
    (
        "(first: [(say: [fail(class: rate_limit, retry_after_ms: 60000)])], say: [])",
        "backing_off",
    ),
];

#[test]
fn an_interrupt_cancels_whatever_the_turn_waits_for() {
    let house = House::new();
    for (turns, at) in STATES {
        check(&house, turns, at, Signal::INT, 130);
    }
}

#[test]
fn a_request_to_end_is_heeded_whatever_the_turn_waits_for() {
    let house = House::new();
    for (turns, at) in STATES {
        check(&house, turns, at, Signal::TERM, 143);
    }
    check(&house, STATES[0].0, STATES[0].1, Signal::HUP, 143);
}

/// A process that was ended may yet have to be reaped by its new parent.
fn gone(pid: i32) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "it lives on: {stat}");
}

#[test]
fn a_command_that_never_ends_is_ended_with_all_that_it_started() {
    let house = House::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let up = house.pipe(&format!("up{code}"));
        let turns = format!(
            r#"(say: [call("bash", (command: "setsid sleep 10009 & echo $! > up{code}; sleep 10008"))])"#
        );
        let model = house.script(&turns);
        let working = Working::start(&house, &model, &["--permission-mode", "yolo"]);
        let child: i32 = hear(&up).trim().parse().unwrap();
        working.signal(signal);
        let settled = working.until("tool_settled");
        assert_eq!(settled["state"], "cancelled", "{settled:#}");
        assert_eq!(working.until("result")["exit_code"], code);
        assert_eq!(working.end().code, code);
        let child = rustix::process::Pid::from_raw(child).unwrap();
        assert!(
            rustix::process::test_kill_process(child).is_err(),
            "the child lives on"
        );
    }
}

#[test]
fn the_second_interrupt_leaves_at_once_and_the_session_can_be_gone_on_with() {
    let house = House::new();
    let up = house.pipe("up");
    let turns = r#"
        (say: [call("bash", (command: "trap '' TERM INT; echo $$ > up; while true; do sleep 1000; done"))]),
        (say: [text("I was interrupted.")])"#;
    let model = house.script(turns);
    let mut working = Working::start(&house, &model, &["--permission-mode", "yolo"]);
    let command: i32 = hear(&up).trim().parse().unwrap();
    working.signal(Signal::INT);
    // The program says that it has heard the first before it can hear the second.
    let mut err = std::io::BufReader::new(working.child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    assert!(line.contains("Ctrl-C once more"), "{line}");
    working.signal(Signal::INT);
    assert_eq!(working.end().code, 130);
    gone(command);
    let again = house.run(["run", "go on", "--resume", "last"]);
    assert_eq!(
        (again.code, &*again.out),
        (0, "I was interrupted.\n"),
        "{}",
        again.err
    );
}

#[test]
fn a_killed_process_leaves_a_session_that_can_be_gone_on_with() {
    let house = House::new();
    let (up, _) = (house.pipe("up"), house.pipe("go"));
    let turns = r#"(say: [call("bash", (command: "echo up > up; cat go"))]), (expect: "again", say: [text("Here again.")])"#;
    let model = house.script(turns);
    let working = Working::start(&house, &model, &["--permission-mode", "yolo"]);
    assert_eq!(hear(&up), "up\n");
    working.signal(Signal::KILL);
    assert_eq!(working.end().code, -1);
    let again = house.run(["run", "again", "--resume", "last"]);
    assert_eq!((again.code, &*again.out), (0, "Here again.\n"), "{}", again.err);
    let shown = house.json(["sessions", "show", "last", "--json"]);
    let call = shown["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["type"] == "call")
        .unwrap()
        .clone();
    assert_eq!(call["state"], "unknown_outcome", "{call:#}");
    // Nobody was left to end the command, so whoever goes on with the session does.
    assert!(again.err.contains("a command was still running"), "{}", again.err);
}

#[test]
fn a_full_disk_ends_the_turn_and_spares_what_was_written() {
    let house = House::new();
    // More than the limit that follows, streamed.
    let model = house.script(&format!(r#"(say: [text("{}"), stall])"#, "word ".repeat(20_000)));
    let line = format!(
        "trap '' XFSZ; ulimit -f 30; exec {} run go --model {model}",
        env!("CARGO_BIN_EXE_glasswork")
    );
    let failed = house.shell(&line);
    assert_eq!((failed.code, &*failed.out), (1, ""), "{failed:?}");
    assert!(
        failed.err.contains("error: the journal cannot be written") && failed.err.contains("limit"),
        "{}",
        failed.err
    );
    assert!(failed.err.contains("`glasswork run --resume "), "{}", failed.err);
    let again = house.run([
        "run",
        "again",
        "--resume",
        "last",
        "--model",
        &*house.script(r#"(say: [text("Room again.")])"#),
    ]);
    assert_eq!((again.code, &*again.out), (0, "Room again.\n"), "{}", again.err);
}
