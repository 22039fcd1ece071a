//! `write`: a whole file, in one step.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::{FileKind, Place};
use super::{Change, Context, Desk, Details, Limits, Outcome, Secrets, in_editor, writing};
use crate::secrets::Origin;

pub(crate) const DESCRIPTION: &str = "Write a file, whole: what was in it is replaced. Makes the directories that are \
    missing. To change a part of a file use edit.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "path": {"type": "string", "description": "The file, relative to the workspace or absolute"},
    "content": {"type": "string", "description": "All that shall be in it"}
  },
  "required": ["path", "content"],
  "additionalProperties": false
}"#;

/// Arguments of `write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteArguments {
    /// The file.
    pub path: String,
    /// All that shall be in it.
    pub content: String,
}

impl WriteArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        const ALL: &[&str] = &["path", "content"];
        Ok(Self {
            path: fields.needed_text("path", ALL)?,
            content: fields.needed_text("content", ALL)?,
        })
    }
}

pub(crate) async fn run(
    arguments: WriteArguments,
    path: PathBuf,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    if let Desk::Editor(editor) = &context.desk {
        return in_editor::write(&arguments, &path, editor, context).await;
    }
    let (limits, secrets) = (context.limits.clone(), context.secrets.clone());
    let file = path.clone();
    writing(context, &file, move || {
        write(&arguments.content, &path, &limits, &secrets)
    })
    .await
}

fn write(content: &str, path: &Path, limits: &Limits, secrets: &Secrets) -> Result<Outcome, ToolFailure> {
    let place = Place::make(path)?;
    let old = match place.kind()? {
        None => None,
        Some(FileKind::Symlink) => {
            return Err(ToolFailure::PathChanged {
                path: path.to_owned(),
            });
        }
        Some(FileKind::File) => Some(place.open_file()?),
        Some(found) => {
            return Err(ToolFailure::NotAFile {
                path: path.to_owned(),
                found,
            });
        }
    };
    let masking = &secrets.masking;
    let places = [Origin::File(path.into()), secrets.call.clone()];
    let (verb, change, len) = match old {
        None => {
            let content = masking.put_back(content, &places, b"")?;
            place.replace(content.as_bytes(), None)?;
            let change = Change::of_new(path, content.as_bytes(), limits, masking);
            ("Created", change, content.len())
        }
        Some((file, metadata)) => {
            let mut before = Vec::new();
            file.take(limits.edit_bytes + 1)
                .read_to_end(&mut before)
                .map_err(|error| ToolFailure::io("read", path, error))?;
            // What stands in the file now may go back into it.
            drop(masking.view(&before, &Origin::File(path.into())));
            let content = masking.put_back(content, &places, &before)?;
            place.replace(content.as_bytes(), Some(&metadata))?;
            let known = (before.len() as u64 <= limits.edit_bytes).then_some(before.as_slice());
            let change = Change::of_existing(path, known, content.as_bytes(), limits, masking);
            ("Replaced", change, content.len())
        }
    };
    let text = format!("{verb} {} ({len} bytes)", path.display());
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Change(change),
    })
}
