//! What goes where, in which form.

use serde_json::{Value, json};

use super::support::House;

#[test]
fn every_setting_says_where_it_comes_from_and_what_it_overrode() {
    let house = House::new().with("GLASSWORK_MAX_STEPS", "7");
    let folder = house.home.path().join("glasswork/config");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("settings.ron"),
        "(\n    mode: \"plan\",\n    max_steps: 50,\n)\n",
    )
    .unwrap();
    let file = folder.join("settings.ron").display().to_string();
    let document = house.json(["settings", "--json"]);
    let rows = document["settings"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap().clone();
    let default = |name: &str, value: Value| json!({ "name": name, "value": value, "layer": "default", "file": null, "line": null });
    assert_eq!(
        row("max_steps"),
        json!({
            "name": "max_steps", "value": 7, "layer": "environment", "file": "GLASSWORK_MAX_STEPS", "line": null,
            "overrode": [
                { "name": "max_steps", "value": 50, "layer": "user", "file": file, "line": 3 },
                default("max_steps", json!(200)),
            ],
        })
    );
    assert_eq!(
        row("mode"),
        json!({ "name": "mode", "value": "plan", "layer": "user", "file": file, "line": 2, "overrode": [default("mode", json!("ask"))] })
    );
    let text = house.run(["settings"]).out;
    for expected in [
        format!("{file}:2"),
        "not 50".to_owned(),
        "GLASSWORK_MAX_STEPS".to_owned(),
        "retry_cap_ms".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} is not in {text}");
    }
}

#[test]
fn settings_speak_ron() {
    let house = House::new();
    let folder = house.home.path().join("glasswork/config");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = |text: &str| {
        std::fs::write(folder.join("settings.ron"), text).unwrap();
        house.run(["settings"])
    };
    for (text, told) in [
        (
            "(pack_after: null)",
            "`pack_after` cannot be null: where nothing is meant, RON says `None`",
        ),
        ("(model: null)", "RON says `None`"),
        (
            "(max_steps: None)",
            "`max_steps` cannot be None: invalid type: `None`, expected u32",
        ),
    ] {
        let refused = settings(text);
        assert_eq!((refused.code, &*refused.out), (2, ""), "{text}");
        assert!(refused.err.contains(told), "{text}: {}", refused.err);
    }
    let shown = settings("(pack_after: None, keep_days: 3)").out;
    let row = |name: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert_eq!(row("pack_after ").split_whitespace().nth(1), Some("None"));
    assert_eq!(row("keep_days ").split_whitespace().nth(1), Some("3"));
}

#[test]
fn the_settings_file_is_read_once() {
    use rustix::fs::inotify;
    let house = House::new();
    let folder = house.home.path().join("glasswork/config");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("settings.ron");
    std::fs::write(&file, "(mode: \"yolo\")").unwrap();
    let model = house.script(r#"(say: [text("ok")]), (say: [text("ok again")])"#);
    assert_eq!(house.run(["run", "x", "--model", &*model]).code, 0);
    for arguments in [
        &["run", "x", "--model", &*model][..],
        &["run", "more", "--continue", "--model", &*model],
        &["sessions", "fork", "last"],
        &["sessions", "trash", "last"],
        &["settings"],
        &["doctor"],
    ] {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, &file, inotify::WatchFlags::OPEN).unwrap();
        let done = house.run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        let mut opened = 0;
        while events.next().is_ok() {
            opened += 1;
        }
        assert_eq!(opened, 1, "{arguments:?}");
    }
}

