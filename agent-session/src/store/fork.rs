//! Making forks: the lines of a journal up to a commit as the beginning of another scope's journal, with the blobs
//! that they name.
//!
//! A fork is a crash at that commit in another scope: what was open then is settled by whoever opens the fork first.
//! It gets its name only once all of it is on the disk, so a fork that was cut short is not seen by anybody; making it
//! again makes it afresh. Where the commit is one of several that were folded away, the fork has them all.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain, Header, LineError};
use glasswork_engine::{DispatchId, Domain, ScopeId, Timestamp};

use super::error::StoreError;
use super::layout::{self, Place};
use super::{BLOBS, Store, StoredJournal};

/// Digits of a blob's name.
const DIGITS: usize = 64;

impl<D: Domain> Store<D> {
    /// Makes `child` a fork of the session `of` at its commit `at`. It is on the disk before this returns; nobody owns
    /// it. One that is there already, or in the trash, is taken as made. Needs no lock on `of`, which may be written
    /// meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCommit`]; [`StoreError::Exists`] where `child` is another fork; those of reading `of`;
    /// [`StoreError::Io`].
    pub fn fork(&self, of: ScopeId, at: u64, child: ScopeId, now: Timestamp) -> Result<(), StoreError> {
        let parent = DispatchId::commit(of, at);
        match self.journal(child) {
            Ok(made) if made.header()?.parent() == Some(parent) => return Ok(()),
            Ok(_) => return Err(StoreError::Exists(child)),
            Err(StoreError::Unknown { .. }) => {}
            Err(error) => return Err(error),
        }
        if self.trash()?.iter().any(|trashed| trashed.scope == child) {
            return Ok(());
        }
        // By the time in its id, so that a second attempt finds what the first one left.
        let made_at = child.minted_at().unwrap_or(now);
        let (folders, stem) = Place::Sessions.new_journal(self.data(), child, made_at);
        let made = self
            .journal(of)
            .and_then(|origin| self.copy(&origin, at, child, &folders, &stem, now));
        if made.is_err()
            && let Some(home) = folders.last()
            && fs::symlink_metadata(home.join(format!("{stem}.{}", layout::JOURNAL))).is_err()
        {
            // Of a fork that cannot be made nothing stays, of an earlier attempt neither.
            let _ = fs::remove_dir_all(home.join(&stem));
        }
        made
    }

    fn copy(
        &self,
        origin: &StoredJournal<D>,
        at: u64,
        child: ScopeId,
        folders: &[PathBuf],
        stem: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for folder in folders {
            if layout::ensure_folder(folder)?
                && let Some(parent) = folder.parent()
            {
                layout::sync_folder(parent)?;
            }
        }
        let home = folders.last().map_or(self.data(), PathBuf::as_path);
        let folder = home.join(stem);
        if !layout::ensure_folder(&folder)? {
            fs::remove_dir_all(&folder).map_err(StoreError::io("clear", &folder))?;
            layout::ensure_folder(&folder)?;
        }
        let draft = folder.join("journal.new");
        let blobs = origin.folder().join(BLOBS);
        let mut copying = Copying {
            child,
            at,
            now,
            chain: None,
            out: BufWriter::new(layout::make_file(&draft)?),
            blobs: names(&blobs)?,
            named: BTreeSet::new(),
        };
        origin.each_line(Some(at), |line| {
            copying.take::<D>(line).map_err(StoreError::io("write", &draft))
        })?;
        let Copying { out, named, .. } = copying;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::io("write", &draft))?;
        share(&blobs, &folder.join(BLOBS), &named)?;
        layout::sync_folder(&folder)?;
        let journal = home.join(format!("{stem}.{}", layout::JOURNAL));
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        layout::sync_folder(home)
    }
}

/// Copies lines into another scope's journal, and remembers which blobs they name.
struct Copying {
    child: ScopeId,
    at: u64,
    now: Timestamp,
    /// Of the copy, once it has its header.
    chain: Option<Chain>,
    out: BufWriter<File>,
    /// The blobs that there are.
    blobs: BTreeSet<String>,
    /// Those of them that were named.
    named: BTreeSet<String>,
}

impl Copying {
    fn take<D: Domain>(&mut self, bytes: &[u8]) -> io::Result<()> {
        let copied = match self.chain {
            Some(chain) => line::reseal(bytes, chain),
            None => self.header::<D>(bytes),
        };
        // The lines were verified before they came here.
        let (line, chain) = copied.map_err(io::Error::other)?;
        self.remember_blobs(bytes);
        self.chain = Some(chain);
        self.out.write_all(&line)?;
        self.out.write_all(b"\n")
    }

    fn header<D: Domain>(&self, bytes: &[u8]) -> Result<(Vec<u8>, Chain), LineError> {
        let (header, _) = line::decode_header::<D::Kind>(bytes)?;
        let lineage = header.lineage_of_fork(self.at);
        line::encode_header(&Header {
            // Later lines may be of a later format than the one with which the journal began.
            glasswork: line::FORMAT,
            scope: self.child,
            created: self.now,
            lineage,
            // The lines are what the schema of their time says.
            ..header
        })
    }

    /// A blob is named by its digest in full, whatever the line says of it.
    fn remember_blobs(&mut self, bytes: &[u8]) {
        if self.blobs.len() == self.named.len() {
            return;
        }
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        for run in bytes.split(|byte| !digit(byte)).filter(|run| run.len() == DIGITS) {
            if let Ok(name) = str::from_utf8(run)
                && self.blobs.contains(name)
            {
                self.named.insert(name.to_owned());
            }
        }
    }
}

/// The blobs in a folder, which need not be there.
fn names(folder: &Path) -> Result<BTreeSet<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(StoreError::io("list", folder)(error)),
    };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names = files.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.len() == DIGITS).collect())
}

/// Gives the fork its own names for blobs. Their content never changes, so it is shared where the file system can.
fn share(from: &Path, to: &Path, named: &BTreeSet<String>) -> Result<(), StoreError> {
    if named.is_empty() {
        return Ok(());
    }
    layout::ensure_folder(to)?;
    for name in named {
        let (old, new) = (from.join(name), to.join(name));
        if fs::hard_link(&old, &new).is_ok() {
            continue;
        }
        let mut source = layout::open_regular(
            &old,
            layout::careful(layout::Links::Refuse).read(true),
            layout::Links::Refuse,
        )?;
        let mut copy = layout::make_file(&new)?;
        io::copy(&mut source, &mut copy)
            .and_then(|_| copy.sync_all())
            .map_err(StoreError::io("copy", &new))?;
    }
    layout::sync_folder(to)
}
