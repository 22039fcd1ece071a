//! The doors of a host: what others connect to as long as it lives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::ScopeId;
use glasswork_rpc::socket::directory::{Card, Directory, DirectoryError};
use glasswork_rpc::socket::host::{Begin, Socket};

use super::Sessions;
use crate::problem::Problem;

/// A runtime and its doors.
#[derive(Debug)]
pub(crate) struct Doors {
    runtime: Arc<Runtime>,
    clients: Arc<Attachments>,
    socket: Option<Socket>,
}

impl Sessions {
    /// Opens the doors of a runtime. Where the socket cannot be opened, that is given too: there is one less.
    pub(crate) fn doors(
        &self,
        runtime: Runtime,
        command: &str,
        begin: impl FnOnce(&Arc<Runtime>) -> Option<Arc<dyn Begin>>,
    ) -> (Doors, Option<DirectoryError>) {
        let runtime = Arc::new(runtime);
        let clients = Attachments::new(Arc::clone(&runtime), Limits::default());
        let card = Card {
            host: runtime.host_id().to_string(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            directory: std::env::current_dir()
                .map(|here| here.display().to_string())
                .unwrap_or_default(),
        };
        let graph =
            glasswork_query::Graph::new(runtime.reader().clone()).with_models(Arc::clone(&self.catalogue));
        let begin = begin(&runtime);
        let socket = Directory::open(&self.sockets)
            .and_then(|directory| Socket::open(directory, card, Arc::clone(&clients), graph, begin));
        let (socket, failed) = match socket {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(error)),
        };
        let doors = Doors {
            runtime,
            clients,
            socket,
        };
        (doors, failed)
    }

    /// The directory in which hosts have their sockets.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub(crate) fn sockets(path: &Path) -> Result<Directory, Problem> {
        Directory::open(path).map_err(Problem::failed)
    }
}

impl Doors {
    /// The runtime.
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The clients.
    pub(crate) fn clients(&self) -> &Arc<Attachments> {
        &self.clients
    }

    /// From now on no turn begins; those that run have so long.
    pub(crate) fn stopping(&self, deadline: Duration) {
        self.clients.stop_turns();
        if let Some(socket) = &self.socket {
            socket.stopping(deadline);
        }
    }

    /// Gives up the sessions that are at rest.
    pub(crate) async fn give_up(&self) {
        let mounted: Vec<ScopeId> = self
            .runtime
            .reader()
            .snapshot(Viewer::owner())
            .mounted()
            .collect();
        for session in mounted {
            // Whoever opens it next settles what is open still.
            let _ = self.runtime.give_up(session).await;
        }
    }

    /// Closes the doors, then stops the runtime.
    pub(crate) async fn close(self) {
        if let Some(socket) = self.socket {
            socket.close().await;
        }
        drop(self.clients);
        if let Some(runtime) = Arc::into_inner(self.runtime) {
            runtime.stop().await;
        }
    }
}

/// Begins sessions for clients.
pub(crate) struct Beginner {
    runtime: std::sync::Weak<Runtime>,
    opening: Arc<Opening>,
}

/// How a session is opened in a directory: the error is text for people.
pub(crate) type Opening =
    dyn Fn(PathBuf) -> Result<glasswork_app_runtime::runtime::Opening, String> + Send + Sync;

impl Beginner {
    /// Begins sessions that are opened so.
    pub(crate) fn of(runtime: &Arc<Runtime>, opening: Arc<Opening>) -> Arc<dyn Begin> {
        Arc::new(Self {
            runtime: Arc::downgrade(runtime),
            opening,
        })
    }
}

impl Begin for Beginner {
    fn begin(
        &self,
        directory: PathBuf,
        title: Option<String>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<ScopeId, String>> + Send>> {
        let (runtime, opening) = (self.runtime.upgrade(), Arc::clone(&self.opening));
        Box::pin(async move {
            let runtime = runtime.ok_or("the host has stopped")?;
            // Settings are files.
            let opened = tokio::task::spawn_blocking(move || opening(directory)).await;
            let mut opened = opened.map_err(|broken| broken.to_string())??;
            opened.title = title.map(Into::into);
            let begun = runtime.new_session(opened).await;
            begun.map_err(|error| error.to_string())
        })
    }
}
