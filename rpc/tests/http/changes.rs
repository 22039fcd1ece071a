//! Mutations: operations, once for each key, refused with a code; and what they never give away (case 7).

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::Graph;
use glasswork_testkit::house::{House, OWN_SECRET};
use serde_json::{Value, json};

use crate::served::{Served, TALK};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_driven_and_each_change_names_its_dispatch() {
    let served = Served::talking().await;
    let id = served.session.to_string();
    let watch = served.house.runtime().watch(served.session).unwrap();
    let prompt = format!(
        "mutation {{ prompt(session: \"{id}\", text: \"hello\", key: \"k1\") {{ session repeated turn
        dispatch {{ id event origin {{ kind }} }} }} }}"
    );
    let done = served.ask(&prompt).await["prompt"].clone();
    let dispatch = done["dispatch"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        done,
        json!({ "session": id, "repeated": false, "turn": dispatch,
            "dispatch": { "id": dispatch, "event": "prompted", "origin": { "kind": "USER" } } })
    );
    let turn = House::end_of_turn(watch).await;
    assert_eq!((turn.state, &*turn.text), (State::Completed, "one"));
    // The same key: it happened already, and is not done again. This one is on record.
    let again = served.ask(&prompt).await["prompt"].clone();
    assert_eq!(
        (&again["repeated"], &again["dispatch"]["id"]),
        (&json!(true), &json!(dispatch))
    );
    assert_eq!(served.house.now(served.session).requests.len(), 1);
    // Each of the others, once for its key.
    let entry = served
        .ask(&format!(
            "{{ session(id: \"{id}\") {{ entries(first: 1) {{ nodes {{ id }} }} }} }}"
        ))
        .await;
    let entry = entry["session"]["entries"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let changes = [
        format!("rename(session: \"{id}\", title: \"new\", key: \"a\")"),
        format!("pin(session: \"{id}\", pinned: true, key: \"b\")"),
        format!("label(entry: \"{entry}\", label: \"here\", key: \"c\")"),
        format!("pinEntry(entry: \"{entry}\", pinned: true, key: \"d\")"),
        format!("set(session: \"{id}\", name: \"mode\", value: \"plan\", key: \"e\")"),
        format!("moveLeaf(session: \"{id}\", to: \"{entry}\", key: \"f\")"),
        format!("open(session: \"{id}\", key: \"g\")"),
        format!("fork(session: \"{id}\", key: \"h\")"),
    ];
    for change in &changes {
        let ask = format!("mutation {{ done: {change} {{ session repeated dispatch {{ id }} }} }}");
        let first = served.ask(&ask).await["done"].clone();
        let seq = served
            .house
            .snapshot()
            .session(served.session, None)
            .unwrap()
            .scope
            .seq;
        let second = served.ask(&ask).await["done"].clone();
        assert_eq!(
            (&first["repeated"], &second["repeated"]),
            (&json!(false), &json!(true)),
            "{change}"
        );
        assert_eq!(
            (&first["session"], &first["dispatch"]),
            (&second["session"], &second["dispatch"]),
            "{change}"
        );
        let now = served
            .house
            .snapshot()
            .session(served.session, None)
            .unwrap()
            .scope
            .seq;
        assert_eq!(now, seq, "{change} was done twice");
    }
    let seen = served
        .ask(&format!(
            "{{ session(id: \"{id}\") {{ meta {{ title pinned }} }} }}"
        ))
        .await;
    assert_eq!(seen["session"]["meta"], json!({ "title": "new", "pinned": true }));
    // A session that is closed, in the trash, and out of it again.
    for change in ["close", "trash", "restore"] {
        let done = served
            .ask(&format!(
                "mutation {{ {change}(session: \"{id}\") {{ session }} }}"
            ))
            .await;
        assert_eq!(done[change]["session"], *id, "{change}");
    }
    served.close().await;
}

