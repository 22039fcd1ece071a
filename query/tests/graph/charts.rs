use glasswork_agent_core::turn::TurnChart;
use glasswork_engine::chart::describe;
use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::{S, World};

/// Row by row the table that runs: not a drawing of it.
#[test]
fn a_chart_is_the_table_that_runs() {
    let world = World::new(Mode::Ask);
    let chart = world.ask(
        "{ charts(name: \"turn\") { name initial states { name parent leaf terminal entry exit }
        rows { key from on when to intents } } }",
    )["charts"][0]
        .clone();
    let runs = describe::<TurnChart>();
    assert_eq!(chart["name"], runs.name);
    assert_eq!(chart["initial"], runs.initial);
    assert_eq!(chart["rows"], serde_json::to_value(&runs.rows).unwrap());
    assert_eq!(chart["states"], serde_json::to_value(&runs.nodes).unwrap());
    assert_eq!(
        world.failures("{ charts(name: \"none\") { name } }"),
        [("NOT_FOUND".into(), "charts".into())]
    );
}

fn stands(world: &World, at: &str) -> Value {
    let query =
        format!("{{ charts {{ name configuration(session: \"{S}\" {at}) {{ state within call }} }} }}");
    world.ask(&query)["charts"].clone()
}

#[test]
fn charts_stand_where_the_session_stands_now_and_then() {
    let world = World::new(Mode::Ask);
    world.prompt("Run it");
    let call = world.call_bash("make");
    let asked = stands(&world, "");
    assert_eq!(
        asked,
        json!([
            { "name": "session", "configuration": [{ "state": "busy", "within": [], "call": null }] },
            { "name": "turn", "configuration": [
                { "state": "gating", "within": ["acting", "working", "open"], "call": null }] },
            { "name": "tool_call", "configuration": [
                { "state": "asked", "within": ["unstarted"], "call": format!("{S}/{call}") }] },
            { "name": "mcp_server", "configuration": [] },
        ])
    );
    let past = stands(&world, "at: 1");
    assert_eq!(past[0]["configuration"][0]["state"], "idle");
    assert_eq!(past[1]["configuration"], json!([]));
    assert_eq!(stands(&world, &format!("at: {}", world.seq())), asked);
}

#[test]
fn the_history_of_a_turn_is_its_transitions_with_their_dispatches() {
    let world = World::new(Mode::Ask);
    world.turn();
    let read = |arguments: &str| {
        let query = format!("{{ charts(name: \"turn\") {{ history(session: \"{S}\" {arguments}) {{
            nodes {{ taken {{ key row {{ to }} }} by {{ id }} }} pageInfo {{ endCursor hasNextPage }} }} }} }}");
        let history = world.ask(&query)["charts"][0]["history"].clone();
        let rows = history["nodes"].as_array().unwrap().iter().map(|node| {
            let by = node["by"]["id"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{by} {}", node["taken"]["key"].as_str().unwrap())
        });
        (rows.collect::<Vec<_>>(), history["pageInfo"].clone())
    };
    let (all, _) = read("");
    insta::assert_json_snapshot!(all, @r#"
    [
      "2 step.request",
      "3 request.calls",
      "4 gate.run",
      "5 run.settled",
      "5 step.request",
      "6 request.answer",
      "6 step.completed"
    ]
    "#);
    let (first, page) = read("first: 2");
    let (rest, _) = read(&format!("after: {}", page["endCursor"]));
    assert_eq!([first, rest].concat(), all);
}
