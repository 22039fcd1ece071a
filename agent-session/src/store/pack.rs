//! Packing: a journal at rest as one compressed file, under the name that it always had.
//!
//! A packed journal holds what [`StoredJournal::archive`](super::StoredJournal::archive) leaves of it, in
//! [blocks](super::blocks) of compressed lines. It is listed, read and replayed like any other; opening it for writing
//! unpacks it. Whoever wants to see it calls `zstdcat`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use glasswork_engine::line::{self, Chain};
use glasswork_engine::{Domain, ScopeId, Timestamp};

use super::blocks::{self, BrokenBlock, Packing, Unpacking};
use super::checkpoint;
use super::digests;
use super::error::StoreError;
use super::layout::{self, Links};
use super::lease::Lease;
use super::open::Folded;
use super::read::Tail;
use super::{Store, StoredJournal, parts};

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
        if packed(&journal)?.is_some() {
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
        rekey(&stored, &draft, lease.folder())?;
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
        let Some(form) = packed(&journal)? else {
            return Ok(lease);
        };
        let draft = draft(lease.folder())?;
        let file = layout::make_file(&draft)?;
        let mut writer = io::BufWriter::new(&file);
        let copied = reopen(&journal)
            .and_then(|packed| Unpacking::begin(packed, form).map_err(StoreError::io("unpack", &journal)))
            .and_then(|mut unpacking| {
                io::copy(&mut unpacking, &mut writer)
                    .and_then(|_| writer.flush())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| match BrokenBlock::of(&error) {
                        Some(broken) => self.broken(lease.scope(), &journal, broken),
                        None => StoreError::io("unpack", &journal)(error),
                    })
            });
        if let Err(error) = copied {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        drop(writer);
        // Before it is the journal, so that nobody else has it in between.
        let unpacked = Lease::take(lease.scope(), journal.clone(), file)?;
        remove_parts(lease.folder())?;
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        sync_beside(&journal)?;
        Ok(unpacked)
    }

    /// Where, among its lines, a packed journal is damaged.
    fn broken(&self, scope: ScopeId, journal: &Path, broken: BrokenBlock) -> StoreError {
        let read = StoredJournal::<D>::of(journal.to_owned(), scope).read();
        let changed = || StoreError::io("unpack", journal)(broken.into());
        read.err().unwrap_or_else(changed)
    }
}

fn write_packed<D: Domain>(stored: &StoredJournal<D>, draft: &Path) -> Result<u64, StoreError> {
    let file = layout::make_file(draft)?;
    let written = StoreError::io("write", draft);
    let mut packing = Packing::begin(&file).map_err(StoreError::io("write", draft))?;
    stored.archive(&mut packing)?;
    let length = || -> io::Result<u64> {
        packing.finish()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    };
    length().map_err(written)
}

/// Without its deltas the journal has another chain: digests of its commits go on being compared.
fn rekey<D: Domain>(stored: &StoredJournal<D>, draft: &Path, folder: &Path) -> Result<(), StoreError> {
    let noted: BTreeSet<u64> = digests::chains(folder).into_iter().map(|(seq, _)| seq).collect();
    if noted.is_empty() {
        return Ok(());
    }
    let chains = |journal: &StoredJournal<D>| -> Result<BTreeMap<u64, Chain>, StoreError> {
        let mut chains = BTreeMap::new();
        journal.each_line(None, |line| {
            let wanted = line::seq(line).filter(|seq| noted.contains(seq));
            chains.extend(wanted.zip(line::stated(line)));
            Ok::<(), StoreError>(())
        })?;
        Ok(chains)
    };
    let (before, after) = (chains(stored)?, chains(&StoredJournal::at(draft.to_owned()))?);
    digests::rewrite(folder, |seq, chain| {
        let is_ours = before.get(&seq) == Some(&chain);
        after.get(&seq).copied().filter(|_| is_ours)
    })
}

fn reopen(journal: &Path) -> Result<File, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    layout::open_regular(journal, options.read(true).append(true), Links::Refuse)
}

fn packed(journal: &Path) -> Result<Option<blocks::Form>, StoreError> {
    blocks::form(&reopen(journal)?).map_err(StoreError::io("read", journal))
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
