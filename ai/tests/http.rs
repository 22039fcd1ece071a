//! Every fault of a server, through the real client, over real connections on the loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::sync::Arc;

use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::grammar::Grammar;
use glasswork_ai::http::{BaseUrl, HeaderMap, Provider, SecretString, Settings, TokenSource, Waiting};
use glasswork_ai::model::{Thinking, ToolSpec};
use glasswork_ai::port::{Call, ModelPort};
use glasswork_ai::scripted::{Cue, Script};
use glasswork_ai::stream::{Progress, StopReason, StreamEvent};
use glasswork_ai::wire::{EVENT_LIMIT, Wire};
use glasswork_testkit::model_server::{Answers, Framing, ModelServer, Reply};
use secrecy::ExposeSecret as _;

const KEY: &str = "sk-only-for-tests";

fn request(messages: Vec<Message>) -> Arc<Request> {
    Arc::new(Request {
        output: None,
        model: "local/model-1".parse().unwrap(),
        system: vec!["Be brief.".into()],
        messages,
        tools: vec![ToolSpec {
            name: "read".into(),
            description: "Reads.".into(),
            parameters: "{\"type\":\"object\"}".into(),
        }],
        thinking: Thinking::Default,
        max_output_tokens: None,
        controls: Default::default(),
    })
}

fn go() -> Arc<Request> {
    request(vec![Message::User("go".into())])
}

fn provider(wire: Wire, url: &str) -> Provider {
    Provider::new(
        "TEST_KEY",
        wire,
        &BaseUrl::parse(url).unwrap(),
        Some(&SecretString::from(KEY)),
    )
}

/// All steps of a call, which keep to the grammar; and whether the server took the request.
async fn all(mut call: Call) -> (bool, Vec<StreamEvent>) {
    let mut connected = false;
    let mut steps = Vec::new();
    while let Some(progress) = call.next().await {
        match progress {
            Progress::Connected => {
                assert!(!connected && steps.is_empty());
                connected = true;
            }
            Progress::Step(step) => steps.push(step),
        }
    }
    Grammar::check(&steps).unwrap();
    (connected, steps)
}

/// The answer to a reply.
async fn answer(wire: Wire, reply: Reply) -> (bool, Vec<StreamEvent>) {
    let server = ModelServer::start(Answers::replies([reply])).await.unwrap();
    all(provider(wire, &server.url()).call(go(), 1)).await
}

/// The failure that a reply leads to, and whether the server had taken the request.
async fn failure(wire: Wire, reply: Reply) -> (bool, Failure) {
    let (connected, mut steps) = answer(wire, reply).await;
    match steps.pop() {
        Some(StreamEvent::Failed(failure)) => {
            let is_call = |step: &StreamEvent| {
                matches!(
                    step,
                    StreamEvent::BlockFinished {
                        block: Block::ToolCall(_),
                        ..
                    }
                )
            };
            assert!(!steps.iter().any(is_call), "nothing of it can be executed");
            (connected, failure)
        }
        other => panic!("{other:?}"),
    }
}

