//! A model server on the loopback: real HTTP/1.1, the true wires, and every fault on order.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use glasswork_ai::wire::Wire;
//! use glasswork_testkit::model_server::{Answers, ModelServer, Reply};
//!
//! // As a script says, over a real wire …
//! # let script = glasswork_ai::scripted::Script::of([]);
//! let server = ModelServer::start(Answers::Script(Wire::Anthropic, script)).await?;
//! // … or reply by reply.
//! let server = ModelServer::start(Answers::replies([
//!     Reply::status(429).header("retry-after", "2"),
//!     Reply::stream("data: {\"choices\": [").cut(),
//! ]))
//! .await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod reply;
mod transcript;
mod understanding;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glasswork_ai::conversation::Message;
use glasswork_ai::scripted::{Script, Turn};
use glasswork_ai::wire::Wire;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use reply::{Framing, Gate, Reply};

/// What the server answers.
#[derive(Debug)]
pub enum Answers {
    /// One reply per request, in order; then 500.
    Replies(VecDeque<Reply>),
    /// As a script says, rendered to a wire. The turn is chosen by the answers in the request that arrived, the
    /// attempt by how often the same body came before. Pauses are passed over.
    Script(Wire, Script),
    /// The turn that is chosen for a request, rendered to a wire. For conversations that get shorter.
    Chosen(Wire, Choice),
    /// What this says of each request.
    By(Responder),
}

/// Says what to reply to a request.
pub struct Responder(Box<dyn FnMut(&Received) -> Reply + Send>);

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Responder")
    }
}

/// Chooses a turn for a request.
pub struct Choice(Box<dyn FnMut(&Received) -> Turn + Send>);

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Choice")
    }
}

impl Answers {
    /// The turn that `choose` gives.
    pub fn chosen(wire: Wire, choose: impl FnMut(&Received) -> Turn + Send + 'static) -> Self {
        Self::Chosen(wire, Choice(Box::new(choose)))
    }

    /// The reply that `respond` gives.
    pub fn by(respond: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self::By(Responder(Box::new(respond)))
    }

    /// One reply per request.
    pub fn replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::Replies(replies.into_iter().collect())
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// On which connection it came, counted from 1 in the order in which they were opened.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        Some(value)
    }
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    book: Arc<Book>,
    listening: JoinHandle<()>,
}

/// What connections write down.
#[derive(Debug)]
struct Book {
    answers: Mutex<Answers>,
    received: Mutex<Vec<Received>>,
    /// Requests received, and connections that the client closed.
    counts: watch::Sender<(usize, usize)>,
}

impl ModelServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(answers: Answers) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book {
            answers: Mutex::new(answers),
            received: Mutex::new(Vec::new()),
            counts: watch::Sender::new((0, 0)),
        });
        let shared = book.clone();
        let listening = tokio::spawn(async move {
            // Connections end with the set that holds them, and so with the server.
            let mut connections = tokio::task::JoinSet::new();
            let mut opened = 0;
            while let Ok((stream, _)) = listener.accept().await {
                opened += 1;
                connections.spawn(connection::serve(stream, opened, shared.clone()));
            }
        });
        Ok(Self {
            address,
            book,
            listening,
        })
    }

    /// An address at which nothing listens: connections are refused.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn refused_url() -> io::Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Ok(format!("http://{}", listener.local_addr()?))
    }

    /// `http://127.0.0.1:…`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.book.received).clone()
    }

    /// Waits until so many requests have come.
    pub async fn until_received(&self, requests: usize) {
        self.until(|(received, _)| received >= requests).await;
    }

    /// Waits until the client has closed so many connections.
    pub async fn until_closed(&self, connections: usize) {
        self.until(|(_, closed)| closed >= connections).await;
    }

    async fn until(&self, is_enough: impl Fn((usize, usize)) -> bool) {
        let mut counts = self.book.counts.subscribe();
        // The sender lives as long as `self`.
        let _ = counts.wait_for(|counts| is_enough(*counts)).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Book {
    /// Writes a request down and says what to answer.
    fn answer(&self, request: Received) -> Reply {
        let mut received = lock(&self.received);
        let same = received
            .iter()
            .filter(|earlier| earlier.body == request.body)
            .count();
        let reply = match &mut *lock(&self.answers) {
            Answers::Replies(replies) => replies
                .pop_front()
                .unwrap_or_else(|| Reply::status(500).body("the server has no reply left")),
            Answers::By(Responder(respond)) => respond(&request),
            Answers::Chosen(wire, Choice(choose)) => {
                // As the last turn of a script with as many as were asked for: ids of calls are made of its number.
                let mut asked = understanding::request(&request.body);
                let answer = |_: &Received| Message::Assistant {
                    blocks: Vec::new(),
                    model: asked.model.clone(),
                };
                asked.messages = received.iter().map(answer).collect();
                let mut turns = vec![Turn::default(); received.len()];
                turns.push(choose(&request));
                transcript::reply(*wire, Script::of(turns).play(&asked, 1))
            }
            Answers::Script(wire, script) => {
                let attempt = u32::try_from(same).unwrap_or(u32::MAX).saturating_add(1);
                transcript::reply(
                    *wire,
                    script.play(&understanding::request(&request.body), attempt),
                )
            }
        };
        received.push(request);
        self.counts.send_modify(|(received, _)| *received += 1);
        reply
    }

    fn closed(&self) {
        self.counts.send_modify(|(_, closed)| *closed += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
