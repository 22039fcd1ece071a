//! `read`: a piece of a text file, from its start or from any line, however long the file is; or an image.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::Place;
use super::truncation::{Head, size};
use super::{Context, Desk, Details, Limits, Outcome, check_cancelled, in_editor, reading};
use crate::blobs::BlobStore;
use crate::images::{self, Picture};
use crate::secrets::{Masking, Origin, Stream};

pub(crate) const DESCRIPTION: &str = "Read a text file, or look at an image (PNG, JPEG, GIF, WebP). Of text gives at \
    most 2000 lines or 50 KiB, whichever comes first, and says with which offset to go on. Other files are not shown.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "path": {"type": "string", "description": "The file, relative to the workspace or absolute"},
    "offset": {"type": "integer", "minimum": 1, "description": "First line to read, from 1"},
    "limit": {"type": "integer", "minimum": 1, "description": "Most lines to read"}
  },
  "required": ["path"],
  "additionalProperties": false
}"#;

/// Arguments of `read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadArguments {
    /// The file.
    pub path: String,
    /// The first line, from 1.
    pub offset: Option<u64>,
    /// Most lines.
    pub limit: Option<u64>,
}

impl ReadArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        const ALL: &[&str] = &["path", "offset", "limit"];
        Ok(Self {
            path: fields.needed_text("path", ALL)?,
            offset: fields.number("offset", 1, u64::MAX)?,
            limit: fields.number("limit", 1, u64::MAX)?,
        })
    }
}

/// Which lines of a file were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The first, from 1.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Where to go on; `None` at the end of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Whether bytes that are not UTF-8 were replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lossy: bool,
}

/// How much of a file's start is looked at to tell text from the rest.
const SNIFF: usize = 8 * 1024;

/// How many lines before the first one are looked at for secrets: it may be a line of a private key.
const LINES_BEFORE: u64 = 512;

pub(crate) async fn run(
    arguments: ReadArguments,
    path: PathBuf,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    if let Desk::Editor(editor) = &context.desk
        && let Some(outcome) = in_editor::read(&arguments, &path, editor, context).await?
    {
        return Ok(outcome);
    }
    let limits = context.limits.clone();
    let (masking, blobs) = (context.secrets.masking.clone(), context.blobs.clone());
    reading(context, move |cancel| {
        read(&arguments, &path, &limits, &masking, &blobs, cancel)
    })
    .await
}

fn read(
    arguments: &ReadArguments,
    path: &std::path::Path,
    limits: &Limits,
    masking: &Masking,
    blobs: &BlobStore,
    cancel: &CancellationToken,
) -> Result<Outcome, ToolFailure> {
    let (file, metadata) = Place::find(path)?.open_file()?;
    let mut file = BufReader::with_capacity(64 * 1024, file);
    let unreadable = |error| ToolFailure::io("read", path, error);
    let start = file.fill_buf().map_err(unreadable)?;
    if images::is_image(start) {
        return look_at(file, path, masking, blobs);
    }
    if is_binary(start) {
        return Err(ToolFailure::Binary {
            path: path.to_owned(),
            len: metadata.len(),
        });
    }
    text(arguments, path, file, metadata.len(), limits, masking, cancel)
}

/// Whether the start of a file is no text.
pub(crate) fn is_binary(start: &[u8]) -> bool {
    memchr::memchr(0, start.get(..SNIFF).unwrap_or(start)).is_some()
}

/// Adds a note of ours behind a text.
pub(crate) fn add_note(text: &mut String, note: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(note);
}

