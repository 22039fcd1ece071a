//! One connection: HTTP/1.1 as far as a model's client needs it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::{Ending, Framing, Reply};
use super::{Book, Received};

const HEAD_LIMIT: usize = 64 << 10;
const BODY_LIMIT: usize = 64 << 20;

/// Serves a connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, number: usize, book: Arc<Book>) {
    let mut connection = Connection {
        number,
        stream,
        unread: Vec::new(),
    };
    // An error is the client's going, or a request that no client of ours sends.
    if !matches!(connection.serve(&book).await, Ok(By::Server)) {
        book.closed();
    }
}

/// Who ended a connection.
enum By {
    Server,
    Client,
}

struct Connection {
    number: usize,
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    async fn serve(&mut self, book: &Book) -> io::Result<By> {
        // Small pieces are the point.
        self.stream.set_nodelay(true)?;
        while let Some(request) = self.request().await? {
            let reply = book.answer(request);
            match reply.ending {
                Ending::Refuse => return Ok(By::Server),
                Ending::StallBeforeHeaders => return self.until_client_goes().await,
                Ending::Complete | Ending::Leave | Ending::Cut | Ending::Stall => {}
            }
            self.send(&reply).await?;
            match reply.ending {
                Ending::Complete if reply.framing == Framing::Chunked => {}
                Ending::Stall => return self.until_client_goes().await,
                Ending::Leave => {
                    self.stream.shutdown().await?;
                    return self.until_client_goes().await;
                }
                _ => return Ok(By::Server),
            }
        }
        Ok(By::Client)
    }

    async fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Reply\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(match reply.framing {
            Framing::Chunked => "transfer-encoding: chunked\r\n\r\n",
            Framing::UntilClose => "connection: close\r\n\r\n",
        });
        self.stream.write_all(head.as_bytes()).await?;
        let until = reply.pause.as_ref().map_or(reply.body.len(), |(bytes, _)| *bytes);
        let (before, after) = reply.body.split_at(until.min(reply.body.len()));
        self.pieces(before, reply).await?;
        if let Some((_, gate)) = &reply.pause {
            self.stream.flush().await?;
            gate.passed().await;
        }
        self.pieces(after, reply).await?;
        if reply.framing == Framing::Chunked && matches!(reply.ending, Ending::Complete | Ending::Leave) {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        self.stream.flush().await
    }

    async fn pieces(&mut self, body: &[u8], reply: &Reply) -> io::Result<()> {
        for piece in body.chunks(reply.piece) {
            match reply.framing {
                Framing::Chunked => {
                    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                    chunk.extend_from_slice(piece);
                    chunk.extend_from_slice(b"\r\n");
                    self.stream.write_all(&chunk).await?;
                }
                Framing::UntilClose => self.stream.write_all(piece).await?,
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn until_client_goes(&mut self) -> io::Result<By> {
        while self.read().await? {}
        Ok(By::Client)
    }

    /// The next request; `None` where the client has gone.
    async fn request(&mut self) -> io::Result<Option<Received>> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            if self.unread.len() > HEAD_LIMIT {
                return Err(io::Error::other("the head of the request is too long"));
            }
            if !self.read().await? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.unread.drain(..head_end + 4).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Received {
            connection: self.number,
            method,
            path,
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").map_or(Ok(0), str::parse);
        let length: usize = length.map_err(io::Error::other)?;
        if length > BODY_LIMIT {
            return Err(io::Error::other("the body of the request is too long"));
        }
        while self.unread.len() < length {
            if !self.read().await? {
                return Ok(None);
            }
        }
        request.body = self.unread.drain(..length).collect();
        Ok(Some(request))
    }

    async fn read(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }
}
