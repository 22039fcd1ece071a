//! `edit`: replaces exact pieces of a file, all of them or none.
//!
//! Every `old_text` is looked for in the file as it was, so the order of the edits does not matter. It must be there
//! exactly once and must not overlap another. Bytes outside the pieces stay as they are, a byte order mark included.
//!
//! Models write `\n`. In a file whose lines end with CRLF an `old_text` that is not there as it stands is looked for
//! with its line ends converted, and what replaces it is converted likewise.
//!
//! Models see placeholders where secrets stand, and so an edit is looked for in the file as they see it. What it replaces
//! is the file's own bytes, and placeholders in `new_text` become what they stand for.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
pub use super::nearest_text::NearestText;
use super::nearest_text::nearest_text;
use super::open::Place;
use super::{Change, Context, Desk, Details, Limits, Outcome, Secrets, Tool, in_editor, writing};
use crate::secrets::{NotPutBack, Origin};

pub(crate) const DESCRIPTION: &str = "Replace exact pieces of a file. Each old_text must stand in the file exactly \
    once, to the last space; give enough lines around it. All edits refer to the file as it is now and must not \
    overlap. Either all are made or none.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "path": {"type": "string", "description": "The file, relative to the workspace or absolute"},
    "edits": {
      "type": "array",
      "minItems": 1,
      "items": {
        "type": "object",
        "properties": {
          "old_text": {"type": "string", "description": "What stands there now, exactly and only once"},
          "new_text": {"type": "string", "description": "What shall stand there"}
        },
        "required": ["old_text", "new_text"],
        "additionalProperties": false
      }
    }
  },
  "required": ["path", "edits"],
  "additionalProperties": false
}"#;

/// Arguments of `edit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditArguments {
    /// The file.
    pub path: String,
    /// What to replace; at least one.
    pub edits: Vec<Edit>,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What stands there now.
    pub old_text: String,
    /// What shall stand there.
    pub new_text: String,
}

impl EditArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        const ALL: &[&str] = &["path", "edits"];
        const EDIT: &[&str] = &["old_text", "new_text"];
        let path = fields.needed_text("path", ALL)?;
        let edits = fields
            .needed_objects("edits", ALL)?
            .into_iter()
            .map(|mut fields| {
                let edit = Edit {
                    old_text: fields.needed_text("old_text", EDIT)?,
                    new_text: fields.needed_text("new_text", EDIT)?,
                };
                fields.done()?;
                Ok(edit)
            })
            .collect::<Result<_, Unfit>>()?;
        Ok(Self { path, edits })
    }
}

/// How an edit does not fit its file. Indices count from 0, as in `edits[0]`.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// Nothing to look for.
    #[error("edits[{index}].old_text is empty; to write a whole file use `write`")]
    Empty {
        /// Which edit.
        index: usize,
    },
    /// Old and new are the same.
    #[error("edits[{index}] changes nothing: old_text and new_text are the same")]
    NoChange {
        /// Which edit.
        index: usize,
    },
    /// It is not there.
    #[error("edits[{index}].old_text is not in the file.{}", like(nearest.as_ref()))]
    NotFound {
        /// Which edit.
        index: usize,
        /// What is most like it.
        nearest: Option<NearestText>,
    },
    /// It is there more than once.
    #[error("edits[{index}].old_text stands in the file {count} times{}, first in the lines {}; \
             add lines around it until it is unique", if *count == MOST_COUNTED { " or more" } else { "" }, list(lines))]
    NotUnique {
        /// Which edit.
        index: usize,
        /// How often; counted up to 100.
        count: usize,
        /// The first lines where it starts, from 1.
        lines: Vec<usize>,
    },
    /// Two edits want the same bytes.
    #[error("edits[{first}] and edits[{second}] overlap; make one of them")]
    Overlap {
        /// The one that starts earlier in the file.
        first: usize,
        /// The other.
        second: usize,
    },
}

