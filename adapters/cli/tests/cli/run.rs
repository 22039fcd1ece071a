//! A turn from the command line: what it does, and the code it ends with.

use std::fs;

use serde_json::{Value, json};

use super::support::House;

#[test]
fn the_answer_is_data_and_the_rest_is_not() {
    let house = House::new();
    let model = house.script(
        r#"(say: [text("I look."), call("bash", (command: "echo hi"))]), (say: [text("It says hi.")])"#,
    );
    let done = house.yolo(&model);
    assert_eq!((done.code, &*done.out), (0, "It says hi.\n"));
    for text in ["I look.", "→ bash command: echo hi", "done after 2 steps"] {
        assert!(done.err.contains(text), "{text} is not in {}", done.err);
    }
}

#[test]
fn the_instructions_of_user_and_workspace_are_in_the_system_prompt() {
    let house = House::new();
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("AGENTS.md"), "Answer in verse.").unwrap();
    fs::write(house.work.join("AGENTS.md"), "Indent by three.").unwrap();
    assert_eq!(house.yolo(&house.script(r#"(say: [text("so")])"#)).code, 0);
    let journal = fs::read_to_string(house.journal()).unwrap();
    for text in ["Answer in verse.", "Indent by three."] {
        assert!(journal.contains(text), "{text}");
    }
}

#[test]
fn the_prompt_also_comes_from_standard_input() {
    let house = House::new();
    let model = house.script(r#"(expect: "from the pipe", say: [text("heard")])"#);
    for arguments in [
        &["run", "--model", &*model][..],
        &["run", "-", "--model", &*model],
    ] {
        let done = house.give(house.command(arguments), "words from the pipe\n");
        assert_eq!((done.code, &*done.out), (0, "heard\n"), "{}", done.err);
    }
    let done = house.give(house.command(["run", "--model", &*model]), &"x".repeat(600 << 10));
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn every_end_has_its_code() {
    let house = House::new().with("GLASSWORK_RETRY_BASE_MS", "1");
    let check = |turns: &str, more: &[&str], code: i32, state: &str, told: &str| {
        let model = house.script(turns);
        let mut arguments = vec!["run", "go", "--output-format", "json", "--model", &*model];
        arguments.extend(more);
        let done = house.run(arguments);
        assert_eq!(done.code, code, "{turns}: {done:?}");
        let document: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(
            (&document["exit_code"], &document["state"]),
            (&json!(code), &json!(state)),
            "{document:#}"
        );
        assert!(
            done.err.contains(told) || done.out.contains(told),
            "{told} is not in {done:?}"
        );
        document
    };
    let yolo = ["--permission-mode", "yolo"];
    check(r#"(say: [text("ok")])"#, &[], 0, "completed", "ok");
    check(
        r#"(say: [fail(class: auth, message: "bad key", status: 401)])"#,
        &[],
        1,
        "failed",
        "bad key",
    );
    check(
        r#"(first: [(times: 2, say: [fail(class: unavailable)])], say: [text("third time")])"#,
        &[],
        0,
        "completed",
        "third",
    );
    check(
        r#"(first: [(times: 9, say: [cut])], say: [])"#,
        &[],
        1,
        "failed",
        "broke off",
    );
    check(
        r#"(say: [text("only this")]), "#,
        &["--max-steps", "1"],
        0,
        "completed",
        "only this",
    );
    let again = r#"(say: [call("bash", (command: "true"))]), (say: [call("bash", (command: "true"))])"#;
    check(
        again,
        &["--max-steps", "1", "--permission-mode", "yolo"],
        5,
        "failed",
        "limit of 1 steps",
    );
    // What may not be run is not run, and the model hears of it.
    let denied =
        r#"(say: [call("bash", (command: "touch made"))]), (expect: "Not run", say: [text("so be it")])"#;
    let document = check(denied, &[], 4, "completed", "so be it");
    assert_eq!(document["denied"].as_array().unwrap().len(), 1, "{document:#}");
    check(denied, &["--permission-mode", "plan"], 0, "completed", "so be it");
    assert!(!house.work.join("made").exists());
    // Bad calls are results, and the turn goes on.
    let misfits = r#"
        (say: [call("nonesuch", ()), call("bash", (cmd: "x")), call_json("read", "{\"path\":"), call("read", (path: "/nowhere"))]),
        (say: [text("sorry")])"#;
    check(misfits, &yolo, 0, "completed", "sorry");
}

#[test]
fn a_stream_of_json_tells_everything_in_order() {
    let house = House::new();
    let model = house.script(r#"(say: [text("a"), call("bash", (command: "exit 3"))]), (say: [text("b")])"#);
    let done = house.run([
        "run",
        "go",
        "--permission-mode",
        "yolo",
        "--output-format",
        "stream-json",
        "--model",
        &*model,
    ]);
    assert_eq!((done.code, &*done.err), (0, ""));
    let lines: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let expected = [
        "init",
        "turn_began",
        "said",
        "request_prepared",
        "text",
        "block_finished",
        "tool_proposed",
        "tool_judged",
        "tool_started",
        "tool_settled",
        "request_prepared",
        "text",
        "block_finished",
        "turn_ended",
        "result",
    ];
    let mut told = kinds.iter();
    for kind in expected {
        assert!(
            told.any(|known| *known == kind),
            "{kind} does not come in its place: {kinds:?}"
        );
    }
    let page = include_str!("../../../../docs/output.md");
    for kind in &kinds {
        assert!(
            page.contains(&format!("`{kind}`")),
            "docs/output.md does not tell what `{kind}` is"
        );
    }
    for member in lines.last().unwrap().as_object().unwrap().keys() {
        assert!(
            page.contains(&format!("`{member}`")),
            "docs/output.md does not tell what `{member}` is"
        );
    }
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(
        lines[0]["mode_from"],
        json!({ "layer": "flag", "file": "--permission-mode" })
    );
    let settled = lines.iter().find(|line| line["type"] == "tool_settled").unwrap();
    assert_eq!(
        (&settled["state"], &settled["detail"]),
        (&json!("failed"), &json!({ "exit": { "code": 3 } }))
    );
    assert_eq!(lines.last().unwrap()["answer"], "b");
}

#[test]
fn a_session_goes_on_where_it_stood_with_the_model_that_it_had() {
    let house = House::new();
    let model = house
        .script(r#"(say: [text("one")]), (expect: "again", say: [text("two")]), (say: [text("three")])"#);
    let check = |arguments: &[&str], answer: &str| {
        let done = house.run(arguments);
        assert_eq!(
            (done.code, &*done.out),
            (0, answer),
            "{arguments:?}: {}",
            done.err
        );
    };
    check(&["run", "first", "--model", &model], "one\n");
    check(&["run", "again", "--continue"], "two\n");
    let id = house.json(["sessions", "list", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    check(&["run", "again", "--resume", &id[..12]], "three\n");
    let shown = house.json(["sessions", "show", &id[..20], "--json"]);
    let said: Vec<_> = shown["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].clone())
        .collect();
    assert_eq!(
        json!(said),
        json!(["first", "one", "again", "two", "again", "three"])
    );
    // Another directory has no session to go on with.
    let other = house.home.path().join("tmp").display().to_string();
    assert_eq!(
        house
            .run(["run", "x", "--continue", "-C", &*other, "--model", &*model])
            .code,
        2
    );
}

#[test]
fn one_process_writes_a_session_and_all_may_read_it() {
    let house = House::new();
    let (working, go) = house.busy();
    let second = house.run(["run", "me too", "--resume", "last"]);
    assert_eq!((second.code, &*second.out), (1, ""), "{second:?}");
    assert!(
        second.err.contains("is open elsewhere, in process"),
        "{}",
        second.err
    );
    assert_eq!(
        house.json(["sessions", "show", "last", "--json"])["status"]["turn"]["state"],
        "executing"
    );
    assert_eq!(house.run(["replay", "last"]).code, 0);
    fs::write(&go, "on\n").unwrap();
    assert_eq!(working.until("result")["exit_code"], 0);
    assert_eq!(working.end().code, 0);
}

#[test]
fn a_damaged_journal_is_named_with_its_place() {
    let house = House::new().with_damage();
    let model = house.script(r#"(say: [text("ok")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let journal = house.journal();
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"go\"", "\"no\"", 1)).unwrap();
    for arguments in [
        &["replay", "last"][..],
        &["sessions", "show", "last"],
        &["run", "x", "--resume", "last", "--model", &*model],
    ] {
        let done = house.run(arguments);
        assert_eq!((done.code, &*done.out), (3, ""), "{arguments:?}: {done:?}");
        assert!(
            done.err.contains(".jsonl: line ") && done.err.contains("byte"),
            "{}",
            done.err
        );
    }
    assert_eq!(house.run(["replay", &*journal.display().to_string()]).code, 3);
}

/// A session whose turn rests, in the records of a house, with the home in which it works.
async fn paused(house: &House) -> tempfile::TempDir {
    use glasswork_agent_core::turn::State;
    use glasswork_session_state::settings::Mode;
    use glasswork_testkit::house::House as Inside;
    let inside = Inside::of_script(
        r#"(turns: [(say: [call("bash", (command: "echo began; until [ -e go ]; do sleep 0.01; done"))])])"#,
    )
    .await;
    let session = inside.session(Inside::settings(Mode::Yolo)).await;
    let mut watch = inside.runtime().watch(session).unwrap();
    inside.runtime().prompt(session, "go", None).await.unwrap();
    inside.runtime().pause(session).await.unwrap();
    fs::write(inside.workspace().join("go"), "").unwrap();
    while watch.session().open_turn().map(|turn| turn.state) != Some(State::Paused) {
        watch.next().await;
    }
    let home = inside.close().await;
    copy(
        &home.path().join("data/sessions"),
        &house.home.path().join("glasswork/data/sessions"),
    );
    home
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &copied),
            false => drop(fs::copy(&path, copied).unwrap()),
        }
    }
}

#[test]
fn a_turn_that_was_paused_goes_on_with_words_or_without() {
    let tasks = tokio::runtime::Runtime::new().unwrap();
    for (prompt, turn) in [
        (None, r#"(expect: "began", say: [text("gone on")])"#),
        (
            Some("and be quick"),
            r#"(expect: "and be quick", say: [text("gone on")])"#,
        ),
    ] {
        let house = House::new();
        let home = tasks.block_on(paused(&house));
        let model = house.script(&format!(r#"(say: []), {turn}"#));
        let more = ["--model", &model];
        let work = home.path().join("work").to_string_lossy().into_owned();
        let mut arguments = vec!["run"];
        arguments.extend(prompt);
        arguments.extend(["--continue", "-C", &work]);
        arguments.extend(more);
        // It goes on as it began: with no other result than it was asked for, and no images on its way.
        fs::write(house.work.join("schema.json"), "{}").unwrap();
        fs::write(house.work.join("a.png"), include_bytes!("three-by-two.png")).unwrap();
        for (flag, file) in [("--schema", "schema.json"), ("--image", "a.png")] {
            let mut command = house.command(&arguments);
            command.args([flag, file]);
            let refused = house.give(command, "");
            assert_eq!((refused.code, &*refused.out), (2, ""), "{}", refused.err);
            let told = "the turn of this session rests, and";
            assert!(refused.err.contains(told), "{flag}: {}", refused.err);
        }
        let done = house.give(house.command(&arguments), "");
        assert_eq!((done.code, &*done.out), (0, "gone on\n"), "{}", done.err);
        // Now nothing rests any more, so there must be something to say.
        let done = house.give(house.command(["run", "--continue", "-C", &work]), "");
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains("there is no prompt"), "{}", done.err);
    }
}
