//! How a call was read that stood in the text of an answer.

use std::sync::Arc;

use glasswork_ai::conversation::{Block, Mended, Reading, ToolCall};
use glasswork_ai::stream::StopReason;
use glasswork_session_state::settings::Mode;
use serde_json::json;

use crate::world::{S, World, counted};

#[test]
fn a_call_shows_its_raw_text_and_what_was_mended_in_it() {
    let world = World::new(Mode::Ask);
    world.prompt("Run it");
    let call = |id: &str, reading: Option<Reading>| {
        Block::ToolCall(ToolCall {
            id: id.into(),
            name: "bash".into(),
            arguments: r#"{"command":"ls"}"#.into(),
            reading: reading.map(Arc::new),
        })
    };
    let mended = Reading {
        dialect: "hermes".into(),
        raw: "<tool_call>{…".into(),
        raw_bytes: 70,
        repairs: vec![Mended {
            kind: "extra_comma".into(),
            at: 50,
        }],
        refused: None,
    };
    let refused = Reading {
        raw: "".into(),
        repairs: vec![],
        refused: Some("there is no tool `x`".into()),
        ..mended.clone()
    };
    let blocks = vec![call("a", None), call("b", Some(mended)), call("c", Some(refused))];
    world.answer(blocks, StopReason::ToolUse, counted(100, 0));
    let query = format!(
        "{{ session(id: \"{S}\") {{ calls {{ nodes {{ providerId reading {{ dialect raw rawBytes refused
        repairs {{ kind at }} }} }} }} }} }}"
    );
    assert_eq!(
        world.ask(&query)["session"]["calls"]["nodes"],
        json!([
            {"providerId": "a", "reading": null},
            {"providerId": "b", "reading": {
                "dialect": "hermes", "raw": "<tool_call>{…", "rawBytes": 70, "refused": null,
                "repairs": [{"kind": "extra_comma", "at": 50}]
            }},
            {"providerId": "c", "reading": {
                "dialect": "hermes", "raw": "", "rawBytes": 70, "refused": "there is no tool `x`", "repairs": []
            }},
        ])
    );
}
