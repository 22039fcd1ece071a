//! Files as they are in an editor: read from what it has open, changed through it.
//!
//! The path is the one that was judged, and it is looked at on the disk first: what is no regular file there, or was
//! swapped for a symbolic link, is refused before the editor hears of it. What is no text stays the disk's affair.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::open::{FileKind, Place};
use super::{Change, Context, Details, Outcome, ToolFailure, edit, locked, read, reading, working, write};
use crate::editors::{Answer, Editor, EditorError};
use crate::images;
use crate::secrets::Origin;

/// Where a call works.
#[derive(Clone)]
pub enum Desk {
    /// On the disk, and in a shell of its own.
    Disk,
    /// There too, though the last such call worked in this editor, which does not lend that any more.
    Left(Arc<str>),
    /// In an editor.
    Editor(InEditor),
}

/// Hears that an editor's word is waited for; with the terminal, where it is about one.
pub type Placed = Arc<dyn Fn(Option<&Arc<str>>) + Send + Sync>;

/// An editor in which a call works.
#[derive(Clone)]
pub struct InEditor {
    /// The editor.
    pub editor: Arc<dyn Editor>,
    /// Hears that its word is waited for.
    pub placed: Placed,
}

/// Longest word of an editor about why it does not do something, in bytes.
const WORDS: usize = 1000;

/// What was wanted of an editor that did not come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It left before it answered.
    Left,
    /// It said no, and why.
    Refused(String),
    /// It did not answer for so many seconds.
    Silent(u64),
}

impl InEditor {
    pub(crate) fn name(&self) -> String {
        self.editor.name().to_string()
    }

    /// What the editor says, within its time; `None` where it has no such thing. `done` says whether what it was asked
    /// may be done though it has not said so.
    pub(crate) async fn hear<T>(
        &self,
        wanted: &str,
        done: bool,
        answer: Answer<T>,
        most: Duration,
    ) -> Result<Option<T>, ToolFailure> {
        let trouble = match tokio::time::timeout(most, answer).await {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(EditorError::NotFound)) => return Ok(None),
            Ok(Err(EditorError::Gone)) => Trouble::Left,
            Ok(Err(EditorError::Refused(why))) => {
                let end = why.floor_char_boundary(WORDS);
                Trouble::Refused(why.get(..end).unwrap_or_default().to_owned())
            }
            Err(_) => Trouble::Silent(most.as_secs()),
        };
        Err(self.failed(wanted, done, trouble))
    }

    pub(crate) fn failed(&self, wanted: &str, done: bool, trouble: Trouble) -> ToolFailure {
        ToolFailure::Editor {
            editor: self.name(),
            wanted: wanted.to_owned(),
            unsure: done && !matches!(trouble, Trouble::Refused(_)),
            trouble,
        }
    }

    /// The text of a file, `None` where the editor has no such file. A cancel is not waited out.
    async fn text(&self, path: &Path, context: &Context) -> Result<Option<String>, ToolFailure> {
        (self.placed)(None);
        let wanted = format!("read {}", path.display());
        let heard = self.hear(&wanted, false, self.editor.read(path), context.limits.editor_time);
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(ToolFailure::Cancelled),
            text = heard => text,
        }
    }

    /// Has the editor write. What it began is waited for even where the call is cancelled: it ends as what it was.
    async fn put(&self, path: &Path, text: String, context: &Context) -> Result<(), ToolFailure> {
        let wanted = format!("write {}", path.display());
        let answer = self.editor.write(path, text);
        match self
            .hear(&wanted, true, answer, context.limits.editor_time)
            .await?
        {
            Some(()) => Ok(()),
            None => Err(self.failed(&wanted, true, Trouble::Refused("it has no such file".to_owned()))),
        }
    }
}

/// What the disk has at a path.
enum OnDisk {
    Nothing,
    /// Bytes that are no text, an image say.
    NoText,
    /// The first bytes of a text, one more than is taken at most.
    Text(Vec<u8>),
}

fn look(path: &Path, most: u64) -> Result<OnDisk, ToolFailure> {
    let opened = Place::find(path).and_then(|place| match place.kind()? {
        None => Ok(None),
        Some(FileKind::Symlink) => Err(ToolFailure::PathChanged {
            path: path.to_owned(),
        }),
        Some(_) => place.open_file().map(Some),
    });
    let file: File = match opened {
        Ok(Some((file, _))) => file,
        Ok(None) | Err(ToolFailure::NotFound { .. }) => return Ok(OnDisk::Nothing),
        Err(failure) => return Err(failure),
    };
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| ToolFailure::io("read", path, error))?;
    let is_text = !images::is_image(&bytes) && !read::is_binary(&bytes);
    Ok(if is_text {
        OnDisk::Text(bytes)
    } else {
        OnDisk::NoText
    })
}

/// Whether a text of an editor is what the disk has. Editors leave out a mark of byte order, and have their own ends of
/// lines.
fn is_saved(text: &str, bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes();
    let plain = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().filter(|byte| *byte != b'\r').collect() };
    text == bytes || plain(text) == plain(bytes)
}

fn too_large(tool: super::Tool, path: &Path, len: usize, most: u64) -> Result<(), ToolFailure> {
    match len as u64 > most {
        false => Ok(()),
        true => Err(ToolFailure::TooLarge {
            tool,
            path: path.to_owned(),
            len: len as u64,
            most,
        }),
    }
}

