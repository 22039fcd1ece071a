//! Lists, search, and going on with what they find.

use serde_json::json;

use super::support::House;

#[test]
fn sessions_are_listed_filtered_and_searched() {
    let house = House::new();
    let model = house.script(
        r#"(say: [text("I look."), call("bash", (command: "echo needle in the hay"))]), (say: [text("It is \u{1b}[31mthere.")])"#,
    );
    let nothing = house.json(["sessions", "search", "needle", "--json"]);
    assert_eq!(nothing, json!([]));
    assert_eq!(house.yolo(&model).code, 0);
    let rows = house.json(["sessions", "list", "--json"]);
    let row = &rows[0];
    let work = house.work.canonicalize().unwrap();
    assert_eq!(
        (
            &row["status"],
            &row["messages"],
            &row["loaded"],
            &row["owner"],
            &row["workspace"],
            &row["first_words"]
        ),
        (
            &json!("completed"),
            &json!(4),
            &json!(false),
            &json!(null),
            &json!(work),
            &json!("go")
        )
    );
    assert_eq!(row["model"], json!(model.as_str()));
    let count = |arguments: &[&str]| {
        let all = [&["sessions", "list", "--json"], arguments].concat();
        house.json(all).as_array().unwrap().len()
    };
    assert_eq!(count(&["--workspace", "."]), 1);
    assert_eq!(count(&["--workspace", "/"]), 0);
    assert_eq!(
        count(&[
            "--status",
            "completed",
            "--model",
            &model,
            "--sort",
            "title",
            "--limit",
            "1"
        ]),
        1
    );
    assert_eq!(count(&["--status", "paused"]), 0);
    assert_eq!(count(&["--after", row["cursor"].as_str().unwrap()]), 0);
    let wrong = house.run([
        "sessions",
        "list",
        "--sort",
        "created",
        "--after",
        row["cursor"].as_str().unwrap(),
    ]);
    assert!(
        wrong.code == 2 && wrong.err.contains("is not a cursor of this list"),
        "{wrong:?}"
    );
    let wrong = house.run(["sessions", "list", "--status", "dead"]);
    assert!(wrong.code == 2 && wrong.err.contains("left-open"), "{wrong:?}");
    let text = house.run(["sessions", "list"]).out;
    assert!(
        text.contains("completed") && text.contains("4 messages") && text.contains("go"),
        "{text}"
    );

    let hits = house.json(["sessions", "search", "\"needle in\"", "hay", "--json"]);
    let speakers: Vec<_> = hits
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| &hit["speaker"])
        .collect();
    assert_eq!(speakers, ["tool", "model"]);
    assert_eq!(
        hits[0]["snippet"],
        json!([
            { "text": "needle in", "matched": true }, { "text": " the ", "matched": false },
            { "text": "hay", "matched": true }, { "text": "\n", "matched": false }
        ])
    );
    let text = house.run(["sessions", "search", "31mthere"]);
    assert!(
        text.out.contains("\\u{1b}[31mthere.") && !text.out.contains('\u{1b}'),
        "{text:?}"
    );
    let entry = format!(
        "{}/{}",
        hits[0]["session"].as_str().unwrap(),
        hits[0]["entry"].as_str().unwrap()
    );
    assert_eq!(house.run(["why", &entry]).code, 0);
    let graph = house.json([
        "query",
        "{ search(query: \"needle*\") { cut next hits { entry speaker snippet { text matched } } } }",
    ]);
    assert_eq!(graph["data"]["search"]["hits"][0]["entry"], json!(entry));
    for query in ["***", "\"\""] {
        let done = house.run(["sessions", "search", query]);
        assert!(
            done.code == 2 && done.err.contains("there is no word"),
            "{done:?}"
        );
    }
    assert_eq!(house.run(["sessions", "search", "x AND OR NOT ("]).code, 0);

    // The index can be lost, or doubted.
    let index = house.home.path().join("glasswork/data/index.sqlite");
    std::fs::write(&index, "nonsense").unwrap();
    assert_eq!(house.json(["sessions", "list", "--json"]), rows);
    assert_eq!(
        house.json(["sessions", "reindex", "--json"]),
        json!({ "read": 1, "damaged": 0, "gone": 0 })
    );
    assert_eq!(house.json(["sessions", "list", "--json"]), rows);
}

