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
use crate::bundle::Redaction;
use crate::files::FileArchive;

/// The latest version of the format: 2 has what was taken out of the record, and is written only where something was.
pub const PACKED: u32 = 2;
/// The version of a record as it is.
const VERBATIM: u32 = 1;
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
    /// The version of the format: at most [`PACKED`] of the build that made it.
    pub glasswork_archive: u32,
    /// The version of that build.
    pub version: String,
    /// The session.
    pub session: ScopeId,
    /// The last commit in it.
    pub commit: u64,
    /// When its journal was made, in microseconds since 1970.
    pub created: Timestamp,
    /// What was taken out of the record; `None` where it is the record as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// Everything else in it, in order.
    pub files: Vec<Packed>,
}

impl Manifest {
    fn verbatim(session: ScopeId, commit: u64, created: Timestamp) -> Self {
        Self {
            glasswork_archive: VERBATIM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            session,
            commit,
            created,
            redaction: None,
            files: Vec::new(),
        }
    }

    pub(crate) fn redacted(session: ScopeId, commit: u64, created: Timestamp, redaction: Redaction) -> Self {
        Self {
            glasswork_archive: PACKED,
            redaction: Some(redaction),
            ..Self::verbatim(session, commit, created)
        }
    }
}

/// A file that goes into an archive, and where it lies now.
pub(crate) struct Content {
    pub(crate) packed: Packed,
    path: PathBuf,
}

impl Content {
    pub(crate) fn of(name: &str, path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            packed: packed(name, &path)?,
            path,
        })
    }
}

/// Writes an archive of these files, after their manifest.
pub(crate) fn write(manifest: Manifest, contents: Vec<Content>, out: &mut dyn Write) -> io::Result<()> {
    let manifest = Manifest {
        files: contents.iter().map(|content| content.packed.clone()).collect(),
        ..manifest
    };
    let mut tar = tar::Builder::new(zstd::stream::write::Encoder::new(out, LEVEL)?);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    tar.append(&header(MANIFEST, text.len() as u64)?, &*text)?;
    for Content { packed, path } in &contents {
        // A trace may have grown since.
        tar.append(
            &header(&packed.path, packed.bytes)?,
            fs::File::open(path)?.take(packed.bytes),
        )?;
    }
    tar.into_inner()?.finish().map(drop)
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
    // The journal goes through a file: the length of an entry stands before it, and it may lie in several.
    let folder = tempfile::tempdir()?;
    let staged = folder.path().join(JOURNAL);
    let mut file = io::BufWriter::new(fs::File::create(&staged)?);
    journal.copy(Some(copied.seq), |line| file.write_all(line))?;
    file.flush()?;
    let mut contents = vec![Content {
        packed: hasher.packed(JOURNAL),
        path: staged,
    }];
    for (digest, path) in &blobs {
        contents.push(Content::of(&format!("{BLOBS}{digest}"), path.clone())?);
    }
    // What is kept of traces is of the end of the session, not of an earlier commit.
    for name in TRACES.iter().filter(|_| at.is_none()) {
        let path = journal.folder().join(name);
        if path.is_file() {
            contents.push(Content::of(name, path)?);
        }
    }
    let manifest = Manifest::verbatim(copied.scope, copied.seq, journal.header()?.created);
    write(manifest, contents, out)?;
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
pub(crate) fn blobs(folder: &std::path::Path) -> io::Result<BTreeMap<String, PathBuf>> {
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
pub(crate) fn digests(line: &[u8], mut each: impl FnMut(&str)) {
    let words = line.split(|byte| !byte.is_ascii_hexdigit());
    for word in words.filter(|word| word.len() == 64) {
        if let Ok(word) = std::str::from_utf8(word) {
            each(word);
        }
    }
}
