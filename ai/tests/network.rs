//! Ways to a server: through proxies of every kind, with certificates of every kind, over connections that last.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may fail loudly

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_ai::conversation::{Message, Request};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::http::{
    Authorities, BaseUrl, Certificates, ClientSettings, Clients, Exceptions, Provider, Proxies, Proxy,
    ProxyAddress, SecretString, probe,
};
use glasswork_ai::model::Thinking;
use glasswork_ai::port::ModelPort as _;
use glasswork_ai::sign_in::client::Door;
use glasswork_ai::stream::{Progress, StreamEvent};
use glasswork_ai::wire::Wire;
use glasswork_testkit::authority::{Authority, Identity, TlsDoor};
use glasswork_testkit::authorization_server::AuthorizationServer;
use glasswork_testkit::model_server::{Answers, ModelServer, Reply};
use glasswork_testkit::proxy_server::{Manner, ProxyServer};
use glasswork_testkit::second::{self, Second};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const ANSWER: &str = include_str!("golden/anthropic_tools.sse");
const PASSWORD: &str = "p@ss-word";

fn request() -> Arc<Request> {
    Arc::new(Request {
        controls: glasswork_ai::controls::Controls::default(),
        output: None,
        model: "anthropic/model-1".parse().unwrap(),
        system: Vec::new(),
        messages: vec![Message::User("go".into())],
        tools: Vec::new(),
        thinking: Thinking::Default,
        max_output_tokens: None,
    })
}

async fn models() -> ModelServer {
    ModelServer::start(Answers::by(|_| Reply::stream(ANSWER)))
        .await
        .unwrap()
}

fn provider(url: &str, clients: &Clients) -> Provider {
    let key = SecretString::from("sk-only-for-tests");
    Provider::new(
        "TEST_KEY",
        Wire::Anthropic,
        &BaseUrl::parse(url).unwrap(),
        Some(&key),
    )
    .through(clients)
}

/// How a request ends.
async fn asked(provider: &Provider) -> Result<(), Failure> {
    let mut call = provider.call(request(), 1);
    loop {
        match call.next().await.unwrap() {
            Progress::Step(StreamEvent::Finished(_)) => return Ok(()),
            Progress::Step(StreamEvent::Failed(failure)) => return Err(failure),
            _ => {}
        }
    }
}

fn through(proxy: &str, except: &str) -> ClientSettings {
    let proxy = Some(Proxy {
        address: ProxyAddress::parse(proxy).unwrap(),
        from: "ALL_PROXY".to_owned(),
    });
    ClientSettings {
        proxies: Proxies {
            http: proxy.clone(),
            https: proxy,
            except: Exceptions::parse(except, "NO_PROXY"),
        },
        authorities: Authorities::default(),
    }
}

fn believing(authority: &Authority) -> Authorities {
    Authorities {
        in_place: None,
        beside: Some(Certificates::parse(authority.pem().as_bytes(), "own.pem").unwrap()),
    }
}

/// Three steps through a proxy: one connection to it, and one to the server.
async fn check(manner: Manner, scheme: &str, user: &str, authority: &Authority, url: &str, seen: &str) {
    let models = models().await;
    let identity = authority.identity("models.test").unwrap();
    let door = TlsDoor::before(models.address(), &identity).await.unwrap();
    let is_opened = url.starts_with("http:") || manner.opens.is_some();
    let server = if is_opened {
        models.address()
    } else {
        door.address()
    };
    let mut settings = ClientSettings {
        authorities: believing(manner.opens.as_ref().unwrap_or(authority)),
        ..ClientSettings::default()
    };
    let proxy = ProxyServer::before(server, manner).await.unwrap();
    settings.proxies = through(&proxy.url(scheme, user), "").proxies;
    let provider = provider(url, &Clients::new(settings));
    for _ in 0..3 {
        asked(&provider)
            .await
            .unwrap_or_else(|failure| panic!("{scheme} {url}: {failure}"));
    }
    let connections: Vec<_> = models
        .received()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(
        (connections, proxy.asked()),
        (vec![1, 1, 1], vec![seen.to_owned()]),
        "{scheme} {url}"
    );
}

