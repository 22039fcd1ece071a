//! Which protocol somebody speaks who has connected: their first line says so.

use std::io::Cursor;

use glasswork_app_runtime::attachments::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::host::{Offer, Stage};
use super::line::{self, LINE_BYTES, Line};
use super::message::{Request, answer};
use super::talk::Talk;
use crate::acp;

/// Speaks with somebody until they leave, or the host ends: the Agent Client Protocol with whoever begins with its
/// `initialize`, and with others the host's own methods alone, which that protocol has too.
pub(super) async fn welcome(
    connection: Connection,
    offer: Offer,
    stream: UnixStream,
    mut stage: watch::Receiver<Stage>,
) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let first = loop {
        let mut line = Vec::new();
        let next = tokio::select! {
            next = line::next(&mut reading, LINE_BYTES, &mut line) => next,
            _ = stage.wait_for(|stage| *stage == Stage::Over) => return,
        };
        match next {
            Ok(Line::Whole(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(Line::Whole(line)) => break line,
            Ok(Line::TooLong) => {
                let wrong = Request::too_long();
                // They may have left already.
                let _ = writing
                    .write_all(answer(None, Err(*wrong.fault)).as_bytes())
                    .await;
                return;
            }
            Ok(Line::End) | Err(_) => return,
        }
    };
    let is_editor = Request::read(&first).is_ok_and(|request| request.method == "initialize");
    if !is_editor {
        return Talk::hold(connection, &offer, first, reading, writing, stage).await;
    }
    let line = [first, b"\n".to_vec()].concat();
    let over = async move { drop(stage.wait_for(|stage| *stage == Stage::Over).await) };
    let input = Cursor::new(line).chain(reading);
    // How the connection ended is the client's affair.
    let _ = acp::serve_attached(connection, &offer, input, writing, over).await;
}
