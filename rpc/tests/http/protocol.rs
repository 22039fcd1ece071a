//! GraphQL over HTTP, `graphql-transport-ws`, and what neither takes (case 6).

use std::time::Duration;

use futures_util::SinkExt as _;
use glasswork_rpc::http::Limits;
use glasswork_testkit::house::PATIENCE;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::served::{Heard, Served, TALK, hear, hear_all, next, say, subscribe};

const TYPED: (&str, &str) = ("Content-Type", "application/json");

/// Media types, status codes, and where the request stands.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_typed_as_it_was_asked_for() {
    let served = Served::talking().await;
    let bearer = served.bearer();
    let (new, old) = ("application/graphql-response+json", "application/json");
    let good = r#"{"query":"{ host { version } }"}"#;
    let wrong = r#"{"query":"{ nothing }"}"#;
    let cases = [
        (None, good, 200, Some(new)),
        (Some("*/*"), good, 200, Some(new)),
        (Some(old), good, 200, Some(old)),
        (
            Some("application/json, application/graphql-response+json"),
            good,
            200,
            Some(new),
        ),
        (
            Some("application/json, application/graphql-response+json;q=0.9"),
            good,
            200,
            Some(old),
        ),
        (Some("text/html"), good, 406, None),
        (Some(new), wrong, 400, Some(new)),
        (Some(old), wrong, 200, Some(old)),
        (Some(new), r#"{"query":"{"}"#, 400, Some(new)),
        (Some(new), "{", 400, None),
        (Some(new), "[]", 400, None),
        (Some(new), r#"[{"query":"{ host { version } }"}]"#, 400, None),
        (Some(new), "{}", 400, None),
        (Some(new), r#"{"query":7}"#, 400, None),
        (
            Some(new),
            r#"{"query":"{ host { version } }","variables":[]}"#,
            400,
            None,
        ),
        (
            Some(new),
            r#"{"query":"subscription { commits(session: \"x\") { __typename } }"}"#,
            400,
            Some(new),
        ),
    ];
    for (accept, body, status, media) in cases {
        let mut headers = vec![("Authorization", &*bearer), TYPED];
        headers.extend(accept.map(|accept| ("Accept", accept)));
        let answer = served.send("POST /graphql", &headers, body).await;
        assert_eq!(answer.status, status, "{accept:?} {body}: {answer:?}");
        if let Some(media) = media {
            assert_eq!(
                answer.header("content-type"),
                Some(&*format!("{media}; charset=utf-8"))
            );
        }
        let json = answer.json();
        // What was refused as a whole has no `data`, not even null.
        let refused = body != good || status != 200;
        assert_eq!(
            (json.get("data").is_none(), json.get("errors").is_some()),
            (refused, refused),
            "{json}"
        );
    }
    // A field that fails leaves the others.
    let answer = served
        .post("{ session(id: \"nothing\") { id } host { version } }")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["data"],
        json!({ "session": null, "host": { "version": "0.1.0" } })
    );
    let target = "GET /graphql?query=query%20a(%24n:Int)%7Bsessions(first:%24n)%7Bnodes%7Bid%7D%7D%7D&variables=%7B%22n%22:1%7D&operationName=a&token=x";
    let answer = served.send(target, &[("Authorization", &bearer)], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    served.close().await;
}

/// What asks for too much, and the code with which it is refused; over HTTP and over a WebSocket alike.
fn too_much() -> Vec<(String, &'static str)> {
    let aliases: String = (0..5_000).map(|n| format!("a{n}:__typename ")).collect();
    vec![
        (
            format!("{{ host {}id{} }}", "{ cause ".repeat(200), "}".repeat(200)),
            "TOO_DEEP",
        ),
        (
            format!("{{ {} }}", aliases[..60_000].rsplit_once(' ').unwrap().0),
            "TOO_MANY_ALIASES",
        ),
        ("{ ...a } fragment a on Query { ...a }".to_owned(), "INVALID"),
        (
            "{ sessions(first: 200) { nodes { session { entries(first: 200) { nodes { id } } } } } }"
                .to_owned(),
            "TOO_EXPENSIVE",
        ),
        (
            format!("{{ host {{ id }} }} # {}", "x".repeat(100_000)),
            "QUERY_TOO_LARGE",
        ),
    ]
}

/// Case 6: what asks for too much is refused with a code; the session does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_too_much_is_refused() {
    let served = Served::talking().await;
    for (query, code) in too_much() {
        let answer = served.post(&query).await;
        let json = answer.json();
        let got = (answer.status, json["errors"][0]["extensions"]["code"].as_str());
        assert_eq!(got, (400, Some(code)), "{query:.80}");
    }
    // A subscription is held against the same limits before it begins.
    let session = served.session;
    let mut socket = served.connect().await;
    let aliases: String = (0..100).map(|n| format!("a{n}:__typename ")).collect();
    let subscriptions = [
        (
            format!(
                "subscription {{ commits(session: \"{session}\") {{ ... on Committed {{ dispatch {}id{} }} }} }}",
                "{ cause ".repeat(40),
                "}".repeat(40)
            ),
            "TOO_DEEP",
        ),
        (
            format!("subscription {{ commits(session: \"{session}\") {{ {aliases} }} }}"),
            "TOO_MANY_ALIASES",
        ),
        (
            format!(
                "subscription {{ commits(session: \"{session}\") {{ ... on Committed {{ dispatch {{ {0} {0} {0} id {1} }} }} }} }}",
                "caused(first: 200) { nodes {",
                "} }".repeat(3)
            ),
            "TOO_EXPENSIVE",
        ),
    ];
    for (query, code) in subscriptions {
        subscribe(&mut socket, "s", &query).await;
        let said = hear(&mut socket).await.said();
        assert_eq!(
            (&said["type"], &said["payload"][0]["extensions"]["code"]),
            (&json!("error"), &json!(code)),
            "{said:#}"
        );
    }
    // 5 MB are not read, whatever they are. Who sends on and on may be cut off before it listens.
    let status = served.post(&"x".repeat(5 << 20)).await.status;
    assert!(matches!(status, 0 | 413), "{status}");
    // Nor is a head without end.
    let own = served.address;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: {own}\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert!(matches!(served.raw(long.as_bytes()).await.status, 0 | 431));
    let many: String = (0..200).map(|n| format!("X{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: {own}\r\n{many}\r\n");
    assert!(matches!(served.raw(many.as_bytes()).await.status, 0 | 431));
    // An introspection flood is answered, a few at a time.
    let introspection = "{ __schema { types { name fields { name type { name } } } } }";
    let flood = futures_util::future::join_all((0..24).map(|_| served.post(introspection)));
    assert!(flood.await.iter().all(|answer| answer.status == 200));
    let turn = served.house.turn(served.session, "hello").await;
    assert_eq!(turn.text, "one");
    served.close().await;
}

/// Nobody is waited for for ever: not for a head, a body, the next request on a connection; nor is it kept open for one
/// who asks again and again.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_waited_for_for_ever() {
    let moment = Duration::from_millis(50);
    let limits = Limits {
        head_time: moment,
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let own = served.address;
    for head in ["", "GET / HT", "GET / HTTP/1.1\r\n"] {
        assert!(
            matches!(served.raw(head.as_bytes()).await.status, 0 | 408),
            "{head}"
        );
    }
    // Answered, and then nothing more is asked. (A client that is slow itself is not answered; it tries again.)
    let get = format!("GET / HTTP/1.1\r\nHost: {own}\r\n\r\n");
    for n in 0.. {
        if served.raw(get.as_bytes()).await.status == 200 {
            break;
        }
        assert!(n < 1_000, "it is never answered");
    }
    served.close().await;

    let limits = Limits {
        body_time: moment,
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let (own, bearer) = (served.address, served.bearer());
    let slow = format!(
        "POST /graphql HTTP/1.1\r\nHost: {own}\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\nConnection: close\r\n\r\n{{"
    );
    assert_eq!(served.raw(slow.as_bytes()).await.status, 408);
    served.close().await;

    let limits = Limits {
        life: moment,
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let asks_on = async {
        let mut part = [0; 4_096];
        loop {
            if stream.write_all(get.as_bytes()).await.is_err()
                || matches!(stream.read(&mut part).await, Ok(0) | Err(_))
            {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asks_on).await.expect("an end");
    // A WebSocket lasts longer than that.
    let bearer = served.bearer();
    let mut socket = loop {
        if let Ok(socket) = served.upgrade("/graphql", &[("Authorization", &bearer)]).await {
            break socket;
        }
    };
    assert_eq!(served.raw(b"").await.status, 0);
    say(&mut socket, json!({ "type": "connection_init" })).await;
    assert_eq!(
        hear(&mut socket).await.said(),
        json!({ "type": "connection_ack" })
    );
    subscribe(&mut socket, "q", "{ __typename }").await;
    next(&mut socket, "q").await;
    drop(socket);
    served.close().await;
}

/// There are so many connections at a time, WebSockets among them. Who comes after that waits, and is answered once there
/// is room.
#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_connections() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let (mut one, two) = (served.connect().await, served.connect().await);
    let rename = format!(
        "mutation {{ rename(session: \"{}\", title: \"third\") {{ repeated }} }}",
        served.session
    );
    let title = format!("{{ session(id: \"{}\") {{ meta {{ title }} }} }}", served.session);
    let third = served.post(&rename);
    let looks = async {
        // Long enough for a third to have been let in; but it is not.
        for n in 0..300 {
            let id = n.to_string();
            subscribe(&mut one, &id, &title).await;
            let seen = next(&mut one, &id).await;
            assert_eq!(seen["data"]["session"]["meta"]["title"], json!(null));
            assert_eq!(
                hear(&mut one).await.said(),
                json!({ "type": "complete", "id": id })
            );
        }
        drop(two);
    };
    let (answer, ()) = tokio::join!(third, looks);
    assert_eq!(answer.status, 200, "{answer:?}");
    let title = served.house.now(served.session).meta.title.clone();
    assert_eq!(title.as_deref(), Some("third"));
    drop(one);
    served.close().await;
}

/// What is said, frame by frame. `None` is the end of the conversation by the client.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_speaks_the_protocol() {
    let served = Served::talking().await;
    let mut socket = served.open().await;
    // Either side may ask at any time whether the other is there, also before the beginning.
    say(&mut socket, json!({ "type": "ping" })).await;
    assert_eq!(hear_all(&mut socket).await.said(), json!({ "type": "pong" }));
    say(&mut socket, json!({ "type": "pong", "payload": { "b": 2 } })).await;
    say(&mut socket, json!({ "type": "connection_init", "payload": null })).await;
    assert_eq!(
        hear_all(&mut socket).await.said(),
        json!({ "type": "connection_ack" })
    );
    say(&mut socket, json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(
        hear_all(&mut socket).await.said(),
        json!({ "type": "pong", "payload": { "a": 1 } })
    );
    // A query is an operation of one answer, and its id is free afterwards.
    for _ in 0..2 {
        say(
            &mut socket,
            json!({ "type": "subscribe", "id": "q", "payload": {
                "query": "query a($id: String!) { session(id: $id) { meta { title } } } query b { host { version } }",
                "operationName": "a", "variables": { "id": served.session.to_string() }, "extensions": {} } }),
        )
        .await;
        assert_eq!(
            hear_all(&mut socket).await.said(),
            json!({ "type": "next", "id": "q",
                "payload": { "data": { "session": { "meta": { "title": null } } } } })
        );
        assert_eq!(
            hear_all(&mut socket).await.said(),
            json!({ "type": "complete", "id": "q" })
        );
    }
    // A field that fails is an answer, with its error.
    subscribe(&mut socket, "f", "{ session(id: \"nothing\") { id } }").await;
    let failed = next(&mut socket, "f").await;
    assert_eq!(
        (&failed["data"], &failed["errors"][0]["extensions"]["code"]),
        (&json!({ "session": null }), &json!("NOT_FOUND"))
    );
    assert_eq!(
        hear(&mut socket).await.said(),
        json!({ "type": "complete", "id": "f" })
    );
    // What is refused as a whole is told as that, and its id is free again.
    for _ in 0..2 {
        subscribe(&mut socket, "q", "{ nothing }").await;
        let said = hear_all(&mut socket).await.said();
        assert_eq!(
            (
                &said["type"],
                &said["id"],
                &said["payload"][0]["extensions"]["code"]
            ),
            (&json!("error"), &json!("q"), &json!("INVALID"))
        );
    }
    // What has ended already, or never began, can be ended.
    say(&mut socket, json!({ "type": "complete", "id": "q" })).await;
    // After its end nothing more comes of a subscription, and its id is free.
    let events = format!(
        "subscription {{ commits(session: \"{}\", filter: {{ events: [\"retitled\"], deltas: false }}) {{ __typename }} }}",
        served.session
    );
    for title in ["one", "two"] {
        subscribe(&mut socket, "s", &events).await;
        loop {
            // It is told of what happens once it has begun.
            let renamed = served.house.runtime().rename(served.session, title);
            renamed.await.unwrap();
            subscribe(&mut socket, "sync", "{ __typename }").await;
            let said = hear(&mut socket).await.said();
            let told = said["id"] == "s";
            if told {
                assert_eq!(said["type"], "next");
            }
            while hear(&mut socket).await.said() != json!({ "type": "complete", "id": "sync" }) {}
            if told {
                break;
            }
        }
        say(&mut socket, json!({ "type": "complete", "id": "s" })).await;
        // What it said before that may still come; after this it has been heard.
        subscribe(&mut socket, "sync", "{ __typename }").await;
        while hear(&mut socket).await.said() != json!({ "type": "complete", "id": "sync" }) {}
        served
            .house
            .runtime()
            .rename(served.session, "quiet")
            .await
            .unwrap();
        subscribe(&mut socket, "sync", "{ __typename }").await;
        let first = hear(&mut socket).await.said();
        assert_eq!(
            (&first["type"], &first["id"]),
            (&json!("next"), &json!("sync")),
            "{first}"
        );
        assert_eq!(
            hear(&mut socket).await.said(),
            json!({ "type": "complete", "id": "sync" })
        );
    }
    socket.close(None).await.unwrap();
    drop(socket);
    served.close().await;
}

/// What is against the protocol ends the connection, with the protocol's code.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_against_the_protocol_ends_the_connection() {
    let served = Served::talking().await;
    let session = served.session;
    let endless = format!("subscription {{ commits(session: \"{session}\") {{ __typename }} }}");
    let init = json!({ "type": "connection_init" }).to_string();
    let begin =
        |id: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": endless } }).to_string();
    let cases: Vec<(Vec<String>, u16)> = vec![
        (vec![init.clone(), init.clone()], 4429),
        (vec![begin("1")], 4401),
        (vec![json!({ "type": "complete", "id": "1" }).to_string()], 4401),
        (vec![init.clone(), begin("1"), begin("1")], 4409),
        (vec![init.clone(), begin("")], 4400),
        (vec![init.clone(), begin(&"x".repeat(129))], 4400),
        (vec!["{".to_owned()], 4400),
        (vec!["[]".to_owned()], 4400),
        (vec!["7".to_owned()], 4400),
        (vec![json!({ "id": "1" }).to_string()], 4400),
        (vec![init.clone(), json!({ "type": "nothing" }).to_string()], 4400),
        (
            vec![
                init.clone(),
                json!({ "type": "next", "id": "1", "payload": {} }).to_string(),
            ],
            4400,
        ),
        (
            vec![
                init.clone(),
                json!({ "type": "subscribe", "payload": { "query": "{ a }" } }).to_string(),
            ],
            4400,
        ),
        (
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": "1", "payload": {} }).to_string(),
            ],
            4400,
        ),
        (
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": 1, "payload": { "query": "{ a }" } }).to_string(),
            ],
            4400,
        ),
        (
            vec![json!({ "type": "connection_init", "payload": 7 }).to_string()],
            4400,
        ),
        (vec![init.clone(), "x".repeat(300_000)], 1009),
    ];
    for (messages, code) in cases {
        let mut socket = served.open().await;
        for message in &messages {
            let _ = socket.send(Message::text(message.clone())).await;
        }
        let ended = loop {
            match hear(&mut socket).await {
                Heard::Ended(ended) => break ended,
                Heard::Said(said) => {
                    assert_eq!(said, json!({ "type": "connection_ack" }), "{messages:.200?}")
                }
            }
        };
        // Who is still sending when it ends may not hear why.
        let unheard = code == 1009 && ended == 1006;
        assert!(ended == code || unheard, "{ended} {code} {messages:.200?}");
    }
    let mut socket = served.connect().await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(hear(&mut socket).await, Heard::Ended(4400));
    // Nobody keeps anything of it: all places are free again.
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_they_are_is_not_waited_for() {
    let limits = Limits {
        init_time: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let mut socket = served.open().await;
    assert_eq!(hear(&mut socket).await, Heard::Ended(4408));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_is_asked_once_and_then_gone() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let mut socket = served.connect().await;
    assert_eq!(hear_all(&mut socket).await.said(), json!({ "type": "ping" }));
    assert_eq!(hear_all(&mut socket).await, Heard::Ended(4408));
    served.close().await;
}

/// A host that ends says so, and its end waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_ends_says_so() {
    let mut served = Served::talking().await;
    let mut socket = served.connect().await;
    let endless = format!(
        "subscription {{ commits(session: \"{}\") {{ __typename }} }}",
        served.session
    );
    subscribe(&mut socket, "1", &endless).await;
    subscribe(&mut socket, "sync", "{ __typename }").await;
    next(&mut socket, "sync").await;
    hear(&mut socket).await;
    served.end();
    assert_eq!(hear(&mut socket).await, Heard::Ended(1001));
    served.close().await;
}
