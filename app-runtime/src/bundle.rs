//! A session as one file that can be given away, and looking into such a file without taking it in.
//!
//! The file is the archive of [`export`](crate::export), of a record from which was taken out what is private. The
//! lines of a journal are chained by their checksums, so they are sealed anew; that it was redacted, and what was taken
//! out by which rule, stands in the manifest.

mod images;
mod redact;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;

use glasswork_agent_session::secrets::Vaults;
use glasswork_agent_session::store::StoreError;
use glasswork_engine::ScopeId;
use glasswork_engine::line;
use serde::Serialize;

use crate::export::packing::{self, Content};
use crate::export::{ExportError, Manifest};
use crate::files::FileArchive;
use crate::importing::{Own, OwnError, manifest_of, recognise, take_back};
pub use redact::Redaction;
use redact::Redactor;

/// Who packs: what is private to them.
#[derive(Debug)]
pub struct Private<'a> {
    /// Their home directory.
    pub home: Option<&'a str>,
    /// Finds secrets, theirs among them.
    pub secrets: &'a Vaults,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundled {
    /// The session.
    pub session: ScopeId,
    /// The last commit in it.
    pub commit: u64,
    /// What was taken out; `None` where it is the record as it is.
    pub redaction: Option<Redaction>,
}

/// Packs a session into a file, without what is private.
///
/// # Errors
/// [`ExportError`]; what was written until then is no whole file.
pub fn bundle(
    archive: &FileArchive,
    session: ScopeId,
    at: Option<u64>,
    private: &Private<'_>,
    out: &mut dyn Write,
) -> Result<Bundled, ExportError> {
    let stored = archive.journal_of(session)?;
    let header = stored.header()?;
    let mut redactor = Redactor::new(private.home, private.secrets.masking(session, true));
    let folder = tempfile::tempdir()?;

    // As it is first, and then, where nothing is under way, without deltas: what stands across two of them is found in
    // the whole of which they are pieces.
    let whole = folder.path().join("whole.jsonl");
    let mut copy = BufWriter::new(File::create(&whole)?);
    let copied = stored.copy(at, |line| copy.write_all(line))?;
    copy.flush()?;
    let folded = folder.path().join("folded.jsonl");
    let mut lines = BufWriter::new(File::create(&folded)?);
    let journal = match FileArchive::journal_at(&whole).archive(&mut lines) {
        Ok(_) => folded,
        Err(StoreError::NotAtRest { .. }) => {
            redactor.report.under_way = true;
            whole
        }
        Err(error) => return Err(error.into()),
    };
    lines.flush()?;

    let mut contents = Vec::new();
    let mut named = BTreeSet::new();
    FileArchive::journal_at(&journal).copy(None, |line| {
        packing::digests(line, |digest| {
            named.insert(digest.to_owned());
        });
        Ok(())
    })?;
    for (digest, path) in packing::blobs(&stored.folder().join("blobs"))? {
        if !named.contains(&digest) {
            continue;
        }
        let content = fs::read(path)?;
        let (content, known) = redactor.bytes(&content);
        let name = blake3::hash(&content).to_hex().to_string();
        if !known {
            redactor.report.not_looked_into.push(name.clone());
        }
        let place = folder.path().join(&name);
        fs::write(&place, &content)?;
        contents.push(Content::of(&format!("{}{name}", packing::BLOBS), place)?);
        if name != digest {
            redactor.renamed.insert(digest, name);
        }
    }
    contents.sort_by(|one, other| one.packed.path.cmp(&other.packed.path));
    contents.dedup_by(|one, other| one.packed.path == other.packed.path);

    let redacted = folder.path().join("redacted.jsonl");
    let mut lines = BufWriter::new(File::create(&redacted)?);
    let mut chain = None;
    FileArchive::journal_at(&journal).copy(None, |bytes| {
        if bytes == b"\n" {
            return Ok(());
        }
        let (line, next) = match chain {
            // The header names no more than the session.
            None => line::encode_header(&header),
            Some(chain) => line::reseal(&redactor.json(bytes), chain),
        }
        .map_err(io::Error::other)?;
        chain = Some(next);
        lines.write_all(&line)?;
        lines.write_all(b"\n")
    })?;
    lines.flush()?;
    contents.insert(0, Content::of(packing::JOURNAL, redacted)?);

    // What is kept of traces is of the end of the session, not of an earlier commit.
    for name in packing::TRACES.iter().filter(|_| at.is_none()) {
        let path = stored.folder().join(name);
        if !path.is_file() {
            continue;
        }
        let place = folder.path().join(name);
        let mut lines = BufWriter::new(File::create(&place)?);
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            lines.write_all(&redactor.json(&line?))?;
            lines.write_all(b"\n")?;
        }
        lines.flush()?;
        contents.push(Content::of(name, place)?);
    }
    let manifest = Manifest::redacted(copied.scope, copied.seq, header.created, redactor.report.clone());
    packing::write(manifest, contents, out)?;
    Ok(Bundled {
        session: copied.scope,
        commit: copied.seq,
        redaction: Some(redactor.report),
    })
}

/// A file that was opened: its session alone, as an archive to read. What it was unpacked to goes away with it.
#[derive(Debug)]
pub struct Opened {
    /// The session, in an archive of its own.
    pub archive: FileArchive,
    /// What the file says of itself; `None` of the lines of a journal alone.
    pub manifest: Option<Manifest>,
    /// The session.
    pub session: ScopeId,
    /// Its last commit.
    pub commit: u64,
    _folder: tempfile::TempDir,
}

/// Opens a file that [`bundle`] or an export has made: every byte of it is compared with what its manifest says, and the
/// journal's chain with itself, before any of it is read.
///
/// # Errors
/// [`OwnError`].
pub fn open(file: &Path) -> Result<Opened, OwnError> {
    let format = recognise(file)?.ok_or_else(|| OwnError::NotOurs(file.to_owned()))?;
    let manifest = match format {
        Own::Archive => Some(manifest_of(file)?),
        Own::Journal => None,
    };
    let folder = tempfile::Builder::new().prefix("glasswork-").tempdir()?;
    let archive = FileArchive::open(folder.path())?;
    let returned = take_back(&archive, file, format, false, false)?;
    if let Some(manifest) = &manifest
        && (manifest.session, manifest.commit) != (returned.session, returned.commit)
    {
        return Err(OwnError::Damaged(format!(
            "its manifest says {} at commit {}, and its journal is {} at commit {}",
            manifest.session, manifest.commit, returned.session, returned.commit
        )));
    }
    Ok(Opened {
        archive,
        manifest,
        session: returned.session,
        commit: returned.commit,
        _folder: folder,
    })
}
