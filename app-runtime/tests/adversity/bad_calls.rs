//! Calls that cannot or must not run: each is settled in a named state, the model is told why, the turn goes on.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use glasswork_agent_core::tool_call::State as Call;
use glasswork_agent_core::turn::State;
use glasswork_agent_session::blobs;
use glasswork_app_runtime::ending::{self, ExitCode};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

use crate::support::{calls, flag, told};

/// Tool, arguments as the model writes them, where the call ends, and what the model is told.
type Row<'a> = (&'a str, &'a str, Call, &'a str);

/// Has the model make all these calls in one answer, and checks each.
async fn check(house: &House, rows: &[Row<'_>], text: &str) -> glasswork_engine::ScopeId {
    let session = house.session(House::settings(Mode::Yolo)).await;
    let end = house.turn(session, "go").await;
    assert_eq!(
        (end.state, end.failure, end.text.as_str()),
        (State::Completed, None, text)
    );
    let now = house.now(session);
    let calls = calls(&now);
    assert_eq!(calls.len(), rows.len());
    for ((tool, arguments, state, said), call) in rows.iter().zip(&calls) {
        let told = told(&now, call);
        assert_eq!(call.state, *state, "{tool} {arguments}: {told}");
        assert!(told.contains(said), "{tool} {arguments}: {told}");
        assert_eq!(
            call.outcome.as_ref().unwrap().is_error,
            *state != Call::Succeeded,
            "{tool} {arguments}"
        );
    }
    assert_eq!(ending::of_last_turn(&now), ExitCode::Done);
    session
}

fn script(rows: &[Row<'_>]) -> String {
    let calls: Vec<_> = rows
        .iter()
        .map(|(tool, arguments, ..)| format!("call_json({tool:?}, {arguments:?})"))
        .collect();
    format!(
        r#"(turns: [(say: [{}]), (say: [text("noted")])])"#,
        calls.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_tool_can_do_is_told_and_the_turn_goes_on() {
    let nested = format!(r#"{{"command": {}1{}}}"#, "[".repeat(4000), "]".repeat(4000));
    let long = format!(r#"{{"path": "{}"}}"#, "a".repeat(5000));
    let rows: &[Row<'_>] = &[
        // No such tool, no such arguments.
        ("nosuch", "{}", Call::Failed, "nosuch"),
        ("", "{}", Call::Failed, "no tool"),
        ("Bash", r#"{"command": "true"}"#, Call::Failed, "bash"),
        ("bash", "not json", Call::Failed, "JSON"),
        ("bash", "", Call::Failed, "JSON"),
        ("bash", "null", Call::Failed, "object"),
        ("bash", r#"{"command": "touch ran""#, Call::Failed, "JSON"),
        ("bash", r#"{"command": "touch ran"} x"#, Call::Failed, "JSON"),
        (
            "bash",
            r#"{"command": "touch ran", "command": "touch ran"}"#,
            Call::Failed,
            "twice",
        ),
        (
            "bash",
            r#"{"command": "touch ran", "cwd": "/"}"#,
            Call::Failed,
            "cwd",
        ),
        (
            "bash",
            r#"{"command": ["touch", "ran"]}"#,
            Call::Failed,
            "command",
        ),
        (
            "bash",
            r#"{"command": "touch ran", "timeout": "5"}"#,
            Call::Failed,
            "timeout",
        ),
        (
            "bash",
            r#"{"command": "touch ran", "timeout": -1}"#,
            Call::Failed,
            "timeout",
        ),
        (
            "bash",
            r#"{"command": "touch ran", "timeout": 1e300}"#,
            Call::Failed,
            "timeout",
        ),
        ("bash", &nested, Call::Failed, ""),
        ("bash", "{\"command\": \"touch ran\\u0000\"}", Call::Failed, "NUL"),
        ("graph", r#"{"query": 5}"#, Call::Failed, "fit"),
        // Paths that lead nowhere.
        ("read", r#"{"path": ""}"#, Call::Failed, "empty"),
        ("read", r#"{"path": "a\u0000b"}"#, Call::Failed, "NUL"),
        ("read", r#"{"path": "circle"}"#, Call::Failed, "circle"),
        (
            "read",
            r#"{"path": "text/below"}"#,
            Call::Failed,
            "not a directory",
        ),
        ("read", &long, Call::Failed, ""),
        ("read", r#"{"path": "absent"}"#, Call::Failed, "absent"),
        // Things that are no text.
        ("read", r#"{"path": "folder"}"#, Call::Failed, "directory"),
        ("read", r#"{"path": "pipe"}"#, Call::Failed, "named pipe"),
        ("read", r#"{"path": "/dev/zero"}"#, Call::Failed, "device"),
        ("read", r#"{"path": "binary"}"#, Call::Failed, "binary"),
        ("read", r#"{"path": "huge"}"#, Call::Failed, ""),
        ("read", r#"{"path": "long"}"#, Call::Succeeded, ""),
        (
            "edit",
            r#"{"path": "huge", "edits": [{"old_text": "a", "new_text": "b"}]}"#,
            Call::Failed,
            "",
        ),
        (
            "edit",
            r#"{"path": "pipe", "edits": [{"old_text": "a", "new_text": "b"}]}"#,
            Call::Failed,
            "named pipe",
        ),
        (
            "edit",
            r#"{"path": "binary", "edits": [{"old_text": "a", "new_text": "b"}]}"#,
            Call::Failed,
            "",
        ),
        ("edit", r#"{"path": "text", "edits": []}"#, Call::Failed, "edits"),
        (
            "write",
            r#"{"path": "folder", "content": "x"}"#,
            Call::Failed,
            "directory",
        ),
        (
            "write",
            r#"{"path": "pipe", "content": "x"}"#,
            Call::Failed,
            "named pipe",
        ),
        (
            "write",
            r#"{"path": "text/below", "content": "x"}"#,
            Call::Failed,
            "not a directory",
        ),
        ("ls", r#"{"path": "pipe"}"#, Call::Failed, "named pipe"),
        (
            "grep",
            r#"{"pattern": "needle"}"#,
            Call::Succeeded,
            "text:1: a needle",
        ),
        (
            "grep",
            r#"{"pattern": "needle", "path": "pipe"}"#,
            Call::Failed,
            "named pipe",
        ),
        (
            "grep",
            r#"{"pattern": "(", "path": "text"}"#,
            Call::Failed,
            "pattern",
        ),
        ("find", r#"{"pattern": "*"}"#, Call::Succeeded, "pipe"),
    ];
    let house = House::of_script(&script(rows)).await;
    let at = |name: &str| house.workspace().join(name);
    fs::write(at("text"), "a needle\n").unwrap();
    fs::write(at("binary"), b"\x7fELF\0\0\0\x01\xff\xfe").unwrap();
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("circle", at("circle")).unwrap();
    File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    fs::write(at("long"), "x".repeat(4 << 20)).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status()
            .unwrap()
            .success()
    );

    check(&house, rows, "noted").await;
    assert!(!at("ran").exists(), "what does not fit is not run");
    assert_eq!(fs::metadata(at("huge")).unwrap().len(), 1 << 30);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_hangs_floods_fails_or_leaves_children_ends_and_says_how() {
    let rows: &[Row<'_>] = &[
        (
            "bash",
            r#"{"command": "sleep 1000", "timeout": 1}"#,
            Call::Failed,
            "Ended after 1 seconds",
        ),
        (
            "bash",
            r#"{"command": "yes", "timeout": 1}"#,
            Call::Failed,
            "Ended after 1 seconds",
        ),
        (
            "bash",
            r#"{"command": "yes | head -c 3000000"}"#,
            Call::Succeeded,
            "All of it is kept in",
        ),
        (
            "bash",
            r#"{"command": "head -c 400000 /dev/zero | tr '\\0' '\\1'"}"#,
            Call::Succeeded,
            "All of it is kept in",
        ),
        (
            "bash",
            r#"{"command": "head -c 400000 /dev/zero | tr '\\0' '\\377'"}"#,
            Call::Succeeded,
            "All of it is kept in",
        ),
        (
            "bash",
            r#"{"command": "sleep 1000 & echo $! >> pids; setsid sleep 1000 & echo $! >> pids"}"#,
            Call::Succeeded,
            "Left running by the command, and ended",
        ),
        ("bash", r#"{"command": "exit 3"}"#, Call::Failed, "Exit code 3"),
        ("bash", r#"{"command": "cat"}"#, Call::Succeeded, "no output"),
        (
            "bash",
            r#"{"command": "read x < /dev/tty"}"#,
            Call::Failed,
            "/dev/tty",
        ),
    ];
    let house = House::of_script(&script(rows)).await;
    let session = check(&house, rows, "noted").await;
    let now = house.now(session);
    let blob_of = |number: usize| {
        let outcome = calls(&now)[number].outcome.clone().unwrap();
        let blob = outcome.blob.unwrap();
        let blob = blobs::BlobRef {
            digest: blob.digest.parse().unwrap(),
            len: blob.len,
        };
        house.archive().blobs(session).get(&blob).unwrap()
    };
    assert_eq!(blob_of(2), b"y\n".repeat(1_500_000));
    assert_eq!(blob_of(3), vec![1; 400_000]);
    assert!(blob_of(1).starts_with(b"y\ny\n"));
    for pid in fs::read_to_string(house.workspace().join("pids"))
        .unwrap()
        .lines()
    {
        assert!(!Path::new("/proc").join(pid).exists(), "process {pid} lives on");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_workspace_each_mode_does_what_its_row_says_where_nobody_can_be_asked() {
    use Call::{Denied, Succeeded};
    let table = [
        (
            Mode::Plan,
            "plan.read_outside",
            Denied,
            "plan.change",
            Denied,
            ExitCode::Denied,
        ),
        (
            Mode::Ask,
            "ask.read_outside",
            Denied,
            "ask.change",
            Denied,
            ExitCode::Denied,
        ),
        (
            Mode::AcceptEdits,
            "accept_edits.outside",
            Denied,
            "accept_edits.outside",
            Denied,
            ExitCode::Denied,
        ),
        (
            Mode::Auto,
            "auto.outside",
            Denied,
            "auto.outside",
            Denied,
            ExitCode::Denied,
        ),
        (Mode::Yolo, "yolo", Succeeded, "yolo", Succeeded, ExitCode::Done),
    ];
    let house = House::of_script(
        r#"(turns: [
            (say: [call("read", (path: "../secret")), call("read", (path: "link")), call("write", (path: "out/new", content: "x"))]),
            (say: [text("noted")]),
        ])"#,
    )
    .await;
    let outside = house.home().canonicalize().unwrap();
    fs::write(outside.join("secret"), "hush").unwrap();
    std::os::unix::fs::symlink("../secret", house.workspace().join("link")).unwrap();
    std::os::unix::fs::symlink("..", house.workspace().join("out")).unwrap();
    for (mode, read_rule, read, write_rule, write, code) in table {
        let settings = glasswork_session_state::settings::Settings {
            attended: flag(false),
            ..House::settings(mode)
        };
        let session = house.session(settings).await;
        let end = house.turn(session, "go").await;
        assert_eq!(end.state, State::Completed);
        let now = house.now(session);
        let seen: Vec<_> = calls(&now)
            .iter()
            .map(|call| {
                let why = &call.judgement.as_ref().unwrap().explanation;
                let text = told(&now, call);
                assert_eq!(
                    text.contains("hush"),
                    call.state == Succeeded && why.access.is_repeatable(),
                    "{text}"
                );
                assert!(call.state == Succeeded || text.contains(&*why.rule), "{text}");
                (
                    why.rule.to_string(),
                    call.path().cloned().unwrap().to_string(),
                    call.state,
                )
            })
            .collect();
        let at = |name: &str| outside.join(name).to_string_lossy().into_owned();
        assert_eq!(
            seen,
            [
                (read_rule.to_owned(), at("secret"), read),
                (read_rule.to_owned(), at("secret"), read),
                (write_rule.to_owned(), at("new"), write),
            ]
        );
        assert_eq!(outside.join("new").exists(), write == Succeeded, "{mode:?}");
        assert_eq!(ending::of_last_turn(&now), code, "{mode:?}");
    }
    house.close().await;
}

/// What was judged is what is opened, even if someone swaps it while a person thinks about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_becomes_a_link_after_it_was_judged_is_not_followed() {
    use glasswork_app_runtime::watching::Update;
    let house = House::of_script(
        r#"(turns: [(say: [call("write", (path: "folder/new", content: "x"))]), (say: [text("noted")])])"#,
    )
    .await;
    let outside = house.home().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(house.workspace().join("folder")).unwrap();
    let session = house.session(House::settings(Mode::Ask)).await;
    let mut watch = house.runtime().watch(session).unwrap();
    house.runtime().prompt(session, "go", None).await.unwrap();
    let asked = crate::support::until(&mut watch, |update| matches!(update, Update::ToolAsked { .. })).await;
    let Update::ToolAsked { call, .. } = asked else {
        unreachable!()
    };
    fs::remove_dir(house.workspace().join("folder")).unwrap();
    std::os::unix::fs::symlink(&outside, house.workspace().join("folder")).unwrap();
    house.runtime().approve(session, call).await.unwrap();
    let end = House::end_of_turn(watch).await;
    assert_eq!(end.state, State::Completed);
    let now = house.now(session);
    let call = Arc::clone(&calls(&now)[0]);
    assert_eq!(call.state, Call::Failed, "{}", told(&now, &call));
    assert!(!outside.join("new").exists());
    house.close().await;
}
