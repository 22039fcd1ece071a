//! Signing in, against a server on the loopback that checks what the standards have it check.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test fails by panicking

use std::time::Duration;

use glasswork_ai::http::SecretString;
use glasswork_ai::sign_in::authorization::{Authorization, NoCode, Randomness};
use glasswork_ai::sign_in::callback::Callback;
use glasswork_ai::sign_in::client::Door;
use glasswork_ai::sign_in::description::{Body, Description};
use glasswork_ai::sign_in::device::{Device, Next, NotSignedIn, Polling};
use glasswork_ai::sign_in::tokens::{TokenError, Tokens};
use glasswork_testkit::authorization_server::{AuthorizationServer, USER_CODE, refusal};
use glasswork_testkit::model_server::Reply;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const NOW: u64 = 1_000_000;

fn begin(description: &Description, redirect: &str) -> Authorization {
    Authorization::begin(description, redirect, &Randomness::draw().unwrap()).unwrap()
}

/// What a browser gets.
async fn browse(address: &str) -> String {
    let rest = address.strip_prefix("http://localhost:").unwrap();
    let (port, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap()))
        .await
        .unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

fn shown(tokens: &Tokens) -> (String, Option<String>) {
    let refresh = tokens
        .refresh
        .as_ref()
        .map(|token| token.expose_secret().to_owned());
    (tokens.access.expose_secret().to_owned(), refresh)
}

#[tokio::test]
async fn a_browser_brings_a_code_and_the_code_becomes_tokens_in_both_formats() {
    for body in [Body::Form, Body::Json] {
        let server = AuthorizationServer::start(3600).await.unwrap();
        let description = Description {
            body,
            ..server.description()
        };
        let callback = Callback::open(&description).await.unwrap();
        let attempt = begin(&description, callback.redirect());
        let back = server.says_yes(attempt.address());
        let waits = callback.wait(&attempt);
        let visits = async {
            // Whoever is silent, asks for something else, or brings another attempt's answer keeps nobody.
            let origin = back.split_once("/callback").unwrap().0;
            let _silent = TcpStream::connect(origin.replace("http://localhost", "127.0.0.1"))
                .await
                .unwrap();
            assert!(
                browse(&format!("{origin}/favicon.ico"))
                    .await
                    .starts_with("HTTP/1.1 404")
            );
            let foreign = format!("{origin}/callback?code=evil&state=made-up");
            let page = browse(&foreign).await;
            assert!(
                page.starts_with("HTTP/1.1 400") && !page.contains("evil"),
                "{page}"
            );
            let page = browse(&back).await;
            assert!(page.contains("You are signed in to Glasswork"), "{page}");
            assert!(!page.contains("code-0"), "{page}");
        };
        let (request, ()) = tokio::join!(waits, visits);
        let tokens = Door::of(&description)
            .tokens(&request.unwrap(), || NOW)
            .await
            .unwrap();
        assert_eq!(
            shown(&tokens),
            ("access-secret-1".to_owned(), Some("refresh-secret-1".to_owned()))
        );
        assert_eq!((tokens.given, tokens.expires), (NOW, Some(NOW + 3600)));
        assert_eq!(tokens.scopes, ["models", "profile"]);
        assert_eq!(tokens.account.as_deref(), Some("ada@example.org"));
        // One shot: nothing listens any more.
        let port = back
            .strip_prefix("http://localhost:")
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        assert!(
            TcpStream::connect(("127.0.0.1", port.parse().unwrap()))
                .await
                .is_err()
        );

        let door = Door::of(&description);
        let newer = door
            .refresh(tokens.refresh.as_ref().unwrap(), || NOW + 9)
            .await
            .unwrap();
        assert_eq!(newer.access.expose_secret(), "access-secret-2");
        let again = door.refresh(tokens.refresh.as_ref().unwrap(), || NOW).await;
        let error = again.unwrap_err();
        assert!(
            error.is_final()
                && matches!(&error, TokenError::Refused { error, .. } if error == "invalid_grant")
        );
    }
}

