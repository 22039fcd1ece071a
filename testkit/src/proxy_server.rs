//! A proxy on the loopback: HTTP with and without tunnels, and SOCKS 5, told apart by their first byte.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::authority::{Authority, Identity};

const HEAD_LIMIT: usize = 64 << 10;

/// How a proxy behaves.
#[derive(Debug, Default)]
pub struct Manner {
    /// `NAME:PASSWORD` that it wants; `None` lets everybody through.
    pub password: Option<&'static str>,
    /// Opens what is encrypted, and shows certificates of this authority in place of the servers' own.
    pub opens: Option<Authority>,
    /// Is itself reached by TLS.
    pub identity: Option<Identity>,
    /// Finds nobody.
    pub is_cut_off: bool,
}

/// A running proxy; it stops when dropped. Whoever is asked for, it goes to the same server.
#[derive(Debug)]
pub struct ProxyServer {
    address: SocketAddr,
    book: Arc<Book>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Book {
    manner: Manner,
    server: SocketAddr,
    /// What was asked for on each connection: `CONNECT host:port`, `POST http://…`, `SOCKS host:port`.
    asked: Mutex<Vec<String>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl ProxyServer {
    /// Starts a proxy on a free port of 127.0.0.1 before a server.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn before(server: SocketAddr, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book {
            manner,
            server,
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&book);
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let book = Arc::clone(&shared);
                // An error is somebody's going.
                connections.spawn(async move { book.serve(stream).await.unwrap_or_default() });
            }
        });
        Ok(Self {
            address,
            book,
            listening,
        })
    }

    /// Its address: `SCHEME://USER@127.0.0.1:PORT`, or without a user.
    #[must_use]
    pub fn url(&self, scheme: &str, user: &str) -> String {
        match user {
            "" => format!("{scheme}://{}", self.address),
            user => format!("{scheme}://{user}@{}", self.address),
        }
    }

    /// What was asked for on each connection so far.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.book
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Book {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut inner: Box<dyn Stream> = match &self.manner.identity {
            Some(identity) => Box::new(identity.acceptor().accept(stream).await?),
            None => Box::new(stream),
        };
        let first = inner.read_u8().await?;
        match first {
            5 => self.socks(inner).await,
            first => self.http(inner, first).await,
        }
    }

    async fn http(&self, mut inner: Box<dyn Stream>, first: u8) -> io::Result<()> {
        let mut head = vec![first];
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > HEAD_LIMIT {
                return Err(io::Error::other("the head of the request is too long"));
            }
            head.push(inner.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ');
        let (method, to) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        self.wrote(format!("{method} {to}"));
        let authorization = self
            .manner
            .password
            .map(|password| format!("Basic {}", STANDARD.encode(password)));
        let has_it = |wanted: &String| {
            text.lines().any(|line| {
                line.split_once(": ").is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("proxy-authorization") && value == wanted
                })
            })
        };
        if !authorization.as_ref().is_none_or(has_it) {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\n\
                           content-length: 0\r\nconnection: close\r\n\r\n";
            return inner.write_all(refusal.as_bytes()).await;
        }
        if self.manner.is_cut_off {
            let refusal =
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return inner.write_all(refusal.as_bytes()).await;
        }
        if method != "CONNECT" {
            let mut outer = TcpStream::connect(self.server).await?;
            outer.write_all(&head).await?;
            return copied(inner, outer).await;
        }
        inner
            .write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            .await?;
        let host = to.rsplit_once(':').map_or(to, |(host, _)| host);
        match &self.manner.opens {
            Some(authority) => {
                let opened = authority.identity(host)?.acceptor().accept(inner).await?;
                copied(opened, TcpStream::connect(self.server).await?).await
            }
            None => copied(inner, TcpStream::connect(self.server).await?).await,
        }
    }

    /// As RFC 1928 and, for passwords, RFC 1929 have it; the first byte is read.
    async fn socks(&self, mut inner: Box<dyn Stream>) -> io::Result<()> {
        let mut ways = vec![0; usize::from(inner.read_u8().await?)];
        inner.read_exact(&mut ways).await?;
        if let Some(password) = self.manner.password {
            if !ways.contains(&2) {
                return inner.write_all(&[5, 0xff]).await;
            }
            inner.write_all(&[5, 2]).await?;
            inner.read_u8().await?;
            let mut given = text(&mut inner).await?;
            given.push(':');
            given.push_str(&text(&mut inner).await?);
            if given != password {
                return inner.write_all(&[1, 1]).await;
            }
            inner.write_all(&[1, 0]).await?;
        } else {
            inner.write_all(&[5, 0]).await?;
        }
        let mut request = [0; 4];
        inner.read_exact(&mut request).await?;
        let host = match request {
            [5, 1, 0, 1] => {
                let mut address = [0; 4];
                inner.read_exact(&mut address).await?;
                std::net::Ipv4Addr::from(address).to_string()
            }
            [5, 1, 0, 3] => text(&mut inner).await?,
            other => return Err(io::Error::other(format!("{other:?} is no request"))),
        };
        let port = inner.read_u16().await?;
        self.wrote(format!("SOCKS {host}:{port}"));
        if self.manner.is_cut_off {
            return inner.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        }
        let outer = TcpStream::connect(self.server).await?;
        inner.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copied(inner, outer).await
    }

    fn wrote(&self, asked: String) {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(asked);
    }
}

/// A text with its length before it.
async fn text(stream: &mut Box<dyn Stream>) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

async fn copied(mut inner: impl Stream, mut outer: impl Stream) -> io::Result<()> {
    copy_bidirectional(&mut inner, &mut outer).await.map(drop)
}
