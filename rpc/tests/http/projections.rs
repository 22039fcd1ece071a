//! What screens show is told whole, and anew whenever it has changed.

use glasswork_app_runtime::projection::{
    activity, context, dialogs, footer, notifications, status, transcript, tree,
};
use glasswork_app_runtime::watching::Update;
use glasswork_rpc::http::Limits;
use glasswork_session_state::state::Session;
use glasswork_testkit::house::{House, PATIENCE};
use serde::Serialize;
use serde_json::{Value, json};

use crate::served::{Served, next, subscribe};

const SCRIPT: &str = r#"(turns: [
    (say: [text("I look."), call("bash", (command: "true"))]),
    (say: [text("done")]),
])"#;

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

type Shown = (&'static str, fn(&Session) -> Value);

const SHOWN: [Shown; 8] = [
    ("STATUS", |session| json(&status::of(session))),
    ("TREE", |session| json(&tree::of(session))),
    ("TRANSCRIPT", |session| json(&transcript::of(session))),
    ("FOOTER", |session| json(&footer::of(session))),
    ("CONTEXT", |session| json(&context::of(session))),
    ("DIALOGS", |session| json(&dialogs::of(session))),
    ("NOTIFICATIONS", |session| json(&notifications::of(session))),
    ("ACTIVITY", |session| json(&activity::of(session))),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_model_of_screens_is_told_as_it_was_as_it_is_and_no_more_often_than_it_changes() {
    let served = Served::with(SCRIPT, Limits::default(), |_| {}).await;
    let (house, id) = (&served.house, served.session);
    let mut sockets = Vec::new();
    for (kind, of) in SHOWN {
        let mut socket = served.connect().await;
        let query = format!(
            "subscription {{ projection(session: \"{id}\", kind: {kind}) {{ seq kind payload end }} }}"
        );
        subscribe(&mut socket, "p", &query).await;
        let first = next(&mut socket, "p").await["data"]["projection"].clone();
        let now = of(&house.now(id));
        assert_eq!(
            first,
            json!({ "seq": served.last(), "kind": kind, "payload": now, "end": null })
        );
        sockets.push((kind, of, socket, vec![first]));
    }
    let runtime = house.runtime();
    let mut watch = runtime.watch(id).unwrap();
    let end = runtime.watch(id).unwrap();
    runtime.prompt(id, "go", None).await.unwrap();
    let asked = loop {
        let watched = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
        let call = watched.updates.iter().find_map(|update| match update {
            Update::ToolAsked { call, .. } => Some(*call),
            _ => None,
        });
        if let Some(call) = call {
            break call;
        }
    };
    let amid = house.now(id);
    runtime.approve(id, asked).await.unwrap();
    House::end_of_turn(end).await;
    // The last thing that happens, which every footer shows.
    runtime.rename(id, "the end").await.unwrap();
    let last = house.now(id);
    for (kind, of, mut socket, mut told) in sockets {
        let until = of(&last);
        // What is asked is what people wait to see, and is gone at the end.
        let amid = matches!(kind, "DIALOGS" | "ACTIVITY").then(|| of(&amid));
        let is_shown = |told: &[Value], payload: &Value| told.iter().any(|told| told["payload"] == *payload);
        while told.last().unwrap()["payload"] != until
            || amid.as_ref().is_some_and(|amid| !is_shown(&told, amid))
        {
            told.push(next(&mut socket, "p").await["data"]["projection"].clone());
        }
        for two in told.windows(2) {
            assert!(two[0]["seq"].as_u64() < two[1]["seq"].as_u64(), "{kind}: {two:?}");
            assert_ne!(two[0]["payload"], two[1]["payload"], "{kind}: told twice");
        }
    }
    served.close().await;
}
