//! The agent's plan: now, as of a past commit, what changed, and why.

use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::*;

fn plan(world: &World, at: Option<u64>) -> Value {
    let at = at.map_or_else(String::new, |at| format!(", at: {at}"));
    let fields = "plan { call { id outcome { text } evidence { __typename ... on PlanEvidence { writesOnlyThePlan } } } explanation
        completed current { id text } steps { id text status priority } }";
    let asked = format!("{{ session(id: \"{S}\"{at}) {{ {fields} }} }}");
    world.ask(&asked)["session"]["plan"].clone()
}

#[test]
fn the_plan_can_be_asked_for_now_and_then() {
    let world = World::new(Mode::Plan);
    world.prompt("Build it");
    let first = world.plan(&json!({
        "plan": [{ "step": "look", "status": "in_progress", "priority": "high" }, { "step": "build", "status": "pending" }],
    }));
    let then = world.seq();
    let second = world.plan(&json!({
        "explanation": "it was there",
        "plan": [{ "step": "look", "status": "completed" }, { "step": "build", "status": "pending" }],
    }));
    let now = world.seq();
    let step = |place: u16| {
        let named = world.state().plan.clone().unwrap().steps[usize::from(place)].id;
        format!("{S}/{named}")
    };
    let evidence = json!({ "__typename": "PlanEvidence", "writesOnlyThePlan": true });
    let told = |done: u8| json!({ "text": format!("The plan was updated: {done} of 2 steps are done.") });
    assert_eq!(
        plan(&world, None),
        json!({
            "call": { "id": format!("{S}/{second}"), "outcome": told(1), "evidence": evidence },
            "explanation": "it was there",
            "completed": 1,
            "current": null,
            "steps": [
                { "id": step(0), "text": "look", "status": "COMPLETED", "priority": null },
                { "id": step(1), "text": "build", "status": "PENDING", "priority": null },
            ],
        })
    );
    assert_eq!(
        plan(&world, Some(then)),
        json!({
            "call": { "id": format!("{S}/{first}"), "outcome": told(0), "evidence": evidence },
            "explanation": null,
            "completed": 0,
            "current": { "id": step(0), "text": "look" },
            "steps": [
                { "id": step(0), "text": "look", "status": "IN_PROGRESS", "priority": "HIGH" },
                { "id": step(1), "text": "build", "status": "PENDING", "priority": null },
            ],
        })
    );
    assert_eq!(plan(&world, Some(1)), Value::Null);
    // What it was that wrote it, and what that changed.
    let asked = format!(
        "{{ dispatches(session: \"{S}\", filter: {{ event: \"plan_written\" }}) {{ nodes {{ seq event stateDiff {{ changes {{ path {{ field }} }} }} }} }} }}"
    );
    let written = world.ask(&asked)["dispatches"]["nodes"].clone();
    assert_eq!(written.as_array().unwrap().len(), 2);
    assert_eq!(
        (&written[1]["seq"], &written[1]["event"]),
        (&json!(now), &json!("plan_written"))
    );
    assert!(
        written[1]["stateDiff"].to_string().contains(r#""field":"plan""#),
        "{written}"
    );
}