#[tokio::test]
async fn every_kind_of_proxy_carries_all_steps_over_one_connection() {
    let authority = Authority::new("known").unwrap();
    let with_password = || Manner {
        password: Some("me:p@ss-word"),
        ..Manner::default()
    };
    let plain = "http://models.test/x";
    let secured = "https://models.test";
    let user = "me:p%40ss-word";
    for (manner, scheme, user, url, seen) in [
        (
            Manner::default(),
            "http",
            "",
            plain,
            "POST http://models.test/x/v1/messages",
        ),
        (
            with_password(),
            "http",
            user,
            plain,
            "POST http://models.test/x/v1/messages",
        ),
        (Manner::default(), "http", "", secured, "CONNECT models.test:443"),
        (with_password(), "http", user, secured, "CONNECT models.test:443"),
        (Manner::default(), "socks5h", "", plain, "SOCKS models.test:80"),
        (with_password(), "socks5h", user, plain, "SOCKS models.test:80"),
        (Manner::default(), "socks", "", secured, "SOCKS models.test:443"),
        (
            with_password(),
            "socks5",
            user,
            "http://192.0.2.1:81",
            "SOCKS 192.0.2.1:81",
        ),
    ] {
        check(manner, scheme, user, &authority, url, seen).await;
    }
    // The way to the proxy is encrypted too.
    let secured_proxy = || Manner {
        identity: Some(authority.identity("127.0.0.1").unwrap()),
        ..with_password()
    };
    let seen = "POST http://models.test/x/v1/messages";
    check(secured_proxy(), "https", user, &authority, plain, seen).await;
    check(
        secured_proxy(),
        "https",
        user,
        &authority,
        secured,
        "CONNECT models.test:443",
    )
    .await;
    // As in companies: the proxy opens what is encrypted, and signs for everybody.
    let opens = Manner {
        opens: Some(Authority::new("of a company").unwrap()),
        ..Manner::default()
    };
    check(opens, "http", "", &authority, secured, "CONNECT models.test:443").await;
}

#[tokio::test]
async fn this_machine_is_asked_straight_unless_that_is_said() {
    let models = models().await;
    let proxy = ProxyServer::before(models.address(), Manner::default())
        .await
        .unwrap();
    let url = proxy.url("http", "");
    for (except, count) in [
        ("", 0),
        ("*", 0),
        ("<-loopback>", 1),
        ("<-loopback>,127.0.0.0/8", 1),
    ] {
        let provider = provider(&models.url(), &Clients::new(through(&url, except)));
        asked(&provider).await.unwrap();
        assert_eq!(proxy.asked().len(), count, "{except:?}");
    }
}

/// The failure of a request to a name that only the proxy knows.
async fn refused(settings: ClientSettings, url: &str) -> Failure {
    let failure = asked(&provider(url, &Clients::new(settings))).await.unwrap_err();
    assert!(
        !failure.message.contains("p@ss") && !failure.message.contains("p%40ss"),
        "{failure}"
    );
    failure
}

#[tokio::test]
async fn what_is_wrong_with_a_proxy_is_told_without_its_password() {
    let models = models().await;
    let wants = |is_cut_off| Manner {
        password: Some("me:another"),
        is_cut_off,
        ..Manner::default()
    };
    let proxy = ProxyServer::before(models.address(), wants(false)).await.unwrap();
    let anybody = Manner {
        is_cut_off: true,
        ..Manner::default()
    };
    let cut_off = ProxyServer::before(models.address(), anybody).await.unwrap();
    let nobody = ModelServer::refused_url().await.unwrap();
    let nobody = nobody.trim_start_matches("http://");
    for scheme in ["http", "socks5h"] {
        for url in ["http://models.test", "https://models.test"] {
            for user in ["me:p%40ss-word", ""] {
                let failure = refused(through(&proxy.url(scheme, user), ""), url).await;
                assert_eq!(failure.class, FailureClass::Auth, "{scheme} {url}: {failure}");
                let way = format!(" through the proxy {} (ALL_PROXY)", proxy.url(scheme, ""));
                assert!(
                    failure.message.contains(&way)
                        && failure.message.contains("another user name and password"),
                    "{failure}"
                );
            }
            let failure = refused(through(&cut_off.url(scheme, ""), ""), url).await;
            assert!(failure.class.is_retryable(), "{scheme} {url}: {failure}");
            let failure = refused(through(&format!("{scheme}://me:{}@{nobody}", "p%40ss"), ""), url).await;
            assert_eq!(
                failure.class,
                FailureClass::Transport,
                "{scheme} {url}: {failure}"
            );
            assert!(
                failure
                    .message
                    .contains(&format!(" through the proxy {scheme}://{nobody} (ALL_PROXY)")),
                "{failure}"
            );
        }
    }
    assert!(models.received().is_empty());
}

