//! Sessions that live in other hosts: what a client says about one goes to its host, and what that says comes back, line
//! by line. Both speak the same protocol, so nothing is translated; only the ids of a host's requests are marked, so that
//! its answers find back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glasswork_app_runtime::runtime::Runtime;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::exchange::{Head, Out, with};
use super::lines::{self, LINE_BYTES};
use crate::socket::Client;
use crate::socket::directory::{Directory, Live};
use crate::socket::is_own;
use crate::socket::wire::{HostInfo, Nothing};

/// How long a host may take to say what is open in it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most lines that wait for a host to read them.
const WAITING: usize = 64;
/// Most hosts that are connected to at a time.
const HOSTS: usize = 16;
/// The id of the first request to a host, whose answer is not the client's.
const HELLO: &str = "\"glasswork/hello\"";
/// How the ids of the requests of hosts begin, as the client sees them.
const MARK: &str = "glasswork/host/";
const CANCEL: &str = "$/cancel_request";

/// The other hosts, as one connection needs them.
pub(super) struct Elsewhere {
    directory: Arc<Directory>,
    runtime: Arc<Runtime>,
    out: Out,
    last: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What the client said of itself.
    hello: Option<Box<RawValue>>,
    /// The hosts, by number.
    bridges: BTreeMap<u64, Bridge>,
    /// In which of them a session lives.
    sessions: BTreeMap<String, u64>,
}

