//! The Agent Client Protocol over a WebSocket: one message of JSON-RPC for each text frame, both ways, and else as over
//! a socket of this machine: the same methods, the same limits.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use glasswork_app_runtime::attachments::Connection;
use tokio::io::{AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::oneshot;

use crate::acp::{self, LINE_BYTES};
use crate::http::Desk;
use crate::http::connections::Place;
use crate::http::graphql::is_upgrade;
use crate::socket::host::Offer;

/// What a page may offer as the protocol of its WebSocket, with another one that is the token.
const PROTOCOL: &str = "acp";
/// How the protocol begins that is the token: a page cannot say it otherwise before the first message.
const TOKEN: &str = "glasswork.token.";
/// Bytes that lie between the WebSocket and the agent, each way.
const PIPE: usize = 64 << 10;
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a connection ends, with the code of the protocol.
struct End(u16, &'static str);

/// Lets a client in, by the token.
pub(super) async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let Some(offer) = desk.agents.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !is_upgrade(request.headers()) {
        let said = "the Agent Client Protocol is spoken over a WebSocket here\n";
        return (StatusCode::UPGRADE_REQUIRED, [(UPGRADE, "websocket")], said).into_response();
    }
    if !knows(&desk, request.headers()) {
        let said = "say the token of this host: `Authorization: Bearer …`; it lies in a file that the host named when it \
                    started\n";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], said).into_response();
    }
    let connection = match offer.clients.connect() {
        Ok(connection) => connection,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    let (mut parts, _) = request.into_parts();
    let place = parts.extensions.get::<Place>().cloned();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    upgrade
        .max_message_size(LINE_BYTES)
        .max_frame_size(LINE_BYTES)
        .protocols([PROTOCOL])
        .on_upgrade(move |socket| async move {
            speak(socket, offer, connection, desk).await;
            // Last: whoever waits for all places waits for all that was held here.
            drop(place);
        })
}

/// A program says the token as everywhere; a page cannot, and offers it as a protocol. Where one is said that is wrong,
/// the other does not count.
fn knows(desk: &Desk, headers: &HeaderMap) -> bool {
    if headers.contains_key(AUTHORIZATION) {
        return desk.access.knows(headers);
    }
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = offered.filter_map(|value| value.to_str().ok());
    let mut offered = offered.flat_map(|value| value.split(',')).map(str::trim);
    let token = offered.find_map(|protocol| protocol.strip_prefix(TOKEN));
    token.is_some_and(|token| desk.access.is_token(token))
}

/// Speaks with a client until one of the two ends it.
async fn speak(socket: WebSocket, offer: Offer, connection: Connection, desk: Arc<Desk>) {
    let (near, far) = tokio::io::duplex(PIPE);
    let (input, output) = tokio::io::split(far);
    let (from, to) = tokio::io::split(near);
    let (mut sink, stream) = socket.split();
    let (leaves, left) = oneshot::channel::<()>();
    let mut ended = desk.ended.clone();
    let stop = async move {
        tokio::select! {
            _ = left => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    };
    let silence = desk.limits.silence;
    let mut serving = std::pin::pin!(acp::serve_attached(connection, &offer, input, output, stop));
    let end = {
        let relay = async {
            tokio::select! {
                end = hear(stream, to, silence) => end,
                end = tell(&mut sink, from, silence) => end,
            }
        };
        tokio::select! {
            end = relay => end,
            served = &mut serving => {
                let End(code, reason) = match served {
                    Ok(()) => End(1001, "the host ends"),
                    Err(_) => End(1011, "the connection broke"),
                };
                goodbye(&mut sink, code, reason).await;
                return;
            }
        }
    };
    // What it has open here is looked after before anybody may think that it is gone.
    drop(leaves);
    let _ = serving.await;
    goodbye(&mut sink, end.0, end.1).await;
}

async fn goodbye(sink: &mut SplitSink<WebSocket, Message>, code: u16, reason: &'static str) {
    let close = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Who does not read does not read this either.
    let said = async {
        if sink.send(Message::Close(Some(close))).await.is_err() {
            // It said goodbye first: what answers it was not sent yet.
            let _ = sink.flush().await;
        }
    };
    let _ = tokio::time::timeout(GOODBYE, said).await;
}

/// Passes on what a client says.
async fn hear(mut stream: SplitStream<WebSocket>, mut to: WriteHalf<DuplexStream>, silence: Duration) -> End {
    loop {
        // It answers the questions whether it is there, which come twice as often.
        let message = match tokio::time::timeout(2 * silence, stream.next()).await {
            Ok(message) => message,
            Err(_) => return End(1001, "nothing was heard for long"),
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let mut line = text.as_bytes().to_vec();
                // Between the members of a message they are as good as spaces, and within a text they cannot stand.
                for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                    *byte = b' ';
                }
                line.push(b'\n');
                if to.write_all(&line).await.is_err() {
                    return End(1011, "the connection broke");
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return End(1003, "messages are text"),
            Some(Err(_)) => return End(1009, "what was sent is too long, or broken"),
            Some(Ok(Message::Close(_))) | None => return End(1000, "gone"),
        }
    }
}

/// Passes on what the agent says, and asks now and then whether somebody is there.
async fn tell(
    sink: &mut SplitSink<WebSocket, Message>,
    from: ReadHalf<DuplexStream>,
    silence: Duration,
) -> End {
    let mut from = BufReader::new(from);
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + silence, silence);
    let mut line = Vec::new();
    loop {
        let message = tokio::select! {
            // A line that was begun stays in `line` while somebody is asked whether they are there.
            read = line::more(&mut from, &mut line) => match read {
                Ok(true) => {
                    let text = String::from_utf8(std::mem::take(&mut line)).unwrap_or_default();
                    Message::Text(text.into())
                }
                Ok(false) | Err(_) => return End(1001, "the host ends"),
            },
            _ = pings.tick() => Message::Ping(Vec::new().into()),
        };
        match tokio::time::timeout(silence, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End(1000, "gone"),
            Err(_) => return End(1008, "too slow: a message was not read for long"),
        }
    }
}

mod line {
    use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

    /// Reads on until a line is whole, which then lies in `line` without its end; false where nothing more comes.
    /// Cancellation safe: what was read lies in `line`.
    pub(super) async fn more(
        from: &mut (impl AsyncBufRead + Unpin),
        line: &mut Vec<u8>,
    ) -> std::io::Result<bool> {
        loop {
            let there = from.fill_buf().await?;
            if there.is_empty() {
                return Ok(false);
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let part = end.and_then(|end| there.get(..end)).unwrap_or(there);
            line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            from.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
