//! Sessions as files that leave this machine.
//!
//! An archive and JSON lines are the record itself, byte for byte, so that its chain of checksums still holds; what
//! they give away is told. Markdown and HTML are for people: paths below the home directory are shortened, and nothing
//! in them is executed or loaded, whatever was said in the session.

mod html;
mod inert;
mod leaving;
mod markdown;
pub(crate) mod packing;
mod page;

use std::io::{self, Write};

use glasswork_agent_session::store::StoreError;
use glasswork_engine::ScopeId;
use serde::Serialize;

use crate::files::FileArchive;
use crate::reading::{ReadError, Snapshot};

pub use html::STYLE;
pub(crate) use leaving::places;
pub use leaving::{Findings, Leaving};
pub use packing::{MANIFEST, Manifest, PACKED, Packed};

/// What a session becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One file with everything that belongs to it: tar, compressed with zstd.
    Archive,
    /// The lines of its journal.
    Jsonl,
    /// A transcript as Markdown.
    Markdown,
    /// A transcript as one HTML page.
    Html,
}

impl Format {
    /// The ending of the names of such files.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Archive => "tar.zst",
            Self::Jsonl => "jsonl",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The session.
    pub session: ScopeId,
    /// As it was after this commit.
    pub at: Option<u64>,
    /// What it becomes.
    pub format: Format,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The session.
    pub session: ScopeId,
    /// What it became.
    pub format: Format,
    /// The last commit in it.
    pub commit: u64,
    /// Whether it is the record itself: then what was found in it is still in it.
    pub verbatim: bool,
    /// What was found in it that people may not want to give away.
    pub found: Findings,
}

/// Why a session was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.into())
    }
}

/// Writes a session as a file.
///
/// # Errors
/// [`ExportError`]; what was written until then is no whole file.
pub fn export(
    snapshot: &Snapshot,
    archive: &FileArchive,
    what: Export,
    leaving: &Leaving,
    out: &mut dyn Write,
) -> Result<Report, ExportError> {
    let Export { session, at, format } = what;
    let (commit, found) = match format {
        Format::Archive => packing::pack(archive, session, at, leaving, out)?,
        Format::Jsonl => packing::lines(archive, session, at, leaving, out)?,
        Format::Markdown | Format::Html => {
            let seen = snapshot.session(session, at)?;
            let mut page = page::Page::of(seen.session()?, seen.scope.seq);
            let found = page.leave(leaving);
            let text = match format {
                Format::Html => html::of(&page),
                _ => markdown::of(&page),
            };
            out.write_all(text.as_bytes())?;
            (seen.scope.seq, found)
        }
    };
    Ok(Report {
        session,
        format,
        commit,
        verbatim: matches!(format, Format::Archive | Format::Jsonl),
        found,
    })
}
