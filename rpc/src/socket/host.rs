//! The socket of a host: who may come in, and how it ends.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::attachments::Attachments;
use glasswork_engine::ScopeId;
use glasswork_query::Graph;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::directory::{Card, Directory, DirectoryError, Held};
use super::fault::Fault;
use super::message::answer;
use super::talk::Talk;

/// Begins sessions for clients, in a host that does.
pub trait Begin: Send + Sync {
    /// Begins a session in a directory. The error is text for people.
    fn begin(
        &self,
        directory: PathBuf,
        title: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<ScopeId, String>> + Send>>;
}

/// How far a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It takes clients.
    Open,
    /// It stops.
    Stopping {
        /// How long turns may take.
        deadline: Duration,
    },
    /// It has stopped.
    Over,
}

/// A socket that clients can connect to.
pub struct Socket {
    name: String,
    stage: watch::Sender<Stage>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Socket").field(&self.name).finish()
    }
}

impl Socket {
    /// Opens the socket of a host, in a directory of the user's own. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(
        directory: Directory,
        card: Card,
        clients: Arc<Attachments>,
        graph: Graph,
        begin: Option<Arc<dyn Begin>>,
    ) -> Result<Self, DirectoryError> {
        // The end of an id that was just minted is random; its beginning is the time.
        let plain: String = card.host.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = plain
            .get(plain.len().saturating_sub(12)..)
            .unwrap_or(&plain)
            .to_owned();
        let (held, listener) = directory.hold(&name, &card, |path| UnixListener::bind(path))?;
        let (stage, seen) = watch::channel(Stage::Open);
        let accepting = Accepting {
            held,
            listener,
            clients,
            graph,
            begin,
            card: Arc::new(card),
        };
        Ok(Self {
            name,
            stage,
            accepting: tokio::spawn(accepting.accept(seen)),
        })
    }

    /// Its name in the directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells the clients that the host stops, and how long turns may take.
    pub fn stopping(&self, deadline: Duration) {
        self.stage.send_replace(Stage::Stopping { deadline });
    }

    /// Ends all connections and removes the socket. Nobody holds on to the runtime after that.
    pub async fn close(self) {
        self.stage.send_replace(Stage::Over);
        let _ = self.accepting.await;
    }
}

struct Accepting {
    held: Held,
    listener: UnixListener,
    clients: Arc<Attachments>,
    graph: Graph,
    begin: Option<Arc<dyn Begin>>,
    card: Arc<Card>,
}

impl Accepting {
    async fn accept(self, mut stage: watch::Receiver<Stage>) {
        let mut talks = JoinSet::new();
        let seen = stage.clone();
        loop {
            let over = async { drop(stage.wait_for(|stage| *stage == Stage::Over).await) };
            tokio::select! {
                () = over => break,
                Some(_) = talks.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream, &mut talks, &seen),
                    // Too many files are open, say: somebody closes one.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        }
        drop(self.listener);
        // Before the connections end: who looks for hosts now finds none that is about to go.
        let held = self.held;
        let _ = tokio::task::spawn_blocking(move || drop(held)).await;
        while talks.join_next().await.is_some() {}
    }

    fn welcome(&self, stream: UnixStream, talks: &mut JoinSet<()>, stage: &watch::Receiver<Stage>) {
        if !is_own(&stream) {
            return;
        }
        let connection = match self.clients.connect() {
            Ok(connection) => connection,
            Err(error) => {
                // There is room for a line in the socket of one who has just come.
                let _ = stream.try_write(answer(None, Err(Fault::from(error))).as_bytes());
                return;
            }
        };
        talks.spawn(Talk::hold(
            connection,
            self.graph.clone(),
            Arc::clone(&self.card),
            self.begin.clone(),
            stream,
            stage.clone(),
        ));
    }
}

/// Whether the other end belongs to this user.
pub(super) fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
