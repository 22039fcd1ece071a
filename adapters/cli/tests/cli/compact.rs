//! Making a conversation shorter from the command line, and undoing that.

use serde_json::Value;

use super::support::House;

/// A model that summarises where it is asked to, and else says much.
fn talkative(house: &House) -> String {
    let long = "word ".repeat(600);
    let answers = format!(r#"(say: [text("{long}")]), "#).repeat(6);
    house.script(&format!(
        r###"(when: "Write the notes", say: [text("## Goal\nA tidy attic.")], otherwise: [text("{long}")]), {answers}"###
    ))
}

#[test]
fn a_session_is_compacted_and_made_whole_again() {
    let house = House::new();
    let model = talkative(&house);
    let run = |arguments: &[&str]| {
        let done = house.run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        done
    };
    run(&["run", "Tidy the attic.", "--model", &model]);
    for prompt in ["two", "three", "four"] {
        run(&["run", prompt, "--continue", "--model", &model]);
    }
    let sessions = house.json(["sessions", "list", "--json"]);
    let id = sessions.pointer("/0/id").unwrap().as_str().unwrap().to_owned();
    let done = run(&["sessions", "compact", &id, "--focus", "dust"]);
    assert!(
        done.out.contains("Tidy the attic.") && done.out.contains("A tidy attic."),
        "{}",
        done.out
    );
    assert!(
        done.err.contains("compacting") && done.err.contains("tokens before"),
        "{}",
        done.err
    );
    let shown = run(&["sessions", "show", &id]).out;
    assert!(shown.contains("— compacted: about"), "{shown}");

    let undone = run(&["sessions", "compact", &id, "--undo"]);
    assert_eq!(undone.out, "the conversation is whole again\n");
    let again = house.run(["sessions", "compact", &id, "--undo"]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("does not stand at a compaction"),
        "{}",
        again.err
    );

    let done = run(&["sessions", "compact", &id, "--json"]);
    let made: Value = serde_json::from_str(&done.out).unwrap();
    assert!(
        made["tokens_after"].as_u64() < made["tokens_before"].as_u64(),
        "{made}"
    );
}

#[test]
fn what_is_too_short_is_not_compacted() {
    let house = House::new();
    let model = house.script(r#"(say: [text("ok")])"#);
    let done = house.run(["run", "go", "--model", &model]);
    assert_eq!(done.code, 0, "{done:?}");
    let sessions = house.json(["sessions", "list", "--json"]);
    let id = sessions.pointer("/0/id").unwrap().as_str().unwrap().to_owned();
    let done = house.run(["sessions", "compact", &id]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.err
            .contains("there is nothing in it that a summary could stand for"),
        "{}",
        done.err
    );
}
