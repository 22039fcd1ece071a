//! The protocol `graphql-transport-ws`: <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>.
//!
//! One task reads what the client says and writes what its operations answer; each operation is a task of its own.
//! Between them is a short queue: where a client does not read, the operations wait, the feed marks what they miss, and
//! after a while the connection is ended with the reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use glasswork_app_runtime::reading::Viewer;
use glasswork_query::{Kind, Prepared, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::http::Desk;
use crate::http::connections::Place;

/// The name of the protocol.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";

/// Answers that wait to be written, of all operations of a connection together.
const QUEUE: usize = 8;
/// The longest id of an operation, in bytes.
const ID_BYTES: usize = 128;
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Value>,
    },
    Pong {},
    Subscribe {
        id: String,
        payload: Asked,
    },
    Complete {
        id: String,
    },
}

#[derive(Debug, Deserialize)]
struct Asked {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    Next {
        id: String,
        payload: Value,
    },
    Error {
        id: String,
        payload: Value,
    },
    Complete {
        id: String,
    },
}

/// Why a connection is ended, with the code of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End(u16, String);

impl End {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    fn gone() -> Self {
        Self::new(1001, "gone")
    }
}

/// What an operation has to say: which of those with its id it is, and whether it is its last word.
struct Word {
    serial: u64,
    told: Told,
    last: bool,
}

struct Connection {
    socket: WebSocket,
    desk: Arc<Desk>,
    /// The operations that go on, by id.
    operations: BTreeMap<String, (u64, AbortHandle)>,
    serial: u64,
    words: mpsc::Sender<Word>,
}

/// Speaks with a client until one of the two ends it. It has its place among the connections until then.
pub(super) async fn speak(socket: WebSocket, desk: Arc<Desk>, knows: bool, _place: Option<Place>) {
    let (words, mut queue) = mpsc::channel(QUEUE);
    let mut ended = desk.ended.clone();
    let mut connection = Connection {
        socket,
        desk,
        operations: BTreeMap::new(),
        serial: 0,
        words,
    };
    let End(code, reason) = tokio::select! {
        end = connection.converse(&mut queue, knows) => end,
        _ = ended.wait_for(|ended| *ended) => End::new(1001, "the host ends"),
    };
    let goodbye = Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }));
    // Who does not read does not read this either.
    let _ = tokio::time::timeout(GOODBYE, connection.socket.send(goodbye)).await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        for (_, operation) in self.operations.values() {
            operation.abort();
        }
    }
}

impl Connection {
    async fn converse(&mut self, queue: &mut mpsc::Receiver<Word>, knows: bool) -> End {
        match self.begin(knows).await {
            Ok(()) => self.go_on(queue).await,
            Err(end) => end,
        }
    }

    /// Until the client has said who it is, it can say nothing else.
    async fn begin(&mut self, knows: bool) -> Result<(), End> {
        let until = Instant::now() + self.desk.limits.init_time;
        loop {
            let said = tokio::time::timeout_at(until, self.hear()).await;
            let said = said.map_err(|_| End::new(4408, "Connection initialisation timeout"))?;
            match said? {
                Some(Said::ConnectionInit { payload }) => {
                    let token = payload.as_ref().and_then(|payload| payload.get("token"));
                    let token = token.and_then(Value::as_str);
                    return match token {
                        Some(token) if !self.desk.access.is_token(token) => Err(End::new(4403, "Forbidden")),
                        None if !knows => Err(End::new(4403, "Forbidden")),
                        _ => self.tell(&Told::ConnectionAck).await,
                    };
                }
                Some(Said::Ping { payload }) => self.tell(&Told::Pong { payload }).await?,
                Some(Said::Pong {}) | None => {}
                Some(Said::Subscribe { .. } | Said::Complete { .. }) => {
                    return Err(End::new(4401, "Unauthorized"));
                }
            }
        }
    }

