//! A house whose graph is served on the loopback, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use glasswork_app_runtime::attachments::{self, Attachments};
use glasswork_engine::ScopeId;
use glasswork_query::Graph;
use glasswork_rpc::http::{self, Access, Limits, Token};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

pub(crate) const TALK: &str =
    r#"(turns: [(say: [text("one")]), (say: [text("two")]), (say: [text("three")]), (say: [text("four")])])"#;

pub(crate) struct Served {
    pub(crate) house: House,
    pub(crate) clients: Arc<Attachments>,
    pub(crate) session: ScopeId,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    graph: Graph,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

impl Served {
    pub(crate) async fn talking() -> Self {
        Self::with(TALK, Limits::default(), |_| {}).await
    }

    pub(crate) async fn with(
        script: &str,
        limits: Limits,
        change: impl FnOnce(&mut glasswork_query::Limits),
    ) -> Self {
        Self::among(script, limits, attachments::Limits::default(), change).await
    }

    /// The same, in a host of whose clients so much is taken.
    pub(crate) async fn among(
        script: &str,
        limits: Limits,
        clients: attachments::Limits,
        change: impl FnOnce(&mut glasswork_query::Limits),
    ) -> Self {
        let house = House::of_script(script).await;
        let session = house.session(House::settings(Mode::Ask)).await;
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let address = listener.local_addr().unwrap();
        let minted = Token::mint().unwrap();
        let folder = house.home().join("run");
        let file = minted.write(&folder, "token").unwrap();
        let token = std::fs::read_to_string(file.path()).unwrap();
        let mut graph_limits = glasswork_query::Limits::default();
        change(&mut graph_limits);
        let clients = Attachments::new(house.shared(), clients);
        let graph =
            Graph::with_limits(house.runtime().reader().clone(), graph_limits).with_operations(&clients);
        let access = Access::new(address, minted)
            .with_origin("http://friend.example:3000")
            .unwrap();
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(http::serve(
            listener,
            graph.clone(),
            None,
            access,
            limits,
            async {
                let _ = ended.await;
            },
        ));
        Self {
            house,
            clients,
            session,
            address,
            token,
            graph,
            end: Some(end),
            serving,
        }
    }

    /// Tells the host to serve no longer.
    pub(crate) fn end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn close(mut self) {
        if self.end.is_some() {
            self.end();
        }
        self.serving.await.unwrap();
        // An operation that nobody waits for any more may still hold the runtime.
        self.graph.settled().await;
        drop(self.clients);
        self.house.close().await;
    }

    /// The last commit of the session.
    pub(crate) fn last(&self) -> u64 {
        let snapshot = self.house.snapshot();
        snapshot.session(self.session, None).unwrap().scope.seq
    }

    /// Sends bytes as they are, and reads what comes until the other side ends it.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Who refuses may end the connection before all of it was sent.
        let _ = stream.write_all(request).await;
        let mut all = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all));
        let _ = read.await.expect("an answer");
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A request with these headers beside `Host`, which is this host's unless they have one.
    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.raw(request.as_bytes()).await
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What the owner's program is answered.
    pub(crate) async fn post(&self, query: &str) -> Answer {
        let body = json!({ "query": query }).to_string();
        let bearer = self.bearer();
        let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
        self.send("POST /graphql", &headers, &body).await
    }

    /// The same, where nothing may fail.
    pub(crate) async fn ask(&self, query: &str) -> Value {
        let answer = self.post(query).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, json.get("errors")),
            (200, None),
            "{query}: {json:#}"
        );
        json["data"].clone()
    }

    /// Asks for an upgrade; the status where there is none, and 0 where the connection ended without one.
    pub(crate) async fn upgrade(&self, target: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let mut request = format!("ws://{}{target}", self.address)
            .into_client_request()
            .unwrap();
        let all = request.headers_mut();
        all.insert("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
        for (name, value) in headers {
            let name = tungstenite::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            all.insert(name, value.parse().unwrap());
        }
        // Little room: who does not read is not read for by the system either.
        let stream = TcpSocket::new_v4().unwrap();
        stream.set_recv_buffer_size(32 << 10).unwrap();
        let stream = stream.connect(self.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(refused)) => Err(refused.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    /// A program's WebSocket, before its first message.
    pub(crate) async fn open(&self) -> Socket {
        let bearer = self.bearer();
        let headers = [("Authorization", &*bearer)];
        self.upgrade("/graphql", &headers).await.unwrap()
    }

    /// The same, after its acknowledgement.
    pub(crate) async fn connect(&self) -> Socket {
        let mut socket = self.open().await;
        say(&mut socket, json!({ "type": "connection_init" })).await;
        assert_eq!(
            hear(&mut socket).await,
            Heard::Said(json!({ "type": "connection_ack" }))
        );
        socket
    }
}

/// What a client hears.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Said(Value),
    /// The code with which the host ended it.
    Ended(u16),
}

impl Heard {
    #[track_caller]
    pub(crate) fn said(self) -> Value {
        match self {
            Self::Said(said) => said,
            Self::Ended(code) => panic!("ended with {code}"),
        }
    }
}

pub(crate) async fn say(socket: &mut Socket, said: Value) {
    // Who was ended hears why when it listens.
    let _ = socket.send(Message::text(said.to_string())).await;
}

pub(crate) async fn subscribe(socket: &mut Socket, id: &str, query: &str) {
    let payload = json!({ "query": query });
    say(
        socket,
        json!({ "id": id, "type": "subscribe", "payload": payload }),
    )
    .await;
}

/// What comes next; who is asked whether they are still there says so.
pub(crate) async fn hear(socket: &mut Socket) -> Heard {
    let heard = async {
        loop {
            match hear_all(socket).await {
                Heard::Said(said) if said["type"] == "ping" => say(socket, json!({ "type": "pong" })).await,
                heard => return heard,
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("a message in time")
}

/// What comes next, whatever it is.
pub(crate) async fn hear_all(socket: &mut Socket) -> Heard {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await;
        match next.expect("a message in time") {
            Some(Ok(Message::Text(text))) => return Heard::Said(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => {
                return Heard::Ended(frame.map_or(1005, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Heard::Ended(1006),
        }
    }
}

/// The next answer of an operation.
pub(crate) async fn next(socket: &mut Socket, id: &str) -> Value {
    let said = hear(socket).await.said();
    assert_eq!(
        (&said["type"], &said["id"]),
        (&json!("next"), &json!(id)),
        "{said:#}"
    );
    said["payload"].clone()
}
