//! The door of a host for programs and pages that speak HTTP: `serve --http`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use glasswork_query::Graph;
use glasswork_rpc::http::{self, Access, Limits, Token, TokenFile};
use glasswork_rpc::socket::host::Offer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::console::Console;
use crate::problem::Problem;

/// Arguments of the door.
#[derive(Debug, Args)]
pub(crate) struct HttpArguments {
    /// Serve the graph over HTTP and WebSocket, and the Agent Client Protocol over WebSocket, here; port 0 takes a free one
    ///
    /// For programs and pages of this machine: queries, mutations (what can be done to a session) and subscriptions.
    /// Every request needs the token that lies in a file of yours alone. `http://ADDR/` is a page to try queries on.
    #[arg(long = "http", id = "http", value_name = "ADDR")]
    pub address: Option<SocketAddr>,
    /// Let pages of this origin speak to it too (`http://localhost:3000`); they need the token like everybody
    #[arg(long = "http-origin", value_name = "ORIGIN", requires = "http")]
    pub origin: Vec<String>,
    /// Answer by this name too, as clients say it (`build.example:8080`)
    #[arg(long = "http-host", value_name = "HOST", requires = "http")]
    pub host: Vec<String>,
    /// Listen where other machines can reach it, without TLS: whoever can listen in on the network then reads the token,
    /// and can do what you can do
    #[arg(long = "http-beyond-loopback", requires = "http")]
    pub beyond_loopback: bool,
}

/// The open door.
#[derive(Debug)]
pub(crate) struct HttpDoor {
    address: SocketAddr,
    /// It goes with the door.
    token: TokenFile,
    graph: Graph,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl HttpDoor {
    /// Opens it, where it was asked for. Its token lies in `directory`. Within a tokio runtime of several threads.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(crate) fn open(
        arguments: &HttpArguments,
        directory: &Path,
        graph: Graph,
        agents: Offer,
    ) -> Result<Option<Self>, Problem> {
        let Some(address) = arguments.address else {
            return Ok(None);
        };
        let listener = http::bind(address, arguments.beyond_loopback).map_err(Problem::usage)?;
        let address = listener.local_addr().map_err(Problem::failed)?;
        let minted = Token::mint().map_err(Problem::failed)?;
        let name = format!("graph-{}.token", address.port());
        let token = minted.write(directory, &name).map_err(Problem::failed)?;
        let mut access = Access::new(address, minted);
        for host in &arguments.host {
            access = access.with_host(host.clone());
        }
        for origin in &arguments.origin {
            access = access.with_origin(origin).map_err(Problem::usage)?;
        }
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(http::serve(
            listener,
            graph.clone(),
            Some(agents),
            access,
            Limits::default(),
            async {
                let _ = ended.await;
            },
        ));
        Ok(Some(Self {
            address,
            token,
            graph,
            end,
            serving,
        }))
    }

    /// Says where it is.
    pub(crate) fn announce(&self, console: &Console) {
        console.note(&format!(
            "the graph answers at http://{0}/ and ws://{0}/graphql, agents at ws://{0}/acp; the token lies in {1}: whoever has it can do what \
             you can do here\n",
            self.address,
            self.token.path().display()
        ));
    }

    /// Lets nobody in any more, and nobody go on; waits so long for operations that are under way.
    pub(crate) async fn close(self, most: Duration) {
        let _ = self.end.send(());
        let _ = self.serving.await;
        let _ = tokio::time::timeout(most, self.graph.settled()).await;
    }
}
