//! The doors for HTTP and WebSocket. The Agent Client Protocol at `/acp`, and the graph at `/graphql`: GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>) and
//! the protocol `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! Every program on this machine and every page in its browsers can reach a port of the loopback. So each request is
//! looked at in this order, and the first thing that is wrong ends it: the name of the host that it was sent to
//! (against rebinding of names), the origin of the page that sends it, the token. Nothing is read of a body before
//! that. There are no CORS headers at all: a page of another origin can read nothing, whatever it sends.

mod access;
mod agent;
mod connections;
mod graphql;
mod page;
mod token;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use glasswork_query::Graph;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};

use crate::socket::host::Offer;

pub use access::{Access, BadOrigin};
pub use token::{Token, TokenError, TokenFile};

/// What one connection, and all of them together, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, WebSockets among them; who comes after that waits to be accepted.
    pub connections: usize,
    /// How long a connection may last that is no WebSocket: then it takes no further request, and after as long again it
    /// is cut.
    pub life: Duration,
    /// How long a client may take to send the head of a request, the next one on the same connection included.
    pub head_time: Duration,
    /// The longest head, in bytes.
    pub head_bytes: usize,
    /// How long a client may take to send a body.
    pub body_time: Duration,
    /// The longest body, and the longest message of a WebSocket, in bytes.
    pub body_bytes: usize,
    /// How long a client of a WebSocket may take to say who it is.
    pub init_time: Duration,
    /// How long one message may wait to be read, and how long a client may be silent, before it is gone.
    pub silence: Duration,
    /// Subscriptions and queries of one WebSocket at a time.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            life: Duration::from_secs(120),
            head_time: Duration::from_secs(10),
            head_bytes: 16 << 10,
            body_time: Duration::from_secs(10),
            body_bytes: 256 << 10,
            init_time: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            operations: 16,
        }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and there is no TLS: whoever can listen in on the network reads the \
         token. Bind to 127.0.0.1 and come through an SSH tunnel, or say `--http-beyond-loopback`"
    )]
    BeyondLoopback(SocketAddr),
    /// The system does not give the address.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Listens on an address: on one that other machines can reach only where `beyond_loopback` says so.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// [`ServeError`].
pub fn bind(address: SocketAddr, beyond_loopback: bool) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() && !beyond_loopback {
        return Err(ServeError::BeyondLoopback(address));
    }
    listen(address).map_err(|error| ServeError::Bind { address, error })
}

/// Most bytes that the system holds for one client who does not read; it takes twice of what it is told. By itself it
/// would take some megabytes.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port whose last connections have hardly ended can be taken again.
    socket.set_reuseaddr(true)?;
    // Connections have it from the socket that accepts them.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every request is answered from.
#[derive(Debug)]
struct Desk {
    graph: Graph,
    /// Who speaks the Agent Client Protocol here.
    agents: Option<Offer>,
    access: Access,
    limits: Limits,
    /// Says that the host ends.
    ended: watch::Receiver<bool>,
}

/// Serves a graph, and agents over WebSockets where they are given, until `end`. Within a tokio runtime of several threads: fields may read files. Then WebSockets are told
/// that the host ends, and all other connections are cut: operations that were begun go on in the runtime, and are on
/// record ([`Graph::settled`] waits for them).
pub async fn serve(
    listener: TcpListener,
    graph: Graph,
    agents: Option<Offer>,
    access: Access,
    limits: Limits,
    end: impl Future<Output = ()>,
) {
    let (ending, ended) = watch::channel(false);
    let desk = Arc::new(Desk {
        graph,
        agents,
        access,
        limits,
        ended,
    });
    let router = Router::new()
        .route("/", get(page::page))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .route("/graphql", any(graphql::answer))
        .route("/acp", any(agent::answer))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), admit))
        .with_state(desk);
    let places = Arc::new(Semaphore::new(limits.connections));
    connections::accept(listener, router, limits, &places, end).await;
    let _ = ending.send(true);
    // What is left are WebSockets that say goodbye; each of them has its place until it has.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

/// Looks at where a request was sent and who sends it, before anything else does.
async fn admit(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let mut response = match desk.access.admits(&request) {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, why).into_response(),
    };
    page::guard(response.headers_mut());
    response
}
