//! What clients show: footer, window, tree, dialogs, notifications, commands, and what other sessions do; now and then.

use glasswork_ai::failure::FailureClass;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use glasswork_session_state::{Event, tree};
use serde_json::{Value, json};

use crate::world::*;

fn of(world: &World, at: Option<u64>, fields: &str) -> Value {
    let at = at.map_or_else(String::new, |at| format!(", at: {at}"));
    world.ask(&format!("{{ session(id: \"{S}\"{at}) {{ {fields} }} }}"))["session"].clone()
}

const SHOWN: &str = "footer { workspace title model mode contextWindow contextPerMille contextTokens countdowns { of call } }
    dialogs { id kind reason call { id tool } answers { label command } }
    context { estimate perMille free groups { of parts tokens } parts(first: 50) { nodes { of name tokens by { id } entryId } } }
    notifications { id level kind }";

#[test]
fn what_is_shown_while_people_are_asked_is_gone_when_they_have_answered_and_still_there_in_the_past() {
    let world = World::new(Mode::Ask);
    let window = Sourced::from_layer(Some(2000), Layer::User);
    world.set(Setting::ContextWindow(window));
    let prompted = world.prompt("Run it");
    let call = world.call_bash("ls");
    let asked_at = world.seq();
    let shown = of(&world, None, SHOWN);
    let name = format!("{S}/{call}");
    assert_eq!(
        shown["dialogs"],
        json!([{
            "id": format!("call-{call}"),
            "kind": "PERMISSION",
            "reason": "asked: rule ask.change; mode ask (/work/.glasswork/settings.ron:3); it runs a command",
            "call": { "id": name, "tool": "bash" },
            "answers": [
                { "label": "allow", "command": format!("/approve {call}") },
                { "label": "refuse", "command": format!("/refuse {call}") },
            ],
        }])
    );
    let footer = &shown["footer"];
    assert_eq!(
        footer["countdowns"],
        json!([{ "of": "QUESTION_CLOSED", "call": name }])
    );
    assert_eq!(
        (&footer["model"], &footer["mode"], &footer["contextWindow"]),
        (&json!("scripted/test"), &json!("ASK"), &json!(2000))
    );
    let context = &shown["context"];
    assert_eq!(footer["contextPerMille"], context["perMille"]);
    assert_eq!(footer["contextTokens"], context["estimate"]);
    let parts = context["parts"]["nodes"].as_array().unwrap();
    let words = parts.iter().find(|part| part["of"] == "PROMPT").unwrap();
    assert_eq!(
        (&words["name"], &words["by"]["id"], &words["entryId"]),
        (
            &json!("Run it"),
            &json!(format!("{S}/{prompted}")),
            &json!(format!("{S}/{prompted}.0"))
        )
    );
    let sum = |of: &str, key: &str| -> u64 {
        let own = parts.iter().filter(|part| part["of"] == of);
        match key {
            "parts" => own.count() as u64,
            _ => own.map(|part| part["tokens"].as_u64().unwrap()).sum(),
        }
    };
    for group in context["groups"].as_array().unwrap() {
        let of = group["of"].as_str().unwrap();
        assert_eq!(
            (group["parts"].as_u64(), group["tokens"].as_u64()),
            (Some(sum(of, "parts")), Some(sum(of, "tokens"))),
            "{of}"
        );
    }
    assert_eq!(shown["notifications"], json!([]));
    let others = world.ask("{ activity { session doing } }")["activity"].clone();
    assert_eq!(others, json!([{ "session": S, "doing": "ASKING" }]));
    let others = of(&world, None, "footer { others { session } }");
    assert_eq!(others["footer"]["others"], json!([]));

    world.accept(Event::Prompt(glasswork_session_state::prompt::Event::Cancelled));
    let now = of(&world, None, SHOWN);
    assert_eq!(
        (&now["dialogs"], &now["footer"]["countdowns"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(of(&world, Some(asked_at), SHOWN), shown);
    assert_eq!(world.ask("{ activity { session } }")["activity"], json!([]));
}

#[test]
fn a_failed_turn_is_told() {
    let world = World::new(Mode::Ask);
    let turn = world.prompt("Go");
    world.fail("So", FailureClass::Auth);
    let shown = of(&world, None, "notifications { id level kind text }");
    let [told] = &shown["notifications"].as_array().unwrap()[..] else {
        panic!("{shown}")
    };
    assert_eq!(
        (&told["id"], &told["level"], &told["kind"]),
        (
            &json!(format!("turn_failed-{turn}")),
            &json!("ERROR"),
            &json!("turn_failed")
        )
    );
    assert!(told["text"].as_str().unwrap().contains("it failed"), "{told}");
}

#[test]
fn the_tree_has_its_branches_as_rows_by_pages() {
    let world = World::new(Mode::Ask);
    let first = world.prompt("First");
    world.say("Answer");
    world.accept(Event::Tree(tree::Event::LeafMoved { to: None, key: None }));
    let second = world.prompt("Second");
    world.say("Another");
    let fields = "tree { leaf forksAtStart { at } nodes(first: 3) { pageInfo { hasNextPage endCursor }
        nodes { name parent kind words active forks { at } } } }";
    let shown = of(&world, None, fields)["tree"].clone();
    let rows = shown["nodes"]["nodes"].as_array().unwrap();
    let row = |row: &Value| {
        (
            row["words"].clone(),
            row["parent"].is_null(),
            row["active"].clone(),
        )
    };
    assert_eq!(
        rows.iter().map(row).collect::<Vec<_>>(),
        [
            (json!("First"), true, json!(false)),
            (json!("Answer"), false, json!(false)),
            (json!("Second"), true, json!(true)),
        ]
    );
    assert_eq!(
        (&rows[0]["name"], &rows[2]["name"]),
        (&json!(format!("{first}.0")), &json!(format!("{second}.0")))
    );
    assert_eq!(shown["nodes"]["pageInfo"]["hasNextPage"], json!(true));
    let cursor = shown["nodes"]["pageInfo"]["endCursor"].as_str().unwrap();
    let more = format!("tree {{ nodes(first: 3, after: \"{cursor}\") {{ nodes {{ words }} }} }}");
    assert_eq!(
        of(&world, None, &more)["tree"]["nodes"]["nodes"],
        json!([{ "words": "Another" }])
    );
    let family = of(&world, None, "family { session parent at depth loaded }");
    assert_eq!(
        family["family"],
        json!([{ "session": S, "parent": null, "at": null, "depth": 0, "loaded": true }])
    );
    assert_eq!(of(&world, None, "clients { name }")["clients"], json!([]));
}

#[test]
fn commands_are_those_of_the_table() {
    let world = World::new(Mode::Ask);
    let fields = "name usage operation arguments { name kind optional }";
    let all = world.ask(&format!("{{ commands {{ {fields} }} }}"))["commands"].clone();
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|command| &command["name"])
        .collect();
    let table = glasswork_app_runtime::slash_commands::COMMANDS;
    assert_eq!(
        names,
        table.iter().map(|command| command.name).collect::<Vec<_>>()
    );
    let typed = world.ask(&format!("{{ commands(typed: \"/refus\") {{ {fields} }} }}"))["commands"].clone();
    assert_eq!(
        typed,
        json!([{
            "name": "/refuse",
            "usage": "/refuse CALL [REASON]",
            "operation": "refuse",
            "arguments": [
                { "name": "CALL", "kind": "call", "optional": false },
                { "name": "REASON", "kind": "words", "optional": true },
            ],
        }])
    );
}

#[test]
fn the_runtime_says_what_can_be_set_and_what_updates_touch() {
    let schema = World::new(Mode::Ask).ask("{ schema { settings { name default } projections } }");
    let settings = schema["schema"]["settings"].as_array().unwrap();
    assert!(settings.contains(&json!({ "name": "max_steps", "default": "200" })));
    assert!(settings.contains(&json!({ "name": "context_window", "default": null })));
    let projections = schema["schema"]["projections"].as_array().unwrap();
    assert_eq!((projections.len(), &projections[0]), (9, &json!("status")));
}
