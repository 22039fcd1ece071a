//! Prompts over HTTP stand in the line of turns with those of clients that are attached.

use std::sync::Arc;

use glasswork_agent_core::turn::State;
use glasswork_app_runtime::attachments::{self, Asked};
use glasswork_app_runtime::reading::Viewer;
use glasswork_rpc::http::Limits;
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};
use serde_json::{Value, json};

use crate::served::Served;

/// Each answer asks about a call, so each turn goes on until it is stopped.
const ASKS: &str = r#"(say: [call("bash", (command: "true"))]),"#;

const LINE: &str = "{ host { turns {
    running { inLine connection session { id } } waiting { inLine connection session { id } } } } }";

/// Waits until the line is so.
async fn until_line(served: &Served, running: &[(Option<u64>, &str)], waiting: &[(Option<u64>, &str)]) {
    let host = served.house.runtime().host_id();
    let following = served
        .house
        .runtime()
        .reader()
        .follow(&Viewer::owner(), host, None);
    let mut follower = following.unwrap().follower;
    let place = |(at, (connection, session)): (Option<usize>, &(Option<u64>, &str))| json!({ "inLine": at, "connection": connection, "session": { "id": session } });
    let running: Vec<Value> = running.iter().map(|of| place((None, of))).collect();
    let waiting: Vec<Value> = waiting
        .iter()
        .enumerate()
        .map(|(at, of)| place((Some(at + 1), of)))
        .collect();
    let wanted = json!({ "running": running, "waiting": waiting });
    loop {
        let line = served.ask(LINE).await["host"]["turns"].clone();
        if line == wanted {
            return;
        }
        let moved = tokio::time::timeout(PATIENCE, follower.next()).await;
        moved.unwrap_or_else(|_| panic!("it stays {line}, not {wanted}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutations_prompt_waits_behind_a_clients_and_a_clients_behind_a_mutations() {
    let clients = attachments::Limits {
        turns: 1,
        ..attachments::Limits::default()
    };
    let script = format!("(turns: [{}])", ASKS.repeat(20));
    let served = Served::among(&script, Limits::default(), clients, |graph| {
        // One that waits must not hold what is needed to end its waiting.
        graph.at_once = 1;
    })
    .await;
    let served = Arc::new(served);
    let (one, other) = (
        served.session,
        served.house.session(House::settings(Mode::Ask)).await,
    );
    let connection = served.clients.connect().unwrap();
    let attach = async |session| {
        let asked = Asked {
            session,
            name: "a client".into(),
            role: Role::Controller,
            history: History::None,
            seen: None,
        };
        connection.attach(asked).await.unwrap().0
    };
    let (of_one, of_other) = (attach(one).await, attach(other).await);
    let (one, other) = (one.to_string(), other.to_string());
    let client = Some(connection.number());
    let mutation = |text: String| {
        let served = Arc::clone(&served);
        tokio::spawn(async move { served.post(&text).await.json() })
    };
    let prompts = |session: &str, key: &str| {
        mutation(format!(
            "mutation {{ prompt(session: \"{session}\", text: \"go\", key: \"{key}\") {{ turn repeated }} }}"
        ))
    };
    of_one.prompt("go", None, &mut |_| {}).await.unwrap();
    until_line(&served, &[(client, &one)], &[]).await;
    // A mutation's waits behind a client's. Cancelled, it does not begin, and whoever waits for it hears that.
    let waits = prompts(&other, "a");
    until_line(&served, &[(client, &one)], &[(None, &other)]).await;
    let cancelled = format!("mutation {{ cancel(session: \"{other}\") {{ dispatch {{ id event }} }} }}");
    let done = served.ask(&cancelled).await;
    assert_eq!(done["cancel"]["dispatch"]["event"], "turns_over");
    let answer = tokio::time::timeout(PATIENCE, waits).await.unwrap().unwrap();
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "TAKEN_BACK",
        "{answer}"
    );
    until_line(&served, &[(client, &one)], &[]).await;
    assert_eq!(served.house.now(other.parse().unwrap()).turn, None);
    // It begins when the client's turn ends; asked twice with its key, it does so once.
    let waits = prompts(&other, "b");
    until_line(&served, &[(client, &one)], &[(None, &other)]).await;
    let again = prompts(&other, "b");
    of_one.interrupt(true).await.unwrap();
    let mut repeated = Vec::new();
    for waits in [waits, again] {
        let answer = tokio::time::timeout(PATIENCE, waits).await.unwrap().unwrap();
        repeated.push(answer["data"]["prompt"]["repeated"].clone());
    }
    assert_eq!(repeated, [json!(false), json!(true)]);
    until_line(&served, &[(None, &other)], &[]).await;
    // And a client's waits behind a mutation's.
    let waits = {
        let of_one = of_one.clone();
        tokio::spawn(async move { of_one.prompt("go", None, &mut |_| {}).await.map(drop) })
    };
    until_line(&served, &[(None, &other)], &[(client, &one)]).await;
    // So do what is said for later where no turn runs, and a turn that is to go on.
    let third = served.house.session(House::settings(Mode::Ask)).await.to_string();
    let later = mutation(format!(
        "mutation {{ followUp(session: \"{third}\", text: \"go\") {{ turn }} }}"
    ));
    until_line(&served, &[(None, &other)], &[(client, &one), (None, &third)]).await;
    served
        .ask(&format!(
            "mutation {{ pause(session: \"{other}\") {{ session }} }}"
        ))
        .await;
    tokio::time::timeout(PATIENCE, waits)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    until_line(&served, &[(client, &one)], &[(None, &third)]).await;
    let resumes = mutation(format!(
        "mutation {{ resume(session: \"{other}\") {{ session }} }}"
    ));
    until_line(&served, &[(client, &one)], &[(None, &third), (None, &other)]).await;
    for session in [&one, &third, &other] {
        served
            .ask(&format!(
                "mutation {{ cancel(session: \"{session}\") {{ session }} }}"
            ))
            .await;
    }
    for answer in [later, resumes] {
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert!(answer.get("data").is_some(), "{answer}");
    }
    tokio::time::timeout(PATIENCE, served.clients.at_rest())
        .await
        .unwrap();
    until_line(&served, &[], &[]).await;
    let state = |session: &str| {
        served
            .house
            .now(session.parse().unwrap())
            .turn
            .as_ref()
            .map(|turn| turn.state)
    };
    assert_eq!(state(&one), Some(State::Cancelled));
    connection.leave().await;
    drop((of_one, of_other, connection));
    Arc::into_inner(served).unwrap().close().await;
}
