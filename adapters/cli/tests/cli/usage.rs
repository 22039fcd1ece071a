//! What is wrong is told before anything happens, with what to do.

use std::fs;

use super::support::House;

fn check(house: &House, arguments: &[&str], told: &[&str]) {
    let done = house.run(arguments);
    assert_eq!((done.code, &*done.out), (2, ""), "{arguments:?}: {done:?}");
    for text in told {
        assert!(
            done.err.contains(text),
            "{arguments:?}: {text} is not in {}",
            done.err
        );
    }
}

#[test]
fn wrong_command_lines_are_explained() {
    let house = House::new();
    check(&house, &["demmo"], &["unrecognized subcommand 'demmo'", "'demo'"]);
    check(
        &house,
        &["run", "x", "--modle", "y"],
        &["unexpected argument '--modle'", "'--model'"],
    );
    check(
        &house,
        &["run", "x", "--permission-mode", "root"],
        &["plan, ask, accept-edits, auto, yolo"],
    );
    check(&house, &["run", "x", "--max-steps", "0"], &["0 is not in 1.."]);
    check(
        &house,
        &["run", "x", "--resume", "a", "--continue"],
        &["cannot be used with"],
    );
    check(&house, &["run"], &["there is no prompt"]);
    check(&house, &["run", " "], &["there is no prompt"]);
    check(
        &house,
        &["completions", "tcsh"],
        &["bash, elvish, fish, powershell, zsh"],
    );
}

#[test]
fn models_that_cannot_be_asked_are_named_with_a_way_out() {
    let house = House::new();
    check(
        &house,
        &["run", "x"],
        &[
            "no model is chosen",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "scripted/FILE.ron",
            "glasswork demo",
        ],
    );
    check(
        &house,
        &["run", "x", "--model", "gpt"],
        &["`gpt` may be any of these", "openai/gpt-"],
    );
    check(
        &house,
        &["run", "x", "--model", "acme/9"],
        &[
            "no provider `acme`",
            "`anthropic`, `openai`, `google`, and `scripted`",
        ],
    );
    check(
        &house,
        &["run", "x", "--model", "openai/gpt-5"],
        &["no key for `openai`", "set OPENAI_API_KEY"],
    );
    check(
        &house,
        &["run", "x", "--model", "scripted/no.ron"],
        &["cannot read the script no.ron"],
    );
    let house = house
        .with("OPENAI_BASE_URL", "localhost:1")
        .with("OPENAI_API_KEY", "k");
    check(
        &house,
        &["run", "x"],
        &["OPENAI_BASE_URL", "only `https:` and `http:` are spoken"],
    );
}

#[test]
fn a_malformed_script_is_told_with_its_place() {
    let house = House::new();
    fs::write(
        house.work.join("bad.ron"),
        "(\n  turns: [\n    (sya: []),\n  ],\n)",
    )
    .unwrap();
    check(
        &house,
        &["run", "x", "--model", "scripted/bad.ron"],
        &["bad.ron:3:", "sya"],
    );
    check(
        &house,
        &["demo", "--model", "scripted/bad.ron"],
        &["bad.ron:3:", "sya"],
    );
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    let house = House::new();
    let folder = house.home.path().join("glasswork/config");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("settings.ron");
    let settings = |text: &str| fs::write(&file, text).unwrap();
    settings("(\n  mode: \"ask\",\n  max_steps: \"many\",\n)");
    check(
        &house,
        &["settings"],
        &["settings.ron:3", "`max_steps` cannot be"],
    );
    settings("(\n  mdoe: \"ask\",\n)");
    check(
        &house,
        &["run", "x"],
        &["settings.ron:2", "no setting `mdoe`", "`mode`"],
    );
    settings("(mode");
    check(&house, &["run", "x"], &["settings.ron:1:"]);
    fs::remove_file(&file).unwrap();
    let house = house.with("GLASSWORK_MODE", "root");
    check(
        &house,
        &["settings"],
        &["GLASSWORK_MODE", "`mode` cannot be root"],
    );
}

#[test]
fn sessions_and_directories_that_are_not_there_are_told() {
    let house = House::new();
    let model = house.script(r#"(say: [text("hello")])"#);
    let run = |more: [&str; 2]| {
        let mut arguments = vec!["run", "x", "--model", &*model];
        arguments.extend(more.into_iter().filter(|more| !more.is_empty()));
        check(&house, &arguments, &[]);
    };
    run(["--resume", "last"]);
    run(["--resume", "0192"]);
    run(["--resume", "no id"]);
    run(["--continue", ""]);
    run(["-C", "nowhere"]);
    check(
        &house,
        &["sessions", "show", "last"],
        &["there is no session `last`"],
    );
    check(&house, &["replay", "abc"], &["`abc`"]);
    assert_eq!(house.yolo(&model).code, 0);
    check(
        &house,
        &["sessions", "show", "last", "--at", "9999"],
        &["there is no commit 9999"],
    );
}

#[test]
fn help_is_for_strangers() {
    let house = House::new();
    let done = house.run(["--help"]);
    assert_eq!((done.code, &*done.err), (0, ""));
    for text in [
        "glasswork demo",
        "ANTHROPIC_API_KEY",
        "Exit codes: 0 done, 1 failed, 2 usage",
        "replay",
        "GLASSWORK_HOME",
    ] {
        assert!(done.out.contains(text), "{text} is not in {}", done.out);
    }
    let manual = house.run(["man"]);
    assert_eq!(manual.code, 0);
    for text in ["EXIT STATUS", "143", "terminated (SIGTERM)"] {
        assert!(manual.out.contains(text), "{text} is not in {}", manual.out);
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let completions = house.run(["completions", shell]);
        assert!(
            completions.code == 0 && completions.out.contains("permission-mode"),
            "{shell}: {completions:?}"
        );
    }
}
