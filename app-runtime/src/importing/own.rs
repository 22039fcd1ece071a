//! Sessions of our own that come back: archives and journals, every byte of them checked before anything is taken in.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use glasswork_agent_session::blobs::Digest;
use glasswork_agent_session::store::{Incoming, StoreError, StoredJournal, copy_as};
use glasswork_engine::ScopeId;
use glasswork_session_state::Glasswork;
use serde::Serialize;

use super::Imported;
use crate::export::packing::{BLOBS, Hasher, JOURNAL, TRACES};
use crate::export::{MANIFEST, Manifest, PACKED};
use crate::files::FileArchive;

/// The longest manifest, in bytes.
const MANIFEST_BYTES: u64 = 16 << 20;
/// Most bytes that an archive may unpack to.
const UNPACKED_BYTES: u64 = 64 << 30;
/// Most times its own length that an archive of some size may unpack to: sessions take a tenth of their room, and even
/// the most repetitive output of tools beside them a thousandth.
const RATIO: u64 = 5_000;
/// Whatever unpacks to no more than this is unpacked.
const SMALL: u64 = 64 << 20;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Which file of ours it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Own {
    /// An archive.
    Archive,
    /// The lines of a journal.
    Journal,
}

/// Why a file of ours was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It cannot be read, or something of it cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The journal in it is damaged, or the store refuses it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no archive, or not as it was made.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// It is neither an archive nor the lines of a journal.
    #[error("{} is no file that `glasswork bundle` or `glasswork sessions export` has made", .0.display())]
    NotOurs(PathBuf),
    /// It says that it unpacks to more than is unpacked.
    #[error(
        "the archive would unpack to {bytes} bytes, from {packed}; more than {UNPACKED_BYTES} bytes, or {RATIO} times its \
         own length, are not unpacked"
    )]
    Bomb {
        /// What it says that it unpacks to.
        bytes: u64,
        /// How long it is.
        packed: u64,
    },
    /// A later version made it.
    #[error("the archive was made by a later version (format {0}); update to read it")]
    FromTheFuture(u32),
    /// The session is here, and goes on otherwise.
    #[error("{0} is here already, and is not the same; `--as-new` makes another session of the file")]
    Differs(ScopeId),
}

/// What came of a file of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Returned {
    /// Which file it is.
    pub format: Own,
    /// The session.
    pub session: ScopeId,
    /// Its last commit.
    pub commit: u64,
    /// What came of it; `None` where it would be new, and nothing was done.
    pub result: Option<Imported>,
}

/// Whether a file is one of ours, by its beginning.
///
/// # Errors
/// Where it cannot be read.
pub fn recognise(file: &Path) -> io::Result<Option<Own>> {
    // Opening a pipe would wait for whoever writes to it.
    if !fs::metadata(file)?.is_file() {
        return Ok(None);
    }
    let mut beginning = vec![];
    File::open(file)?.take(64).read_to_end(&mut beginning)?;
    Ok(if beginning.starts_with(&ZSTD) {
        Some(Own::Archive)
    } else if beginning.starts_with(b"{\"header\":{\"glasswork\":") {
        Some(Own::Journal)
    } else {
        None
    })
}

/// Takes a file of ours in.
///
/// # Errors
/// [`OwnError`]; nothing was taken in then.
pub fn take_back(
    archive: &FileArchive,
    file: &Path,
    format: Own,
    as_new: bool,
    dry_run: bool,
) -> Result<Returned, OwnError> {
    let incoming = archive.incoming()?;
    match format {
        Own::Archive => unpack(file, &incoming)?,
        Own::Journal => {
            fs::copy(file, incoming.journal())?;
        }
    }
    let came = FileArchive::journal_at(&incoming.journal());
    let mut staged = (as_new && !dry_run)
        .then(|| File::create(incoming.folder().join("renamed.jsonl")))
        .transpose()?;
    let copied = match &mut staged {
        Some(renamed) => copy_as(&came, ScopeId::mint(), renamed)?,
        None => came.copy(None, |_| Ok(()))?,
    };
    if staged.is_some() {
        fs::rename(incoming.folder().join("renamed.jsonl"), incoming.journal())?;
    } else {
        // What was being written when the file was made is no part of it.
        File::options()
            .write(true)
            .open(incoming.journal())?
            .set_len(copied.bytes)?;
    }
    let returned = |result| Returned {
        format,
        session: copied.scope,
        commit: copied.seq,
        result,
    };
    if let Ok(here) = archive.journal_of(copied.scope) {
        return match begins_with(&here, &incoming.journal())? {
            true => Ok(returned(Some(Imported::AlreadyHere))),
            false => Err(OwnError::Differs(copied.scope)),
        };
    }
    if dry_run {
        return Ok(returned(None));
    }
    archive.take_in(incoming)?;
    Ok(returned(Some(Imported::New)))
}

