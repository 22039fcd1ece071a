//! What comes from a server: listened to up to a limit, so that one that never stops talking is noticed by what it says,
//! not by our memory.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::OwnedReadHalf;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most bytes that a server may say in a window, and so the longest answer.
pub(super) const WINDOW_BYTES: usize = 16 << 20;
/// Most messages that it may say in a window.
const WINDOW_MESSAGES: usize = 10_000;
/// A window ends when we ask something, and after so long.
const WINDOW: Duration = Duration::from_secs(60);

/// How a line stands. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gauge {
    said: Arc<Mutex<Said>>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Said {
    since: Instant,
    bytes: usize,
    messages: usize,
    flooded: bool,
}

impl Gauge {
    pub(super) fn new() -> Self {
        Self {
            said: Arc::new(Mutex::new(Said {
                since: Instant::now(),
                bytes: 0,
                messages: 0,
                flooded: false,
            })),
            closed: CancellationToken::new(),
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// We ask something, so there may be an answer.
    pub(super) fn asked(&self) {
        self.said().begin();
    }

    /// Whether the server said more than it may.
    pub(super) fn is_flooded(&self) -> bool {
        self.said().flooded
    }

    /// Waits until nothing more comes.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Takes note of what came; says whether that was too much.
    fn heard(&self, piece: &[u8]) -> bool {
        let mut said = self.said();
        if said.since.elapsed() >= WINDOW {
            said.begin();
        }
        said.bytes += piece.len();
        said.messages += memchr::memchr_iter(b'\n', piece).count();
        said.flooded |= said.bytes > WINDOW_BYTES || said.messages > WINDOW_MESSAGES;
        said.flooded
    }
}

impl Said {
    fn begin(&mut self) {
        self.since = Instant::now();
        self.bytes = 0;
        self.messages = 0;
    }
}

/// The reading end of a line.
#[derive(Debug)]
pub(super) struct Line {
    socket: OwnedReadHalf,
    gauge: Gauge,
}

impl Line {
    pub(super) fn new(socket: OwnedReadHalf, gauge: Gauge) -> Self {
        Self { socket, gauge }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        let Poll::Ready(read) = polled else {
            return Poll::Pending;
        };
        let piece = buffer.filled().get(before..).unwrap_or_default();
        let flooded = self.gauge.heard(piece);
        if read.is_err() || piece.is_empty() || flooded {
            self.gauge.closed.cancel();
        }
        Poll::Ready(match flooded {
            true => Err(io::Error::other("it says more than is listened to")),
            false => read,
        })
    }
}
