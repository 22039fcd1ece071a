//! Transcripts of other agents become sessions that are read, asked about, replayed and gone on with like any other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Message;
use glasswork_app_runtime::importing::{self, Imported, Plan};
use glasswork_app_runtime::projection::transcript::{self, Said};
use glasswork_app_runtime::runtime::{Opening, OperationError};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

const SCRIPT: &str = r#"(turns: [(say: [text("and so on")])])"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../agent-session/tests/foreign/fixtures")
        .join(name)
}

fn plan(house: &House, file: &Path) -> Plan {
    Plan::of(
        file,
        importing::read(file).unwrap(),
        None,
        Some(&house.workspace()),
    )
    .unwrap()
}

async fn open(house: &House, session: ScopeId) -> Result<Vec<String>, OperationError> {
    let opening = Opening {
        workspace: house.workspace(),
        settings: House::settings(Mode::Ask),
        title: None,
        servers: vec![],
    };
    house.runtime().open(session, opening).await
}

/// What stands in the session, a word for each line.
fn shape(house: &House, session: ScopeId) -> Vec<String> {
    let seen = house.snapshot().session(session, None).unwrap();
    let lines = transcript::of(seen.session().unwrap());
    let line = |line: transcript::Line| match line.said {
        Said::Person { text, .. } => format!("> {}", text.lines().next().unwrap_or_default()),
        Said::Thinking { .. } => "thinks".to_owned(),
        Said::Text { text, model } => format!("{model}: {text}"),
        Said::Call { name, state, .. } => {
            let state: &str = state.unwrap().into();
            format!("{name} {state}")
        }
        other => format!("{other:?}"),
    };
    lines.into_iter().map(line).collect()
}

