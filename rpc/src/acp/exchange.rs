//! Where the lines of a connection go: to the agent here, to the host's own methods, or to the host in which a session
//! lives.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures_util::{Sink, Stream, sink, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::elsewhere::Elsewhere;
use super::lines::{self, LINE_BYTES, Pace};
use crate::socket::talk::Talk;

/// Most lines that wait for the agent.
const WAITING: usize = 16;
/// How the methods begin that the protocol leaves to its agents, and that are the host's.
const OWN_METHODS: &str = "_glasswork/";

/// What is written to a client, a line at a time, whoever writes it.
#[derive(Clone)]
pub(super) struct Out(Arc<tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>>);

impl Out {
    pub(super) fn new(output: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Arc::new(tokio::sync::Mutex::new(Box::new(output))))
    }

    /// Writes a line that has its end already.
    pub(super) async fn write(&self, line: &str) -> io::Result<()> {
        let mut output = self.0.lock().await;
        output.write_all(line.as_bytes()).await?;
        output.flush().await
    }

    /// The lines of the agent, counted by `pace`.
    pub(super) fn of_agent(&self, pace: Arc<Pace>) -> impl Sink<String, Error = io::Error> + Send + 'static {
        Box::pin(sink::unfold(self.clone(), move |out, mut line: String| {
            let pace = Arc::clone(&pace);
            async move {
                let is_update = lines::is_update(&line);
                line.push('\n');
                out.write(&line).await?;
                if is_update {
                    pace.written();
                }
                Ok(out)
            }
        }))
    }
}

/// As much of a message as is needed to know where it goes.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OfSession {
    #[serde(rename = "sessionId")]
    session: String,
}

impl<'a> Head<'a> {
    /// `None` where a line is no message; whoever it goes to says so.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    fn session(&self) -> Option<String> {
        let params: OfSession = serde_json::from_str(self.params?.get()).ok()?;
        Some(params.session)
    }
}

/// A message with another member than it had; `None` where it is none.
pub(super) fn with(line: &str, member: &str, value: String) -> Option<String> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).ok()?;
    members.insert(member.to_owned(), RawValue::from_string(value).ok()?);
    serde_json::to_string(&members).ok()
}

/// Sorts what a client sends.
pub(super) struct Exchange {
    talk: Arc<Talk>,
    elsewhere: Option<Arc<Elsewhere>>,
    tasks: Vec<AbortHandle>,
}

impl Exchange {
    /// Begins to sort. Gives, apart from it, the lines that are for the agent; they end where the client leaves.
    pub(super) fn begin(
        talk: Arc<Talk>,
        mut told: mpsc::Receiver<String>,
        elsewhere: Option<Arc<Elsewhere>>,
        input: impl AsyncRead + Send + Unpin + 'static,
        out: Out,
    ) -> (Self, impl Stream<Item = io::Result<String>> + Send + 'static) {
        let (agent, own) = mpsc::channel(WAITING);
        let sorting = Sorting {
            talk: Arc::clone(&talk),
            elsewhere: elsewhere.clone(),
            agent,
        };
        let sorting = tokio::spawn(sorting.sort(BufReader::new(input)));
        let telling = tokio::spawn(async move {
            while let Some(line) = told.recv().await {
                if out.write(&line).await.is_err() {
                    return;
                }
            }
        });
        let exchange = Self {
            talk,
            elsewhere,
            tasks: vec![sorting.abort_handle(), telling.abort_handle()],
        };
        let own = stream::unfold(own, |mut own| async move { Some((own.recv().await?, own)) });
        (exchange, Box::pin(own))
    }

    /// Ends it: nothing is sorted any more, and nobody is attached through it.
    pub(super) async fn end(self) {
        let talk = Arc::clone(&self.talk);
        drop(self);
        talk.end().await;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(elsewhere) = &self.elsewhere {
            elsewhere.end();
        }
    }
}

struct Sorting {
    talk: Arc<Talk>,
    elsewhere: Option<Arc<Elsewhere>>,
    agent: mpsc::Sender<io::Result<String>>,
}

impl Sorting {
    async fn sort(self, mut input: BufReader<impl AsyncRead + Unpin>) {
        let mut tasks = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            let line = match lines::next(&mut input, LINE_BYTES).await {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(error) => {
                    let _ = self.agent.send(Err(error)).await;
                    return;
                }
            };
            // The agent is gone, and with it the connection.
            if !self.take(line, &mut tasks).await {
                return;
            }
        }
    }

    /// Passes a line on; false where nobody is there any more who could take one.
    async fn take(&self, line: String, tasks: &mut JoinSet<()>) -> bool {
        let head = Head::read(&line);
        if let Some(method) = head.as_ref().and_then(|head| head.method.as_deref())
            && method.starts_with(OWN_METHODS)
        {
            return match self.talk.take(line.as_bytes(), tasks) {
                Ok(()) => true,
                Err(malformed) => self.talk.refuse(malformed).await,
            };
        }
        if let (Some(head), Some(elsewhere)) = (&head, &self.elsewhere) {
            let session = head.session();
            if elsewhere.take(&line, head, session.as_deref()).await {
                return true;
            }
            let opens = matches!(head.method.as_deref(), Some("session/load" | "session/resume"));
            if let Some(session) = session.filter(|_| opens)
                && !self.is_here(&session)
            {
                // Hosts are asked meanwhile; what comes after this does not wait for them.
                let (elsewhere, agent) = (Arc::clone(elsewhere), self.agent.clone());
                tasks.spawn(async move {
                    if let Err(line) = elsewhere.open(&session, line).await {
                        let _ = agent.send(Ok(line)).await;
                    }
                });
                return true;
            }
        }
        self.agent.send(Ok(line)).await.is_ok()
    }

    fn is_here(&self, session: &str) -> bool {
        let runtime = self.talk.connection.hub().runtime();
        session.parse().is_ok_and(|id| runtime.watch(id).is_some())
    }
}
