//! Lines of bytes that somebody else sends, with a cap on their length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Most bytes of a line.
pub const LINE_BYTES: usize = 1 << 20;
/// Most levels of arrays and objects in a message.
pub const DEPTH: usize = 64;

/// What comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line with more than [`LINE_BYTES`]. Nothing after it is read.
    TooLong,
    /// Nothing more comes. What had no end of line is dropped.
    End,
}

/// The next line. Not cancellation safe: what was read of a line lies in `line`.
///
/// # Errors
/// What the reader says.
pub async fn next(
    reader: &mut (impl AsyncBufRead + Unpin),
    most: usize,
    line: &mut Vec<u8>,
) -> std::io::Result<Line> {
    loop {
        let there = reader.fill_buf().await?;
        if there.is_empty() {
            return Ok(Line::End);
        }
        let (taken, ends) = match there.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end, true),
            None => (there.len(), false),
        };
        if line.len() + taken > most {
            return Ok(Line::TooLong);
        }
        line.extend(there.iter().take(taken));
        reader.consume(taken + usize::from(ends));
        if ends {
            return Ok(Line::Whole(std::mem::take(line)));
        }
    }
}

/// How deep the arrays and objects of a text are nested; of a text that is no JSON, anything.
pub fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