#[tokio::test]
async fn each_format_becomes_a_session_that_goes_on() {
    let files = [
        "pi-v1.jsonl",
        "pi-v2.jsonl",
        "pi-v3.jsonl",
        "claude-code.jsonl",
        "claude-code-agent.jsonl",
        "claude-code-agents.jsonl",
        "codex.jsonl",
        "codex-2025.jsonl",
        "gemini-chat.json",
        "gemini-log.jsonl",
        "gemini-checkpoint.json",
    ];
    let script = format!(
        "(turns: [{}])",
        r#"(say: [text("and so on")]),"#.repeat(files.len())
    );
    let house = House::of_script(&script).await;
    for name in files {
        let plan = plan(&house, &fixture(name));
        assert_eq!(
            house.runtime().import(&plan).await.unwrap(),
            Imported::New,
            "{name}"
        );
        assert_eq!(
            house.runtime().import(&plan).await.unwrap(),
            Imported::AlreadyHere,
            "{name}"
        );
        open(&house, plan.session).await.unwrap();
        let end = house.turn(plan.session, "Go on.").await;
        assert_eq!((end.state, &*end.text), (State::Completed, "and so on"), "{name}");
        // What is sent is what any provider takes: words first, and behind each answer the results of its calls.
        let session = house.now(plan.session);
        let request = session.requests.get_max().unwrap().0;
        let sent = session.render(request).unwrap().messages;
        let mut open: Vec<String> = vec![];
        assert!(matches!(sent.first(), Some(Message::User(_))), "{name}");
        for message in &sent {
            match message {
                Message::User(_) => assert!(open.is_empty(), "{name}: words between a call and its result"),
                Message::Assistant { blocks, .. } => {
                    assert!(open.is_empty(), "{name}");
                    open.extend(blocks.iter().filter_map(|block| match block {
                        glasswork_ai::conversation::Block::ToolCall(call) => Some(call.id.to_string()),
                        _ => None,
                    }));
                }
                Message::ToolResult(result) => {
                    assert_eq!(open.remove(0), *result.call, "{name}");
                }
                Message::Image(shown) => panic!("{name}: nobody has shown {}", shown.image),
            }
        }
        assert!(
            matches!(sent.last(), Some(Message::User(text)) if &**text == "Go on."),
            "{name}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn it_stands_in_the_session_as_it_was_said() {
    let house = House::of_script(SCRIPT).await;
    let plan = plan(&house, &fixture("gemini-chat.json"));
    house.runtime().import(&plan).await.unwrap();
    assert_eq!(
        shape(&house, plan.session),
        [
            "> Greet me.",
            "thinks",
            "google/gemini-2.5-pro: One moment.",
            "run_shell_command succeeded",
            "read_file failed",
            "read_file unknown_outcome",
            "google/gemini-2.5-pro: Hello, Ada."
        ]
    );
    let rows = house.snapshot().sessions().unwrap();
    assert_eq!(rows[0].archived.first_words.as_deref(), Some("Greet me."));
    // A copy of the file is kept.
    let kept = house.archive().blobs(plan.session);
    let session = house.snapshot().session(plan.session, None).unwrap();
    let import = session.session().unwrap().import.clone().unwrap();
    let path = kept.path(&import.origin.kept.digest.parse().unwrap());
    assert_eq!(
        std::fs::read(path).unwrap(),
        std::fs::read(fixture("gemini-chat.json")).unwrap()
    );
    house.close().await;
}

#[tokio::test]
async fn agents_that_were_called_become_children_and_an_import_that_stopped_among_them_is_ended() {
    let house = House::of_script(r#"(turns: [(say: [text("no")]), (say: [text("and so on")])])"#).await;
    let plan = plan(&house, &fixture("claude-code-agents.jsonl"));
    assert_eq!(house.runtime().import(&plan).await.unwrap(), Imported::New);
    let report = plan.report(None);
    let called: Vec<_> = report
        .called
        .iter()
        .map(|called| (called.title.as_deref(), called.entries, called.session))
        .collect();
    let shapes = [
        (
            Some("Count b"),
            vec![
                "> How many words has b?",
                "anthropic/claude-opus-4-1-20250805: b has seven.",
            ],
        ),
        (
            Some("Count a"),
            vec![
                "> How many words has a?",
                "Bash succeeded",
                "anthropic/claude-opus-4-1-20250805: a has twelve.",
            ],
        ),
        (
            None,
            vec![
                "> Look again, at both.",
                "anthropic/claude-opus-4-1-20250805: Both are right.",
            ],
        ),
    ];
    assert_eq!(called.len(), shapes.len());
    let parent = house.snapshot().session(plan.session, None).unwrap();
    let parent = parent.session().unwrap();
    let entries: Vec<u64> = parent
        .import
        .as_ref()
        .unwrap()
        .sources
        .iter()
        .map(|source| source.entry.seq)
        .collect();
    let callers = [entries[1], entries[1], entries[5]];
    for (((title, _, session), (wanted, shape_of)), caller) in called.iter().zip(shapes).zip(callers) {
        assert_eq!(*title, wanted);
        assert_eq!(shape(&house, *session), shape_of);
        let seen = house.snapshot().session(*session, None).unwrap();
        let of = seen.session().unwrap().meta.parent.unwrap();
        assert_eq!((of.session, of.at), (plan.session, caller));
        assert_eq!(parent.children[session].at, caller);
        // Its copy of the file has its own lines, where they stood.
        let origin = &seen.session().unwrap().import.as_ref().unwrap().origin;
        let kept = house
            .archive()
            .blobs(*session)
            .path(&origin.kept.digest.parse().unwrap());
        let kept = std::fs::read_to_string(kept).unwrap();
        assert!(
            kept.lines()
                .all(|line| line.is_empty() || line.contains("\"isSidechain\":true")),
            "{kept}"
        );
    }
    assert_eq!(parent.children.len(), 3);
    // One line of nothing is told.
    assert!(
        report
            .left
            .iter()
            .any(|left| left.kind == "sidechain" && left.lines == [17]),
        "{:?}",
        report.left
    );
    assert_eq!(
        house.runtime().import(&plan).await.unwrap(),
        Imported::AlreadyHere
    );
    // One of them is gone, as after a crash before it came.
    house.runtime().put_in_trash(called[1].2).await.unwrap();
    house.runtime().empty_trash(None).await.unwrap();
    assert_eq!(house.runtime().import(&plan).await.unwrap(), Imported::Completed);
    assert_eq!(shape(&house, called[1].2).len(), 3);
    // It goes on like any other.
    open(&house, called[0].2).await.unwrap();
    let end = house.turn(called[0].2, "Go on.").await;
    assert_eq!(
        (end.state, &*end.text),
        (State::Completed, "and so on"),
        "{end:?}"
    );
    house.close().await;
}

#[tokio::test]
async fn a_label_is_masked_cut_and_set() {
    let house = House::of_script(SCRIPT).await;
    let file = house.home().join("labels.jsonl");
    let label = |id: &str, text: &str| {
        format!(r#"{{"type":"label","id":"l{id}","targetId":"{id}","label":"{text}"}}"#)
    };
    let lines = [
        r#"{"type":"session","version":3,"id":"s","cwd":"/w"}"#.to_owned(),
        r#"{"type":"message","id":"a","message":{"role":"user","content":"one"}}"#.to_owned(),
        r#"{"type":"message","id":"b","message":{"role":"user","content":"two"}}"#.to_owned(),
        r#"{"type":"message","id":"c","message":{"role":"user","content":"three"}}"#.to_owned(),
        label("a", "works"),
        label("b", &"ä".repeat(200)),
        label("c", "PASSWORD=tr0ub4dor&3x"),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let plan = plan(&house, &file);
    house.runtime().import(&plan).await.unwrap();
    assert_eq!(plan.report(None).cut, 1);
    let seen = house.snapshot().session(plan.session, None).unwrap();
    let session = seen.session().unwrap();
    let labels: Vec<String> = session
        .tree
        .labels()
        .values()
        .map(|label| label.to_string())
        .collect();
    assert_eq!(labels[..2], ["works".to_owned(), "ä".repeat(128)]);
    assert!(labels[2].starts_with("PASSWORD=[secret:password:"), "{labels:?}");
    // What was masked on the way in is counted like anything else.
    assert_eq!(session.masked.counts(), [("password".into(), 1)]);
    house.close().await;
}

#[tokio::test]
async fn what_is_too_long_for_a_line_is_cut_with_a_note_and_kept_in_the_file() {
    let house = House::of_script(SCRIPT).await;
    let file = house.home().join("long.jsonl");
    let header = r#"{"type":"session","version":3,"id":"s","timestamp":"2026-01-01T00:00:00Z","cwd":"/w"}"#;
    // Control characters take six bytes each in JSON.
    let long = "\\u0001".repeat(3 << 20);
    let calls: Vec<String> = (0..100)
        .map(|n| {
            format!(
                r#"{{"type":"toolCall","id":"c{n}","name":"read","arguments":{{"path":"{}"}}}}"#,
                "p".repeat(20_000)
            )
        })
        .collect();
    let mut lines = vec![
        header.to_owned(),
        format!(
            r#"{{"type":"message","id":"a","parentId":null,"message":{{"role":"user","content":"{long}"}}}}"#
        ),
        format!(
            r#"{{"type":"message","id":"b","parentId":"a","message":{{"role":"assistant","content":[{}],"provider":"p","model":"m","stopReason":"toolUse"}}}}"#,
            calls.join(",")
        ),
    ];
    for n in 0..100 {
        let result = "r".repeat(60_000);
        lines.push(format!(
            r#"{{"type":"message","id":"r{n}","parentId":"b","message":{{"role":"toolResult","toolCallId":"c{n}","content":[{{"type":"text","text":"{result}"}}]}}}}"#
        ));
    }
    lines.extend((0..3_000).map(|n| {
        format!(r#"{{"type":"message","id":"p{n}","parentId":"r99","message":{{"role":"user","content":"prompt {n}"}}}}"#)
    }));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let plan = plan(&house, &file);
    house.runtime().import(&plan).await.unwrap();
    let report = plan.report(None);
    assert_eq!((report.entries, report.sent), (1 + 1 + 100 + 3_000, 103));
    assert_eq!(report.cut, 201);
    let seen = house.snapshot().session(plan.session, None).unwrap();
    let Said::Person { text, .. } = &transcript::of(seen.session().unwrap())[0].said else {
        panic!("no prompt")
    };
    let (_, note) = text.rsplit_once('\n').unwrap();
    assert!(
        note.contains("more bytes: line 2 of the imported file, of which the session keeps a copy"),
        "{note}"
    );
    house.close().await;
}

#[tokio::test]
async fn an_import_that_was_broken_off_goes_on_and_one_read_otherwise_is_refused() {
    let house = House::of_script(SCRIPT).await;
    let file = house.home().join("talk.jsonl");
    let mut text = r#"{"type":"session","version":3,"id":"s","cwd":"/w"}"#.to_owned() + "\n";
    for n in 0..40 {
        text += &format!(
            "{{\"type\":\"message\",\"id\":\"q{n}\",\"message\":{{\"role\":\"user\",\"content\":\"{n}\"}}}}\n"
        );
        text += &format!(
            "{{\"type\":\"message\",\"id\":\"a{n}\",\"message\":{{\"role\":\"assistant\",\"content\":[{{\"type\":\"toolCall\",\"id\":\"c{n}\",\"name\":\"ls\"}}]}}}}\n"
        );
    }
    std::fs::write(&file, &text).unwrap();
    let plan = plan(&house, &file);
    house.runtime().import(&plan).await.unwrap();
    let whole = shape(&house, plan.session);
    let commits = house.snapshot().commits(plan.session, 1, 1_000).unwrap();
    assert_eq!(commits.len(), 1 + 40 + 1, "an answer with calls is a commit");
    let home = house.close().await;

    // As after a crash behind any of the lines, the header and the beginning among them.
    let journal = find(&home.path().join("data/sessions"));
    let lines = std::fs::read_to_string(&journal).unwrap();
    let mut home = home;
    for kept in [1, 2, 3, 20, 42] {
        let beginning: String = lines.split_inclusive('\n').take(kept).collect();
        std::fs::write(&journal, beginning).unwrap();
        // What was noted of the rounds before is of other commits with the same numbers.
        let _ = std::fs::remove_file(journal.with_extension("").join("digests.jsonl"));
        let models = glasswork_testkit::house::scripted(SCRIPT);
        let house = House::at(
            home,
            models,
            std::sync::Arc::new(glasswork_engine::SystemClock::default()),
        )
        .await;
        if kept > 1 {
            let refused = open(&house, plan.session).await.unwrap_err().to_string();
            assert!(refused.contains("import the same file again"), "{refused}");
        }
        assert_eq!(
            house.runtime().import(&plan).await.unwrap(),
            Imported::Completed,
            "{kept}"
        );
        assert_eq!(shape(&house, plan.session), whole, "{kept}");
        assert_eq!(
            house.runtime().import(&plan).await.unwrap(),
            Imported::AlreadyHere
        );
        home = house.close().await;
    }
}

fn find(folder: &Path) -> PathBuf {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            return path;
        }
        if path.is_dir() && !path.join("blobs").exists() {
            return find(&path);
        }
    }
    panic!("no journal in {}", folder.display());
}

#[tokio::test]
async fn a_directory_that_is_not_here_is_asked_for() {
    let house = House::of_script(SCRIPT).await;
    let file = fixture("pi-v1.jsonl");
    let error = Plan::of(&file, importing::read(&file).unwrap(), None, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("worked in /srv/old, which is no directory here"),
        "{error}"
    );
    house.close().await;
}

#[tokio::test]
async fn secrets_of_a_transcript_do_not_come_to_the_session() {
    let house = House::of_script(SCRIPT).await;
    // Put together here, so that nobody takes this file for a leak.
    let token = ["gh", "p_x7Kq9ZtR2mWv5LpN8sYb3JdF6hGc1TaQ4eUi"].concat();
    let file = house.home().join("secret.jsonl");
    let lines = [
        r#"{"type":"session","version":3,"id":"s","cwd":"/w"}"#.to_owned(),
        format!(
            r#"{{"type":"message","id":"a","parentId":null,"message":{{"role":"user","content":"use {token}"}}}}"#
        ),
        format!(
            r#"{{"type":"message","id":"b","parentId":"a","message":{{"role":"assistant","content":[{{"type":"text","text":"so {token}"}},{{"type":"toolCall","id":"c","name":"bash","arguments":{{"command":"echo {token}"}}}}]}}}}"#
        ),
        format!(
            r#"{{"type":"message","id":"r","parentId":"b","message":{{"role":"toolResult","toolCallId":"c","content":[{{"type":"text","text":"{token}"}}]}}}}"#
        ),
    ];
    let left = format!(r#"{{"type":"branch_summary","id":"l","parentId":"b","summary":"tried {token}"}}"#);
    std::fs::write(&file, lines.join("\n") + "\n" + &left).unwrap();
    let plan = plan(&house, &file);
    house.runtime().import(&plan).await.unwrap();
    let home = house.close().await;
    let mut read = 0;
    let mut folders = vec![home.path().join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(&token), "{} has it", path.display());
            read += text.matches("[secret:").count();
        }
    }
    assert!(
        read >= 8,
        "journal and copy of the file have placeholders instead: {read}"
    );
}

/// Elsewhere too a branch was left with a summary: it is such an entry here, and the next request has it at its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_was_left_elsewhere_is_one_that_was_left() {
    let house = House::of_script(r#"(turns: [(say: [text("ok")])])"#).await;
    let lines = [
        r#"{"type":"session","version":3,"id":"s","timestamp":"2026-01-01T00:00:00Z","cwd":"/w"}"#,
        r#"{"type":"message","id":"a","parentId":null,"message":{"role":"user","content":"one"}}"#,
        r#"{"type":"message","id":"b","parentId":"a","message":{"role":"user","content":"another way"}}"#,
        r#"{"type":"branch_summary","id":"c","parentId":"a","fromId":"b","summary":"It led nowhere."}"#,
    ];
    let file = house.home().join("left.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let plan = plan(&house, &file);
    let session = plan.session;
    house.runtime().import(&plan).await.unwrap();
    let seen = house.snapshot().session(session, None).unwrap();
    let entries: Vec<_> = seen.session().unwrap().tree.entries().map(|(id, _)| id).collect();
    let last = transcript::of(seen.session().unwrap()).pop().unwrap();
    let Said::BranchLeft { text, from } = &last.said else {
        panic!("{last:?}")
    };
    assert_eq!((last.entry, *from), (entries[2], Some(entries[1])));
    assert!(
        text.contains("# Notes on that attempt\nIt led nowhere.\n"),
        "{text}"
    );

    open(&house, session).await.unwrap();
    house.turn(session, "go on").await;
    let now = house.now(session);
    let (request, _) = now.requests.get_max().unwrap();
    let said = ["one", &**text, "go on"].map(|text| Message::User(text.into()));
    assert_eq!(now.render(*request).unwrap().messages, said);
    house.close().await;
}

#[tokio::test]
async fn what_is_no_file_or_too_long_is_not_read() {
    let house = House::of_script(SCRIPT).await;
    let told = |path: &Path| importing::read(path).unwrap_err().to_string();
    assert!(told(house.home()).contains("no regular file"));
    let pipe = house.home().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(told(&pipe).contains("no regular file"));
    let long = house.home().join("long");
    // Sparse: nothing of it is on the disk.
    std::fs::File::create(&long)
        .unwrap()
        .set_len(importing::MAX_FILE + 1)
        .unwrap();
    assert!(told(&long).contains("is not imported"));
    house.close().await;
}
