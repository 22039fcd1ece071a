//! Results that turns are asked for as values of a schema: by which means, what came, what comes next.

use std::sync::Arc;

use glasswork_ai::structured::{Form, Means};
use glasswork_session_state::settings::Mode;
use glasswork_session_state::structured::Wanted;
use glasswork_session_state::{Event, prompt};
use serde_json::{Value, json};

use crate::world::*;

fn begin(world: &World, means: Option<Means>) {
    let model = "scripted/test".parse().unwrap();
    let wanted = Wanted {
        schema: r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#.into(),
        digest: "of the schema".into(),
        means: means
            .into_iter()
            .map(|means| (Clone::clone(&model), means))
            .collect(),
    };
    world.accept(Event::Prompt(prompt::Event::Prompted {
        images: vec![],
        result: Some(Arc::new(wanted)),
        text: "count".into(),
        max_steps: None,
        key: None,
    }));
}

fn seen(world: &World) -> Value {
    let seen = world.ask(&format!(
        "{{ session(id: \"{S}\") {{ \
           turn {{ state failure {{ noResult }} structured {{ \
             schema schemaDigest means {{ form withTools }} knownMeans {{ model }} due askedAgain value valueText \
             attempts {{ requestId outcome error around misfits {{ path expected got }} }} }} }} \
           nextRequest {{ structured {{ form withTools }} tools {{ name }} }} \
           requests {{ nodes {{ structured {{ form }} tools {{ name }} }} }} \
           leaf {{ body {{ ... on NoticeBody {{ kind result }} }} }} }} }}"
    ));
    seen["session"].clone()
}

#[test]
fn a_result_is_seen_from_the_asking_to_the_end() {
    let world = World::new(Mode::Ask);
    begin(
        &world,
        Some(Means {
            form: Form::Loose,
            with_tools: false,
        }),
    );
    let asked = seen(&world);
    assert_eq!(
        asked["turn"]["structured"],
        json!({
            "schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "schemaDigest": "of the schema",
            "means": {"form": "LOOSE", "withTools": false},
            "knownMeans": [{"model": "scripted/test"}],
            "due": false, "askedAgain": false, "value": null, "valueText": null, "attempts": [],
        })
    );
    assert_eq!(asked["nextRequest"]["structured"], Value::Null);

    world.say("It is three.");
    let due = seen(&world);
    assert_eq!(due["turn"]["structured"]["due"], true);
    assert_eq!(due["leaf"]["body"], json!({"kind": null, "result": "DUE"}));
    assert_eq!(
        due["requests"]["nodes"],
        json!([
            {"structured": null, "tools": [{"name": "read"}, {"name": "bash"}]},
            {"structured": {"form": "LOOSE"}, "tools": []},
        ])
    );
    assert_eq!(
        due["nextRequest"],
        json!({"structured": {"form": "LOOSE", "withTools": false}, "tools": []})
    );

    // What the provider has kept of the work is of no use for that: the request says why.
    let diff = world.ask(&format!(
        "{{ requestDiff(session: \"{S}\", from: 1, to: 2) {{ cacheMiss {{ part {{ kind name change }} by {{ id }} }} }} }}"
    ));
    let by = world.seq();
    assert_eq!(
        diff["requestDiff"]["cacheMiss"],
        json!({
            "part": {"kind": "RESULT", "name": "loose", "change": "ADDED"},
            "by": {"id": format!("{S}/{by}")},
        })
    );

    world.say("{\"n\": \"three\"}");
    let unfit = seen(&world);
    assert_eq!(unfit["turn"]["structured"]["askedAgain"], true);
    assert_eq!(
        unfit["turn"]["structured"]["attempts"],
        json!([{
            "requestId": format!("{S}/r2"), "outcome": "MISFIT", "around": null,
            "error": "`n`: expected an integer, got the string \"three\"",
            "misfits": [{"path": "n", "expected": "an integer", "got": "the string \"three\""}],
        }])
    );

    world.say("{\"n\": 3}");
    let end = seen(&world);
    assert_eq!(
        (&end["turn"]["state"], &end["turn"]["failure"]),
        (&json!("completed"), &Value::Null)
    );
    let result = &end["turn"]["structured"];
    assert_eq!(
        (&result["value"], &result["valueText"]),
        (&json!({"n": 3}), &json!("{\"n\":3}"))
    );
    assert_eq!(result["attempts"][1]["outcome"], "FITS");
    assert_eq!(result["attempts"][1]["around"], "NOTHING");
    // The turn after it is asked for nothing.
    assert_eq!(end["nextRequest"]["structured"], Value::Null);
}

#[test]
fn a_turn_without_a_result_says_why() {
    let world = World::new(Mode::Ask);
    begin(&world, None);
    for _ in 0..2 {
        world.say("I do not know.");
    }
    let end = seen(&world);
    assert_eq!(end["turn"]["state"], "failed");
    let why = end["turn"]["failure"]["noResult"].as_str().unwrap();
    assert!(
        why.starts_with("the answer is not valid JSON, line 1 column 1"),
        "{why}"
    );
    let outcomes: Vec<&Value> = end["turn"]["structured"]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tried| &tried["outcome"])
        .collect();
    assert_eq!(outcomes, ["NOT_JSON", "NOT_JSON"]);
}
