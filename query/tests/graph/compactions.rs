//! How full the context is, and what was done about it.

use glasswork_session_state::Event;
use glasswork_session_state::compaction;
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use serde_json::json;

use crate::world::*;

fn requested(focus: &str) -> Event {
    Event::Compaction(compaction::Event::Requested {
        focus: Some(focus.into()),
        key: None,
    })
}

#[test]
fn a_compaction_is_seen_while_it_is_made_and_afterwards() {
    let world = World::new(Mode::Ask);
    let long = "word ".repeat(400);
    for name in ["First", "Second", "Third"] {
        world.prompt(name);
        world.say(&long);
    }
    let window = Sourced::from_layer(Some(40_000), Layer::Session);
    world.set(Setting::ContextWindow(window));
    let context = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ compaction {{ reason }} context {{ window reserve keep threshold heldBack }} \
         nextRequest {{ purpose question threshold }} }} }}"
    ));
    assert_eq!(
        context["session"],
        json!({
            "compaction": null,
            "context": { "window": 40000, "reserve": 10000, "keep": 10000, "threshold": 30000, "heldBack": null },
            "nextRequest": { "purpose": "STEP", "question": null, "threshold": 30000 },
        })
    );
    world.accept(requested("the roof"));
    let under_way = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ state compaction {{ reason focus request {{ number purpose turn base kept }} }} \
         waitingFor {{ on }} compactions {{ nodes {{ id }} }} }} }}"
    ));
    assert_eq!(
        under_way["session"],
        json!({
            "state": "compacting",
            "compaction": { "reason": "ASKED", "focus": "the roof", "request": {
                "number": 4, "purpose": "COMPACTION", "turn": null, "base": format!("{S}/r3"), "kept": 4,
            } },
            "waitingFor": [{ "on": "MODEL" }],
            "compactions": { "nodes": [] },
        })
    );
    world.say("Notes on the roof.");
    let seq = world.seq();
    let after = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ state leaf {{ kind by {{ id }} }} compactions {{ nodes {{ body {{ ... on CompactionBody {{ \
         reason focus summary model firstKept {{ text }} firstPrompt pinned filesChanged {{ paths more }} unknownCalls \
         request {{ number body {{ digest }} messages {{ nodes {{ kind sent by {{ id }} }} }} }} }} }} }} }} \
         nextRequest {{ base kept messages {{ nodes {{ kind by {{ id }} }} }} }} }} }}"
    ));
    let by = |seq: u64| json!({ "id": format!("{S}/{seq}") });
    let sent = |kind: &str, seq: u64| json!({ "kind": kind, "sent": true, "by": by(seq) });
    let made = &after["session"]["compactions"]["nodes"][0]["body"];
    assert_eq!(
        *made,
        json!({
            "reason": "ASKED",
            "focus": "the roof",
            "summary": "Notes on the roof.",
            "model": "scripted/test",
            "firstKept": { "text": "Third" },
            "firstPrompt": format!("{S}/2.0"),
            "pinned": [],
            "filesChanged": { "paths": [], "more": 0 },
            "unknownCalls": [],
            "request": {
                "number": 4,
                "body": { "digest": "body of request 4" },
                "messages": { "nodes": [sent("PROMPT", 2), sent("ASSISTANT", 3), sent("PROMPT", 4), sent("ASSISTANT", 5)] },
            },
        })
    );
    assert_eq!(
        after["session"]["nextRequest"],
        json!({ "base": null, "kept": 0, "messages": { "nodes": [
            { "kind": "COMPACTION", "by": by(seq) },
            { "kind": "PROMPT", "by": by(6) },
            { "kind": "ASSISTANT", "by": by(7) },
        ] } })
    );
    assert_eq!(
        after["session"]["leaf"],
        json!({ "kind": "COMPACTION", "by": by(seq) })
    );
    assert_eq!(after["session"]["state"], "idle");
    // The difference of the two requests names what took the others' place.
    let why = world.ask(&format!(
        "{{ why(of: {{ entry: \"{S}/{seq}.0\" }}) {{ chain {{ dispatch {{ id event }} }} }} }}"
    ));
    let events = why["why"]["chain"].as_array().unwrap().iter();
    let events: Vec<_> = events
        .map(|link| link["dispatch"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["answered", "compaction_requested"]);
}