#[test]
fn a_session_is_resumed_by_words() {
    let house = House::new();
    let model = house.script(r#"(say: [text("about lighthouses")]), (say: [text("more")])"#);
    let other = house.script(r#"(say: [text("about windmills")]), (say: [text("more")])"#);
    for (words, model) in [
        ("Tell me the first thing", &model),
        ("Tell me the second thing", &other),
    ] {
        assert_eq!(house.run(["run", words, "--model", model]).code, 0);
    }
    let resumed = |wanted: &str| house.run(["run", "go on", "--resume", wanted, "--output-format", "json"]);
    let session = |wanted: &str| {
        let done = resumed(wanted);
        assert_eq!(done.code, 0, "{done:?}");
        let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let row = house.json(["sessions", "show", report["session"].as_str().unwrap(), "--json"]);
        row["transcript"].to_string().contains("lighthouses")
    };
    // By first words, and by what was said, even where that could be the beginning of an id.
    assert!(session("FIRST thing"));
    assert!(!session("windmills"));
    let several = resumed("tell me");
    assert_eq!(several.code, 2);
    for text in [
        "could be any of these",
        "Tell me the first thing",
        "Tell me the second thing",
    ] {
        assert!(several.err.contains(text), "{text}: {several:?}");
    }
    for unknown in ["nobody said this", "fade", "\"*\"", "***"] {
        assert_eq!(resumed(unknown).code, 2, "{unknown}");
    }
    let nobody = house.run(["run", "go on", "--resume"]);
    assert!(
        nobody.code == 2 && nobody.err.contains("say which session"),
        "{nobody:?}"
    );
    let nobody = house.run(["resume"]);
    assert!(
        nobody.code == 2 && nobody.err.contains("needs a terminal"),
        "{nobody:?}"
    );
    let nothing = house.run(["run", "--continue"]);
    assert!(
        nothing.code == 2 && nothing.err.contains("there is no prompt"),
        "{nothing:?}"
    );
}

#[test]
fn a_resumed_session_asks_its_own_model_unless_it_shall_not() {
    let house = House::new();
    let model =
        house.script(r#"(say: [text("one of a")]), (say: [text("two of a")]), (say: [text("three of a")])"#);
    let other =
        house.script(r#"(say: [text("one of b")]), (say: [text("two of b")]), (say: [text("three of b")])"#);
    assert_eq!(house.run(["run", "x", "--model", &model]).out, "one of a\n");
    let house = house
        .with("GLASSWORK_MODEL", &other)
        .with("GLASSWORK_THINKING", "high");
    let thinking = |house: &House| {
        let query = "{ session(id: \"last\") { settings { name value } } }";
        let settings = house.json(["query", query]);
        let all = settings["data"]["session"]["settings"]
            .as_array()
            .unwrap()
            .clone();
        all.iter().find(|setting| setting["name"] == "thinking").unwrap()["value"].clone()
    };
    assert_eq!(house.run(["run", "x", "--continue"]).out, "two of a\n");
    assert_eq!(thinking(&house), json!("default"));
    let house = house.with("GLASSWORK_RESUME", "keep-present");
    assert_eq!(house.run(["run", "x", "--continue"]).out, "three of b\n");
    assert_eq!(thinking(&house), json!("high"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_rests_goes_on_without_a_prompt_or_with_one() {
    use glasswork_app_runtime::watching::Update;
    use glasswork_session_state::settings::Mode;
    use glasswork_testkit::house::House as Kit;

    let script = r#"(turns: [
        (say: [call("bash", (command: "cat go"))]),
        (say: [text("It went on.")]),
    ])"#;
    for prompt in [None, Some("but with care")] {
        let kit = Kit::of_script(script).await;
        let work = kit.workspace();
        std::fs::write(work.join("test"), script).unwrap();
        let go = work.join("go");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&go)
                .status()
                .unwrap()
                .success()
        );
        let session = kit.session(Kit::settings(Mode::Yolo)).await;
        let mut watch = kit.runtime().watch(session).unwrap();
        kit.runtime().prompt(session, "go", None).await.unwrap();
        let mut until =
            async |what: fn(&Update) -> bool| while !watch.next().await.updates.iter().any(what) {};
        // Asked to rest while a command runs, it rests before the next request.
        until(|update| matches!(update, Update::ToolStarted { .. })).await;
        kit.runtime().pause(session).await.unwrap();
        tokio::task::spawn_blocking(move || std::fs::write(go, "gone").unwrap());
        until(|update| matches!(update, Update::TurnPaused { .. })).await;
        let home = kit.close().await;
        tokio::task::spawn_blocking(move || {
            let house = House::new().with("GLASSWORK_HOME", &home.path().display().to_string());
            let row = &house.json(["sessions", "list", "--json"])[0];
            assert_eq!(row["status"], json!("paused"));
            let work = work.display().to_string();
            let mut arguments = vec!["run"];
            arguments.extend(prompt);
            arguments.extend(["--continue", "-C", &work, "--permission-mode", "yolo"]);
            let mut command = house.command(arguments);
            command.current_dir(&work);
            let done = house.give(command, "");
            assert_eq!((done.code, &*done.out), (0, "It went on.\n"), "{done:?}");
            let shown = house.json(["sessions", "show", "last", "--json"]);
            assert_eq!(
                shown["transcript"].to_string().contains("but with care"),
                prompt.is_some()
            );
        })
        .await
        .unwrap();
    }
}

#[test]
fn the_trash_is_emptied_by_whoever_says_so_and_after_the_days_that_are_set() {
    let house = House::new();
    let model = house.script(r#"(say: [text("Said.")])"#);
    for _ in 0..2 {
        assert_eq!(house.yolo(&model).code, 0);
    }
    assert_eq!(house.run(["sessions", "trash", "last"]).code, 0);
    // Nobody can be asked here.
    let refused = house.run(["sessions", "trash", "--empty"]);
    assert_eq!((refused.code, &*refused.out), (2, ""), "{}", refused.err);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    for wrong in [
        &["--yes"][..],
        &["--older-than", "3"],
        &["last", "--empty", "--yes"],
    ] {
        assert_eq!(
            house.run([&["sessions", "trash"], wrong].concat()).code,
            2,
            "{wrong:?}"
        );
    }
    let kept = house.run(["sessions", "trash", "--empty", "--older-than", "1", "--yes"]);
    assert_eq!((kept.code, &*kept.err), (0, "0 removed.\n"));
    let rows = |house: &House| {
        house
            .json(["sessions", "trash", "--json"])
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(rows(&house), 1);
    let gone = house.json(["sessions", "trash", "--empty", "--yes", "--json"]);
    assert_eq!(gone["removed"].as_array().unwrap().len(), 1);
    assert_eq!(rows(&house), 0);

    // The setting does the same when a program starts.
    assert_eq!(house.run(["sessions", "trash", "last"]).code, 0);
    assert_eq!(rows(&house), 1);
    let house = house.with("GLASSWORK_TRASH_DAYS", "1");
    assert_eq!(house.yolo(&model).code, 0);
    assert_eq!(rows(&house), 1);
    let house = house.with("GLASSWORK_TRASH_DAYS", "0");
    // Nobody waits for it: what a short run does not come to is done by one of the next.
    assert!((0..20).any(|_| {
        assert_eq!(house.yolo(&model).code, 0);
        rows(&house) == 0
    }));
}

#[test]
fn lists_say_where_they_go_on_and_hide_what_is_empty() {
    let house = House::new();
    let model = house.script(r#"(say: [text("needle")]), (say: [text("again")])"#);
    for _ in 0..2 {
        assert_eq!(house.yolo(&model).code, 0);
    }
    let first = house.run(["sessions", "list", "--limit", "1"]);
    let cursor = first.err.trim().strip_prefix("There are more: --after ").unwrap();
    let rest = house.run(["sessions", "list", "--limit", "1", "--after", cursor]);
    assert!(
        rest.err.is_empty() && !rest.out.is_empty() && rest.out != first.out,
        "{rest:?}"
    );
    let found = house.run(["sessions", "search", "needle", "--limit", "1"]);
    assert!(found.err.starts_with("There is more: --after "), "{found:?}");
    assert_eq!(house.run(["sessions", "search", "needle"]).err, "");
    // A copy of the beginning, before anything was said.
    assert_eq!(house.run(["sessions", "fork", "last", "--at", "1"]).code, 0);
    let count = |more: &[&str]| {
        let rows = house.json([&["sessions", "list", "--json"], more].concat());
        rows.as_array().unwrap().len()
    };
    assert_eq!((count(&[]), count(&["--all"])), (2, 3));
}

#[test]
fn branches_stand_deeper_in_a_tree() {
    let house = House::new();
    let model = house.script(r#"(say: [text("one")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let prompts = |house: &House| -> Vec<bool> {
        let tree = house.run(["sessions", "tree", "last"]).out;
        let prompts = tree.lines().filter(|line| line.contains(" > go"));
        prompts
            .map(|line| line.chars().skip(2).take(2).all(|sign| sign == ' '))
            .collect()
    };
    assert_eq!(prompts(&house), [false]);
    assert_eq!(house.run(["sessions", "leaf", "last", "start"]).code, 0);
    let go = [
        "run",
        "go",
        "--continue",
        "--permission-mode",
        "yolo",
        "--model",
        &*model,
    ];
    assert_eq!(house.run(go).code, 0);
    assert_eq!(prompts(&house), [true, true]);
}
