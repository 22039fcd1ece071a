//! Packing: a journal at rest as one compressed file, under the name that it always had.
//!
//! A packed journal holds what [`StoredJournal::archive`](super::StoredJournal::archive) leaves of it, as one
//! [Zstandard](https://www.rfc-editor.org/rfc/rfc8878) frame. It is listed, read and replayed like any other; opening
//! it for writing unpacks it. Whoever wants to see it calls `zstdcat`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use glasswork_engine::{Domain, ScopeId, Timestamp};

use super::checkpoint;
use super::error::StoreError;
use super::layout::{self, Links};
use super::lease::Lease;
use super::open::Folded;
use super::read::Tail;
use super::{Store, StoredJournal, parts};

/// How hard is tried; the library's own middle.
const LEVEL: i32 = 3;
/// The first bytes of a frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What packing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// It is packed now: its length before and after, in bytes.
    Now {
        /// Before, over all files.
        before: u64,
        /// After.
        after: u64,
    },
    /// It was packed before.
    Already,
    /// It is not at rest, or ends in a line that is not whole: opening it once settles that.
    NotAtRest,
}

/// Whether a journal is packed, by its first bytes.
pub(super) fn is_packed(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) => Ok(magic == MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a packed journal as what was packed.
pub(super) struct Unpacking(zstd::stream::read::Decoder<'static, io::BufReader<File>>);

impl std::fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacking")
    }
}

impl Unpacking {
    pub(super) fn begin(file: File) -> io::Result<Self> {
        Ok(Self(zstd::stream::read::Decoder::new(file)?.single_frame()))
    }
}

impl Read for Unpacking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<D: Domain> Store<D> {
    /// Packs the journal of a scope at rest. It is read back and compared before it takes the place of the other. Takes
    /// the lock: what somebody writes is not packed.
    ///
    /// # Errors
    /// [`StoreError::Owned`], [`StoreError::Damaged`] (then nothing is changed), [`StoreError::Unknown`],
    /// [`StoreError::Io`].
    pub fn pack(&self, scope: ScopeId, now: Timestamp) -> Result<Packed, StoreError> {
        let stored = self.journal(scope)?;
        let journal = stored.path().to_owned();
        let mut lease = Lease::take(scope, journal.clone(), reopen(&journal)?)?;
        if !lease.is_current() {
            let wanted = scope.to_string();
            return Err(StoreError::Unknown { wanted });
        }
        if packed(&journal)? {
            return Ok(Packed::Already);
        }
        layout::ensure_folder(lease.folder())?;
        lease.note(&self.owner(now))?;
        let Folded { folding, tail, .. } = self.fold(&journal, scope, None)?;
        let before = folding.finish(&journal)?;
        if matches!(tail, Tail::Unfinished(_)) || !before.scope.open.is_empty() {
            return Ok(Packed::NotAtRest);
        }
        let draft = draft(lease.folder())?;
        let after = match write_packed(&stored, &draft) {
            Ok(length) => length,
            Err(StoreError::NotAtRest { .. }) => {
                let _ = fs::remove_file(&draft);
                return Ok(Packed::NotAtRest);
            }
            Err(error) => {
                let _ = fs::remove_file(&draft);
                return Err(error);
            }
        };
        let read = StoredJournal::<D>::at(draft.clone()).read()?;
        if read.scope != before.scope || read.reached != before.reached {
            let _ = fs::remove_file(&draft);
            let defect = io::Error::other("what was packed is not what was there; please report this");
            return Err(StoreError::io("pack", &journal)(defect));
        }
        let later = parts::later(lease.folder())?;
        let mut length = fs::metadata(&journal).map_or(0, |found| found.len());
        length += later
            .iter()
            .map(|part| fs::metadata(&part.path).map_or(0, |found| found.len()))
            .sum::<u64>();
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        sync_beside(&journal)?;
        // From here on they count no more, whether they go now or when it is unpacked.
        remove_parts(lease.folder())?;
        let _ = fs::remove_dir_all(lease.folder().join(checkpoint::FOLDER));
        Ok(Packed::Now {
            before: length,
            after,
        })
    }

    /// Unpacks a journal whose lock is held; gives the lock of what has taken its place.
    pub(super) fn unpacked(&self, lease: Lease) -> Result<Lease, StoreError> {
        let journal = lease.journal().to_owned();
        if !packed(&journal)? {
            return Ok(lease);
        }
        let draft = draft(lease.folder())?;
        let file = unpack(&journal, &draft).inspect_err(|_| {
            // A full disk needs the room.
            let _ = fs::remove_file(&draft);
        })?;
        // Before it is the journal, so that nobody else has it in between.
        let unpacked = Lease::take(lease.scope(), journal.clone(), file)?;
        remove_parts(lease.folder())?;
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        sync_beside(&journal)?;
        Ok(unpacked)
    }
}

fn unpack(journal: &Path, draft: &Path) -> Result<File, StoreError> {
    let file = layout::make_file(draft)?;
    let unpacked = StoreError::io("unpack", journal);
    let copy = || -> io::Result<()> {
        let mut writer = io::BufWriter::new(&file);
        let mut unpacking = Unpacking::begin(reopen(journal).map_err(io::Error::other)?)?;
        io::copy(&mut unpacking, &mut writer)?;
        writer.flush()?;
        file.sync_all()
    };
    copy().map_err(unpacked)?;
    Ok(file)
}

fn write_packed<D: Domain>(stored: &StoredJournal<D>, draft: &Path) -> Result<u64, StoreError> {
    let file = layout::make_file(draft)?;
    let written = StoreError::io("write", draft);
    let mut encoder = match zstd::stream::write::Encoder::new(&file, LEVEL) {
        Ok(encoder) => encoder,
        Err(error) => return Err(written(error)),
    };
    // Told apart from what is wrong with the journal itself.
    let checked = encoder
        .include_checksum(true)
        .and_then(|()| encoder.set_pledged_src_size(None));
    if let Err(error) = checked {
        return Err(written(error));
    }
    stored.archive(&mut encoder)?;
    let length = || -> io::Result<u64> {
        encoder.finish()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    };
    length().map_err(written)
}

fn reopen(journal: &Path) -> Result<File, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    layout::open_regular(journal, options.read(true).append(true), Links::Refuse)
}

fn packed(journal: &Path) -> Result<bool, StoreError> {
    is_packed(&reopen(journal)?).map_err(StoreError::io("read", journal))
}

fn draft(folder: &Path) -> Result<PathBuf, StoreError> {
    let draft = folder.join("pack.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &draft)(error)),
        _ => Ok(draft),
    }
}

fn remove_parts(folder: &Path) -> Result<(), StoreError> {
    for part in parts::later(folder)? {
        fs::remove_file(&part.path).map_err(StoreError::io("remove", &part.path))?;
    }
    layout::sync_folder(folder)
}

fn sync_beside(journal: &Path) -> Result<(), StoreError> {
    journal.parent().map_or(Ok(()), layout::sync_folder)
}