#[tokio::test]
async fn what_a_person_pastes_is_understood_and_another_attempts_is_not_taken() {
    let server = AuthorizationServer::start(3600).await.unwrap();
    let description = server.description();
    let redirect = "https://x.example/show-code";
    for form in ["whole", "query", "code#state", "code"] {
        let attempt = begin(&description, redirect);
        let back = server.says_yes(attempt.address());
        let query = back.split_once('?').unwrap().1;
        let (code, state) = query
            .strip_prefix("code=")
            .unwrap()
            .split_once("&state=")
            .unwrap();
        let text = match form {
            "whole" => format!("  {back}\n"),
            "query" => query.to_owned(),
            "code#state" => format!("{code}#{state}"),
            _ => code.to_owned(),
        };
        let request = attempt.pasted(&text.into()).unwrap();
        let tokens = Door::of(&description).tokens(&request, || NOW).await;
        assert!(tokens.is_ok(), "{form}: {tokens:?}");
    }
    let attempt = begin(&description, redirect);
    let check = |text: &str, expected: NoCode| {
        assert_eq!(
            attempt.pasted(&SecretString::from(text)).err(),
            Some(expected),
            "{text}"
        );
    };
    check("a#of-another", NoCode::WrongState);
    check("https://x.example/?code=a&state=of-another", NoCode::WrongState);
    check("https://x.example/?code=a", NoCode::WrongState);
    check("error=access_denied&state=of-another", NoCode::WrongState);
    check("", NoCode::Missing);
    check("two words", NoCode::Missing);
    let denied = attempt
        .address()
        .split("&state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    check(
        &format!("https://x.example/?error=access_denied&error_description=No%0Away&state={denied}"),
        NoCode::Refused("access_denied Noway".to_owned()),
    );
    // A code is worth nothing without the attempt that it was made for.
    let (mine, other) = (begin(&description, redirect), begin(&description, redirect));
    let back = server.says_yes(other.address());
    let code = back.split_once("code=").unwrap().1.split('&').next().unwrap();
    let stolen = mine.pasted(&code.into()).unwrap();
    let error = Door::of(&description).tokens(&stolen, || NOW).await.unwrap_err();
    assert!(error.is_final(), "{error}");
}

