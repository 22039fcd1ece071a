//! Accepting connections, as many as there is room for, and giving none of them for ever.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::http::Limits;

/// How long accepting waits after it has failed: there may be too many open files.
const AGAIN: Duration = Duration::from_millis(50);
/// Most headers of a request.
const HEADERS: usize = 64;

/// The place of one connection among all. It is free once no clone of it is left: what became a WebSocket has it still
/// when its connection is no HTTP any more.
#[derive(Debug, Clone)]
pub(super) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves whoever comes and finds a place, until `end`; then nobody any more.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    places: &Arc<Semaphore>,
    end: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let mut end = pin!(end);
    loop {
        let next = async {
            // It is never closed.
            let place = Arc::clone(places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut end => break,
            // What has ended is taken away.
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        let (Ok(permit), Ok((stream, _))) = (place, accepted) else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        // Without it, small messages would wait for each other.
        let _ = stream.set_nodelay(true);
        let place = Place {
            _permit: Arc::new(permit),
        };
        let service = TowerToHyperService::new(router.clone().layer(Extension(place.clone())));
        connections.spawn(async move {
            let _place = place;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_buf_size(limits.head_bytes)
                .max_headers(HEADERS)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = pin!(connection);
            // What a client did wrong on the wire concerns nobody else.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = tokio::time::sleep(limits.life) => connection.as_mut().graceful_shutdown(),
            }
            // The answer that is under way may be waited for; not for ever, by who does not read it.
            let _ = tokio::time::timeout(limits.life, connection).await;
        });
    }
    connections.shutdown().await;
}
