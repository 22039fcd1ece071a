//! The socket of a host: who may come in, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::attachments::Attachments;
use glasswork_query::Graph;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::directory::{Card, Directory, DirectoryError, Held};
use super::fault::Fault;
use super::message::answer;
use super::{is_own, welcome};
use crate::acp::House;

/// What a host offers to whoever comes in, by whichever door.
#[derive(Clone)]
pub struct Offer {
    /// The clients of the host, and with them its runtime.
    pub clients: Arc<Attachments>,
    /// The graph.
    pub graph: Graph,
    /// What the host says of itself.
    pub card: Arc<Card>,
    /// How sessions are opened; `None` in a host that runs one session alone.
    pub house: Option<Arc<dyn House>>,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Offer").field(&self.card).finish()
    }
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
    pub fn open(directory: Directory, offer: Offer) -> Result<Self, DirectoryError> {
        // The end of an id that was just minted is random; its beginning is the time.
        let plain: String = offer
            .card
            .host
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let name = plain
            .get(plain.len().saturating_sub(12)..)
            .unwrap_or(&plain)
            .to_owned();
        let (held, listener) = directory.hold(&name, &offer.card, |path| UnixListener::bind(path))?;
        let (stage, seen) = watch::channel(Stage::Open);
        let accepting = Accepting {
            held,
            listener,
            offer,
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
    offer: Offer,
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
        let connection = match self.offer.clients.connect() {
            Ok(connection) => connection,
            Err(error) => {
                // There is room for a line in the socket of one who has just come.
                let _ = stream.try_write(answer(None, Err(Fault::from(error))).as_bytes());
                return;
            }
        };
        talks.spawn(welcome::welcome(
            connection,
            self.offer.clone(),
            stream,
            stage.clone(),
        ));
    }
}
