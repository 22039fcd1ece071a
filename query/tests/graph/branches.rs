//! Branches of a conversation: which entries are active, and the summary of one that was left.

use glasswork_agent_core::id::EntryId;
use glasswork_session_state::settings::Mode;
use glasswork_session_state::{Event, tree};
use serde_json::{Value, json};

use crate::world::*;

fn moved(to: Option<EntryId>) -> Event {
    Event::Tree(tree::Event::LeafMoved { to, key: None })
}

fn left(to: Option<EntryId>, focus: &str) -> Event {
    Event::Tree(tree::Event::BranchLeft {
        to,
        focus: Some(focus.into()),
        key: None,
    })
}

fn at(seq: u64) -> Option<EntryId> {
    Some(EntryId { seq, ordinal: 0 })
}

fn name(seq: u64) -> String {
    format!("{S}/{seq}.0")
}

/// Two turns: entries 2, 3, 4 and 5.
fn talk() -> World {
    let world = World::new(Mode::Ask);
    for text in ["First", "Second"] {
        world.prompt(text);
        world.say(&format!("Answer to {text}"));
    }
    world
}

#[test]
fn entries_say_whether_they_are_active_and_what_is_below_them() {
    let world = talk();
    world.accept(moved(at(3)));
    let third = world.prompt("Third");
    world.say("Answer to Third");
    let query = format!(
        "{{ session(id: \"{S}\") {{ leaf {{ id active }} \
         entries(allBranches: true) {{ nodes {{ id parent children active kind }} }} }} }}"
    );
    let node = |seq: u64, parent: Option<u64>, children: &[u64], active: bool, kind: &str| {
        let children: Vec<_> = children.iter().map(|seq| name(*seq)).collect();
        json!({ "id": name(seq), "parent": parent.map(name), "children": children, "active": active, "kind": kind })
    };
    let tree = |leaf: Option<u64>, active: &[u64]| {
        let node = |seq, parent, children, kind| node(seq, parent, children, active.contains(&seq), kind);
        json!({
            "leaf": leaf.map(|leaf| json!({ "id": name(leaf), "active": true })),
            "entries": { "nodes": [
                node(2, None, &[3], "PROMPT"),
                node(3, Some(2), &[4, third], "ASSISTANT"),
                node(4, Some(3), &[5], "PROMPT"),
                node(5, Some(4), &[], "ASSISTANT"),
                node(third, Some(3), &[third + 1], "PROMPT"),
                node(third + 1, Some(third), &[], "ASSISTANT"),
            ] },
        })
    };
    assert_eq!(
        world.ask(&query)["session"],
        tree(Some(third + 1), &[2, 3, third, third + 1])
    );
    world.accept(moved(at(5)));
    assert_eq!(world.ask(&query)["session"], tree(Some(5), &[2, 3, 4, 5]));
    world.accept(moved(None));
    assert_eq!(world.ask(&query)["session"], tree(None, &[]));
    // As of a commit it is as it was then.
    let then = world.ask(&format!(
        "{{ session(id: \"{S}\", at: 5) {{ entry(id: \"{}\") {{ active children }} }} }}",
        name(3)
    ));
    assert_eq!(
        then["session"]["entry"],
        json!({ "active": true, "children": [name(4)] })
    );
}

