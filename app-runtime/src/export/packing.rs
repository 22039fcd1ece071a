//! A session as one file: tar, compressed with zstd. First a manifest with the digest of everything else, then the
//! journal as it is stored, then the blobs that it names and what is kept of its traces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use glasswork_agent_session::blobs::Digest;
use glasswork_engine::{ScopeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::ExportError;
use super::leaving::{Findings, Leaving};
use crate::files::FileArchive;

/// The version of the format.
pub const PACKED: u32 = 1;
/// The name of the manifest.
pub const MANIFEST: &str = "manifest.json";
pub(crate) const JOURNAL: &str = "journal.jsonl";
pub(crate) const BLOBS: &str = "blobs/";
pub(crate) const TRACES: [&str; 2] = ["trace.jsonl", "trace.1.jsonl"];
/// What zstd is asked for: smaller costs more time than it is worth.
const LEVEL: i32 = 3;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`PACKED`] of the build that made it.
    pub glasswork_archive: u32,
    /// The version of that build.
    pub version: String,
    /// The session.
    pub session: ScopeId,
    /// The last commit in it.
    pub commit: u64,
    /// When its journal was made, in microseconds since 1970.
    pub created: Timestamp,
    /// Everything else in it, in order.
    pub files: Vec<Packed>,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// Its name: `journal.jsonl`, `blobs/DIGEST`, `trace.jsonl`, `trace.1.jsonl`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
}

/// Writes the lines of a journal as they are stored.
pub(super) fn lines(
    archive: &FileArchive,
    session: ScopeId,
    at: Option<u64>,
    leaving: &Leaving,
    out: &mut dyn Write,
) -> Result<(u64, Findings), ExportError> {
    let mut found = Findings::default();
    let copied = archive.journal_of(session)?.copy(at, |line| {
        note(line, leaving, &mut found);
        out.write_all(line)
    })?;
    Ok((copied.seq, found))
}

fn note(line: &[u8], leaving: &Leaving, found: &mut Findings) {
    if let Ok(text) = std::str::from_utf8(line) {
        leaving.note(text, found);
    }
}

/// Writes a session as an archive.
pub(super) fn pack(
    archive: &FileArchive,
    session: ScopeId,
    at: Option<u64>,
    leaving: &Leaving,
    out: &mut dyn Write,
) -> Result<(u64, Findings), ExportError> {
    let journal = archive.journal_of(session)?;
    let mut found = Findings::default();
    let mut blobs = blobs(&journal.folder().join("blobs"))?;
    let mut named = BTreeSet::new();
    let mut hasher = Hasher::default();
    // Read twice, up to the same commit: another process may be writing it meanwhile.
    let copied = journal.copy(at, |line| {
        note(line, leaving, &mut found);
        digests(line, |digest| {
            if blobs.contains_key(digest) {
                named.insert(digest.to_owned());
            }
        });
        hasher.update(line);
        Ok(())
    })?;
    blobs.retain(|digest, _| named.contains(digest));
    let mut manifest = Manifest {
        glasswork_archive: PACKED,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        session: copied.scope,
        commit: copied.seq,
        created: journal.header()?.created,
        files: vec![hasher.packed(JOURNAL)],
    };
    let mut sources: Vec<(Packed, PathBuf)> = vec![];
    for (digest, path) in &blobs {
        sources.push((packed(&format!("{BLOBS}{digest}"), path)?, path.clone()));
    }
    // What is kept of traces is of the end of the session, not of an earlier commit.
    for name in TRACES.iter().filter(|_| at.is_none()) {
        let path = journal.folder().join(name);
        if path.is_file() {
            sources.push((packed(name, &path)?, path));
        }
    }
    manifest
        .files
        .extend(sources.iter().map(|(packed, _)| packed.clone()));

    let mut tar = tar::Builder::new(zstd::stream::write::Encoder::new(out, LEVEL)?);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    tar.append(&header(MANIFEST, text.len() as u64)?, &*text)?;
    // The journal goes through a file: the length of an entry stands before it.
    let mut staged = tempfile::tempfile()?;
    journal.copy(Some(copied.seq), |line| staged.write_all(line))?;
    io::Seek::rewind(&mut staged)?;
    tar.append(&header(JOURNAL, copied.bytes)?, staged.take(copied.bytes))?;
    for (packed, path) in &sources {
        // A trace may have grown since.
        tar.append(
            &header(&packed.path, packed.bytes)?,
            fs::File::open(path)?.take(packed.bytes),
        )?;
    }
    tar.into_inner()?.finish()?;
    Ok((copied.seq, found))
}

fn header(name: &str, bytes: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// The blobs of a session, by digest.
fn blobs(folder: &std::path::Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut blobs = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(blobs),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<Digest>().is_ok() && entry.file_type()?.is_file() {
            blobs.insert(name, entry.path());
        }
    }
    Ok(blobs)
}

fn packed(name: &str, path: &std::path::Path) -> io::Result<Packed> {
    let mut hasher = Hasher::default();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.packed(name)),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Digest and length of what goes by.
#[derive(Default)]
pub(crate) struct Hasher {
    hasher: Box<blake3::Hasher>,
    bytes: u64,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn packed(&self, name: &str) -> Packed {
        Packed {
            path: name.to_owned(),
            bytes: self.bytes,
            blake3: self.hasher.finalize().to_hex().to_string(),
        }
    }
}

/// Calls `each` with every word of a line that could be the name of a blob.
fn digests(line: &[u8], mut each: impl FnMut(&str)) {
    let words = line.split(|byte| !byte.is_ascii_hexdigit());
    for word in words.filter(|word| word.len() == 64) {
        if let Ok(word) = std::str::from_utf8(word) {
            each(word);
        }
    }
}
