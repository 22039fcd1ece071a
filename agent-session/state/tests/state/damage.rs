//! A damaged state is named: the audit at load is not a formality.

use glasswork_ai::conversation::Block;
use glasswork_engine::Domain;
use glasswork_session_state::domain::Glasswork;
use glasswork_session_state::state::Scope;
use glasswork_session_state::tools::Word;
use serde_json::{Value, json};

use crate::world::*;

/// What the audit says of a state after `damage` was done to what it is written as.
#[track_caller]
fn audited(world: &World, pointer: &str, value: Value) -> String {
    let mut written = serde_json::to_value(&world.state).unwrap();
    let place = written.pointer_mut(&format!("/session{pointer}"));
    *place.unwrap_or_else(|| panic!("there is no {pointer}")) = value;
    let state: Scope = serde_json::from_value(written).unwrap();
    Glasswork::audit(&state).expect_err(pointer).to_string()
}

#[test]
fn an_open_turn_must_wait_for_something() {
    let mut world = World::new();
    world.prompt("x");
    let says = |world: &World, pointer: &str, value| audited(world, pointer, value);
    assert_eq!(
        says(&world, "/turn/state", json!("preparing")),
        "the turn is Preparing, but nothing will prepare its step"
    );
    assert_eq!(
        says(&world, "/turn/state", json!("backing_off")),
        "the turn is BackingOff, but a request is on its way"
    );
    assert_eq!(
        says(&world, "/turn/attempt/effect", json!(null)),
        "the turn is Connecting, but no request is on its way"
    );
    assert_eq!(
        says(&world, "/turn/attempt/wait", json!(null)),
        "the turn is Connecting, but there is no deadline to connect"
    );
    assert_eq!(
        says(&world, "/state", json!("idle")),
        "the session is Idle, but its turn is Some(Connecting)"
    );
    assert_eq!(
        says(&world, "/turn/state", json!("executing")),
        "the turn is Executing, but no call runs"
    );
    world.answer("so");
    assert_eq!(
        says(&world, "/state", json!("busy")),
        "the session is Busy, but its turn is Some(Completed)"
    );
}

#[test]
fn a_call_must_be_settled_once_and_told_once() {
    let mut world = World::new();
    let calls = world.running(&[write("/work/a"), read("/work/a")]);
    let [first, second] = [calls[0], calls[1]];
    let at = |field: &str| format!("/calls/{first}/{field}");
    assert_eq!(
        audited(&world, &at("effect"), json!(null)),
        format!("call {first} is Running, but no effect works on it")
    );
    assert_eq!(
        audited(&world, &at("deadline"), json!(null)),
        format!("call {first} is Running, but it has no deadline")
    );
    assert_eq!(
        audited(&world, &at("state"), json!("succeeded")),
        format!("call {first} is Succeeded, but an effect works on it")
    );
    let writes = json!("write");
    let access = format!("/calls/{second}/judgement/explanation/access");
    assert_eq!(
        audited(&world, &access, writes),
        format!("calls {first} and {second} write the same file at the same time")
    );
    assert_eq!(
        audited(&world, "/turn/batch", json!([first])),
        format!("call {second} of an answer has 0 results")
    );
    world.settle(first, Word::Succeeded, "a");
    world.settle(second, Word::Succeeded, "b");
    assert_eq!(
        audited(&world, &at("outcome"), json!(null)),
        format!("call {first} is Succeeded, but its outcome does not fit")
    );
    let result = world.call(second).result.unwrap();
    let told = format!("/tree/entries/{result}/body/tool_result/call");
    assert_eq!(
        audited(&world, &told, json!(first)),
        format!("call {first} of an answer has 2 results")
    );
}

#[test]
fn conversation_context_and_requests_must_fit_together() {
    let mut world = World::new();
    world.prompt("x");
    world.connect();
    world.stream(vec![finished(0, Block::Text("whole".into()))]);
    world.ask(glasswork_session_state::prompt::Event::Cancelled);
    world.prompt("y");
    let leaf = world.session().tree.leaf().unwrap();
    assert_eq!(
        audited(&world, "/tree/leaf", json!("99.0")),
        "entry 99.0 has no parent, or is missing"
    );
    assert_eq!(
        audited(&world, &format!("/tree/entries/{leaf}/parent"), json!("99.0")),
        format!("entry {leaf} has no parent, or is missing")
    );
    let sizes = "the context is not what the branch to the leaf adds up to";
    assert_eq!(audited(&world, "/context/tokens", json!(0)), sizes);
    let request = "request 2 keeps more than the request before it has, or refers to what is not there";
    assert_eq!(audited(&world, "/requests/2/plan/kept", json!(2)), request);
    assert_eq!(audited(&world, "/requests/2/plan/head", json!(77)), request);
    assert_eq!(
        audited(&world, "/requests/2/plan/new/0/entry", json!("77.0")),
        request
    );
}