/// Reads a file as it is in an editor; `None` where that is the disk's affair.
pub(crate) async fn read(
    arguments: &read::ReadArguments,
    path: &Path,
    desk: &InEditor,
    context: &Context,
) -> Result<Option<Outcome>, ToolFailure> {
    let most = context.limits.edit_bytes;
    let (there, at) = (path.to_owned(), path.to_owned());
    let on_disk = reading(context, move |_| look(&there, most)).await?;
    if let OnDisk::NoText = on_disk {
        return Ok(None);
    }
    let Some(text) = desk.text(path, context).await? else {
        return Err(match on_disk {
            OnDisk::Nothing => ToolFailure::NotFound {
                path: path.to_owned(),
            },
            _ => desk.failed(
                &format!("read {}", path.display()),
                false,
                Trouble::Refused("it has no such file".to_owned()),
            ),
        });
    };
    too_large(super::Tool::Read, path, text.len(), most)?;
    let (arguments, limits) = (arguments.clone(), context.limits.clone());
    let (masking, name) = (context.secrets.masking.clone(), desk.name());
    let outcome = reading(context, move |cancel: &CancellationToken| {
        let note = match &on_disk {
            OnDisk::Nothing => Some(format!(
                "[This is what the editor `{name}` has. On the disk there is no such file.]"
            )),
            OnDisk::Text(bytes) if !is_saved(&text, bytes) => Some(format!(
                "[This is what the editor `{name}` has. It is not saved: the disk, and with it `grep` and commands, has \
                 something else.]"
            )),
            OnDisk::Text(_) | OnDisk::NoText => None,
        };
        let len = text.len() as u64;
        let mut outcome = read::text(&arguments, &at, Cursor::new(text), len, &limits, &masking, cancel)?;
        if let Some(note) = note {
            read::add_note(&mut outcome.text, &note);
        }
        Ok(outcome)
    });
    outcome.await.map(Some)
}

/// Changes a file as it is in an editor; `None` where that is the disk's affair.
pub(crate) async fn edit(
    arguments: &edit::EditArguments,
    path: &Path,
    desk: &InEditor,
    context: &Context,
) -> Result<Option<Outcome>, ToolFailure> {
    // One writer per file, from what it reads to what it writes.
    let _lock = locked(context, path).await?;
    let most = context.limits.edit_bytes;
    let there = path.to_owned();
    let on_disk = reading(context, move |_| look(&there, most)).await?;
    if let OnDisk::NoText = on_disk {
        return Ok(None);
    }
    let Some(before) = desk.text(path, context).await? else {
        return Err(ToolFailure::NotFound {
            path: path.to_owned(),
        });
    };
    too_large(super::Tool::Edit, path, before.len(), most)?;
    let (edits, at, secrets) = (arguments.edits.clone(), path.to_owned(), context.secrets.clone());
    let (before, after) = working(move || {
        let after = edit::changed(&edits, before.as_bytes(), &at, &secrets)?;
        Ok((before, after))
    })
    .await?;
    let after = String::from_utf8(after).map_err(|broken| ToolFailure::Broken {
        message: broken.to_string(),
    })?;
    super::check_cancelled(&context.cancel)?;
    desk.put(path, after.clone(), context).await?;
    let (at, limits, masking) = (
        path.to_owned(),
        context.limits.clone(),
        context.secrets.masking.clone(),
    );
    let change = working(move || {
        let before = Some(before.as_bytes());
        Ok(Change::of_existing(
            &at,
            before,
            after.as_bytes(),
            &limits,
            &masking,
        ))
    });
    Ok(Some(Outcome {
        text: format!(
            "{} in the editor `{}`",
            edit::told(path, &arguments.edits),
            desk.name()
        ),
        is_error: false,
        details: Details::Change(change.await?),
    }))
}

/// Writes a whole file through an editor.
pub(crate) async fn write(
    arguments: &write::WriteArguments,
    path: &Path,
    desk: &InEditor,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    let _lock = locked(context, path).await?;
    let most = context.limits.edit_bytes;
    let there = path.to_owned();
    let on_disk = working(move || {
        // Also makes the directories that are missing.
        drop(Place::make(&there)?);
        look(&there, most)
    })
    .await?;
    let reads = desk.editor.offers().read && !matches!(on_disk, OnDisk::NoText);
    let before = match on_disk {
        OnDisk::NoText => Some(None),
        _ if reads => desk.text(path, context).await?.map(Some),
        OnDisk::Nothing => None,
        OnDisk::Text(bytes) => Some(String::from_utf8(bytes).ok()),
    };
    let (content, at, secrets) = (
        arguments.content.clone(),
        path.to_owned(),
        context.secrets.clone(),
    );
    let (before, content) = working(move || {
        let stood = before.as_ref().and_then(Option::as_ref);
        let stood = stood.map(String::as_bytes).unwrap_or_default();
        // What stands in the file now may go back into it.
        drop(secrets.masking.view(stood, &Origin::File(at.as_path().into())));
        let places = [Origin::File(at.as_path().into()), secrets.call.clone()];
        let content = secrets.masking.put_back(&content, &places, stood)?.into_owned();
        Ok((before, content))
    })
    .await?;
    super::check_cancelled(&context.cancel)?;
    if !reads {
        (desk.placed)(None);
    }
    desk.put(path, content.clone(), context).await?;
    let verb = if before.is_some() { "Replaced" } else { "Created" };
    let text = format!(
        "{verb} {} ({} bytes) in the editor `{}`",
        path.display(),
        content.len(),
        desk.name()
    );
    let (at, limits, masking) = (
        path.to_owned(),
        context.limits.clone(),
        context.secrets.masking.clone(),
    );
    let change = working(move || {
        let after = content.as_bytes();
        Ok(match &before {
            None => Change::of_new(&at, after, &limits, &masking),
            Some(before) => {
                let known = before.as_ref().filter(|before| before.len() as u64 <= most);
                Change::of_existing(&at, known.map(String::as_bytes), after, &limits, &masking)
            }
        })
    });
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Change(change.await?),
    })
}
