//! What can be picked where a slash command wants an argument.

use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::slash_commands::COMMANDS;
use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::{S, World, ask};

fn choices(world: &World, of: &str, typed: &str) -> Value {
    let query = format!(
        "{{ session(id: \"{S}\") {{ choices(of: {of}, typed: \"{typed}\") {{ items {{ value text detail current }} \
         more }} }} }}"
    );
    world.ask(&query)["session"]["choices"].take()
}

fn values(choices: &Value) -> Vec<&str> {
    let items = choices["items"].as_array().unwrap();
    items.iter().map(|item| item["value"].as_str().unwrap()).collect()
}

fn current(choices: &Value) -> Vec<&str> {
    let items = choices["items"].as_array().unwrap().iter();
    let current = items.filter(|item| item["current"] == true);
    current.map(|item| item["value"].as_str().unwrap()).collect()
}

#[test]
fn each_kind_of_argument_has_its_choices() {
    let world = World::new(Mode::Ask);
    world.turn();
    let check = |of: &str, some: &[&str], holds: &[&str]| {
        let found = choices(&world, of, "");
        let values = values(&found);
        for value in some {
            assert!(values.contains(value), "{of}: {values:?}");
        }
        assert_eq!(current(&found), holds, "{of}");
        assert_eq!(found["more"], false, "{of}");
    };
    check("MODE", &["plan", "ask", "accept-edits", "auto", "yolo"], &["ask"]);
    check("EFFORT", &["low", "medium", "high", "xhigh"], &[]);
    check("SPEED", &["standard", "fast", "economy"], &[]);
    check("THINKING", &["default", "off", "low"], &["default"]);
    check("SETTING", &["max_steps", "mode", "tool_timeout_ms"], &[]);
    check("CALL", &[], &[]);
    let leaf = world.ask(&format!("{{ session(id: \"{S}\") {{ leaf {{ id }} }} }}"));
    let leaf = leaf["session"]["leaf"]["id"].as_str().unwrap();
    let leaf = leaf.strip_prefix(&format!("{S}/")).unwrap().to_owned();
    for of in ["ENTRY", "FORK_POINT"] {
        check(of, &["2.0"], &[&leaf]);
    }
    check("PLACE", &["start", "2.0"], &[&leaf]);
    let commands = choices(&world, "COMMAND", "");
    let all: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    assert_eq!(values(&commands), all);
    let setting = choices(&world, "SETTING", "max_steps");
    assert_eq!(
        setting["items"][0],
        json!({ "value": "max_steps", "text": "max_steps", "detail": "200", "current": false })
    );
}

#[test]
fn what_was_typed_narrows_them_the_best_first() {
    let world = World::new(Mode::Ask);
    assert_eq!(values(&choices(&world, "MODE", "acc"))[0], "accept-edits");
    assert_eq!(values(&choices(&world, "COMMAND", "/app"))[0], "/approve");
    assert_eq!(values(&choices(&world, "MODE", "nothing like it")), [""; 0]);
    let models = choices(&world, "MODEL", "claude opus");
    let values = values(&models);
    assert!(values[0].contains("claude-opus"), "{values:?}");
    assert!(values.len() < self::values(&choices(&world, "MODEL", "")).len());
}

#[test]
fn a_call_that_waits_can_be_picked_and_one_that_does_not_wait_cannot() {
    let world = World::new(Mode::Ask);
    world.prompt("Tidy up");
    let call = world.call_bash("rm -r build");
    let found = choices(&world, "CALL", "");
    assert_eq!(values(&found), [call.to_string()]);
    assert!(
        found["items"][0]["text"].as_str().unwrap().starts_with("bash "),
        "{found}"
    );
    // As of a commit at which nothing was asked, there is nothing to be picked.
    let then = world.ask(&format!(
        "{{ session(id: \"{S}\", at: 1) {{ choices(of: CALL) {{ items {{ value }} }} }} }}"
    ));
    assert_eq!(then["session"]["choices"]["items"], json!([]));
}

#[test]
fn files_are_picked_where_the_session_is_open() {
    let world = World::new(Mode::Ask);
    let open = choices(&world, "FILE", "\u{2603} nothing is called so");
    assert_eq!(open, json!({ "items": [], "more": false }));
    let query = format!("{{ session(id: \"{S}\") {{ choices(of: FILE) {{ more }} }} }}");
    let later = ask(&world.later(), Viewer::owner(), &query);
    assert_eq!(later["errors"][0]["extensions"]["code"], "NOT_OPEN", "{later}");
}
