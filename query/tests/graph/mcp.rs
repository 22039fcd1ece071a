//! MCP servers, as the graph tells them.

use glasswork_session_state::Event;
use glasswork_session_state::mcp::{self, Offer};
use glasswork_session_state::settings::{Layer, Mode, Source};
use serde_json::json;

use crate::world::{S, World};

#[test]
fn what_is_started_and_where_it_stands() {
    let world = World::new(Mode::Ask);
    let offer = Offer {
        name: "files".into(),
        command: "npx".into(),
        arguments: vec!["-y".into()],
        environment: vec!["TOKEN".into()],
        from: Source {
            layer: Layer::User,
            file: Some("settings.ron".into()),
            line: Some(2),
        },
    };
    let given = world.accept(Event::Mcp(mcp::Event::Given { servers: vec![offer] }));
    let seen = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ mcpServers {{ name command arguments environment source {{ layer line }} state starts \
         launch deadline {{ call afterMs }} problem {{ kind text }} protocol program offered tools {{ name }} leftOut {{ \
         name }} listedBy {{ id }} }} }} charts(name: \"mcp_server\") {{ configuration(session: \"{S}\") {{ state within }} }} }}"
    ));
    assert_eq!(
        seen["session"]["mcpServers"],
        json!([{
            "name": "files", "command": "npx", "arguments": ["-y"], "environment": ["TOKEN"],
            "source": { "layer": "USER", "line": 2 }, "state": "STARTING", "starts": 1,
            "launch": format!("{S}/{given}/0"), "deadline": { "call": null, "afterMs": 30_000 }, "problem": null,
            "protocol": null, "program": null, "offered": true, "tools": [], "leftOut": [], "listedBy": null,
        }])
    );
    assert_eq!(
        seen["charts"][0]["configuration"],
        json!([{ "state": "starting", "within": ["up"] }])
    );
}
