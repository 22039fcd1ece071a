//! Taking in a conversation that another agent has written down.
//!
//! A file becomes a session whose id follows from its content, so that importing it again finds it. The conversation
//! comes in batches, each an event within a line of the journal; where a process ends in between, importing the file
//! again goes on behind the last one. A copy of the file stays with the session as a blob, its secrets masked like all that
//! comes to a session: what is too long for an entry, or not known here, can still be looked up in it.

mod own;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_agent_session::blobs::{BlobError, Digest};
pub use glasswork_agent_session::foreign::Format;
use glasswork_agent_session::foreign::{self, Body, Transcript};
use glasswork_ai::conversation::Block;
use glasswork_ai::model::ModelId;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::call::BlobRef;
use glasswork_session_state::import::{Begun, Called, Ended, Entry, Event, Left, Origin, Said};
use glasswork_session_state::tree::LABEL_BYTES;
pub use own::{Own, OwnError, Returned, manifest_of, recognise, take_back};
use serde::Serialize;

/// The longest text that an entry holds, in bytes; the rest is in the file.
const TEXT: usize = 48 << 10;
/// How much of entries goes into one event, in bytes of JSON. A line holds them twice: as asked for, and as decided.
const BATCH: usize = 384 << 10;
/// Most entries of one event.
const BATCH_ENTRIES: usize = 512;
/// The longest file, in bytes: it is read whole.
pub const MAX_FILE: u64 = 1 << 30;

/// Why a conversation was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is too long.
    #[error("{} has {bytes} bytes; a file of more than {MAX_FILE} is not imported", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// It is no transcript.
    #[error("{}: {error}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: foreign::ForeignError,
    },
    /// There is no telling where the session should work.
    #[error(
        "{}: the session worked in {}, which is no directory here; say where it shall work (`--workspace DIR`)",
        path.display(),
        workspace.as_deref().unwrap_or("an unknown directory")
    )]
    NoWorkspace {
        /// The file.
        path: PathBuf,
        /// Where it worked.
        workspace: Option<String>,
    },
    /// A part of it is here, and was read otherwise than this build reads it.
    #[error("{session} holds a part of this file, as another version read it; import it as a new session")]
    ReadOtherwise {
        /// The session.
        session: ScopeId,
    },
    /// The file could not be kept.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A file that was read and can be imported.
#[derive(Debug)]
pub struct Plan {
    /// The session that it will be.
    pub session: ScopeId,
    transcript: Transcript,
    workspace: PathBuf,
    file: PathBuf,
    pub(crate) bytes: Arc<Vec<u8>>,
    content: BlobRef,
    batches: Vec<Vec<Entry>>,
    /// How many texts are longer than an entry holds.
    cut: u64,
    /// The conversations of agents that it called, each with the entry that had it called, by its place.
    called: Vec<(Plan, u32)>,
}

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// It is a new session.
    New,
    /// A part of it was here; now it is whole.
    Completed,
    /// It was here already.
    AlreadyHere,
}

/// What was read from a file, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The session that it is, or would be.
    pub session: ScopeId,
    /// What came of it; `None` where nothing was done yet.
    pub result: Option<Imported>,
    /// Its format.
    pub format: Format,
    /// The version of the format, or of the program that wrote it.
    pub version: Option<Arc<str>>,
    /// What people call it.
    pub title: Option<Arc<str>>,
    /// Where it will work.
    pub workspace: PathBuf,
    /// The model that was asked last.
    pub model: Option<ModelId>,
    /// Entries of the conversation, on all branches.
    pub entries: usize,
    /// Those of them that a model would be sent.
    pub sent: usize,
    /// Texts that are longer than an entry holds.
    pub cut: u64,
    /// What of the file is not in the conversation, or not as it was.
    pub left: Vec<foreign::Left>,
    /// The conversations of agents that it called, each a session of its own.
    pub called: Vec<Self>,
}

/// Something of a file that is not in the conversation, in words.
#[must_use]
pub fn left_text(left: &foreign::Left) -> String {
    let lines: Vec<String> = left.lines.iter().map(ToString::to_string).collect();
    let more = if left.count > left.lines.len() as u64 {
        ", …"
    } else {
        ""
    };
    let (count, kind, why) = (left.count, &left.kind, left.why.text());
    format!("{count} × {kind}: {why} (line {}{more})", lines.join(", "))
}

/// Reads a file of at most [`MAX_FILE`] bytes.
///
/// # Errors
/// [`ImportError`].
pub fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    let unreadable = |error| ImportError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(std::io::Error::other("it is no regular file")));
    }
    if metadata.len() > MAX_FILE {
        return Err(ImportError::TooLong {
            path: path.to_owned(),
            bytes: metadata.len(),
        });
    }
    std::fs::read(path).map_err(unreadable)
}