fn list(lines: &[usize]) -> String {
    lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn like(nearest: Option<&NearestText>) -> String {
    match nearest {
        None => " Nothing there is like it; read the file first".to_owned(),
        Some(NearestText {
            line,
            similarity,
            text,
            only_whitespace,
        }) => format!(
            " The nearest is at line {line} ({similarity}% alike{}):\n{}{}",
            if *only_whitespace {
                ", only spaces, tabs or line ends differ"
            } else {
                ""
            },
            text,
            if text.ends_with('\n') {
                "(end of the nearest text)"
            } else {
                "\n(end of the nearest text)"
            },
        ),
    }
}

pub(crate) async fn run(
    arguments: EditArguments,
    path: PathBuf,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    if let Desk::Editor(editor) = &context.desk
        && let Some(outcome) = in_editor::edit(&arguments, &path, editor, context).await?
    {
        return Ok(outcome);
    }
    let (limits, secrets) = (context.limits.clone(), context.secrets.clone());
    let file = path.clone();
    writing(context, &file, move || {
        edit(&arguments.edits, &path, &limits, &secrets)
    })
    .await
}

fn edit(edits: &[Edit], path: &Path, limits: &Limits, secrets: &Secrets) -> Result<Outcome, ToolFailure> {
    let place = Place::find(path)?;
    let (file, metadata) = place.open_file()?;
    let mut before = Vec::new();
    file.take(limits.edit_bytes + 1)
        .read_to_end(&mut before)
        .map_err(|error| ToolFailure::io("read", path, error))?;
    if before.len() as u64 > limits.edit_bytes {
        return Err(ToolFailure::TooLarge {
            tool: Tool::Edit,
            path: path.to_owned(),
            len: metadata.len(),
            most: limits.edit_bytes,
        });
    }
    let after = changed(edits, &before, path, secrets)?;
    place.replace(&after, Some(&metadata))?;
    let change = Change::of_existing(path, Some(&before), &after, limits, &secrets.masking);
    Ok(Outcome {
        text: told(path, edits),
        is_error: false,
        details: Details::Change(change),
    })
}

/// What the model is told.
pub(crate) fn told(path: &Path, edits: &[Edit]) -> String {
    format!(
        "Edited {} ({} {})",
        path.display(),
        edits.len(),
        if edits.len() == 1 {
            "replacement"
        } else {
            "replacements"
        }
    )
}

/// The content of a file after the edits.
pub(crate) fn changed(
    edits: &[Edit],
    before: &[u8],
    path: &Path,
    secrets: &Secrets,
) -> Result<Vec<u8>, ToolFailure> {
    let masking = &secrets.masking;
    let file = Origin::File(path.into());
    let seen = masking.view(before, &file);
    let pieces = pieces(seen.bytes(), edits).map_err(|mismatch| ToolFailure::Mismatch {
        path: path.to_owned(),
        mismatch,
    })?;
    let places = [file, secrets.call.clone()];
    let mut after = Vec::with_capacity(before.len());
    let mut done = 0;
    for piece in pieces {
        let index = piece.index;
        let range = seen.place(&piece.range).ok_or(NotPutBack::Cut { index })?;
        after.extend_from_slice(before.get(done..range.start).unwrap_or_default());
        let new = masking.put_back(&piece.new, &places, before)?;
        after.extend_from_slice(new.as_bytes());
        done = range.end;
    }
    after.extend_from_slice(before.get(done..).unwrap_or_default());
    Ok(after)
}

/// What an edit replaces, and by what.
pub(crate) struct Piece<'e> {
    pub(crate) range: Range<usize>,
    pub(crate) index: usize,
    pub(crate) new: Cow<'e, str>,
}

/// What is to be replaced in the content, in its order.
pub(crate) fn pieces<'e>(content: &[u8], edits: &'e [Edit]) -> Result<Vec<Piece<'e>>, Mismatch> {
    let crlf = memchr::memchr(b'\n', content).is_some_and(|at| at > 0 && content.get(at - 1) == Some(&b'\r'));
    let mut pieces = Vec::with_capacity(edits.len());
    for (index, edit) in edits.iter().enumerate() {
        if edit.old_text.is_empty() {
            return Err(Mismatch::Empty { index });
        }
        if edit.old_text == edit.new_text {
            return Err(Mismatch::NoChange { index });
        }
        let (range, new) = find(content, index, edit, crlf)?;
        pieces.push(Piece { range, index, new });
    }
    pieces.sort_by_key(|piece| piece.range.start);
    for (earlier, later) in pieces.iter().zip(pieces.iter().skip(1)) {
        if earlier.range.end > later.range.start {
            return Err(Mismatch::Overlap {
                first: earlier.index,
                second: later.index,
            });
        }
    }
    Ok(pieces)
}

fn find<'e>(
    content: &[u8],
    index: usize,
    edit: &'e Edit,
    crlf: bool,
) -> Result<(Range<usize>, Cow<'e, str>), Mismatch> {
    let exact = only(content, edit.old_text.as_bytes(), index)?;
    if let Some(range) = exact {
        // What it replaces has line ends as the model wrote them, unless it has none.
        let as_written = !crlf || edit.old_text.contains('\n');
        return Ok((
            range,
            if as_written {
                Cow::Borrowed(edit.new_text.as_str())
            } else {
                with_crlf(&edit.new_text)
            },
        ));
    }
    let old = if crlf {
        with_crlf(&edit.old_text)
    } else {
        Cow::Borrowed(edit.old_text.as_str())
    };
    match only(content, old.as_bytes(), index)? {
        Some(range) => Ok((range, with_crlf(&edit.new_text))),
        None => Err(Mismatch::NotFound {
            index,
            nearest: nearest_text(content, old.as_bytes()),
        }),
    }
}

/// Where something stands this often, the exact number is of no use and counting it could take long.
const MOST_COUNTED: usize = 100;

/// The one place where it stands; `None` where it does not.
fn only(content: &[u8], wanted: &[u8], index: usize) -> Result<Option<Range<usize>>, Mismatch> {
    let finder = memmem::Finder::new(wanted);
    let mut starts = Vec::new();
    let mut count = 0;
    let mut from = 0;
    // One byte on each time: what overlaps itself is not unique either.
    while let Some(at) = content.get(from..).and_then(|rest| finder.find(rest)) {
        count += 1;
        if starts.len() < 3 {
            starts.push(from + at);
        }
        if count == MOST_COUNTED {
            break;
        }
        from += at + 1;
    }
    match starts.as_slice() {
        [] => Ok(None),
        [start] => Ok(Some(*start..*start + wanted.len())),
        _ => {
            let line = |&start: &usize| {
                1 + memchr::memchr_iter(b'\n', content.get(..start).unwrap_or_default()).count()
            };
            Err(Mismatch::NotUnique {
                index,
                count,
                lines: starts.iter().map(line).collect(),
            })
        }
    }
}

/// With every lone `\n` made `\r\n`.
fn with_crlf(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\n', "\r\n"))
}
