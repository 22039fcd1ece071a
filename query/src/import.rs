//! Where the conversation of a session was imported from.

use std::sync::Arc;

use async_graphql::SimpleObject;
use glasswork_agent_core::id::EntryId;
use glasswork_session_state::import;

use crate::scalar::Long;
use crate::session::View;

/// The file that a session's conversation was imported from.
#[derive(Debug, SimpleObject)]
pub(crate) struct ImportedFrom {
    /// Where it lay.
    file: String,
    /// Its format: `pi`, `claude-code`, `codex`, `gemini`.
    format: String,
    /// The version of the format, or of the program that wrote it.
    version: Option<String>,
    /// What the other program calls the session.
    session: Option<String>,
    /// BLAKE3 of the file, in hexadecimal.
    digest: String,
    /// The blob of the session that has a copy of the file, secrets masked.
    blob: String,
    /// Its length in bytes.
    bytes: Long,
    /// How many entries it has.
    entries: Long,
    /// How many of them are here. Where they are not all, the import goes on when the same file is imported again.
    taken: Long,
    /// What of the file is not in the conversation, or not as it was.
    left: Vec<LeftOut>,
}

/// Something of a file that is not in the conversation, or not as it was.
#[derive(Debug, SimpleObject)]
pub(crate) struct LeftOut {
    /// Why: `unknown`, `unreadable`, `not_conversation`, `no_result`, …
    why: String,
    /// Which kind of thing, as the file names it.
    kind: String,
    /// How often.
    count: Long,
    /// The first lines that say it, from 1.
    lines: Vec<Long>,
}

/// The place in a file that an entry was imported from.
#[derive(Debug, SimpleObject)]
pub(crate) struct EntrySource {
    /// The file.
    file: String,
    /// Its format.
    format: String,
    /// BLAKE3 of the file, in hexadecimal.
    digest: String,
    /// The line, from 1. Of a result that is not in the file, that of its call.
    line: Long,
}

impl ImportedFrom {
    pub(crate) fn of(import: &import::Import) -> Self {
        let origin = &import.origin;
        let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        let left = origin.left.iter().map(|left| LeftOut {
            why: left.why.to_string(),
            kind: left.kind.to_string(),
            count: Long(left.count),
            lines: left.lines.iter().map(|line| Long(*line)).collect(),
        });
        Self {
            file: origin.file.to_string(),
            format: origin.format.to_string(),
            version: text(&origin.version),
            session: text(&origin.session),
            digest: origin.content.digest.to_string(),
            blob: origin.kept.digest.to_string(),
            bytes: Long(origin.content.len),
            entries: Long(origin.entries.into()),
            taken: Long(import.taken().into()),
            left: left.collect(),
        }
    }
}

impl EntrySource {
    /// `None` where the entry was not imported.
    pub(crate) fn of(view: &View, entry: EntryId) -> Option<Self> {
        let import = view.session.import.as_deref()?;
        Some(Self {
            file: import.origin.file.to_string(),
            format: import.origin.format.to_string(),
            digest: import.origin.content.digest.to_string(),
            line: Long(import.line_of(entry)?),
        })
    }
}