impl Plan {
    /// Reads a transcript out of the bytes of a file.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn of(
        file: &Path,
        bytes: Vec<u8>,
        format: Option<Format>,
        workspace: Option<&Path>,
    ) -> Result<Self, ImportError> {
        let foreign = |error| ImportError::Foreign {
            path: file.to_owned(),
            error,
        };
        let format = format.or_else(|| Format::detect(&bytes));
        let format = format.ok_or_else(|| foreign(foreign::ForeignError::Unrecognised))?;
        let mut transcript = foreign::parse(format, &bytes).map_err(foreign)?;
        let named = transcript.workspace.as_deref().unwrap_or_default();
        let workspace = workspace.unwrap_or(Path::new(named));
        let Some(workspace) = directory(workspace) else {
            let named = workspace.to_string_lossy().into_owned();
            return Err(ImportError::NoWorkspace {
                path: file.to_owned(),
                workspace: (!named.is_empty()).then_some(named),
            });
        };
        let mut called = vec![];
        for foreign::Aside { title, entry, lines } in std::mem::take(&mut transcript.asides) {
            let bytes = foreign::only(&bytes, &lines);
            match foreign::parse(format, &bytes) {
                Ok(mut aside) => {
                    aside.title = aside.title.or(title);
                    let named = aside.workspace.as_deref().map(Path::new);
                    let workspace = named.and_then(directory).unwrap_or_else(|| workspace.clone());
                    let plan = Self::made(file, bytes, aside, workspace, vec![]);
                    called.push((plan, count(entry.unwrap_or(0))));
                }
                Err(_) => transcript.left.push(foreign::Left {
                    why: foreign::Why::Empty,
                    kind: "sidechain".to_owned(),
                    count: lines.len() as u64,
                    lines: lines.into_iter().take(foreign::PLACES).collect(),
                }),
            }
        }
        Ok(Self::made(file, bytes, transcript, workspace, called))
    }

    fn made(
        file: &Path,
        bytes: Vec<u8>,
        transcript: Transcript,
        workspace: PathBuf,
        called: Vec<(Self, u32)>,
    ) -> Self {
        let digest = Digest::of(&bytes);
        let content = BlobRef {
            digest: digest.to_string().into(),
            len: bytes.len() as u64,
        };
        let (batches, cut) = batches(&transcript);
        Self {
            session: session_of(transcript.format, &content, transcript.started),
            file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
            transcript,
            workspace,
            bytes: Arc::new(bytes),
            content,
            batches,
            cut,
            called,
        }
    }

    /// Imports it as another session than the one that follows from its content, and so with what it called.
    #[must_use]
    pub fn anew(self) -> Self {
        let called = self.called.into_iter().map(|(plan, entry)| (plan.anew(), entry));
        Self {
            session: ScopeId::mint(),
            called: called.collect(),
            ..self
        }
    }

    /// The conversations of agents that it called, each with the entry that had it called, by its place.
    pub(crate) fn called(&self) -> &[(Self, u32)] {
        &self.called
    }

    /// What was read, and what came of it; of those that it called, too.
    #[must_use]
    pub fn report(&self, result: Option<Imported>) -> Report {
        let transcript = &self.transcript;
        Report {
            session: self.session,
            result,
            format: transcript.format,
            version: transcript.version.clone(),
            title: transcript.title.clone(),
            workspace: self.workspace.clone(),
            model: transcript.model.clone(),
            entries: transcript.entries.len(),
            sent: transcript.sent.len(),
            cut: self.cut,
            left: transcript.left.clone(),
            called: self.called.iter().map(|(plan, _)| plan.report(result)).collect(),
        }
    }

    pub(crate) fn begin(&self, kept: BlobRef) -> Event {
        let transcript = &self.transcript;
        let left = transcript.left.iter().map(|left| {
            let why: &'static str = left.why.into();
            Left {
                why: why.into(),
                kind: left.kind.as_str().into(),
                count: left.count,
                lines: left.lines.clone(),
            }
        });
        Event::Begun(Box::new(Begun {
            origin: Origin {
                file: self.file.to_string_lossy().into(),
                format: transcript.format.name().into(),
                version: transcript.version.clone(),
                session: transcript.session.clone(),
                content: self.content.clone(),
                kept,
                entries: count(transcript.entries.len()),
                left: left.collect(),
            },
            workspace: self.workspace.to_string_lossy().into(),
            title: transcript
                .title
                .as_deref()
                .map(|title| shortened(title, 200).into()),
            started: transcript.started,
            model: transcript.model.clone(),
            thinking: transcript.thinking,
        }))
    }

    /// The batches behind the first `taken` entries; `None` where none begins there.
    pub(crate) fn rest(&self, taken: u32) -> Option<Vec<Event>> {
        let mut events = vec![];
        let mut from = 0;
        let mut fits = taken == 0;
        for entries in &self.batches {
            if from >= taken {
                events.push(Event::Taken {
                    from,
                    entries: entries.clone(),
                });
            }
            from += count(entries.len());
            fits |= from == taken;
        }
        let called = self.called.iter().map(|(plan, entry)| Called {
            session: plan.session,
            entry: *entry,
        });
        events.push(Event::Finished {
            leaf: self.transcript.leaf.map(count),
            called: called.collect(),
        });
        fits.then_some(events)
    }
}

