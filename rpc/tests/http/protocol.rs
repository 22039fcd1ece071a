//! GraphQL over HTTP, `graphql-transport-ws`, and what neither takes (case 6).

use std::time::Duration;

use glasswork_rpc::http::Limits;
use serde_json::json;

use crate::served::{Heard, Served, TALK, hear, next, say, subscribe};

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

/// Case 6: what asks for too much is refused with a code; the session does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_too_much_is_refused() {
    let served = Served::with(
        TALK,
        Limits {
            body_time: Duration::from_millis(200),
            head_time: Duration::from_millis(200),
            ..Limits::default()
        },
        |_| {},
    )
    .await;
    let deep = format!("{}id{}", "{ cause ".repeat(200), "}".repeat(200));
    let aliases: String = (0..10_000).map(|n| format!("a{n}:__typename ")).collect();
    let cases = [
        (deep, 400, "TOO_DEEP"),
        (
            format!("{{ {} }}", &aliases[..60_000 - 60_000 % 16]),
            400,
            "TOO_MANY_ALIASES",
        ),
        ("{ ...a } fragment a on Query { ...a }".to_owned(), 400, "INVALID"),
        (
            "{ sessions(first: 200) { nodes { session { entries(first: 200) { nodes { id } } } } } }"
                .to_owned(),
            400,
            "TOO_EXPENSIVE",
        ),
        (
            format!("{{ host {{ id }} }} # {}", "x".repeat(100_000)),
            400,
            "QUERY_TOO_LARGE",
        ),
        (
            format!(
                "subscription {{ commits(session: \"x\") {} id {} }}",
                "{ cause ".repeat(40),
                "}".repeat(40)
            ),
            400,
            "TOO_DEEP",
        ),
    ];
    for (query, status, code) in cases {
        let answer = served.post(&query).await;
        let json = answer.json();
        let got = (answer.status, json["errors"][0]["extensions"]["code"].as_str());
        // A list of aliases that was cut in the middle of one is refused either way.
        let cut = code == "TOO_MANY_ALIASES" && got.1 == Some("MALFORMED");
        assert!(cut || got == (status, Some(code)), "{query:.80}: {got:?}");
    }
    // 5 MB are not read, whatever they are.
    // Who sends on and on may be cut off before it listens.
    let status = served.post(&"x".repeat(5 << 20)).await.status;
    assert!(matches!(status, 0 | 413), "{status}");
    // Nor is a head without end, or one that does not come, or a body that does not.
    let own = served.address;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: {own}\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    assert!(matches!(served.raw(long.as_bytes()).await.status, 0 | 431));
    let many: String = (0..200).map(|n| format!("X{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: {own}\r\n{many}\r\n");
    assert!(matches!(served.raw(many.as_bytes()).await.status, 0 | 431));
    assert!(matches!(served.raw(b"GET / HTTP/1.1\r\n").await.status, 0 | 408));
    let bearer = served.bearer();
    let slow = format!(
        "POST /graphql HTTP/1.1\r\nHost: {own}\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{{"
    );
    assert_eq!(served.raw(slow.as_bytes()).await.status, 408);
    // An introspection flood is answered, a few at a time.
    let introspection = "{ __schema { types { name fields { name type { name } } } } }";
    let (first, second) = tokio::join!(served.post(introspection), served.post(introspection));
    assert_eq!((first.status, second.status), (200, 200));
    let turn = served.house.turn(served.session, "hello").await;
    assert_eq!(turn.text, "one");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_speaks_the_protocol() {
    let served = Served::talking().await;
    let mut socket = served.connect().await;
    say(&mut socket, json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(
        hear(&mut socket).await.said(),
        json!({ "type": "pong", "payload": { "a": 1 } })
    );
    // A query is an operation of one answer.
    subscribe(&mut socket, "q", "{ host { version } }").await;
    assert_eq!(
        next(&mut socket, "q").await,
        json!({ "data": { "host": { "version": "0.1.0" } } })
    );
    assert_eq!(
        hear(&mut socket).await.said(),
        json!({ "type": "complete", "id": "q" })
    );
    // What is refused as a whole is told as that, and its id is free again.
    for _ in 0..2 {
        subscribe(&mut socket, "q", "{ nothing }").await;
        let said = hear(&mut socket).await.said();
        assert_eq!(
            (&said["type"], &said["payload"][0]["extensions"]["code"]),
            (&json!("error"), &json!("INVALID"))
        );
    }
    let ends = [
        (json!({ "type": "connection_init" }).to_string(), 4429),
        ("{".to_owned(), 4400),
        (json!({ "type": "nothing" }).to_string(), 4400),
        (
            json!({ "type": "subscribe", "id": "", "payload": { "query": "{ a }" } }).to_string(),
            4400,
        ),
        (
            json!({ "type": "subscribe", "id": "1", "payload": {} }).to_string(),
            4400,
        ),
        ("x".repeat(300_000), 1006),
    ];
    for (text, code) in ends {
        let mut socket = served.connect().await;
        use futures_util::SinkExt as _;
        let message = tokio_tungstenite::tungstenite::Message::text(text.clone());
        let _ = socket.send(message).await;
        let heard = hear(&mut socket).await;
        let ended = matches!(heard, Heard::Ended(got) if got == code || code == 1006);
        assert!(ended, "{text:.40}: {heard:?}");
    }
    let mut socket = served.connect().await;
    let endless = format!(
        "subscription {{ commits(session: \"{}\") {{ __typename }} }}",
        served.session
    );
    subscribe(&mut socket, "1", &endless).await;
    subscribe(&mut socket, "1", &endless).await;
    assert_eq!(hear(&mut socket).await, Heard::Ended(4409));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_they_are_is_not_waited_for() {
    let limits = Limits {
        init_time: Duration::from_millis(50),
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(TALK, limits, |_| {}).await;
    let own_page = format!("http://{}", served.address);
    let mut socket = served
        .upgrade("/graphql", &[("Origin", &own_page)])
        .await
        .unwrap();
    assert_eq!(hear(&mut socket).await, Heard::Ended(4408));
    // Who is silent is asked once, and then gone.
    let mut socket = served.connect().await;
    assert_eq!(hear(&mut socket).await.said(), json!({ "type": "ping" }));
    assert_eq!(hear(&mut socket).await, Heard::Ended(4408));
    served.close().await;
}