/// A connection to a host.
struct Bridge {
    name: String,
    lines: mpsc::Sender<String>,
    /// Hears that it has answered the first request: before that it takes no other.
    greeted: Option<oneshot::Sender<()>>,
    /// The requests of the client that it has not answered.
    open: BTreeSet<String>,
    tasks: [AbortHandle; 2],
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Elsewhere {
    pub(super) fn new(directory: Arc<Directory>, runtime: Arc<Runtime>, out: Out) -> Arc<Self> {
        Arc::new(Self {
            directory,
            runtime,
            out,
            last: AtomicU64::new(0),
            known: Mutex::default(),
        })
    }

    /// Leaves all hosts.
    pub(super) fn end(&self) {
        let known = std::mem::take(&mut *self.lock());
        drop(known);
    }

    /// Takes a line that belongs to another host; false where it does not, or not to it alone.
    pub(super) async fn take(&self, line: &str, head: &Head<'_>, session: Option<&str>) -> bool {
        let id = head.id.map(RawValue::get);
        match head.method.as_deref() {
            None => match id.and_then(unmarked) {
                Some((number, id)) => {
                    let answer = with(line, "id", id);
                    if let Some(answer) = answer {
                        self.send(number, answer, None).await;
                    }
                    true
                }
                None => false,
            },
            Some("initialize") => {
                self.lock().hello = head.params.map(ToOwned::to_owned);
                false
            }
            Some(CANCEL) => {
                // Only the one that has it knows it.
                let numbers: Vec<u64> = self.lock().bridges.keys().copied().collect();
                for number in numbers {
                    self.send(number, line.to_owned(), None).await;
                }
                false
            }
            Some(_) => {
                let number = session.and_then(|session| self.lock().sessions.get(session).copied());
                let Some(number) = number else { return false };
                self.send(number, line.to_owned(), id.map(ToOwned::to_owned))
                    .await;
                true
            }
        }
    }

    /// Finds the host in which a session lives, and passes a line on to it. Where there is none, the line comes back.
    pub(super) async fn open(self: &Arc<Self>, session: &str, line: String) -> Result<(), String> {
        let Some(live) = self.find(session).await else {
            return Err(line);
        };
        let known = {
            let known = self.lock();
            let mut bridges = known.bridges.iter();
            bridges
                .find(|(_, bridge)| bridge.name == live.name)
                .map(|(number, _)| *number)
        };
        let number = match known {
            Some(number) => number,
            None => match self.connect(&live).await {
                Some(number) => number,
                None => return Err(line),
            },
        };
        self.lock().sessions.insert(session.to_owned(), number);
        let id = Head::read(&line).and_then(|head| Some(head.id?.get().to_owned()));
        self.send(number, line, id).await;
        Ok(())
    }

    async fn find(&self, session: &str) -> Option<Live> {
        let directory = Arc::clone(&self.directory);
        let live = tokio::task::spawn_blocking(move || directory.live().ok());
        let own = self.runtime.host_id().to_string();
        for live in live.await.ok().flatten()? {
            if live.card.host == own {
                continue;
            }
            let asked = tokio::time::timeout(PATIENCE, async {
                let (client, _notices) = Client::connect(&self.directory, &live).await.ok()?;
                let info: HostInfo = client.ask("_glasswork/host", &Nothing {}).await.ok()?;
                Some(info)
            });
            let info = asked.await.ok().flatten();
            let open = info.iter().flat_map(|info| &info.sessions);
            if open.into_iter().any(|open| open.session == session) {
                return Some(live);
            }
        }
        None
    }

    async fn connect(self: &Arc<Self>, live: &Live) -> Option<u64> {
        if self.lock().bridges.len() >= HOSTS {
            return None;
        }
        let address = self.directory.address(&live.name).ok()?;
        let stream = UnixStream::connect(address).await.ok()?;
        if !is_own(&stream) {
            return None;
        }
        let (reading, mut writing) = stream.into_split();
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let writer = tokio::spawn(async move {
            while let Some(mut line) = waiting.recv().await {
                line.push('\n');
                if writing.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        // Nothing is read before the bridge is known: its answers would find nothing to answer.
        let (begin, begun) = oneshot::channel::<()>();
        let elsewhere = Arc::clone(self);
        let reader = tokio::spawn(async move {
            if begun.await.is_ok() {
                elsewhere.read(number, BufReader::new(reading)).await;
            }
        });
        let (greeted, greets) = oneshot::channel();
        let hello = {
            let mut known = self.lock();
            let bridge = Bridge {
                name: live.name.clone(),
                lines,
                greeted: Some(greeted),
                open: BTreeSet::new(),
                tasks: [writer.abort_handle(), reader.abort_handle()],
            };
            known.bridges.insert(number, bridge);
            let said = known.hello.as_deref().map(RawValue::get);
            let said = said.unwrap_or(r#"{"protocolVersion":1}"#);
            format!(r#"{{"jsonrpc":"2.0","id":{HELLO},"method":"initialize","params":{said}}}"#)
        };
        self.send(number, hello, None).await;
        let _ = begin.send(());
        if !matches!(tokio::time::timeout(PATIENCE, greets).await, Ok(Ok(()))) {
            self.lock().bridges.remove(&number);
            return None;
        }
        Some(number)
    }

    /// Passes a line on to a host; `id` is that of a request whose answer is waited for.
    async fn send(&self, number: u64, line: String, id: Option<String>) {
        let lines = {
            let mut known = self.lock();
            known.bridges.get_mut(&number).map(|bridge| {
                bridge.open.extend(id.clone());
                bridge.lines.clone()
            })
        };
        let sent = match lines {
            // A host that does not read holds nobody else up.
            Some(lines) => lines.try_send(line).is_ok(),
            None => false,
        };
        if let Some(id) = id.filter(|_| !sent) {
            if let Some(bridge) = self.lock().bridges.get_mut(&number) {
                bridge.open.remove(&id);
            }
            self.gone(&id).await;
        }
    }

    async fn gone(&self, id: &str) {
        let id: Value = serde_json::from_str(id).unwrap_or_default();
        let error = json!({
            "code": -32603,
            "message": "the host in which the session lives does not answer any more; load the session again",
        });
        let line = json!({ "jsonrpc": "2.0", "id": id, "error": error });
        // Where the client has gone too, nobody is told.
        let _ = self.out.write(&format!("{line}\n")).await;
    }

    /// Passes on what a host says, until it says nothing more.
    async fn read(self: Arc<Self>, number: u64, mut reading: BufReader<OwnedReadHalf>) {
        while let Ok(Some(line)) = lines::next(&mut reading, LINE_BYTES).await {
            if let Some(mut line) = self.told(number, line) {
                line.push('\n');
                if self.out.write(&line).await.is_err() {
                    break;
                }
            }
        }
        let open = {
            let mut known = self.lock();
            known.sessions.retain(|_, of| *of != number);
            known
                .bridges
                .get_mut(&number)
                .map(|bridge| std::mem::take(&mut bridge.open))
        };
        for id in open.into_iter().flatten() {
            self.gone(&id).await;
        }
        // Last: dropping the bridge ends this task.
        self.lock().bridges.remove(&number);
    }

    /// What a line of a host is to the client; `None` where it is nothing.
    fn told(&self, number: u64, line: String) -> Option<String> {
        let head = Head::read(&line)?;
        match (head.method.as_deref(), head.id.map(RawValue::get)) {
            (None, id) => {
                let id = id?.to_owned();
                let mut known = self.lock();
                let bridge = known.bridges.get_mut(&number)?;
                // What the client did not ask is no answer to it.
                let is_asked = bridge.open.remove(&id);
                if !is_asked
                    && id == HELLO
                    && let Some(greeted) = bridge.greeted.take()
                {
                    let _ = greeted.send(());
                }
                is_asked.then_some(line)
            }
            (Some(_), Some(id)) => {
                let marked = marked(number, id);
                with(&line, "id", marked)
            }
            (Some(CANCEL), None) => {
                #[derive(Deserialize)]
                struct Cancelled<'a> {
                    #[serde(borrow, rename = "requestId")]
                    id: &'a RawValue,
                }
                let params = head.params?.get();
                let cancelled: Cancelled<'_> = serde_json::from_str(params).ok()?;
                let params = with(params, "requestId", marked(number, cancelled.id.get()))?;
                with(&line, "params", params)
            }
            (Some(_), None) => Some(line),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing is done under this lock that could leave it half-changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a host's request, as the client is told it.
fn marked(number: u64, id: &str) -> String {
    Value::from(format!("{MARK}{number}/{id}")).to_string()
}

/// The host of a marked id, and what the id is there.
fn unmarked(id: &str) -> Option<(u64, String)> {
    let text: String = serde_json::from_str(id).ok()?;
    let (number, id) = text.strip_prefix(MARK)?.split_once('/')?;
    // What is put into a line has to be an id, whatever the client made of it.
    let value: Value = serde_json::from_str(id).ok()?;
    (value.is_string() || value.is_number()).then_some(())?;
    Some((number.parse().ok()?, id.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn marked_ids_find_back_and_others_are_left_alone() {
        for id in ["7", "\"a/b\"", "\"with \\\"quotes\\\"\"", "-1"] {
            assert_eq!(unmarked(&marked(3, id)), Some((3, id.to_owned())), "{id}");
        }
        for id in [
            "7",
            "\"7\"",
            "\"glasswork/host/\"",
            "\"glasswork/host/x/1\"",
            "\"glasswork/host/1/{}\"",
            "\"glasswork/host/1/1,\\\"method\\\":2\"",
            "null",
        ] {
            assert_eq!(unmarked(id), None, "{id}");
        }
    }
}