#[test]
fn a_summary_of_a_branch_is_seen_while_it_is_made_and_afterwards() {
    let world = talk();
    let asked = world.accept(left(at(3), "the roof"));
    let by = |seq: u64| json!({ "id": format!("{S}/{seq}") });
    let under_way = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ state leaf {{ id }} compaction {{ reason focus goesOnBelow request {{ number purpose turn base kept }} }} \
         waitingFor {{ on }} dispatches(filter: {{ event: \"branch_left\" }}) {{ nodes {{ id }} }} }} }}"
    ));
    assert_eq!(
        under_way["session"],
        json!({
            "state": "compacting",
            "leaf": { "id": name(5) },
            "compaction": { "reason": "BRANCH_LEFT", "focus": "the roof", "goesOnBelow": name(3), "request": {
                "number": 3, "purpose": "BRANCH_SUMMARY", "turn": null, "base": null, "kept": 0,
            } },
            "waitingFor": [{ "on": "MODEL" }],
            "dispatches": { "nodes": [by(asked)] },
        })
    );
    world.say("It led nowhere.");
    let seq = world.seq();
    let after = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ state compaction {{ reason }} compactions {{ nodes {{ id }} }} leaf {{ id parent active kind preview by {{ id }} \
         body {{ ... on BranchSummaryBody {{ from {{ id active }} summary model filesChanged {{ paths more }} filesRead {{ paths }} \
         request {{ number purpose question body {{ digest }} usage {{ input output }} messages {{ nodes {{ kind sent by {{ id }} }} }} }} }} }} }} \
         usage {{ tokens {{ output }} }} \
         nextRequest {{ base kept messages {{ nodes {{ kind sent by {{ id }} }} }} }} }} }}"
    ));
    let session = &after["session"];
    let sent = |kind: &str, seq: u64| json!({ "kind": kind, "sent": true, "by": by(seq) });
    let request = &session["leaf"]["body"]["request"];
    let question = request["question"].as_str().unwrap();
    assert!(
        question.contains("[user]\nSecond\n\n[agent]\nAnswer to Second\n")
            && question.ends_with("this:\nthe roof\n"),
        "{question}"
    );
    assert!(!question.contains("First"), "{question}");
    assert_eq!(
        session["leaf"],
        json!({
            "id": name(seq),
            "parent": name(3),
            "active": true,
            "kind": "BRANCH_SUMMARY",
            "preview": session["leaf"]["preview"],
            "by": by(seq),
            "body": {
                "from": { "id": name(5), "active": false },
                "summary": "It led nowhere.",
                "model": "scripted/test",
                "filesChanged": { "paths": [], "more": 0 },
                "filesRead": { "paths": [] },
                "request": {
                    "number": 3,
                    "purpose": "BRANCH_SUMMARY",
                    "question": question,
                    "body": { "digest": "body of request 3" },
                    "usage": { "input": 20, "output": 10 },
                    "messages": { "nodes": [sent("PROMPT", 4), sent("ASSISTANT", 5)] },
                },
            },
        })
    );
    assert_eq!(
        session["nextRequest"],
        json!({ "base": format!("{S}/r1"), "kept": 1, "messages": { "nodes": [
            sent("PROMPT", 2), sent("ASSISTANT", 3), sent("BRANCH_SUMMARY", seq),
        ] } })
    );
    assert_eq!(
        (
            &session["state"],
            &session["compaction"],
            &session["compactions"],
            &session["usage"]
        ),
        (
            &json!("idle"),
            &Value::Null,
            &json!({ "nodes": [] }),
            &json!({ "tokens": { "output": 30 } })
        )
    );
    // Why it stands there: the answer, and whoever asked for it.
    let link = |seq: u64, text: &str| json!({ "dispatch": by(seq), "text": text });
    let first = format!("{{ request: \"{S}/r3\", message: 0 }}");
    for (subject, chain) in [
        (
            format!("entry: \"{}\"", name(seq)),
            json!([
                link(seq, "the model finished: end_of_turn"),
                link(
                    asked,
                    "asked to move to entry 3.0, with a summary of what is left"
                ),
            ]),
        ),
        (format!("requestPart: {first}"), json!([link(4, "“Second”")])),
    ] {
        let why = world.ask(&format!(
            "{{ why(of: {{ {subject} }}) {{ chain {{ dispatch {{ id }} text }} }} }}"
        ));
        assert_eq!(why["why"]["chain"], chain);
    }
}

/// What did not become a summary is no entry; its request is on record with what it used.
#[test]
fn a_summary_that_failed_is_seen_in_its_request() {
    let world = talk();
    world.accept(left(None, "x"));
    world.say("   ");
    let after = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ leaf {{ id active }} entryCount compaction {{ reason }} \
         requests {{ nodes {{ number purpose usage {{ output }} }} }} }} }}"
    ));
    let request = |number: u64, purpose: &str| json!({ "number": number, "purpose": purpose, "usage": { "output": 10 } });
    assert_eq!(
        after["session"],
        json!({
            "leaf": { "id": name(5), "active": true },
            "entryCount": 4,
            "compaction": null,
            "requests": { "nodes": [request(1, "STEP"), request(2, "STEP"), request(3, "BRANCH_SUMMARY")] },
        })
    );
}