#[tokio::test]
async fn a_password_is_not_shown() {
    let settings = through(&format!("http://me:{PASSWORD}@proxy.test:1"), "");
    let clients = Clients::new(settings.clone());
    let url = BaseUrl::parse("https://models.test").unwrap();
    for shown in [
        format!("{settings:?}"),
        format!("{clients:?}"),
        format!("{:?}", provider("https://models.test", &clients)),
        clients.way(&url),
    ] {
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
    assert_eq!(
        clients.way(&url),
        " through the proxy http://proxy.test:1 (ALL_PROXY)"
    );
}

/// How a request ends at a door that shows this.
async fn shown(identity: &Identity, authorities: Authorities, host: &str) -> Result<(), Failure> {
    let models = models().await;
    let door = TlsDoor::before(models.address(), identity).await.unwrap();
    let settings = ClientSettings {
        authorities,
        ..ClientSettings::default()
    };
    asked(&provider(&door.url(host), &Clients::new(settings))).await
}

#[tokio::test]
async fn certificates_are_believed_where_their_authority_is_known_and_else_it_is_said_what_to_do() {
    let authority = Authority::new("known").unwrap();
    let stranger = Authority::new("a stranger").unwrap();
    let identity = authority.identity("localhost").unwrap();
    let both = format!("# one\n{}\n# and another\n{}", stranger.pem(), authority.pem());
    let of = |pem: &str| Some(Certificates::parse(pem.as_bytes(), "own.pem").unwrap());
    for authorities in [
        believing(&authority),
        Authorities {
            in_place: of(&both),
            beside: None,
        },
        Authorities {
            in_place: of(stranger.pem()),
            beside: of(authority.pem()),
        },
    ] {
        shown(&identity, authorities, "localhost").await.unwrap();
    }
    let (unknown, ip) = (Authorities::default(), authority.identity("127.0.0.1").unwrap());
    shown(&ip, believing(&authority), "127.0.0.1").await.unwrap();
    for (identity, authorities, host, words) in [
        (
            &identity,
            unknown,
            "localhost",
            "name a file with the certificate of whoever signs there in `ca_file`",
        ),
        (&identity, believing(&stranger), "localhost", "`ca_file`"),
        (&identity, believing(&authority), "127.0.0.1", "for another name"),
        (
            &authority.expired("localhost").unwrap(),
            believing(&authority),
            "localhost",
            "has expired",
        ),
    ] {
        let failure = shown(identity, authorities, host).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

/// What the system believes is in a file here, which is named to a process of its own.
#[tokio::test]
async fn certificates_of_the_system_are_believed_beside_those_of_the_user_and_not_where_others_stand_in_place()
 {
    let system = |home: &Path| home.join("system.pem");
    let part = async |home: &Path| {
        let read =
            |name: &str| Some(Certificates::parse(&fs::read(home.join(name)).unwrap(), "own.pem").unwrap());
        let server = fs::read_to_string(home.join("server")).unwrap();
        for (in_place, beside) in [
            (None, None),
            (None, read("stranger.pem")),
            (read("stranger.pem"), None),
            (read("stranger.pem"), read("system.pem")),
        ] {
            let settings = ClientSettings {
                authorities: Authorities { in_place, beside },
                ..ClientSettings::default()
            };
            let asked = asked(&provider(&server, &Clients::new(settings))).await;
            second::say(asked.is_ok());
        }
    };
    if second::plays("asks", part).await {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new("of the system").unwrap();
    let stranger = Authority::new("a stranger").unwrap();
    fs::write(system(home.path()), authority.pem()).unwrap();
    fs::write(home.path().join("stranger.pem"), stranger.pem()).unwrap();
    let models = models().await;
    let identity = authority.identity("localhost").unwrap();
    let door = TlsDoor::before(models.address(), &identity).await.unwrap();
    fs::write(home.path().join("server"), door.url("localhost")).unwrap();
    let name = "certificates_of_the_system_are_believed_beside_those_of_the_user_and_not_where_others_stand_in_place";
    let mut command = second::command(name, "asks", home.path());
    command
        .env("SSL_CERT_FILE", system(home.path()))
        .env_remove("SSL_CERT_DIR");
    let said = tokio::task::spawn_blocking(move || Second::start(command).end())
        .await
        .unwrap();
    assert_eq!(said.lines, ["true", "true", "false", "true"]);
}

/// A server of plain HTTP, which takes a greeting in TLS for a wrong request.
async fn plain() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        // It is read, so that the refusal is not lost.
        let mut greeting = Vec::new();
        stream.read_to_end(&mut greeting).await.unwrap_or_default();
    });
    format!("https://{address}")
}

#[tokio::test]
async fn tls_and_plain_http_are_told_apart() {
    let models = models().await;
    let authority = Authority::new("known").unwrap();
    let identity = authority.identity("127.0.0.1").unwrap();
    let door = TlsDoor::before(models.address(), &identity).await.unwrap();
    for (url, words) in [
        (plain().await, "does not speak TLS"),
        (
            door.url("127.0.0.1").replace("https:", "http:"),
            "does not answer in HTTP",
        ),
    ] {
        let failure = refused(ClientSettings::default(), &url).await;
        assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn a_proxy_that_opens_what_is_encrypted_is_not_believed_unasked() {
    let models = models().await;
    let opens = Manner {
        opens: Some(Authority::new("of a company").unwrap()),
        ..Manner::default()
    };
    let proxy = ProxyServer::before(models.address(), opens).await.unwrap();
    let failure = refused(through(&proxy.url("http", ""), ""), "https://models.test").await;
    assert!(
        failure.message.contains("`ca_file`") && failure.message.contains("through the proxy"),
        "{failure}"
    );
    assert!(models.received().is_empty());
}

#[tokio::test]
async fn models_probes_and_sign_ins_go_the_same_way() {
    let list = r#"{"object":"list","data":[{"id":"m","object":"model","owned_by":"vllm"}]}"#;
    let models = ModelServer::start(Answers::by(move |request| {
        match request.path.ends_with("v1/models") {
            true => Reply::status(200)
                .header("content-type", "application/json")
                .body(list),
            false => Reply::status(404),
        }
    }))
    .await
    .unwrap();
    let proxy = ProxyServer::before(models.address(), Manner::default())
        .await
        .unwrap();
    let clients = Clients::new(through(&proxy.url("http", ""), "<-loopback>"));
    let url = BaseUrl::parse(&models.url()).unwrap();
    assert!(probe(&url, None, &clients).await.unwrap().is_some());
    assert!(
        proxy.asked()[0].starts_with("GET http://127.0.0.1:"),
        "{:?}",
        proxy.asked()
    );

    let server = AuthorizationServer::start(3600).await.unwrap();
    let proxy = ProxyServer::before(server.address(), Manner::default())
        .await
        .unwrap();
    let clients = Clients::new(through(&proxy.url("socks5", ""), "<-loopback>"));
    let description = server.description();
    let door = Door::of(&description).through(&clients);
    door.device().await.unwrap().unwrap();
    door.device().await.unwrap().unwrap();
    assert_eq!(proxy.asked().len(), 1, "{:?}", proxy.asked());
}

#[tokio::test]
async fn a_probe_leaves_no_connection_behind() {
    let models = ModelServer::start(Answers::by(|_| Reply::status(404)))
        .await
        .unwrap();
    let clients = Clients::default();
    let url = BaseUrl::parse(&models.url()).unwrap();
    assert!(probe(&url, None, &clients).await.unwrap().is_none());
    // One that is kept would be used, and waited for, by a runtime that is not there any more.
    let closed = tokio::time::timeout(Duration::from_secs(60), models.until_closed(1)).await;
    closed.expect("the probe's connections end with it");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_costs_no_attempt() {
    let authority = Authority::new("known").unwrap();
    let identity = authority.identity("localhost").unwrap();
    for is_secured in [false, true] {
        let replies = [
            Reply::stream(ANSWER).leave(),
            Reply::stream(ANSWER),
            Reply::stream(ANSWER),
        ];
        let models = ModelServer::start(Answers::replies(replies)).await.unwrap();
        let door = TlsDoor::before(models.address(), &identity).await.unwrap();
        let url = if is_secured {
            door.url("localhost")
        } else {
            models.url()
        };
        let settings = ClientSettings {
            authorities: believing(&authority),
            ..ClientSettings::default()
        };
        let provider = provider(&url, &Clients::new(settings));
        asked(&provider).await.unwrap();
        models.until_closed(1).await;
        asked(&provider).await.unwrap();
        asked(&provider).await.unwrap();
        let connections: Vec<_> = models
            .received()
            .iter()
            .map(|request| request.connection)
            .collect();
        assert_eq!(connections, [1, 2, 2]);
    }
}

#[tokio::test]
async fn a_client_that_is_made_ready_is_the_one_that_serves() {
    let authority = Authority::new("known").unwrap();
    let models = models().await;
    let identity = authority.identity("localhost").unwrap();
    let door = TlsDoor::before(models.address(), &identity).await.unwrap();
    let settings = ClientSettings {
        authorities: believing(&authority),
        ..ClientSettings::default()
    };
    let clients = Clients::new(settings);
    clients.make_ready(&BaseUrl::parse(&door.url("localhost")).unwrap());
    for _ in 0..2 {
        // Two providers at one server share what the clients have.
        asked(&provider(&door.url("localhost"), &clients)).await.unwrap();
    }
    let connections: Vec<_> = models
        .received()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [1, 1]);
}