/// A refusal says what to do, has the reason as data, and is on record under the name that it gives.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_a_typed_error() {
    let served = Served::talking().await;
    let id = served.session.to_string();
    let cases = [
        (
            format!("steer(session: \"{id}\", text: \"x\")"),
            "REJECTED",
            json!("no_turn"),
        ),
        (
            format!("interrupt(session: \"{id}\")"),
            "REJECTED",
            json!("no_turn"),
        ),
        (
            format!("prompt(session: \"{id}\", text: \" \")"),
            "REJECTED",
            json!("empty_text"),
        ),
        (
            format!(
                "rename(session: \"{id}\", title: \"x\", key: \"{}\")",
                "k".repeat(129)
            ),
            "INVALID",
            Value::Null,
        ),
        (
            format!("set(session: \"{id}\", name: \"moda\", value: \"ask\")"),
            "INVALID",
            Value::Null,
        ),
        (
            format!("set(session: \"{id}\", name: \"anthropic_api_key\", value: \"k\")"),
            "INVALID",
            Value::Null,
        ),
        (
            "rename(session: \"nothing\", title: \"x\")".to_owned(),
            "NOT_FOUND",
            Value::Null,
        ),
        (format!("approve(call: \"{id}/1.1\")"), "REJECTED", Value::Null),
        (format!("approve(call: \"{id}\")"), "BAD_ID", Value::Null),
    ];
    for (change, code, reason) in cases {
        let answer = served
            .post(&format!("mutation {{ {change} {{ session }} }}"))
            .await;
        let json = answer.json();
        let error = &json["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{change}: {json:#}");
        if reason != Value::Null {
            assert_eq!(error["extensions"]["reason"], reason, "{change}");
        }
        if code == "REJECTED" {
            let dispatch = error["extensions"]["dispatch"].as_str().unwrap();
            let seen = served
                .ask(&format!(
                    "{{ dispatch(id: \"{dispatch}\") {{ outcome {{ kind }} }} }}"
                ))
                .await;
            assert_eq!(seen["dispatch"]["outcome"]["kind"], "REJECTED", "{change}");
        }
    }
    served.close().await;
}

/// The model's graph, a viewer of one session, and a graph over records: all of them read, and none changes anything.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_of_a_running_host_changes_anything() {
    let served = Served::talking().await;
    let rename = format!(
        "mutation {{ rename(session: \"{}\", title: \"x\") {{ session }} }}",
        served.session
    );
    let with = Graph::new(served.house.runtime().reader().clone()).with_operations(&served.house.shared());
    let without = Graph::new(served.house.runtime().reader().clone());
    for (graph, viewer) in [
        (&with, Viewer::of(served.session)),
        (&without, Viewer::owner()),
        (&without, Viewer::of(served.session)),
    ] {
        let response = graph.execute(viewer, &rename, Value::Null, None).await;
        assert_eq!(response.errors()[0].code, "READ_ONLY");
    }
    assert_eq!(served.house.now(served.session).meta.title, None);
    let response = with.execute(Viewer::owner(), &rename, Value::Null, None).await;
    assert_eq!(response.errors(), []);
    drop((with, without));
    served.close().await;
}

/// Case 7: a secret is masked before it is on record, so no question finds it, at no commit.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_returns_a_secret_now_or_then() {
    let served = Served::with(TALK, Default::default(), |_| {}).await;
    let id = served.session.to_string();
    for text in [OWN_SECRET] {
        let watch = served.house.runtime().watch(served.session).unwrap();
        served
            .ask(&format!(
                "mutation {{ prompt(session: \"{id}\", text: \"use {text}\") {{ session }} }}"
            ))
            .await;
        House::end_of_turn(watch).await;
    }
    let last = served
        .house
        .snapshot()
        .session(served.session, None)
        .unwrap()
        .scope
        .seq;
    let mut all = served
        .post(&format!("{{ host {{ id }} dispatches(session: \"{id}\", first: 200) {{ nodes {{ payload facts {{ payload }} text }} }} session(id: \"{id}\") {{ settings {{ name value }} entries(first: 50) {{ nodes {{ id text }} }} }} }}"))
        .await
        .body;
    for at in 1..=last {
        let then = served
            .post(&format!(
                "{{ session(id: \"{id}\", at: {at}) {{ entries(first: 50) {{ nodes {{ text }} }} }} }}"
            ))
            .await;
        all.push_str(&then.body);
    }
    assert!(all.contains("payload"), "{all:.500}");
    for hidden in [OWN_SECRET, &*served.token] {
        assert!(!all.contains(hidden), "it shows {hidden}");
    }
    served.close().await;
}