/// The lines of a text of `len` bytes.
pub(crate) fn text(
    arguments: &ReadArguments,
    path: &std::path::Path,
    mut file: impl BufRead,
    len: u64,
    limits: &Limits,
    masking: &Masking,
    cancel: &CancellationToken,
) -> Result<Outcome, ToolFailure> {
    let unreadable = |error| ToolFailure::io("read", path, error);
    let first = arguments.offset.unwrap_or(1);
    let looked_at = first.saturating_sub(LINES_BEFORE).max(1);
    let mut masked = masking.stream(Origin::File(path.into()));
    for line in 1..first {
        let keep = if line < looked_at { 0 } else { limits.bytes };
        let Some(piece) = next_line(&mut file, keep, cancel).map_err(|stop| stop.told(path))? else {
            return Err(ToolFailure::BeyondEnd {
                path: path.to_owned(),
                offset: first,
                lines: line - 1,
            });
        };
        if line >= looked_at {
            piece.masked(&mut masked, limits.bytes);
        }
    }

    let most = arguments.limit.map_or(limits.lines, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX).min(limits.lines)
    });
    let mut head = Head::new(most, limits.bytes);
    let mut lossy = false;
    let mut too_long = None;
    let more = loop {
        let Some(piece) = next_line(&mut file, limits.bytes, cancel).map_err(|stop| stop.told(path))? else {
            break false;
        };
        let line_len = piece.len;
        let line = piece.masked(&mut masked, limits.bytes);
        let text = line.as_deref().map(String::from_utf8_lossy);
        let Some(text) = text.filter(|text| head.push(text)) else {
            if head.lines() == 0 {
                too_long = Some(line_len);
            }
            break true;
        };
        lossy |= matches!(text, std::borrow::Cow::Owned(_));
    };
    let count = head.lines() as u64;
    if count == 0 && !more && first > 1 {
        return Err(ToolFailure::BeyondEnd {
            path: path.to_owned(),
            offset: first,
            lines: first - 1,
        });
    }

    let mut text = head.into_text();
    let mut next = more.then_some(first + count);
    if let Some(line_len) = too_long {
        text = format!(
            "[Line {first} has {}, more than the {} that are shown at once. \
             Use bash: sed -n '{first}p' FILE | cut -b 1-2000]",
            size(line_len),
            size(limits.bytes as u64)
        );
        let is_last = file.fill_buf().map_err(unreadable)?.is_empty();
        next = (!is_last).then_some(first + 1);
    } else if let Some(next) = next {
        text.push_str(&format!(
            "\n[Lines {first} to {} of a file of {}. Go on with offset={next}.]",
            next - 1,
            size(len)
        ));
    } else if count == 0 {
        text = "[The file is empty.]".to_owned();
    }
    if lossy {
        text.push_str("\n[Some bytes are not valid UTF-8 and are shown as \u{FFFD}.]");
    }
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Lines(Lines {
            first,
            count,
            next,
            lossy,
        }),
    })
}

/// Takes an image in: a line for the model, and the image, which is kept before anyone hears of it.
fn look_at(
    mut file: BufReader<File>,
    path: &std::path::Path,
    masking: &Masking,
    blobs: &BlobStore,
) -> Result<Outcome, ToolFailure> {
    let failed = |why: String| ToolFailure::Image {
        path: path.to_owned(),
        why,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = masking.text(&name, &Origin::Elsewhere).into_owned();
    file.rewind()
        .map_err(|error| ToolFailure::io("read", path, error))?;
    let taken = images::read_all(file.into_inner()).and_then(|bytes| images::take_in(&name, bytes));
    let picture = taken.map_err(|error| failed(error.to_string()))?;
    images::keep(blobs, &picture).map_err(|error| failed(format!("cannot be kept: {error}")))?;
    let Picture { image, was, .. } = picture;
    let was = was.map(|(width, height)| format!(", made smaller from {width}x{height}"));
    Ok(Outcome {
        text: format!(
            "[image: {image}{}, {}, {}]",
            was.unwrap_or_default(),
            image.media.mime(),
            size(image.bytes)
        ),
        is_error: false,
        details: Details::Image(image),
    })
}

struct Piece {
    /// The line without its end, or its first bytes.
    kept: Vec<u8>,
    /// Its length in bytes.
    len: u64,
}

impl Piece {
    /// The line as it may be seen; `None` where it is longer than `most`, and is not seen at all.
    fn masked(self, masked: &mut Stream, most: usize) -> Option<Vec<u8>> {
        if self.len > most as u64 {
            masked.push(b"\n");
            return None;
        }
        let mut line = masked.push(&self.kept).into_owned();
        line.extend_from_slice(&masked.push(b"\n"));
        line.pop();
        Some(line)
    }
}

/// Why reading stopped.
enum Stop {
    Cancelled,
    Io(std::io::Error),
}

impl Stop {
    fn told(self, path: &std::path::Path) -> ToolFailure {
        match self {
            Self::Cancelled => ToolFailure::Cancelled,
            Self::Io(error) => ToolFailure::io("read", path, error),
        }
    }
}

/// Reads to the end of a line and keeps at most one byte more than `keep`, so that nothing of any length is held.
fn next_line(
    file: &mut impl BufRead,
    keep: usize,
    cancel: &CancellationToken,
) -> Result<Option<Piece>, Stop> {
    let mut piece = Piece {
        kept: Vec::new(),
        len: 0,
    };
    let mut any = false;
    loop {
        if check_cancelled(cancel).is_err() {
            return Err(Stop::Cancelled);
        }
        let buffer = file.fill_buf().map_err(Stop::Io)?;
        if buffer.is_empty() {
            return Ok(any.then_some(piece));
        }
        any = true;
        let end = memchr::memchr(b'\n', buffer);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let room = (keep + 1).saturating_sub(piece.kept.len());
        piece.kept.extend_from_slice(part.get(..room).unwrap_or(part));
        piece.len += part.len() as u64;
        let used = end.map_or(part.len(), |end| end + 1);
        file.consume(used);
        if end.is_some() {
            return Ok(Some(piece));
        }
    }
}