#[test]
fn a_workspace_cannot_set_anything() {
    let house = House::new();
    std::fs::create_dir(house.work.join(".glasswork")).unwrap();
    std::fs::write(house.work.join(".glasswork/settings.ron"), "(mode: \"yolo\")").unwrap();
    let document = house.json(["settings", "--json"]);
    let mode = document["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "mode")
        .unwrap();
    assert_eq!(
        (&mode["value"], document["not_read"].as_array().unwrap().len()),
        (&json!("ask"), 1)
    );
    let model = house.script(r#"(say: [text("ok")])"#);
    assert!(
        house
            .run(["run", "x", "--model", &*model])
            .err
            .contains("is not read")
    );
}

#[test]
fn the_doctor_tells_what_is_missing() {
    let house = House::new();
    let findings = house.json(["doctor", "--json"]);
    let health = |what: &str| {
        let found = findings
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["what"] == what);
        found.unwrap_or_else(|| panic!("{what} is not in {findings:#}"))["health"].clone()
    };
    assert_eq!(
        [health("settings"), health("sessions"), health("openai")],
        ["good", "good", "limited"]
    );
    let house = house.with("OPENAI_API_KEY", "secret-key");
    let text = house.run(["doctor"]);
    assert!(
        text.code == 0 && text.out.contains("can be asked") && !text.out.contains("secret-key"),
        "{text:?}"
    );
    std::fs::create_dir_all(house.home.path().join("glasswork/config")).unwrap();
    std::fs::write(house.home.path().join("glasswork/config/settings.ron"), "(").unwrap();
    let broken = house.run(["doctor"]);
    assert!(
        broken.code == 1 && broken.out.contains("settings.ron:1"),
        "{broken:?}"
    );
}

#[test]
fn sessions_are_listed_and_shown() {
    let house = House::new();
    assert_eq!(house.json(["sessions", "list", "--json"]), json!([]));
    let model = house
        .script(r#"(say: [text("I run it."), call("bash", (command: "echo out"))]), (say: [text("Ran.")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let rows = house.json(["sessions", "list", "--json"]);
    let shown = house.json(["sessions", "show", "last", "--json"]);
    assert_eq!(
        (&rows[0]["id"], &rows[0]["commits"]),
        (&shown["id"], &shown["commit"])
    );
    assert_eq!(shown["status"]["workspace"], house.work.display().to_string());
    assert_eq!(
        shown["status"]["waiting"][0]["text"],
        "waits for a prompt: a person can unblock it"
    );
    assert_eq!(
        (&rows[0]["workspace"], &rows[0]["first_words"]),
        (&shown["status"]["workspace"], &json!("go"))
    );
    let text = house.run(["sessions", "show", "last"]).out;
    for expected in [
        "> go",
        "I run it.",
        "→ bash command: echo out",
        "allowed: rule yolo",
        "--permission-mode",
        "  out",
        "Ran.",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let past = house.json(["sessions", "show", "last", "--at", "2", "--json"]);
    assert_eq!(
        (&past["commit"], past["transcript"].as_array().unwrap().len()),
        (&json!(2), 1)
    );
}

#[test]
fn nothing_that_a_model_or_a_file_says_commands_the_terminal() {
    let house = House::new();
    let model = house.script(
        r#"(say: [thinking("\u{9b}2J"), text("\u{1b}]0;owned\u{7}hi \u{202e}"), call("bash", (command: "printf '\\033[31mred'"))]),
           (say: [text("\u{1b}[2J")])"#,
    );
    let done = house.yolo(&model);
    assert_eq!(done.code, 0, "{done:?}");
    // A program that reads the answer gets it as it is.
    assert_eq!(done.out, "\u{1b}[2J\n");
    let shown = house.run(["sessions", "show", "last"]).out;
    for text in [&done.err, &shown] {
        let hostile: Vec<_> = text
            .chars()
            .filter(|char| (char.is_control() && *char != '\n') || *char == '\u{202e}')
            .collect();
        assert!(hostile.is_empty(), "{text:?}");
        assert!(text.contains("\\u{1b}]0;owned\\u{7}hi \\u{202e}"), "{text}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let check = |variables: &[(&str, &str)], coloured: bool| {
        let house = variables
            .iter()
            .fold(House::new(), |house, (name, value)| house.with(name, value));
        let done = house.run(["doctor"]);
        assert_eq!(
            done.out.contains('\u{1b}'),
            coloured,
            "{variables:?}: {}",
            done.out
        );
    };
    check(&[], false);
    check(&[("CLICOLOR_FORCE", "1")], true);
    check(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
}

#[test]
fn who_stops_reading_has_read_enough() {
    let house = House::new();
    let big = r#"(say: [call("bash", (command: "seq 100000")), text("x")]), (say: [text("y")])"#;
    let model = house.script(big);
    let piped = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_glasswork");
        house.shell(&format!("set -o pipefail; {program} {arguments} | head -n 1"))
    };
    let first = piped(&format!(
        "run go --permission-mode yolo --output-format stream-json --model {model}"
    ));
    assert_eq!(
        (first.code, first.out.lines().count(), &*first.err),
        (0, 1, ""),
        "{first:?}"
    );
    let slow = house.script(&format!(
        "(say: [{}])",
        r#"text("piece"), wait(200), "#.repeat(50)
    ));
    let first = piped(&format!("run go --output-format stream-json --model {slow}"));
    assert_eq!(
        (first.code, first.out.lines().count(), &*first.err),
        (0, 1, ""),
        "{first:?}"
    );
    // Nobody waits for it, so it does not go on.
    assert_eq!(
        house.json(["sessions", "show", "last", "--json"])["status"]["turn"]["state"],
        "cancelled"
    );
    let first = piped("demo");
    assert_eq!(
        (first.code, first.out.lines().count(), &*first.err),
        (0, 1, ""),
        "{first:?}"
    );
    for command in [
        "completions bash",
        "man",
        "sessions show last",
        "settings",
        "--help",
    ] {
        let first = piped(command);
        assert_eq!(
            (first.code, first.out.lines().count(), &*first.err),
            (0, 1, ""),
            "{command}: {first:?}"
        );
    }
}
