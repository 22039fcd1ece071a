//! Where the browser comes back to: one address on the loopback, for one answer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::authorization::{Authorization, NoCode};
use super::description::Description;
use super::tokens::TokenRequest;

/// Longest head of a request that is read.
const HEAD: usize = 16 << 10;
/// How long a browser may take to say what it wants: one that connects and is silent keeps nobody.
const SILENCE: Duration = Duration::from_secs(5);
/// Most browsers that are listened to at once.
const AT_ONCE: usize = 16;

const DONE: &str = "You are signed in to Glasswork. You can close this page.";
const REFUSED: &str = "You are not signed in. Glasswork says why, where you started it.";

/// A port that waits for a browser. It is closed when this is dropped.
#[derive(Debug)]
pub struct Callback {
    listener: TcpListener,
    path: String,
    redirect: String,
}

impl Callback {
    /// Opens it, where the description says, or at a free port.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn open(description: &Description) -> io::Result<Self> {
        let port = description.redirect_port.unwrap_or(0);
        // Nothing but this machine reaches it.
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        let path = description.redirect_path.to_string();
        Ok(Self {
            redirect: format!("http://localhost:{port}{path}"),
            listener,
            path,
        })
    }

    /// The address, as the provider is told.
    #[must_use]
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// Waits for the browser that this attempt sent out. Others, and whoever brings back another attempt's answer, are
    /// told so and change nothing; the first one that belongs to this attempt ends it. Has no deadline.
    ///
    /// # Errors
    /// What was brought back was a refusal. A port that fails is [`NoCode::Missing`].
    pub async fn wait(self, authorization: &Authorization) -> Result<TokenRequest, NoCode> {
        let mut asking = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if asking.len() < AT_ONCE => {
                    let (stream, _) = accepted.map_err(|_| NoCode::Missing)?;
                    asking.spawn(timeout(SILENCE, wanted(stream)));
                }
                Some(asked) = asking.join_next() => {
                    let Ok(Ok(Some((stream, target)))) = asked else { continue };
                    let query = target.strip_prefix(&self.path).and_then(|rest| rest.strip_prefix('?'));
                    let Some(query) = query else {
                        answer(stream, "404 Not Found", "There is nothing here.").await;
                        continue;
                    };
                    match authorization.returned(query) {
                        Ok(request) => {
                            answer(stream, "200 OK", DONE).await;
                            return Ok(request);
                        }
                        Err(NoCode::WrongState | NoCode::Missing) => {
                            answer(stream, "400 Bad Request", "This does not belong to the attempt to sign in that \
                                waits here. Begin again from Glasswork.").await;
                        }
                        Err(refused) => {
                            answer(stream, "200 OK", REFUSED).await;
                            return Err(refused);
                        }
                    }
                }
            }
        }
    }
}

/// What a browser asks for.
async fn wanted(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if head.len() > HEAD || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    (method == "GET").then(|| (stream, target.to_owned()))
}

/// Answers with a page of one sentence. Nothing that was sent is in it.
async fn answer(mut stream: TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>Glasswork</title><p>{text}</p>\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: \
         no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    // Whether the browser still listens or not.
    let _ = timeout(SILENCE, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}
