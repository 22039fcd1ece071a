//! Lines of JSON over a stream of bytes: how the protocol travels over standard input and output, and over a socket.
//!
//! Two things have a cap here that the protocol's own library leaves open: how long a line may be that comes in, and
//! how many updates may wait for a client that does not read them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::sync::Notify;

/// Most bytes of a line that comes in: an image of the greatest size that is taken, as text, and room beside it.
pub const LINE_BYTES: usize = 48 << 20;

/// Most updates that wait for a client to read them. After that the session is followed no further until it does; what
/// it misses meanwhile is told as a gap.
pub const UPDATES_WAITING: usize = 256;

/// What stands for a line that is too long. It is no JSON, so it is answered as such.
const TOO_LONG: &str = "a line that is longer than is taken";

/// How updates are told apart in what is written. Within a text the quotes would be escaped.
const UPDATE: &str = r#""method":"session/update""#;

/// The next line that comes in. What is no UTF-8 in it is replaced, so that it is an answer that says so, not an end. Not
/// cancellation safe.
pub(super) async fn next(input: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let buffered = input.fill_buf().await?;
        if buffered.is_empty() {
            return Ok((!line.is_empty() || too_long).then(|| text(line, too_long)));
        }
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let part = end.and_then(|end| buffered.get(..end)).unwrap_or(buffered);
        let used = part.len() + usize::from(end.is_some());
        if line.len().saturating_add(part.len()) > most {
            too_long = true;
            line = Vec::new();
        } else if !too_long {
            line.extend_from_slice(part);
        }
        input.consume(used);
        if end.is_none() {
            continue;
        }
        if too_long || !line.trim_ascii().is_empty() {
            return Ok(Some(text(line, too_long)));
        }
        // A line with nothing on it asks for nothing.
        line.clear();
    }
}

fn text(line: Vec<u8>, too_long: bool) -> String {
    match too_long {
        true => TOO_LONG.to_owned(),
        false => String::from_utf8(line)
            .unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned()),
    }
}

/// Whether a line that goes out is an update.
pub(super) fn is_update(line: &str) -> bool {
    line.contains(UPDATE)
}

/// How many updates wait to be written.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waiting: AtomicUsize,
    room: Notify,
}

impl Pace {
    /// Waits until there is room for one more update, and takes it.
    pub(super) async fn take(&self) {
        loop {
            let room = self.room.notified();
            if self.waiting.load(Ordering::Acquire) < UPDATES_WAITING {
                self.waiting.fetch_add(1, Ordering::AcqRel);
                return;
            }
            room.await;
        }
    }

    pub(super) fn written(&self) {
        // One that was never taken is not counted back.
        let fewer = |waiting: usize| waiting.checked_sub(1);
        let _ = self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
        self.room.notify_waiters();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines(bytes: &[u8], most: usize) -> Vec<String> {
        let mut input = BufReader::with_capacity(3, bytes);
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input, most).await.unwrap() {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_cut_at_their_ends_and_capped() {
        let table: [(&[u8], usize, &[&str]); 7] = [
            (b"", 8, &[]),
            (b"one\ntwo\n", 8, &["one", "two"]),
            (b"one\n\n  \ntwo", 8, &["one", "two"]),
            (b"exactly8\nno", 8, &["exactly8", "no"]),
            (b"more than 8\nno\n", 8, &[TOO_LONG, "no"]),
            (b"more than 8, and no end", 8, &[TOO_LONG]),
            (b"\xff\xe2\x82\nx\0y\n", 8, &["\u{fffd}\u{fffd}", "x\0y"]),
        ];
        for (bytes, most, expected) in table {
            assert_eq!(lines(bytes, most).await, expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn who_does_not_read_is_waited_for() {
        let pace = Pace::default();
        for _ in 0..UPDATES_WAITING {
            pace.take().await;
        }
        let mut one_more = Box::pin(pace.take());
        assert!(futures_util::poll!(&mut one_more).is_pending());
        pace.written();
        assert!(futures_util::poll!(&mut one_more).is_ready());
    }
}