/// A stream of each wire with a tool call in it, and its answer.
fn streams() -> [(Wire, &'static str); 4] {
    [
        (Wire::OpenAiChat, include_str!("golden/openai_tools.sse")),
        (Wire::OpenAiResponses, include_str!("golden/responses_tools.sse")),
        (Wire::Gemini, include_str!("golden/gemini_tools.sse")),
        (Wire::Anthropic, include_str!("golden/anthropic_tools.sse")),
    ]
}

fn decoded(wire: Wire, text: &str) -> Vec<StreamEvent> {
    let mut decoder = wire.decoder(&go());
    let mut steps = decoder.feed(text.as_bytes());
    steps.extend(decoder.end());
    steps
}

#[tokio::test]
async fn an_answer_arrives_however_its_bytes_are_cut_and_framed() {
    for (wire, text) in streams() {
        let expected = (true, decoded(wire, text));
        for reply in [
            Reply::stream(text),
            Reply::stream(text).in_pieces_of(1),
            Reply::stream(text).crlf().in_pieces_of(7),
            Reply::stream(text).framed(Framing::UntilClose),
            // All was said; that the connection then breaks, or stays, changes nothing.
            Reply::stream(text).cut(),
            Reply::stream(text).stall(),
        ] {
            assert_eq!(answer(wire, reply.clone()).await, expected, "{wire:?} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_cut_in_the_middle_of_arguments_is_a_transport_failure() {
    for (wire, text) in streams() {
        let cut = text.find("a.txt").unwrap();
        for framing in [Framing::Chunked, Framing::UntilClose] {
            let reply = Reply::stream(&text[..cut]).framed(framing).cut();
            let (connected, failure) = failure(wire, reply).await;
            assert_eq!(
                (connected, failure.class),
                (true, FailureClass::Transport),
                "{wire:?} {framing:?}: {failure}"
            );
            // Where the connection itself shows that it broke, its own words are told too.
            let broke = "the connection broke off before the answer was complete";
            assert!(failure.message.starts_with(broke), "{failure}");
            if framing == Framing::Chunked {
                assert!(failure.message.len() > broke.len(), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn refusals_are_typed_with_the_time_to_wait() {
    let date = "Sat, 31 Jan 2026 11:59:30 GMT";
    let later = "Sat, 31 Jan 2026 12:00:00 GMT";
    let limited =
        || Reply::status(429).body("{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}");
    let table = [
        (
            Reply::status(401).body("{\"error\":{\"message\":\"no\"}}"),
            FailureClass::Auth,
            Some(401),
            None,
        ),
        (limited(), FailureClass::RateLimit, Some(429), None),
        (
            limited().header("retry-after", "7"),
            FailureClass::RateLimit,
            Some(429),
            Some(7000),
        ),
        (
            limited().header("date", date).header("retry-after", later),
            FailureClass::RateLimit,
            Some(429),
            Some(30_000),
        ),
        (Reply::status(500), FailureClass::Unavailable, Some(500), None),
        (
            Reply::status(503).body("<html>busy</html>"),
            FailureClass::Unavailable,
            Some(503),
            None,
        ),
        (Reply::status(529), FailureClass::Overloaded, Some(529), None),
        (Reply::status(404), FailureClass::Invalid, Some(404), None),
        // A redirect would carry the key elsewhere.
        (
            Reply::status(307).header("location", "http://127.0.0.1:9/"),
            FailureClass::Invalid,
            Some(307),
            None,
        ),
        // Only the beginning of a refusal is read.
        (
            Reply::status(400).body("x".repeat(1 << 20)).stall(),
            FailureClass::Invalid,
            Some(400),
            None,
        ),
        // What a server manages to say of its refusal counts.
        (
            Reply::status(502).body("half a wo").cut(),
            FailureClass::Unavailable,
            Some(502),
            None,
        ),
    ];
    for (reply, class, status, retry_after_ms) in table {
        for wire in [Wire::OpenAiChat, Wire::Anthropic] {
            let (connected, failure) = failure(wire, reply.clone()).await;
            assert_eq!(
                (connected, failure.class, failure.status, failure.retry_after_ms),
                (false, class, status, retry_after_ms),
                "{wire:?}: {failure}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_protocol_failure() {
    let page = Reply::status(200)
        .header("content-type", "text/html")
        .body("<!doctype html><p>Hello");
    let giant = format!("data: \"{}", "x".repeat(EVENT_LIMIT));
    for wire in [Wire::OpenAiChat, Wire::Anthropic] {
        assert_eq!(failure(wire, page.clone()).await.1.class, FailureClass::Protocol);
        // Told as soon as it is too large: the server need not end.
        let reply = Reply::stream(giant.clone()).stall();
        assert_eq!(failure(wire, reply).await.1.class, FailureClass::Protocol);
        let inside = Reply::stream(
            "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"o\"}}\n\n",
        );
        assert_eq!(
            failure(wire, inside.stall()).await.1.class,
            FailureClass::Overloaded
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_hangs_up_is_a_transport_failure() {
    let url = ModelServer::refused_url().await.unwrap();
    for wire in [Wire::OpenAiChat, Wire::Anthropic] {
        let (connected, steps) = all(provider(wire, &url).call(go(), 1)).await;
        match &steps[..] {
            [StreamEvent::Failed(failure)] => {
                assert_eq!((connected, failure.class), (false, FailureClass::Transport));
                assert!(failure.message.contains("refused"), "{failure}");
            }
            other => panic!("{other:?}"),
        }
        let (connected, failure) = failure(wire, Reply::refuse()).await;
        assert_eq!(
            (connected, failure.class),
            (false, FailureClass::Transport),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn dropping_a_call_closes_the_connection_wherever_it_waits() {
    for (wire, text) in streams() {
        let cut = text.find("a.txt").unwrap();
        let replies = [
            Reply::never(),
            Reply::stream("").stall(),
            Reply::stream(&text[..cut]).stall(),
        ];
        let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
        let provider = provider(wire, &server.url());

        // Before the headers: a call that is polled until the request has arrived.
        let mut call = provider.call(go(), 1);
        tokio::select! {
            progress = call.next() => panic!("{progress:?}"),
            () = server.until_received(1) => {}
        }
        drop(call);
        server.until_closed(1).await;

        // Before the first token.
        let mut call = provider.call(go(), 1);
        assert_eq!(call.next().await, Some(Progress::Connected));
        drop(call);
        server.until_closed(2).await;

        // In the middle of an answer.
        let mut call = provider.call(go(), 1);
        while !matches!(
            call.next().await.unwrap(),
            Progress::Step(StreamEvent::BlockStarted { index: 1, .. })
        ) {}
        drop(call);
        server.until_closed(3).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_step_is_asked_for() {
    let server = ModelServer::start(Answers::replies([Reply::status(500)]))
        .await
        .unwrap();
    let provider = provider(Wire::Anthropic, &server.url());
    drop(provider.call(go(), 1));
    all(provider.call(request(vec![Message::User("second".into())]), 1)).await;
    let bodies: Vec<String> = server
        .received()
        .into_iter()
        .map(|received| String::from_utf8(received.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 1);
    assert!(bodies[0].contains("second"));
}

#[tokio::test]
async fn the_server_gets_exactly_the_body_that_the_call_shows_and_the_key_where_it_belongs() {
    for (wire, path, header, value) in [
        (
            Wire::OpenAiChat,
            "/v1/chat/completions",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (
            Wire::OpenAiResponses,
            "/v1/responses",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (Wire::Anthropic, "/v1/messages", "x-api-key", KEY.to_owned()),
        (
            Wire::Gemini,
            "/v1beta/models/model-1:streamGenerateContent?alt=sse",
            "x-goog-api-key",
            KEY.to_owned(),
        ),
    ] {
        let server = ModelServer::start(Answers::replies([Reply::status(500)]))
            .await
            .unwrap();
        let call = provider(wire, &server.url()).call(go(), 1);
        let body = call.body().to_vec();
        assert_eq!(body, wire.encode(&go()).unwrap().body.to_vec());
        all(call).await;
        let received = server.received().remove(0);
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", path));
        assert_eq!(received.header(header), Some(&*value));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.body, body);
    }
}

#[tokio::test]
async fn complete_answers_share_a_connection() {
    for (wire, text) in streams() {
        let server = ModelServer::start(Answers::replies([Reply::stream(text), Reply::stream(text)]))
            .await
            .unwrap();
        let provider = provider(wire, &server.url());
        for attempt in [1, 2] {
            all(provider.call(go(), attempt)).await;
        }
        let connections: Vec<usize> = server
            .received()
            .iter()
            .map(|received| received.connection)
            .collect();
        assert_eq!(connections, [1, 1], "{wire:?}");
    }
}

#[tokio::test]
async fn a_key_is_never_shown() {
    let shown = format!(
        "{:?}",
        provider(Wire::Anthropic, &format!("http://127.0.0.1:1/x?key={KEY}"))
    );
    assert!(shown.contains("127.0.0.1") && !shown.contains(KEY), "{shown}");
    let body = format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}");
    let (_, failure) = failure(Wire::OpenAiChat, Reply::status(401).body(body)).await;
    assert!(failure.message.contains("wrong key [key]"), "{failure}");
    // Some servers want it in the address.
    let nobody = ModelServer::refused_url().await.unwrap();
    let (_, steps) = all(provider(Wire::Anthropic, &format!("{nobody}/x?key={KEY}")).call(go(), 1)).await;
    let [StreamEvent::Failed(failure)] = &steps[..] else {
        panic!("{steps:?}");
    };
    assert_eq!(failure.class, FailureClass::Transport);
    assert!(!failure.message.contains(KEY), "{failure}");
}

#[tokio::test]
async fn settings_say_which_providers_can_be_used() {
    let settings = Settings::default();
    assert!(!settings.openai().unwrap().is_usable());
    let (_, steps) = all(settings.anthropic().unwrap().call(go(), 1)).await;
    match &steps[..] {
        [StreamEvent::Failed(failure)] => {
            assert_eq!(failure.class, FailureClass::Auth);
            assert_eq!(
                &*failure.message,
                "there is no key for `local`: set ANTHROPIC_API_KEY"
            );
        }
        other => panic!("{other:?}"),
    }

    // A server of one's own may do without a key, and then gets none.
    let server = ModelServer::start(Answers::replies([Reply::status(500)]))
        .await
        .unwrap();
    let settings = Settings {
        openai_api_key: Some(SecretString::from("  ")),
        openai_base_url: Some(server.url()),
        ..Settings::default()
    };
    let openai = settings.openai().unwrap();
    assert!(openai.is_usable() && !openai.has_key());
    all(openai.call(go(), 1)).await;
    assert_eq!(server.received()[0].header("authorization"), None);

    let settings = Settings {
        openai_api_key: Some(SecretString::from("two\nlines")),
        ..Settings::default()
    };
    let (_, steps) = all(settings.openai().unwrap().call(go(), 1)).await;
    assert!(
        matches!(&steps[..], [StreamEvent::Failed(failure)] if failure.class == FailureClass::Auth),
        "{steps:?}"
    );
}

/// What counts of an answer: its blocks, in order, and how it ends. Of one that failed only the calls, of which there are
/// none: Chat Completions does not say when a text ends. What a provider wants back is no part of what a script says.
fn essence(steps: &[StreamEvent]) -> Vec<StreamEvent> {
    let failed = matches!(steps.last(), Some(StreamEvent::Failed(_)));
    steps
        .iter()
        .filter_map(|step| match step {
            StreamEvent::BlockFinished {
                block: Block::Kept(_),
                ..
            } => None,
            StreamEvent::BlockFinished {
                block: Block::Text(_) | Block::Thinking(_),
                ..
            } if failed => None,
            StreamEvent::BlockFinished { block, .. } => Some(StreamEvent::BlockFinished {
                index: 0,
                block: block.clone(),
            }),
            StreamEvent::Finished(_) => Some(step.clone()),
            StreamEvent::Failed(failure) => Some(StreamEvent::Failed(Failure {
                message: "".into(),
                status: None,
                ..failure.clone()
            })),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_script_served_over_any_wire_says_what_it_says_when_played() {
    let script = Script::parse(
        r#"(chunk: 5, turns: [
            (
                first: [
                    (say: [fail(class: rate_limit, retry_after_ms: 1500)]),
                    (say: [fail(class: context_overflow)]),
                    (say: [fail(class: transport)]),
                    (say: [thinking("Hm"), fail(class: overloaded)]),
                    (say: [partial(text("I se")), cut]),
                    (say: [partial(call("read", (path: "a.txt"))), cut]),
                    (say: [call("read", (path: "a")), partial(call("read", (path: "a.txt")))]),
                ],
                say: [thinking("Where is it?"), text("I lööк."), call("read", (path: "a")), call("read", ())],
            ),
            (when: "it is here", say: [text("Found.")], otherwise: [stop(refusal)]),
        ])"#,
    )
    .unwrap();
    let second = request(vec![
        Message::User("go".into()),
        Message::Assistant {
            blocks: vec![Block::Text("I look.".into())],
            model: "local/model-1".parse().unwrap(),
        },
        Message::User("it is here".into()),
    ]);
    for wire in Wire::ALL {
        let server = ModelServer::start(Answers::Script(wire, script.clone()))
            .await
            .unwrap();
        let provider = provider(wire, &server.url());
        for (request, attempt) in (1..=8)
            .map(|attempt| (go(), attempt))
            .chain([(second.clone(), 1)])
        {
            let played: Vec<StreamEvent> = script
                .play(&request, attempt)
                .filter_map(|cue| match cue {
                    Cue::Say(Progress::Step(step)) => Some(step),
                    _ => None,
                })
                .collect();
            let (_, served) = all(provider.call(request, attempt)).await;
            assert_eq!(essence(&served), essence(&played), "{wire:?} attempt {attempt}");
            if attempt == 8 {
                assert_eq!(served.last(), Some(&StreamEvent::Finished(StopReason::ToolUse)));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_a_transport_failure_and_no_panic() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let provider = provider(Wire::Anthropic, &url);
    let hanging_up = async {
        loop {
            drop(listener.accept().await);
        }
    };
    let (connected, steps) = tokio::select! {
        answer = all(provider.call(go(), 1)) => answer,
        () = hanging_up => unreachable!(),
    };
    match &steps[..] {
        [StreamEvent::Failed(failure)] => {
            assert_eq!((connected, failure.class), (false, FailureClass::Transport))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_server_allows_is_known_with_its_headers_whether_it_answers_or_not() {
    let (wire, said) = streams()[0];
    for (reply, connects) in [(Reply::stream(said), true), (Reply::status(429), false)] {
        let reply = reply
            .header("x-ratelimit-remaining-requests", "0")
            .header("x-ratelimit-limit-requests", "60");
        let server = ModelServer::start(Answers::replies([reply])).await.unwrap();
        let mut call = provider(wire, &server.url()).call(go(), 1);
        assert!(call.rate_limits().is_empty());
        let first = call.next().await;
        assert_eq!(first == Some(Progress::Connected), connects);
        let [limit] = call.rate_limits() else {
            panic!("{:?}", call.rate_limits())
        };
        assert_eq!(
            (&*limit.name, limit.remaining, limit.limit),
            ("requests", Some(0), Some(60))
        );
    }
}

/// Gives `token-1`, `token-2` and so on, and knows what it was asked.
#[derive(Debug, Default)]
struct Tokens(std::sync::Mutex<Vec<Option<String>>>);

impl TokenSource for Tokens {
    fn token(&self, refused: Option<SecretString>) -> Waiting<Result<SecretString, Failure>> {
        let mut asked = self.0.lock().unwrap();
        asked.push(refused.map(|token| token.expose_secret().to_owned()));
        let token = SecretString::from(format!("token-{}", asked.len()));
        Box::pin(async move { Ok(token) })
    }

    fn headers(&self) -> HeaderMap {
        [("x-beta".parse().unwrap(), "signed-in".parse().unwrap())]
            .into_iter()
            .collect()
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_sent_again_and_nothing_else_asks_for_another() {
    let stream = || Reply::stream(include_str!("golden/anthropic_tools.sse"));
    let no = |status| Reply::status(status).body("{\"error\":{\"message\":\"no, token-1 token-2\"}}");
    // The replies, the class of the failure at the end, and how often a token was sent.
    let table = [
        (vec![stream()], None, 1),
        (vec![no(401), stream()], None, 2),
        (vec![no(401), no(401)], Some(FailureClass::Auth), 2),
        (vec![no(403)], Some(FailureClass::Auth), 1),
        (vec![no(429)], Some(FailureClass::RateLimit), 1),
        (vec![no(500)], Some(FailureClass::Unavailable), 1),
    ];
    for (replies, class, times) in table {
        let server = ModelServer::start(Answers::replies(replies)).await.unwrap();
        let tokens = Arc::new(Tokens::default());
        let url = BaseUrl::parse(&server.url()).unwrap();
        let port = Provider::new("TEST_KEY", Wire::Anthropic, &url, None)
            .signed_in(Arc::clone(&tokens) as Arc<dyn TokenSource>);
        let (_, steps) = all(port.call(go(), 1)).await;
        let failure = steps.iter().find_map(|step| match step {
            StreamEvent::Failed(failure) => Some(failure),
            _ => None,
        });
        assert_eq!(failure.map(|failure| failure.class), class, "{failure:?}");
        // A server that repeats the token that it refuses is not repeated.
        let shown = failure
            .map(|failure| failure.message.to_string())
            .unwrap_or_default();
        assert!(!shown.contains(&format!("token-{times}")), "{shown}");
        let sent: Vec<_> = server
            .received()
            .iter()
            .map(|request| {
                let header = |name| request.header(name).unwrap_or_default().to_owned();
                (header("authorization"), header("x-beta"))
            })
            .collect();
        let expected: Vec<_> = (1..=times)
            .map(|number| (format!("Bearer token-{number}"), "signed-in".to_owned()))
            .collect();
        assert_eq!(sent, expected);
        let asked = [None, Some("token-1".to_owned())];
        assert_eq!(*tokens.0.lock().unwrap(), asked[..times]);
    }
}