/// A directory that is here, by its whole name: a relative one would mean another directory tomorrow.
fn directory(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_dir())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The id of the session that a file becomes: a UUID of version 7 whose time is that of the conversation, and whose
/// random part is the digest of the file.
fn session_of(format: Format, content: &BlobRef, started: Option<Timestamp>) -> ScopeId {
    let name = format!("{} {}", format.name(), content.digest);
    let digest = Digest::of(name.as_bytes()).to_string();
    let random = u128::from_str_radix(digest.get(..32).unwrap_or_default(), 16).unwrap_or_default();
    let ms = started.map_or(0, |at| u128::try_from(at.0 / 1_000).unwrap_or(0));
    let time = (ms & 0xffff_ffff_ffff) << 80;
    let random = random & 0x0fff_3fff_ffff_ffff_ffff;
    ScopeId::from_u128(time | (0x7 << 76) | (0b10 << 62) | random)
}

/// The entries as events take them, in batches that fit a line; and how many texts had to be cut.
fn batches(transcript: &Transcript) -> (Vec<Vec<Entry>>, u64) {
    let mut writer = Batches {
        batches: vec![],
        batch: vec![],
        bytes: 0,
        calling: false,
        cut: 0,
        fallback: fallback(transcript.format),
    };
    let entries = &transcript.entries;
    let mut place = 0;
    while let Some(entry) = entries.get(place) {
        let mut end = place + 1;
        while matches!(entries.get(end).map(|entry| &entry.body), Some(Body::Result(_))) {
            end += 1;
        }
        writer.unit(
            place,
            entries.get(place..end).unwrap_or_default(),
            is_calling(entry),
        );
        place = end;
    }
    writer.close();
    (writer.batches, writer.cut)
}

/// A model of which only is known who asked it.
fn fallback(format: Format) -> ModelId {
    ModelId {
        provider: format.name().into(),
        model: "unknown".into(),
    }
}

fn is_calling(entry: &foreign::Entry) -> bool {
    let Body::Answer(answer) = &entry.body else {
        return false;
    };
    answer
        .blocks
        .iter()
        .any(|block| matches!(block, Block::ToolCall(_)))
}

struct Batches {
    batches: Vec<Vec<Entry>>,
    batch: Vec<Entry>,
    bytes: usize,
    /// Whether the batch has an answer with calls: there may be one.
    calling: bool,
    cut: u64,
    fallback: ModelId,
}

impl Batches {
    /// An entry, or an answer with the results of its calls, which must stand together.
    fn unit(&mut self, place: usize, unit: &[foreign::Entry], calling: bool) {
        // Texts are cut shorter and shorter until the unit fits.
        let mut most = TEXT;
        let (entries, bytes, cut) = loop {
            let mut cut = 0;
            let entries = self.entries(place, unit, most, &mut cut);
            let bytes = serde_json::to_vec(&entries).map_or(usize::MAX, |text| text.len());
            if bytes <= BATCH || most < 64 {
                break (entries, bytes, cut);
            }
            most /= 2;
        };
        self.cut += cut;
        let full = self.bytes + bytes > BATCH || self.batch.len() + entries.len() > BATCH_ENTRIES;
        if full || (self.calling && calling) {
            self.close();
        }
        self.batch.extend(entries);
        self.bytes += bytes;
        self.calling |= calling;
    }

