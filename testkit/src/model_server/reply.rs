//! What a server sends back, and how it goes wrong.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// `transfer-encoding: chunked`: a cut can be told from an end.
    #[default]
    Chunked,
    /// The body ends with the connection: a cut looks like an end.
    UntilClose,
}

/// What a server waits at in the middle of a body, until a test opens it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    /// Lets the server go on, once for each time that this is called.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    pub(super) async fn passed(&self) {
        // It is never closed.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// Gates are equal if they are one.
impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) piece: usize,
    /// After how many bytes of the body the server waits, and at what.
    pub(super) pause: Option<(usize, Gate)>,
    pub(super) ending: Ending,
}

/// What happens after the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is complete.
    Complete,
    /// The connection breaks.
    Cut,
    /// It is complete, and the server closes the connection without having said so.
    Leave,
    /// Nothing more, until the client goes.
    Stall,
    /// The connection breaks before a byte of the reply.
    Refuse,
    /// Nothing at all, until the client goes.
    StallBeforeHeaders,
}

impl Reply {
    /// A reply of this status with no body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::default(),
            piece: usize::MAX,
            pause: None,
            ending: Ending::Complete,
        }
    }

    /// A stream of events: these bytes.
    #[must_use]
    pub fn stream(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200)
            .header("content-type", "text/event-stream")
            .body(body)
    }

    /// The connection is closed in place of a reply.
    #[must_use]
    pub fn refuse() -> Self {
        Self {
            ending: Ending::Refuse,
            ..Self::status(200)
        }
    }

    /// No reply, ever.
    #[must_use]
    pub fn never() -> Self {
        Self {
            ending: Ending::StallBeforeHeaders,
            ..Self::status(200)
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With line feeds of the body made carriage return and line feed.
    #[must_use]
    pub fn crlf(mut self) -> Self {
        let mut body = Vec::with_capacity(self.body.len());
        for byte in self.body {
            if byte == b'\n' {
                body.push(b'\r');
            }
            body.push(byte);
        }
        self.body = body;
        self
    }

    /// In pieces of so many bytes, each sent by itself: 1 is a slow drip.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.piece = bytes.max(1);
        self
    }

    /// So many bytes of the body, and the rest when the gate opens.
    #[must_use]
    pub fn pausing_at(mut self, bytes: usize, gate: &Gate) -> Self {
        self.pause = Some((bytes, gate.clone()));
        self
    }

    /// With this framing.
    #[must_use]
    pub fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// The connection breaks after the body.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.ending = Ending::Cut;
        self
    }

    /// After the whole body the server closes the connection, which it had not announced.
    #[must_use]
    pub fn leave(mut self) -> Self {
        self.ending = Ending::Leave;
        self
    }

    /// After the body comes nothing more, until the client goes.
    #[must_use]
    pub fn stall(mut self) -> Self {
        self.ending = Ending::Stall;
        self
    }
}
