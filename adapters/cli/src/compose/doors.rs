//! The doors of a host: what others connect to as long as it lives.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_client::directory::{Card, Directory, DirectoryError};
use glasswork_engine::ScopeId;
use glasswork_rpc::acp::House;
use glasswork_rpc::socket::host::{Offer, Socket};

use super::Sessions;
use crate::problem::Problem;

/// A runtime and its doors.
#[derive(Debug)]
pub(crate) struct Doors {
    offer: Offer,
    socket: Option<Socket>,
}

impl Sessions {
    /// Opens the doors of a runtime; `house` says how sessions are opened there, where clients may do that. Where the
    /// socket cannot be opened, that is given too: there is one less.
    pub(crate) fn doors(
        &self,
        runtime: Runtime,
        command: &str,
        house: Option<Arc<dyn House>>,
    ) -> (Doors, Option<DirectoryError>) {
        let runtime = Arc::new(runtime);
        let card = Card {
            host: runtime.host_id().to_string(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            directory: std::env::current_dir()
                .map(|here| here.display().to_string())
                .unwrap_or_default(),
        };
        let offer = Offer {
            graph: glasswork_query::Graph::new(runtime.reader().clone())
                .with_models(Arc::clone(&self.catalogue)),
            clients: Attachments::new(runtime, Limits::default()),
            card: Arc::new(card),
            house,
        };
        if let Some(house) = offer.house.clone() {
            let again = move |session| house.again(session).map_err(|error| error.to_string());
            offer.clients.open_with(Arc::new(again));
        }
        let socket =
            Directory::open(&self.sockets).and_then(|directory| Socket::open(directory, offer.clone()));
        let (socket, failed) = match socket {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(error)),
        };
        (Doors { offer, socket }, failed)
    }

    /// Where other hosts are looked for; nowhere, where that directory cannot be used.
    pub(crate) fn others(&self) -> Option<Directory> {
        Directory::open(&self.sockets).ok()
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
    /// What is offered to those who come in.
    pub(crate) fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The runtime.
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        self.offer.clients.runtime()
    }

    /// The clients.
    pub(crate) fn clients(&self) -> &Arc<Attachments> {
        &self.offer.clients
    }

    /// From now on no turn begins; those that run have so long.
    pub(crate) fn stopping(&self, deadline: Duration) {
        self.clients().stop_turns();
        if let Some(socket) = &self.socket {
            socket.stopping(deadline);
        }
    }

    /// Gives up the sessions that are at rest.
    pub(crate) async fn give_up(&self) {
        let mounted: Vec<ScopeId> = self
            .runtime()
            .reader()
            .snapshot(Viewer::owner())
            .mounted()
            .collect();
        for session in mounted {
            // Whoever opens it next settles what is open still.
            let _ = self.runtime().give_up(session).await;
        }
    }

    /// Closes the doors, then stops the runtime.
    pub(crate) async fn close(self) {
        if let Some(socket) = self.socket {
            socket.close().await;
        }
        let runtime = Arc::clone(self.offer.clients.runtime());
        drop(self.offer);
        if let Some(runtime) = Arc::into_inner(runtime) {
            runtime.stop().await;
        }
    }
}
