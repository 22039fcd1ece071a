//! Subscriptions: each commit once and in order, limits, and readers that are slow (cases 6 and 10).

use std::time::{Duration, Instant};

use glasswork_rpc::http::Limits;
use glasswork_testkit::house::PATIENCE;
use serde_json::{Value, json};

use crate::served::{Heard, Served, Socket, TALK, hear, next, say, subscribe};

fn commits(served: &Served, arguments: &str) -> String {
    format!(
        "subscription {{ commits(session: \"{}\"{arguments}) {{ __typename
        ... on Committed {{ cursor {{ epoch seq }} dispatch {{ seq event }} }}
        ... on Missed {{ from to }} ... on Resync {{ cursor {{ seq }} }} ... on Ended {{ reason }} }} }}",
        served.session
    )
}

async fn event(socket: &mut Socket, id: &str) -> Value {
    let payload = next(socket, id).await;
    assert!(payload.get("errors").is_none(), "{payload:#}");
    payload["data"]["commits"].clone()
}

/// Two follow from now on; one leaves and comes back with its cursor. Both have seen the same.
#[tokio::test(flavor = "multi_thread")]
async fn each_commit_comes_once_and_in_order_also_to_who_comes_back() {
    let served = Served::talking().await;
    let from = served
        .house
        .snapshot()
        .session(served.session, None)
        .unwrap()
        .scope;
    let cursor = format!(", from: {{ epoch: {}, seq: {} }}", from.epoch, from.seq);
    let mut stays = served.connect().await;
    subscribe(&mut stays, "a", &commits(&served, &cursor)).await;
    served.house.turn(served.session, "hello").await;
    let middle = served.last();
    let mut leaves = served.connect().await;
    subscribe(&mut leaves, "b", &commits(&served, &cursor)).await;
    let half = from.seq + (middle - from.seq) / 2;
    let mut seen = Vec::new();
    for _ in from.seq..half {
        seen.push(event(&mut leaves, "b").await);
    }
    drop(leaves);
    served.house.turn(served.session, "again").await;
    let last = served.last();
    let mut back = served.connect().await;
    let cursor = format!(", from: {{ epoch: {}, seq: {half} }}", from.epoch);
    subscribe(&mut back, "c", &commits(&served, &cursor)).await;
    for _ in half..last {
        seen.push(event(&mut back, "c").await);
    }
    let mut whole = Vec::new();
    for _ in from.seq..last {
        whole.push(event(&mut stays, "a").await);
    }
    assert_eq!(seen, whole);
    let numbers: Vec<u64> = whole
        .iter()
        .map(|event| event["dispatch"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (from.seq + 1..=last).collect::<Vec<_>>());
    // Nothing came twice: what comes next is what happens next.
    served.house.runtime().pin(served.session, true).await.unwrap();
    assert_eq!(event(&mut stays, "a").await["dispatch"]["seq"], json!(last + 1));
    assert_eq!(event(&mut back, "c").await["dispatch"]["seq"], json!(last + 1));
    let last = last + 1;
    // A cursor of another record: what its holder knows is void.
    subscribe(&mut back, "d", &commits(&served, ", from: { epoch: 99, seq: 1 }")).await;
    let resync = event(&mut back, "d").await;
    assert_eq!(
        resync,
        json!({ "__typename": "Resync", "cursor": { "seq": last } })
    );
    say(&mut back, json!({ "type": "complete", "id": "c" })).await;
    say(&mut back, json!({ "type": "complete", "id": "d" })).await;
    // One that asks for events by name is told of those, and of nothing after it has ended that.
    subscribe(
        &mut back,
        "e",
        &commits(&served, ", filter: { events: [\"retitled\"], deltas: false }"),
    )
    .await;
    subscribe(&mut back, "sync", "{ __typename }").await;
    next(&mut back, "sync").await;
    hear(&mut back).await;
    served.house.runtime().pin(served.session, false).await.unwrap();
    served.house.runtime().rename(served.session, "t").await.unwrap();
    assert_eq!(event(&mut back, "e").await["dispatch"]["event"], "retitled");
    served.house.runtime().close(served.session).await.unwrap();
    let ended = event(&mut back, "e").await;
    assert_eq!(ended["__typename"], "Ended", "{ended}");
    assert_eq!(
        hear(&mut back).await.said(),
        json!({ "type": "complete", "id": "e" })
    );
    // What is not open cannot be followed, and that is said with what to do.
    subscribe(&mut back, "f", &commits(&served, "")).await;
    let refused = hear(&mut back).await.said();
    assert_eq!(
        refused["payload"][0]["extensions"]["code"], "NOT_OPEN",
        "{refused:#}"
    );
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_and_what_screens_show_of_it_are_told_whenever_they_change() {
    let served = Served::talking().await;
    let id = served.session;
    let mut socket = served.connect().await;
    let session = format!(
        "subscription {{ session(id: \"{id}\") {{ cursor {{ seq }} session {{ seq meta {{ title }} }} end }} }}"
    );
    subscribe(&mut socket, "s", &session).await;
    let first = next(&mut socket, "s").await["data"]["session"].clone();
    assert_eq!(
        (&first["session"]["meta"]["title"], &first["end"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(first["session"]["seq"], first["cursor"]["seq"]);
    let status =
        format!("subscription {{ projection(session: \"{id}\", kind: STATUS) {{ seq kind payload end }} }}");
    subscribe(&mut socket, "p", &status).await;
    let projected = next(&mut socket, "p").await["data"]["projection"].clone();
    assert_eq!(
        (&projected["kind"], &projected["payload"]["title"]),
        (&json!("STATUS"), &Value::Null)
    );
    served.house.runtime().rename(id, "named").await.unwrap();
    let mut told = [next_of(&mut socket).await, next_of(&mut socket).await];
    told.sort_by_key(|(id, _)| id.clone());
    assert_eq!(told[0].1["projection"]["payload"]["title"], "named");
    assert_eq!(told[1].1["session"]["session"]["meta"]["title"], "named");
    // Canonical state first: what is shown is as of the same commit.
    assert_eq!(
        told[0].1["projection"]["seq"],
        told[1].1["session"]["cursor"]["seq"]
    );
    served.close().await;
}

async fn next_of(socket: &mut Socket) -> (String, Value) {
    let said = hear(socket).await.said();
    assert_eq!(said["type"], "next", "{said:#}");
    (
        said["id"].as_str().unwrap().to_owned(),
        said["payload"]["data"].clone(),
    )
}

/// Case 6: a connection has so many operations, a host so many subscriptions; the next one is told so, and those there
/// are go on. What has ended makes room.
#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_subscriptions() {
    let limits = Limits {
        operations: 3,
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |limits| limits.subscriptions = 4).await;
    let query = commits(&served, ", filter: { events: [\"retitled\"], deltas: false }");
    let mut first = served.connect().await;
    for n in 0..1_000 {
        subscribe(&mut first, &n.to_string(), &query).await;
    }
    for n in 3..1_000 {
        let said = hear(&mut first).await.said();
        assert_eq!(
            (&said["type"], &said["id"]),
            (&json!("error"), &json!(n.to_string()))
        );
        assert_eq!(said["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    }
    let mut second = served.connect().await;
    subscribe(&mut second, "a", &query).await;
    subscribe(&mut second, "b", &query).await;
    let said = hear(&mut second).await.said();
    assert_eq!(
        said["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS",
        "{said}"
    );
    served.house.runtime().rename(served.session, "t").await.unwrap();
    for _ in 0..3 {
        assert_eq!(hear(&mut first).await.said()["type"], "next");
    }
    drop(first);
    // Its places are free once the host has noticed.
    for n in 0.. {
        subscribe(&mut second, &format!("c{n}"), &query).await;
        served
            .house
            .runtime()
            .rename(served.session, &format!("t{n}"))
            .await
            .unwrap();
        let mut types = vec![hear(&mut second).await.said()];
        if types[0]["type"] == "next" {
            types.push(hear(&mut second).await.said());
        }
        if types.iter().all(|said| said["type"] == "next") {
            break;
        }
        assert!(n < 10_000);
    }
    served.close().await;
}

/// A turn of the script: so many bytes of text, in pieces.
fn wordy(turns: usize) -> String {
    let turn = format!("(say: [text(\"{}\")])", "0123456789abcde ".repeat(12_000));
    format!("(chunk: 512, turns: [{}])", vec![turn; turns].join(", "))
}

/// Case 10: for who does not read, so much is kept and no more. Everybody else is told of everything meanwhile, and the
/// turns go on. When they read again, each commit comes once and in order, or in a gap that is marked; and after that
/// what happens then.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_misses_some_and_keeps_nobody() {
    let limits = Limits {
        // Nobody is thrown out here for being slow.
        silence: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let served = Served::with(&wordy(12), limits, |_| {}).await;
    let first = served.last();
    let cursor = {
        let snapshot = served.house.snapshot();
        let epoch = snapshot.session(served.session, None).unwrap().scope.epoch;
        format!(", from: {{ epoch: {epoch}, seq: {first} }}")
    };
    let whole = format!(
        "subscription {{ commits(session: \"{}\"{cursor}) {{ __typename
        ... on Committed {{ dispatch {{ seq payload facts {{ payload }} }} }} ... on Missed {{ from to }} }} }}",
        served.session
    );
    let mut deaf = served.connect().await;
    subscribe(&mut deaf, "d", &whole).await;
    let mut reads = served.connect().await;
    subscribe(&mut reads, "r", &whole).await;
    let mut seen = first;
    let mut bytes = 0;
    for _ in 0..12 {
        served.house.turn(served.session, "go on").await;
        // A turn is less than what the feed keeps, so who reads each one to its end misses nothing.
        let last = served.last();
        while seen < last {
            let told = event(&mut reads, "r").await;
            assert_eq!(told["__typename"], "Committed");
            seen += 1;
            assert_eq!(told["dispatch"]["seq"], seen);
            bytes += told.to_string().len();
        }
    }
    let (mut next, mut gaps, mut heard) = (first + 1, 0, 0);
    while next <= seen {
        let told = event(&mut deaf, "d").await;
        heard += told.to_string().len();
        next = match told["__typename"].as_str() {
            Some("Committed") => {
                assert_eq!(told["dispatch"]["seq"], next);
                next + 1
            }
            Some("Missed") => {
                gaps += 1;
                assert_eq!(told["from"], next);
                told["to"].as_u64().unwrap() + 1
            }
            other => panic!("{other:?}"),
        };
    }
    assert!(gaps >= 1, "nothing was missed of {bytes} bytes");
    assert!(heard < bytes * 2 / 3, "{heard} of {bytes} bytes were kept");
    served
        .house
        .runtime()
        .rename(served.session, "then")
        .await
        .unwrap();
    assert_eq!(event(&mut deaf, "d").await["dispatch"]["seq"], seen + 1);
    drop((deaf, reads));
    served.close().await;
}

/// A subscription that nobody reads is ended after a while, and its place is another's.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_for_long_is_ended() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(&wordy(6), limits, |limits| limits.subscriptions = 1).await;
    for _ in 0..6 {
        served.house.turn(served.session, "go on").await;
    }
    // More than the system keeps for it, in one answer.
    let fat = format!(
        "subscription {{ session(id: \"{}\") {{ session {{ entries(first: 50) {{ nodes {{ text }} }} }} }} }}",
        served.session
    );
    let mut deaf = served.connect().await;
    subscribe(&mut deaf, "d", &fat).await;
    // Its place is taken as long as it has not been ended. Others have to answer in time too, or else try again.
    let begun = Instant::now();
    loop {
        let mut other = served.connect().await;
        let following = format!(
            "subscription {{ session(id: \"{}\") {{ cursor {{ seq }} }} }}",
            served.session
        );
        subscribe(&mut other, "o", &following).await;
        match hear(&mut other).await {
            Heard::Said(said) if said["type"] == "next" => break,
            Heard::Said(said) => {
                assert_eq!(
                    said["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS",
                    "{said}"
                );
            }
            Heard::Ended(code) => assert!(matches!(code, 4408 | 1006), "{code}"),
        }
        assert!(begun.elapsed() < PATIENCE, "it is never ended");
    }
    // What had been on its way comes, and then the end: said, where there was still room to say it.
    let ended = loop {
        if let Heard::Ended(code) = hear(&mut deaf).await {
            break code;
        }
    };
    assert!(matches!(ended, 4413 | 1006), "{ended}");
    served.close().await;
}
