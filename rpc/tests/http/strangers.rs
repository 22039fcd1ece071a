//! Who is not let in: cases 1 to 4, and the page's guards (45).

use glasswork_rpc::http::{self, ServeError};
use serde_json::json;

use crate::served::{Heard, Served, hear, say};

type Headers<'a> = &'a [(&'a str, &'a str)];

const HOSTS: &str = "{\"query\":\"{ host { version } }\"}";

/// Cases 1 and 2: a name or a page that is not ours is turned away before the token is looked at, and nothing in the
/// answer lets a page read it.
#[tokio::test(flavor = "multi_thread")]
async fn other_names_and_other_pages_are_turned_away() {
    let served = Served::talking().await;
    let bearer = served.bearer();
    let own = served.address.to_string();
    let local = format!("localhost:{}", served.address.port());
    let own_page = format!("http://{own}");
    let cases: [(Headers<'_>, u16); 15] = [
        (&[("Host", "evil.com")], 403),
        (&[("Host", "127.0.0.1")], 403),
        (&[("Host", "127.0.0.1:1")], 403),
        (&[("Host", "127.0.0.1.evil.com")], 403),
        (&[("Host", "")], 403),
        (&[("Host", "*")], 403),
        (&[("Host", &own), ("host", "evil.com")], 403),
        (&[("Host", &local)], 200),
        (&[("Origin", "http://evil.com")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "file://")], 403),
        (&[("Origin", "http://127.0.0.1:1")], 403),
        (&[("Origin", &own_page), ("origin", "http://evil.com")], 403),
        (&[("Origin", &own_page)], 200),
        (&[("Origin", "http://friend.example:3000")], 200),
    ];
    for (headers, status) in cases {
        let mut all = vec![("Authorization", &*bearer), ("Content-Type", "application/json")];
        all.extend(headers);
        let answer = served.send("POST /graphql", &all, HOSTS).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        let head = answer.head.to_ascii_lowercase();
        assert!(!head.contains("access-control"), "{headers:?}: {head}");
    }
    let preflight = [("Origin", &*own_page), ("Access-Control-Request-Method", "POST")];
    let answer = served.send("OPTIONS /graphql", &preflight, "").await;
    assert_eq!(answer.status, 401);
    assert!(!answer.head.to_ascii_lowercase().contains("access-control"));
    // Who names no host at all.
    let answer = served.raw(b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 403);
    // The body is not waited for: who was turned away has not sent any of it.
    let unsent =
        "POST /graphql HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n";
    assert_eq!(served.raw(unsent.as_bytes()).await.status, 403);
    // The target names another host than `Host` does.
    let line = "GET http://evil.com/ HTTP/1.1\r\nConnection: close\r\n";
    let answer = served.raw(format!("{line}Host: {own}\r\n\r\n").as_bytes()).await;
    assert_eq!(answer.status, 403);
    served.close().await;
}

/// Case 3: what a page of any origin can send without asking first is not taken, and nothing of it happens.
#[tokio::test(flavor = "multi_thread")]
async fn forms_and_gets_change_nothing() {
    let served = Served::talking().await;
    let bearer = served.bearer();
    let rename = format!(
        "mutation {{ rename(session: \\\"{}\\\", title: \\\"x\\\") {{ repeated }} }}",
        served.session
    );
    let body = format!("{{\"query\":\"{rename}\"}}");
    let types = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonx"),
        Some("application/json; charset=utf-16"),
        Some("text/plain; application/json"),
    ];
    for media in types {
        let mut headers = vec![("Authorization", &*bearer)];
        headers.extend(media.map(|media| ("Content-Type", media)));
        let answer = served.send("POST /graphql", &headers, &body).await;
        assert_eq!(answer.status, 415, "{media:?}");
    }
    let query = format!(
        "mutation%7Brename(session:%22{}%22,title:%22x%22)%7Brepeated%7D%7D",
        served.session
    );
    let answer = served
        .send(
            &format!("GET /graphql?query={query}"),
            &[("Authorization", &bearer)],
            "",
        )
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let answer = served
        .send("PUT /graphql", &[("Authorization", &bearer)], &body)
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
    let title = served.house.now(served.session).meta.title.clone();
    assert_eq!(title, None, "something was executed");
    // The same is taken when it comes as it should.
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/json; charset=UTF-8"),
    ];
    assert_eq!(served.send("POST /graphql", &headers, &body).await.status, 200);
    let title = served.house.now(served.session).meta.title.clone();
    assert_eq!(title.as_deref(), Some("x"));
    served.close().await;
}

