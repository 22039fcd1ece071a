//! What tools have done to files, and who may stand in for a model.

use glasswork_session_state::settings::Mode;
use serde_json::json;

use crate::world::{S, World};

#[test]
fn files_that_tools_touched_are_listed_page_by_page_and_as_of_then() {
    let world = World::new(Mode::Ask);
    world.prompt("Look");
    world.call_read("b.txt", "/work/b.txt");
    world.settle("b");
    world.say("One.");
    let then = world.seq();
    world.turn();
    let files = |at: &str, arguments: &str| {
        world.ask(&format!(
            "{{ session(id: \"{S}\"{at}) {{ footprint {{ files{arguments} {{ nodes {{ path read changed }} \
             pageInfo {{ endCursor hasNextPage }} }} unknownCalls {{ tool }} }} }} }}"
        ))["session"]["footprint"]
            .take()
    };
    let read = |path: &str| json!({ "path": path, "read": true, "changed": false });
    let all = files("", "");
    assert_eq!(
        all["files"]["nodes"],
        json!([read("/work/a.txt"), read("/work/b.txt")])
    );
    assert_eq!(all["unknownCalls"], json!([]));
    assert_eq!(
        files(&format!(", at: {then}"), "")["files"]["nodes"],
        json!([read("/work/b.txt")])
    );
    assert_eq!(files("", "(changed: true)")["files"]["nodes"], json!([]));
    let first = files("", "(first: 1)");
    assert_eq!(first["files"]["pageInfo"]["hasNextPage"], true);
    let cursor = first["files"]["pageInfo"]["endCursor"].as_str().unwrap();
    let second = files("", &format!("(after: \"{cursor}\")"));
    assert_eq!(second["files"]["nodes"], json!([read("/work/b.txt")]));
    let candidates = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ candidates {{ model barred {{ kind }} }} }} }}"
    ));
    assert_eq!(candidates["session"]["candidates"], json!([]));
}