    async fn go_on(&mut self, queue: &mut mpsc::Receiver<Word>) -> End {
        let silence = self.desk.limits.silence;
        let mut asked = false;
        let mut quiet = Instant::now() + silence;
        loop {
            let step = tokio::select! {
                said = self.hear() => {
                    (asked, quiet) = (false, Instant::now() + silence);
                    match said {
                        Ok(Some(said)) => self.take(said).await,
                        Ok(None) => Ok(()),
                        Err(end) => Err(end),
                    }
                }
                Some(word) = queue.recv() => self.pass_on(word).await,
                () = tokio::time::sleep_until(quiet) => {
                    quiet = Instant::now() + silence;
                    match std::mem::replace(&mut asked, true) {
                        true => Err(End::new(4408, "nothing was heard for long")),
                        false => self.tell(&Told::Ping).await,
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// What the client says next; `None` for what needs no answer. Cancellation safe.
    async fn hear(&mut self) -> Result<Option<Said>, End> {
        match self.socket.recv().await {
            Some(Ok(Message::Text(text))) => {
                let said = serde_json::from_str(&text);
                said.map(Some).map_err(|error| {
                    // A reason has at most 123 bytes.
                    let reason: String = format!("Invalid message: {error}").chars().take(100).collect();
                    End::new(4400, reason.replace(|letter: char| !letter.is_ascii(), "?"))
                })
            }
            Some(Ok(Message::Binary(_))) => Err(End::new(4400, "Invalid message: it is binary")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Err(_)) => Err(End::new(1009, "what was sent is too long, or broken")),
            Some(Ok(Message::Close(_))) | None => Err(End::gone()),
        }
    }

    /// Tells the client something; one that does not read it in time is gone.
    async fn tell(&mut self, told: &Told) -> Result<(), End> {
        let Ok(text) = serde_json::to_string(told) else {
            return Err(End::new(1011, "an answer could not be written"));
        };
        let sent = self.socket.send(Message::Text(text.into()));
        match tokio::time::timeout(self.desk.limits.silence, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::gone()),
            Err(_) => Err(End::new(4413, "too slow: an answer was not read for long")),
        }
    }

    async fn take(&mut self, said: Said) -> Result<(), End> {
        match said {
            Said::ConnectionInit { .. } => Err(End::new(4429, "Too many initialisation requests")),
            Said::Ping { payload } => self.tell(&Told::Pong { payload }).await,
            Said::Pong {} => Ok(()),
            Said::Complete { id } => {
                if let Some((_, operation)) = self.operations.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
            Said::Subscribe { id, .. } if id.is_empty() || id.len() > ID_BYTES => {
                Err(End::new(4400, "Invalid message: an id has 1 to 128 bytes"))
            }
            Said::Subscribe { id, .. } if self.operations.contains_key(&id) => {
                Err(End::new(4409, "Subscriber for this id already exists"))
            }
            Said::Subscribe { id, payload } => self.begin_operation(id, payload).await,
        }
    }

    async fn begin_operation(&mut self, id: String, asked: Asked) -> Result<(), End> {
        if self.operations.len() >= self.desk.limits.operations {
            let payload = serde_json::json!([{
                "message": "as many operations as one connection may have go on already; end one",
                "extensions": { "code": "TOO_MANY_SUBSCRIPTIONS" },
            }]);
            return self.tell(&Told::Error { id, payload }).await;
        }
        let variables = asked.variables.map_or(Value::Null, Value::Object);
        let graph = &self.desk.graph;
        let prepared = match graph.prepare(&asked.query, variables, asked.operation_name.as_deref()) {
            Ok(prepared) => prepared,
            Err(refused) => return self.tell(&refusal(id, &refused)).await,
        };
        self.serial += 1;
        let operation = Operation {
            desk: Arc::clone(&self.desk),
            id: id.clone(),
            serial: self.serial,
            words: self.words.clone(),
        };
        let task = tokio::spawn(operation.perform(prepared));
        self.operations.insert(id, (self.serial, task.abort_handle()));
        Ok(())
    }

    /// Passes on what an operation says. One that was ended meanwhile says nothing more.
    async fn pass_on(&mut self, word: Word) -> Result<(), End> {
        let (Told::Next { id, .. } | Told::Error { id, .. } | Told::Complete { id }) = &word.told else {
            return Ok(());
        };
        if self
            .operations
            .get(id)
            .is_none_or(|(serial, _)| *serial != word.serial)
        {
            return Ok(());
        }
        if word.last {
            self.operations.remove(id);
        }
        self.tell(&word.told).await
    }
}

fn refusal(id: String, response: &Response) -> Told {
    let mut payload = response.to_json().unwrap_or_default();
    let errors = payload.get_mut("errors").map(Value::take);
    Told::Error {
        id,
        payload: errors.unwrap_or_else(|| Value::Array(Vec::new())),
    }
}

/// One operation of a connection.
struct Operation {
    desk: Arc<Desk>,
    id: String,
    serial: u64,
    words: mpsc::Sender<Word>,
}

impl Operation {
    /// Waits for room. A connection that has ended takes nothing, and has ended this task too.
    async fn say(&self, told: Told, last: bool) {
        let serial = self.serial;
        let _ = self.words.send(Word { serial, told, last }).await;
    }

    async fn next(&self, response: &Response) {
        let told = Told::Next {
            id: self.id.clone(),
            payload: response.to_json().unwrap_or_default(),
        };
        self.say(told, false).await;
    }

    async fn perform(self, prepared: Prepared) {
        let graph = &self.desk.graph;
        if prepared.kind() != Kind::Subscription {
            let response = graph.run(Viewer::owner(), prepared).await;
            if response.is_refused() {
                return self.say(refusal(self.id.clone(), &response), true).await;
            }
            self.next(&response).await;
            return self.complete().await;
        }
        let mut subscribed = match graph.subscribe(Viewer::owner(), prepared) {
            Ok(subscribed) => subscribed,
            Err(refused) => return self.say(refusal(self.id.clone(), &refused), true).await,
        };
        while let Some(response) = subscribed.next().await {
            if response.is_refused() {
                return self.say(refusal(self.id.clone(), &response), true).await;
            }
            self.next(&response).await;
        }
        self.complete().await;
    }

    async fn complete(self) {
        let id = self.id.clone();
        self.say(Told::Complete { id }, true).await;
    }
}