    fn close(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.batches.push(batch);
        }
        (self.bytes, self.calling) = (0, false);
    }

    fn entries(&self, place: usize, unit: &[foreign::Entry], most: usize, cut: &mut u64) -> Vec<Entry> {
        let mut calls = vec![].into_iter();
        let mut entries = vec![];
        for entry in unit {
            let is_long = entry
                .label
                .as_ref()
                .is_some_and(|label| label.len() > LABEL_BYTES);
            *cut += u64::from(is_long);
            let mut short = |text: &Arc<str>| self.short(text, entry.line, most, cut);
            let said = match &entry.body {
                Body::Prompt(text) => Said::Prompt(short(text)),
                Body::BranchSummary { text, from } => Said::BranchSummary {
                    summary: short(text),
                    model: self.fallback.clone(),
                    from: from.map(count),
                },
                Body::Compaction { text, kept } => Said::Compaction {
                    summary: short(text),
                    model: self.fallback.clone(),
                    kept: kept.map(count),
                },
                Body::Answer(answer) => {
                    let numbered = answer.blocks.iter().zip(0u16..);
                    let numbers = numbered.filter(|(block, _)| matches!(block, Block::ToolCall(_)));
                    calls = numbers.map(|(_, number)| number).collect::<Vec<_>>().into_iter();
                    let blocks = answer.blocks.iter().map(|block| match block {
                        Block::Text(text) => Block::Text(short(text)),
                        Block::Thinking(thought) => {
                            let mut thought = thought.clone();
                            thought.text = short(&thought.text);
                            Block::Thinking(thought)
                        }
                        Block::ToolCall(call) => {
                            let mut call = call.clone();
                            if call.arguments.len() > most {
                                // It must stay an object.
                                let note = short(&call.arguments);
                                call.arguments = serde_json::json!({ "cut": &*note }).to_string().into();
                            }
                            Block::ToolCall(call)
                        }
                        Block::Kept(kept) => Block::Kept(kept.clone()),
                    });
                    Said::Answer {
                        blocks: blocks.collect(),
                        model: answer.model.clone().unwrap_or_else(|| self.fallback.clone()),
                        usage: answer.usage,
                        stop: answer.stop.clone(),
                        cancelled: answer.cancelled,
                    }
                }
                Body::Result(result) => Said::Result {
                    answer: count(place),
                    block: calls.next().unwrap_or(u16::MAX),
                    text: short(&result.text),
                    ended: match (result.unknown, result.is_error) {
                        (true, _) => Ended::Unknown,
                        (false, true) => Ended::Failed,
                        (false, false) => Ended::Succeeded,
                    },
                },
            };
            entries.push(Entry {
                parent: entry.parent.map(count),
                line: entry.line,
                at: entry.at,
                label: entry.label.clone(),
                said,
            });
        }
        entries
    }

    /// A text as far as an entry holds it, and where the rest is.
    fn short(&self, text: &Arc<str>, line: u64, most: usize, cut: &mut u64) -> Arc<str> {
        if text.len() <= most {
            return Arc::clone(text);
        }
        *cut += 1;
        let begin = shortened(text, most);
        let rest = text.len() - begin.len();
        format!("{begin}\n[{rest} more bytes: line {line} of the imported file, of which the session keeps a copy]").into()
    }
}

/// The beginning of a text, at most so many bytes.
fn shortened(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_follows_from_the_content_and_is_a_uuid_of_version_7() {
        let content = |digest: &str| BlobRef {
            digest: digest.into(),
            len: 1,
        };
        let at = Some(Timestamp(1_772_359_200_000_000));
        let one = session_of(Format::Pi, &content("a"), at);
        assert_eq!(one, session_of(Format::Pi, &content("a"), at));
        assert_ne!(one, session_of(Format::Pi, &content("b"), at));
        assert_ne!(one, session_of(Format::Codex, &content("a"), at));
        let text = one.to_string().replace('-', "");
        assert!(text.starts_with("019ca8d72d00"), "{text}: the time comes first");
        assert_eq!(text.get(12..13), Some("7"));
        assert!(matches!(text.get(16..17), Some("8" | "9" | "a" | "b")));
    }

    #[test]
    fn an_import_goes_on_where_a_batch_begins_and_nowhere_else() {
        let lines = [
            r#"{"type":"session","version":3,"id":"s"}"#,
            r#"{"type":"message","id":"a","message":{"role":"user","content":"one"}}"#,
            r#"{"type":"message","id":"b","message":{"role":"user","content":"two"}}"#,
        ];
        let bytes = lines.join("\n").into_bytes();
        let plan = Plan::of(Path::new("x"), bytes, None, Some(Path::new("/"))).ok();
        let events = |taken| {
            plan.as_ref()
                .map(|plan| plan.rest(taken).map(|events| events.len()))
        };
        assert_eq!(
            [0, 1, 2, 3].map(events),
            [Some(Some(2)), Some(None), Some(Some(1)), Some(None)]
        );
    }
}