/// Case 4, over HTTP: the whole token, in its header, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_without_the_token() {
    let served = Served::talking().await;
    let token = served.token.clone();
    let said = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(token.clone()),
        Some(format!("Basic {token}")),
        Some(format!("Bearer {}", &token[..63])),
        Some(format!("Bearer {token}0")),
        Some(format!("Bearer {}", "0".repeat(64))),
        Some(format!("Bearer {}", "0".repeat(4_000))),
    ];
    for said in said {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(said.as_deref().map(|said| ("Authorization", said)));
        for target in [
            "/graphql".to_owned(),
            format!("/graphql?token={token}&access_token={token}"),
        ] {
            let answer = served.send(&format!("POST {target}"), &headers, HOSTS).await;
            let got = (answer.status, answer.header("www-authenticate"));
            assert_eq!(got, (401, Some("Bearer")), "{said:?}");
            assert!(!format!("{answer:?}").contains(&token));
        }
    }
    served.close().await;
}

/// Case 4, over a WebSocket: a program says the token with the upgrade, a page of ours in its first message.
#[tokio::test(flavor = "multi_thread")]
async fn no_websocket_speaks_without_the_token() {
    let served = Served::talking().await;
    let token = served.token.clone();
    let bearer = served.bearer();
    let short = format!("Bearer {}", &token[..10]);
    let own_page = format!("http://{}", served.address);
    let with_token = format!("/graphql?token={token}");
    let refused: [(&str, Headers<'_>, u16); 7] = [
        ("/graphql", &[], 401),
        (&with_token, &[], 401),
        ("/graphql", &[("Authorization", &short)], 401),
        (
            "/graphql",
            &[("Authorization", &short), ("Origin", &own_page)],
            401,
        ),
        (
            "/graphql",
            &[("Authorization", &bearer), ("Origin", "http://evil.com")],
            403,
        ),
        (
            "/graphql",
            &[("Authorization", &bearer), ("Host", "evil.com")],
            403,
        ),
        (
            "/graphql",
            &[
                ("Authorization", &bearer),
                ("Sec-WebSocket-Protocol", "graphql-ws"),
            ],
            400,
        ),
    ];
    for (target, headers, status) in refused {
        let answer = served.upgrade(target, headers).await.map(drop);
        assert_eq!(answer, Err(status), "{target} {headers:?}");
    }
    // A page comes as far as its first message.
    let init = |payload| json!({ "type": "connection_init", "payload": payload });
    let messages = [
        (init(json!({})), 4403),
        (init(json!({ "token": &token[..10] })), 4403),
        (init(json!({ "token": 7 })), 4403),
        (
            json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ host { id } }" } }),
            4401,
        ),
    ];
    for (message, code) in messages {
        let mut socket = served
            .upgrade(&with_token, &[("Origin", &own_page)])
            .await
            .unwrap();
        say(&mut socket, message.clone()).await;
        assert_eq!(hear(&mut socket).await, Heard::Ended(code), "{message}");
    }
    let mut socket = served
        .upgrade("/graphql", &[("Origin", &own_page)])
        .await
        .unwrap();
    say(&mut socket, init(json!({ "token": token }))).await;
    assert_eq!(
        hear(&mut socket).await,
        Heard::Said(json!({ "type": "connection_ack" }))
    );
    served.close().await;
}

/// Case 45, as far as the page goes: what a browser may do with it is said with every answer, also with refusals.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_nothing_but_its_own_file() {
    let served = Served::talking().await;
    for (target, media) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = served.send(&format!("GET {target}"), &[], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media)));
        // Nothing of it comes from elsewhere, or is written into the page as markup.
        for forbidden in [
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "eval(",
            "localStorage",
            "onclick=",
        ] {
            assert!(!answer.body.contains(forbidden), "{target} has {forbidden}");
        }
    }
    for target in ["GET /", "GET /nothing", "POST /graphql"] {
        let answer = served.send(target, &[], "").await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    served.close().await;
}

#[tokio::test]
async fn other_machines_are_served_only_where_that_was_said() {
    let refused = http::bind("0.0.0.0:0".parse().unwrap(), false);
    assert!(
        matches!(refused, Err(ServeError::BeyondLoopback(_))),
        "{refused:?}"
    );
    assert!(http::bind("0.0.0.0:0".parse().unwrap(), true).is_ok());
    assert!(http::bind("[::1]:0".parse().unwrap(), false).is_ok());
}
