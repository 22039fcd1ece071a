//! Clients that ask for more than there is.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_app_runtime::runtime::Opening;
use glasswork_client::directory::{Card, Directory, Live};
use glasswork_client::wire;
use glasswork_client::{Client, ClientError};
use glasswork_engine::ScopeId;
use glasswork_query::Graph;
use glasswork_rpc::acp::{self, ModelChoice, NotReady, ProviderChoice};
use glasswork_rpc::socket::host::{Offer, Socket};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::UnixListener;

use crate::{SCRIPT, attached, card, line, raw, run, send};

/// How sessions are begun, as `serve` does it.
struct Begins;

impl acp::House for Begins {
    fn new_session(&self, workspace: &Path) -> Result<Opening, NotReady> {
        Ok(Opening {
            workspace: workspace.to_owned(),
            settings: House::settings(Mode::Ask),
            title: None,
            servers: vec![],
        })
    }

    fn again(&self, session: ScopeId) -> Result<Opening, NotReady> {
        Err(NotReady::Wrong(format!("nobody opens {session} again here")))
    }

    fn models(&self) -> Vec<ModelChoice> {
        vec![]
    }

    fn providers(&self) -> Vec<ProviderChoice> {
        vec![]
    }
}

fn kind<T: std::fmt::Debug>(refused: Result<T, ClientError>) -> String {
    match refused {
        Err(ClientError::Refused { data, .. }) => data["kind"].as_str().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_sessions_and_attachments_have_limits_that_are_told() {
    let house = House::of_script(SCRIPT).await;
    let run = run(&house);
    let runtime = house.shared();
    let clients = Attachments::new(
        Arc::clone(&runtime),
        Limits {
            sessions: 2,
            connections: 2,
            ..Limits::default()
        },
    );
    let graph = Graph::new(runtime.reader().clone());
    drop(runtime);
    let offer = Offer {
        clients,
        graph,
        card: Arc::new(card(&house)),
        house: Some(Arc::new(Begins)),
    };
    let socket = Socket::open(Directory::open(&run).unwrap(), offer).unwrap();
    let directory = Directory::open(&run).unwrap();
    let live = directory.live().unwrap().remove(0);
    let (one, _told) = Client::connect(&directory, &live).await.unwrap();
    let new = wire::New {
        directory: house.workspace().display().to_string(),
        title: None,
    };
    let mut begun = Vec::new();
    for _ in 0..2 {
        let session: wire::Session = one.ask("_glasswork/new", &new).await.unwrap();
        begun.push(session.session);
    }
    assert_eq!(
        kind(one.ask::<wire::Session>("_glasswork/new", &new).await),
        "too_many_sessions"
    );
    // What is open can be attached to, and as often as a connection may.
    let session: ScopeId = begun[0].parse().unwrap();
    let mut last = 0;
    for _ in 0..32 {
        last = attached(&one, session, "one").await.attachment;
    }
    let more = wire::Attach {
        session: begun[0].clone(),
        name: "one".to_owned(),
        role: wire::Role::Observer,
        history: wire::History::None,
        seen: None,
    };
    assert_eq!(
        kind(one.ask::<wire::Attached>("_glasswork/attach", &more).await),
        "too_many_attachments"
    );
    let last = wire::Attachment { attachment: last };
    let _: wire::Nothing = one.ask("_glasswork/detach", &last).await.unwrap();
    let again: wire::Attached = one.ask("_glasswork/attach", &more).await.unwrap();
    assert!(again.attachment > last.attachment);
    let info: wire::HostInfo = one.ask("_glasswork/host", &wire::Nothing {}).await.unwrap();
    assert_eq!(info.clients.len(), 32);
    // The third connection is told why it is none, and ends.
    let mut second = raw(&run, &socket).await;
    let mut third = raw(&run, &socket).await;
    let answer = line(&mut third).await.unwrap();
    assert_eq!(answer["error"]["data"]["kind"], "too_many_connections");
    assert_eq!(line(&mut third).await, None);
    // An editor finds no more room for sessions than others.
    let mut told = String::new();
    for (id, method, params) in [
        (1, "initialize", json!({ "protocolVersion": 1 })),
        (
            2,
            "session/new",
            json!({ "cwd": house.workspace(), "mcpServers": [] }),
        ),
    ] {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        send(&mut second, format!("{request}\n").as_bytes()).await;
        let answer = line(&mut second).await.unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        told = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
    }
    assert!(
        told.starts_with("2 sessions are open in this host already"),
        "{told}"
    );
    drop((one, second));
    socket.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_asks_for_everything_is_refused_and_the_session_goes_on() {
    let house = House::of_script(SCRIPT).await;
    let run = run(&house);
    let socket = crate::opened(&house, &run, Limits::default()).unwrap();
    let session = house.session(House::settings(Mode::Yolo)).await;
    let mut stream = raw(&run, &socket).await;
    let deep = format!("{}id{}", "{ sessions { nodes ".repeat(60), " } }".repeat(60));
    let wide = format!(
        "{{ {} }}",
        (0..10_000)
            .map(|n| format!("a{n}: host {{ version }} "))
            .collect::<String>()
    );
    let cycle = "fragment A on Host { ...B } fragment B on Host { ...A } { host { ...A } }";
    for (id, query) in [&*deep, &*wide, cycle].into_iter().enumerate() {
        let ask =
            json!({"jsonrpc": "2.0", "id": id, "method": "_glasswork/query", "params": {"query": query}});
        send(&mut stream, format!("{ask}\n").as_bytes()).await;
        let answer = line(&mut stream).await.unwrap();
        let errors = answer["result"]["errors"].as_array().cloned().unwrap_or_default();
        assert!(!errors.is_empty(), "{answer}");
        assert!(
            answer["result"]["data"]
                .as_object()
                .is_none_or(|data| data.values().all(Value::is_null))
        );
    }
    assert_eq!(house.turn(session, "go").await.text, "done");
    drop(stream);
    socket.close().await;
    house.close().await;
}

/// It reads when it likes, and the system keeps only so much meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_no_answer_any_more_leaves_no_half_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let card = Card {
        host: "host".to_owned(),
        pid: std::process::id(),
        version: "1".to_owned(),
        command: "serve".to_owned(),
        directory: "/".to_owned(),
    };
    let directory = Directory::open(&path).unwrap();
    let (_held, listener) = directory
        .hold("host", &card, |path| UnixListener::bind(path))
        .unwrap();
    let host = Live {
        name: "host".to_owned(),
        card,
    };
    let directory = Directory::open(&path).unwrap();
    let (client, _notices) = Client::connect(&directory, &host).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut reading = BufReader::new(stream);
    let long = json!({ "text": "x".repeat(8 << 20) });
    {
        let mut asked = pin!(client.ask::<Value>("_glasswork/one", &long));
        let looked_at = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
        assert!(looked_at.is_pending());
    }
    let nothing = json!({});
    let next = client.ask::<Value>("_glasswork/two", &nothing);
    let host = async {
        for method in ["_glasswork/one", "_glasswork/two"] {
            let line = line(&mut reading).await.unwrap();
            assert_eq!(line["method"], method);
            let answer = json!({ "jsonrpc": "2.0", "id": line["id"], "result": method });
            send(&mut reading, format!("{answer}\n").as_bytes()).await;
        }
    };
    let (answer, ()) = tokio::join!(next, host);
    assert_eq!(answer.unwrap(), "_glasswork/two");
}