#[tokio::test]
async fn whatever_the_server_answers_is_told_and_nothing_secret_is() {
    let server = AuthorizationServer::start(3600).await.unwrap();
    let description = server.description();
    let json = |text: &str| Reply::status(200).body(text);
    let echo = r#"{"error":"invalid_grant","error_description":"token of-the-person is unknown"}"#;
    let table = [
        (
            refusal("invalid_grant"),
            true,
            "invalid_grant): no, says the server",
        ),
        (Reply::status(400).body(echo), true, "token [secret] is unknown"),
        (
            json(r#"{"error":"bad_refresh_token"}"#),
            true,
            "bad_refresh_token",
        ),
        (
            json(r#"{"error":{"type":"expired","message":"of-the-person"}}"#).header("a", "b"),
            true,
            "(expired): [secret]",
        ),
        (
            refusal("temporarily_unavailable"),
            false,
            "temporarily_unavailable",
        ),
        (
            json("<html>of-the-person</html>"),
            false,
            "a web page (status 200)",
        ),
        (
            Reply::status(502).body("<html>"),
            false,
            "a web page (status 502)",
        ),
        (
            Reply::status(503).body(r#"{"error":"x"}"#),
            false,
            "something (status 503)",
        ),
        (json(r#"{"access_token":""}"#), false, "an empty token"),
        (json(r#"{"access_token":7}"#), false, "no token in it"),
        (json("{}"), false, "no token in it"),
        (
            Reply::status(302).header("location", "http://127.0.0.1:9/"),
            false,
            "status 302",
        ),
        (json(&"a".repeat(300 << 10)), false, "more than any token is long"),
        (Reply::refuse(), false, "not reached"),
        (json(r#"{"access_token":"#).cut(), false, "not reached"),
        (Reply::never(), false, "silent"),
    ];
    for (reply, is_final, words) in table {
        server.replies([reply]);
        let door = Door::of(&description).within(Duration::from_millis(1500));
        let error = door.refresh(&"of-the-person".into(), || NOW).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains(words), "`{words}` is not in `{told}`");
        assert_eq!(error.is_final(), is_final, "{told}");
        assert!(!format!("{told}{error:?}").contains("of-the-person"), "{told}");
    }
}

#[tokio::test]
async fn a_device_gets_its_code_and_its_tokens() {
    let server = AuthorizationServer::start(3600).await.unwrap();
    let description = server.description();
    let door = Door::of(&description);
    let device = door.device().await.unwrap().unwrap();
    assert_eq!(device.user_code, USER_CODE);
    server.tells_devices(0, ["authorization_pending", "slow_down"]);
    let request = glasswork_ai::sign_in::tokens::TokenRequest::device("glasswork-test", &device.device_code);
    let mut polling = Polling::begin(&device);
    let mut waits = vec![];
    let tokens = loop {
        let answer = door.tokens(&request, || NOW).await;
        match polling.after(answer, Duration::from_secs(1)).unwrap() {
            Next::Ask(wait) => waits.push(wait.as_secs()),
            Next::Tokens(tokens) => break tokens,
        }
    };
    assert_eq!(waits, [0, 5]);
    assert_eq!(tokens.access.expose_secret(), "access-secret-1");
    assert!(!format!("{device:?}").contains("device-secret"));

    server.replies([Reply::status(200).body("<html>")]);
    let odd = door.device().await.unwrap().unwrap_err();
    assert!(odd.to_string().contains("a web page"), "{odd}");
    let none = Description {
        device_url: None,
        ..description
    };
    assert!(Door::of(&none).device().await.is_err());
}

#[test]
fn devices_ask_as_often_as_they_may_and_no_longer_than_the_code_holds() {
    let device: Device = serde_json::from_str(
        r#"{"device_code":"d","user_code":"u","verification_url":"https://x.example","expires_in":100}"#,
    )
    .unwrap();
    let refused = |error: &str| {
        Err(TokenError::Refused {
            error: error.to_owned(),
            description: None,
        })
    };
    let odd = || Err(TokenError::Odd("a web page".to_owned()));
    let wait = |next: Result<Next, NotSignedIn>| match next {
        Ok(Next::Ask(wait)) => Ok(wait.as_secs()),
        Ok(Next::Tokens(_)) => panic!("tokens"),
        Err(error) => Err(error),
    };
    let at = Duration::from_secs;
    let mut polling = Polling::begin(&device);
    assert_eq!(polling.first(), at(5));
    assert_eq!(
        wait(polling.after(refused("authorization_pending"), at(5))),
        Ok(5)
    );
    assert_eq!(wait(polling.after(refused("slow_down"), at(10))), Ok(10));
    assert_eq!(
        wait(polling.after(refused("authorization_pending"), at(20))),
        Ok(10)
    );
    assert_eq!(wait(polling.after(odd(), at(30))), Ok(20));
    assert_eq!(
        wait(polling.after(refused("authorization_pending"), at(80))),
        Err(NotSignedIn::Expired),
        "the next answer would come too late"
    );
    let end = |error: &str| wait(Polling::begin(&device).after(refused(error), at(1)));
    assert_eq!(end("expired_token"), Err(NotSignedIn::Expired));
    assert_eq!(end("access_denied"), Err(NotSignedIn::Denied));
    assert!(matches!(end("invalid_client"), Err(NotSignedIn::Failed(_))));
    let mut polling = Polling::begin(&Device {
        expires_in: 3000,
        ..device
    });
    let answers: Vec<_> = (0..5).map(|_| wait(polling.after(odd(), at(1)))).collect();
    assert_eq!(answers[..4], [Ok(10), Ok(20), Ok(40), Ok(80)]);
    assert!(matches!(answers[4], Err(NotSignedIn::Failed(_))));
}

#[test]
fn tokens_are_due_before_they_end_and_after_a_clock_was_set_back() {
    let tokens = |life: Option<u64>| Tokens {
        access: "a".into(),
        refresh: None,
        given: NOW,
        expires: life.map(|life| NOW + life),
        scopes: vec![],
        account: None,
    };
    let check = |life: Option<u64>, now: u64, expected: bool| {
        assert_eq!(tokens(life).is_due(now), expected, "{life:?} {now}");
    };
    check(Some(3600), NOW, false);
    check(Some(3600), NOW + 3299, false);
    check(Some(3600), NOW + 3300, true);
    check(Some(100), NOW + 79, false);
    check(Some(100), NOW + 80, true);
    check(Some(0), NOW, true);
    check(Some(3600), NOW - 60, false);
    check(Some(3600), NOW - 61, true);
    check(None, u64::MAX, false);
}