/// Whether a journal has all lines of a file at its beginning, in that order.
fn begins_with(journal: &StoredJournal<Glasswork>, file: &Path) -> Result<bool, OwnError> {
    let mut file = BufReader::new(File::open(file)?);
    let mut same = true;
    let mut line = vec![];
    let compared = journal.copy(None, |ours| {
        line.resize(ours.len(), 0);
        if !file.fill_buf()?.is_empty() {
            same &= file.read_exact(&mut line).is_ok() && line == ours;
        }
        match same {
            true => Ok(()),
            // Enough is known.
            false => Err(io::ErrorKind::Other.into()),
        }
    });
    match (compared, same) {
        (_, false) => Ok(false),
        (Ok(_), true) => Ok(file.fill_buf()?.is_empty()),
        (Err(error), true) => Err(error.into()),
    }
}

/// Unpacks an archive into a folder: exactly what its manifest names, byte for byte as it says.
fn unpack(file: &Path, incoming: &Incoming) -> Result<(), OwnError> {
    let damaged = |what: String| OwnError::Damaged(what);
    let packed = fs::metadata(file)?.len();
    let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(File::open(file)?)?);
    // Each as it stands there: long names and the like are no part of the format, and would be read into memory.
    let mut entries = tar.entries()?.raw(true);
    let mut next = || -> Result<Option<_>, OwnError> {
        let entry = entries.next().transpose();
        entry.map_err(|error| OwnError::Damaged(error.to_string()))
    };
    let first = next()?.ok_or_else(|| damaged("it is empty".to_owned()))?;
    let manifest = first_entry(first)?;
    let total: u64 = manifest
        .files
        .iter()
        .fold(0, |sum, file| sum.saturating_add(file.bytes));
    if total > UNPACKED_BYTES || (total > SMALL && total / RATIO > packed) {
        return Err(OwnError::Bomb { bytes: total, packed });
    }
    if manifest.files.first().is_none_or(|file| file.path != JOURNAL) {
        return Err(damaged("its manifest does not begin with the journal".to_owned()));
    }
    fs::create_dir(incoming.folder().join("blobs"))?;
    for expected in &manifest.files {
        let name = &expected.path;
        let is_blob = name
            .strip_prefix(BLOBS)
            .is_some_and(|digest| digest.parse::<Digest>().is_ok());
        if !is_blob && name != JOURNAL && !TRACES.contains(&name.as_str()) {
            return Err(damaged(format!("{name:?} is no file of a session")));
        }
        if is_blob && *name != format!("{BLOBS}{}", expected.blake3) {
            return Err(damaged(format!("{name} has another content than its name says")));
        }
        let entry = next()?.ok_or_else(|| damaged(format!("{name} is missing")))?;
        if entry.path_bytes().as_ref() != name.as_bytes() || !entry.header().entry_type().is_file() {
            return Err(damaged(format!("something else stands where {name} should")));
        }
        let path = match name == JOURNAL {
            true => incoming.journal(),
            false => incoming.folder().join(name),
        };
        // Of a name that stands twice the second is refused.
        let mut out = File::options().write(true).create_new(true).open(&path)?;
        let mut hasher = Hasher::default();
        let mut source = entry.take(expected.bytes.saturating_add(1));
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = source
                .read(&mut buffer)
                .map_err(|error| damaged(error.to_string()))?;
            let piece = buffer.get(..count).filter(|piece| !piece.is_empty());
            let Some(piece) = piece else { break };
            hasher.update(piece);
            out.write_all(piece)?;
        }
        if hasher.packed(name) != *expected {
            return Err(damaged(format!("{name} is not what the manifest says")));
        }
    }
    if next()?.is_some() {
        return Err(damaged("it has more in it than its manifest names".to_owned()));
    }
    Ok(())
}

/// What an archive says of itself; nothing else of it is read.
///
/// # Errors
/// [`OwnError`].
pub fn manifest_of(file: &Path) -> Result<Manifest, OwnError> {
    let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(File::open(file)?)?);
    let first = tar.entries()?.raw(true).next().transpose();
    let first = first.map_err(|error| OwnError::Damaged(error.to_string()))?;
    first_entry(first.ok_or_else(|| OwnError::Damaged("it is empty".to_owned()))?)
}

fn first_entry(entry: tar::Entry<'_, impl Read>) -> Result<Manifest, OwnError> {
    if entry.path_bytes().as_ref() != MANIFEST.as_bytes() || !entry.header().entry_type().is_file() {
        return Err(OwnError::Damaged(
            "it does not begin with its manifest".to_owned(),
        ));
    }
    // What is behind that would have to be unpacked to get past it.
    if entry.size() > MANIFEST_BYTES {
        return Err(OwnError::Damaged(format!(
            "its manifest has more than {MANIFEST_BYTES} bytes"
        )));
    }
    let mut text = vec![];
    let mut entry = entry;
    let read = entry.read_to_end(&mut text);
    read.map_err(|error| OwnError::Damaged(error.to_string()))?;
    manifest(&text)
}

fn manifest(text: &[u8]) -> Result<Manifest, OwnError> {
    #[derive(serde::Deserialize)]
    struct Version {
        glasswork_archive: u32,
    }
    let unreadable =
        |error: serde_json::Error| OwnError::Damaged(format!("its manifest cannot be read: {error}"));
    let version: Version = serde_json::from_slice(text).map_err(unreadable)?;
    if version.glasswork_archive > PACKED {
        return Err(OwnError::FromTheFuture(version.glasswork_archive));
    }
    serde_json::from_slice(text).map_err(unreadable)
}
