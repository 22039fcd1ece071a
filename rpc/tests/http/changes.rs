//! Mutations: operations, once for each key, refused with a code; and what they never give away (case 7).

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::watching::Update;
use glasswork_query::Graph;
use glasswork_testkit::house::{House, OWN_SECRET, PATIENCE};
use serde_json::{Value, json};

use crate::served::Served;

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
        let seq = served.last();
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
        assert_eq!(served.last(), seq, "{change} was done twice");
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
    let with = Graph::new(served.house.runtime().reader().clone()).with_operations(&served.clients);
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

/// What a random drawing gives, and nobody would write.
fn drawn(count: usize) -> String {
    let alphabet: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
    };
    (0..count).map(|_| next()).collect()
}

/// Case 7: a secret is masked before it is on record, whatever mutation brought it, so no question finds it, at no commit,
/// and no file has it. What only looks like a token, because somebody wrote it to stand for one, stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_returns_a_secret_now_or_then() {
    let served = Served::talking().await;
    let id = served.session.to_string();
    let token = format!("ghp_{}", drawn(36));
    let stand_in = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let secrets = [OWN_SECRET, &token, "sw0rdf1sh", "Xk29-qqLm-77aa"];
    let said =
        format!("{OWN_SECRET} {token} postgres://me:sw0rdf1sh@db/x password=Xk29-qqLm-77aa {stand_in}");
    let watch = served.house.runtime().watch(served.session).unwrap();
    let prompt = format!("mutation {{ prompt(session: \"{id}\", text: \"use {said}\") {{ session }} }}");
    served.ask(&prompt).await;
    House::end_of_turn(watch).await;
    let ask = format!("{{ session(id: \"{id}\") {{ entries(first: 1) {{ nodes {{ id text }} }} }} }}");
    let seen = served.ask(&ask).await["session"]["entries"]["nodes"][0].clone();
    let (entry, text) = (seen["id"].as_str().unwrap(), seen["text"].as_str().unwrap());
    for kind in ["credential", "github-token", "url-password", "password"] {
        assert!(
            text.contains(&format!("[secret:{kind}:")),
            "{kind} is not masked in {text}"
        );
    }
    assert!(text.contains(stand_in), "{text}");
    // Each is refused or done, and on record either way.
    for change in [
        format!("steer(session: \"{id}\", text: \"{said}\")"),
        format!("refuse(call: \"{id}/1.1\", reason: \"{said}\")"),
        format!("rename(session: \"{id}\", title: \"{token}\")"),
        format!("rename(session: \"{id}\", title: \"{said}\")"),
        format!("label(entry: \"{entry}\", label: \"{token}\")"),
        format!("compact(session: \"{id}\", focus: \"{said}\")"),
        format!("moveLeaf(session: \"{id}\", to: null, summary: true, focus: \"{said}\")"),
        format!("set(session: \"{id}\", name: \"openai_api_key\", value: \"{token}\")"),
        format!("followUp(session: \"{id}\", text: \"{said}\")"),
    ] {
        let answer = served
            .post(&format!("mutation {{ {change} {{ session }} }}"))
            .await;
        for secret in secrets {
            assert!(
                !answer.body.contains(secret),
                "the answer to {change} has {secret}"
            );
        }
    }
    served
        .post(&format!("mutation {{ close(session: \"{id}\") {{ session }} }}"))
        .await;
    let last = served.last();
    let mut all = served
        .post(&format!(
            "{{ host {{ id }} sessions(first: 5) {{ nodes {{ title }} }} dispatches(session: \"{id}\", first: 200) {{ nodes {{ event payload text
            facts {{ payload }} effects {{ payload }} outcome {{ kind }} }} }} session(id: \"{id}\") {{ meta {{ title }} settings {{ name value }}
            entries(first: 50) {{ nodes {{ id text }} }} }} nextRequest(session: \"{id}\") {{ question messages(first: 50) {{ nodes {{ text }} }} }} }}"
        ))
        .await
        .body;
    for at in 1..=last {
        let then = served
            .post(&format!(
                "{{ session(id: \"{id}\", at: {at}) {{ meta {{ title }} settings {{ name value }} entries(first: 50) {{ nodes {{ text }} }} }} }}"
            ))
            .await;
        all.push_str(&then.body);
    }
    for shown in ["payload", "[secret:github-token:", stand_in] {
        assert!(all.contains(shown), "{shown} is not in {all:.500}");
    }
    for hidden in secrets.iter().chain([&&*served.token]) {
        assert!(!all.contains(*hidden), "it shows {hidden}");
    }
    let own = served.token.clone();
    let home = {
        let Served { house, .. } = &served;
        house.home().to_owned()
    };
    served.house.settle();
    for hidden in secrets.iter().chain([&&*own]) {
        let with = files_with(&home, hidden);
        // The token of the host lies in its file, and in no other.
        assert!(
            with.is_empty() || *hidden == own && with == ["run/token"],
            "{hidden}: {with:?}"
        );
    }
    served.close().await;
}

/// The files below a folder that have a text in them.
fn files_with(home: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && bytes.windows(text.len()).any(|part| part == text.as_bytes())
            {
                found.push(path.strip_prefix(home).unwrap().display().to_string());
            }
        }
    }
    found
}

/// Case 9: two clients answer one question differently at the same time. One of them decides, the other is told that it
/// was decided, and the call runs once or never.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_one_decides_and_the_other_is_told() {
    const ASKS: &str =
        r#"(turns: [(say: [call("bash", (command: "echo x >> ran"))]), (say: [text("end")])])"#;
    let served = Served::with(ASKS, Default::default(), |_| {}).await;
    let id = served.session.to_string();
    let mut watch = served.house.runtime().watch(served.session).unwrap();
    let end = served.house.runtime().watch(served.session).unwrap();
    served
        .ask(&format!(
            "mutation {{ prompt(session: \"{id}\", text: \"go\") {{ session }} }}"
        ))
        .await;
    let call = 'asked: loop {
        let next = tokio::time::timeout(PATIENCE, watch.next()).await;
        for update in next.expect("something happens").updates {
            if let Update::ToolAsked { call, .. } = update {
                break 'asked json!(call).as_str().unwrap().to_owned();
            }
        }
    };
    let approve = format!("mutation {{ approve(call: \"{id}/{call}\") {{ dispatch {{ event }} }} }}");
    let refuse =
        format!("mutation {{ refuse(call: \"{id}/{call}\", reason: \"no\") {{ dispatch {{ event }} }} }}");
    let (one, other) = tokio::join!(served.post(&approve), served.post(&refuse));
    let (one, other) = (one.json(), other.json());
    let decided = |answer: &Value| answer["errors"].is_null();
    assert!(decided(&one) != decided(&other), "{one:#} {other:#}");
    let told = if decided(&one) { &other } else { &one };
    assert_eq!(told["errors"][0]["extensions"]["code"], "REJECTED", "{told:#}");
    let ended = House::end_of_turn(end).await;
    assert_eq!(ended.state, State::Completed);
    let ran = std::fs::read_to_string(served.house.workspace().join("ran")).ok();
    assert_eq!(ran.as_deref(), decided(&one).then_some("x\n"));
    served.close().await;
}
