//! A connection to a host.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::directory::{Directory, DirectoryError, Live};
use crate::is_own;
use crate::line::{self, Line};

/// Most bytes of a line that a host sends: a base has a whole conversation.
const LINE_BYTES: usize = 256 << 20;
/// Most notifications that wait for whoever reads them; the host holds back the others.
const INBOX: usize = 64;
/// Most requests that wait to be written.
const OUTBOX: usize = 16;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket cannot be reached.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The system refused.
    #[error("the host cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// Whoever listens there is somebody else.
    #[error("the socket belongs to another user; nothing is sent to it")]
    NotOwn,
    /// The host has gone.
    #[error("the host has gone; `glasswork hosts` shows those that live")]
    Gone,
    /// The host refused.
    #[error("{message}")]
    Refused {
        /// The code of JSON-RPC.
        code: i64,
        /// What is wrong, and what to do.
        message: String,
        /// The same for programs.
        data: Value,
    },
    /// The answer is not what this client understands.
    #[error("the host answers what this client does not understand: {0}; are both of one version?")]
    Unknown(#[from] serde_json::Error),
}

/// Something that a host told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its name: `_glasswork/update` and so on.
    pub method: String,
    /// What was told.
    pub params: Value,
}

type Waiting = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Value>>>>>;

/// A connection to a host.
#[derive(Debug)]
pub struct Client {
    lines: mpsc::Sender<String>,
    waiting: Waiting,
    last: std::sync::atomic::AtomicU64,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Client {
    /// Connects to a host. Within a tokio runtime. What the host tells comes out of the receiver, and must be read: while
    /// it is not, answers do not come either.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(
        directory: &Directory,
        host: &Live,
    ) -> Result<(Self, mpsc::Receiver<Notice>), ClientError> {
        let stream = UnixStream::connect(directory.address(&host.name)?).await?;
        if !is_own(&stream) {
            return Err(ClientError::NotOwn);
        }
        let (reading, mut writing) = stream.into_split();
        let (lines, mut written) = mpsc::channel::<String>(OUTBOX);
        // In a task of its own: whoever does not wait for an answer any more must not leave half a line.
        let writer = tokio::spawn(async move {
            while let Some(line) = written.recv().await {
                if writing.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let waiting: Waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let (told, notices) = mpsc::channel(INBOX);
        let known = Arc::clone(&waiting);
        let reading = tokio::spawn(async move {
            let mut reading = BufReader::new(reading);
            let mut line = Vec::new();
            while let Ok(Line::Whole(line)) = line::next(&mut reading, LINE_BYTES, &mut line).await {
                let Ok(mut message) = serde_json::from_slice::<Value>(&line) else {
                    break;
                };
                let id = message.get("id").and_then(Value::as_u64);
                let asker = id.and_then(|id| lock(&known).as_mut()?.remove(&id));
                if let Some(asker) = asker {
                    let _ = asker.send(message);
                } else if let Some(method) = message.get("method").and_then(Value::as_str) {
                    let method = method.to_owned();
                    let params = message.get_mut("params").map(Value::take).unwrap_or_default();
                    if told.send(Notice { method, params }).await.is_err() {
                        // Nobody listens; answers may still come.
                        continue;
                    }
                }
            }
            // Whoever waits is told that nothing comes.
            lock(&known).take();
        });
        let client = Self {
            lines,
            waiting,
            last: std::sync::atomic::AtomicU64::new(0),
            tasks: [reading, writer],
        };
        Ok((client, notices))
    }

    /// Asks for something by its name, and waits for the answer. [What can be asked](crate::METHODS) has a method of its own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, ClientError> {
        let id = self.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let (asker, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(id, asker),
            None => return Err(ClientError::Gone),
        };
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let line = format!("{request}\n");
        self.lines.send(line).await.map_err(|_| ClientError::Gone)?;
        let mut answer = answer.await.map_err(|_| ClientError::Gone)?;
        if let Some(error) = answer.get_mut("error").map(Value::take) {
            return Err(ClientError::Refused {
                code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
                message: error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                data: error.get("data").cloned().unwrap_or_default(),
            });
        }
        let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
        Ok(serde_json::from_value(result)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
