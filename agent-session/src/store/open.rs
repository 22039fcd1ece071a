//! Making journals, and opening them for writing: lock, fold, move a torn tail aside, note the opening.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_engine::line::{self, Header, LineError, Opening};
use glasswork_engine::load::Loaded;
use glasswork_engine::{Domain, ScopeId, Timestamp};

use super::checkpoint::Unusable;
use super::digests;
use super::error::StoreError;
use super::journal::Unsynced;
use super::layout::{self, Links, Place};
use super::lease::WrittenFile;
use super::lease::{Lease, Owner};
use super::parts;
use super::read::{Folding, Tail, scan};
use super::resume::{self, Begun};
use super::trail::{LinePlace, Trail};
use super::{Store, StoredJournal};

/// A new scope, on the disk and ready to be mounted.
#[derive(Debug)]
pub struct Created<D: Domain> {
    /// What the engine mounts.
    pub loaded: Loaded<D>,
    /// The right to write its journal.
    pub lease: Lease,
}

/// A scope that was there before, ready to be mounted.
#[derive(Debug)]
pub struct OpenedForWriting<D: Domain> {
    /// What the engine mounts.
    pub loaded: Loaded<D>,
    /// The right to write its journal.
    pub lease: Lease,
    /// What stood at the end of the journal and was no whole line.
    pub torn: Option<TornTail>,
    /// Checkpoints that could not be used, and were removed. The journal has all that they had.
    pub unusable: Vec<Unusable>,
    /// How many digests were of another history of the journal than the one that lies there, and were removed: an older
    /// copy was put back, or the disk has lost what came after.
    pub of_another_history: u64,
}

/// A last line that was being written when the process or the machine stopped. Nobody was told that it is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The line, from 1.
    pub line: u64,
    /// Where it began in the journal, in bytes.
    pub offset: u64,
    /// How long it was, in bytes.
    pub bytes: u64,
    /// Where it lies now.
    pub moved_to: PathBuf,
}

/// A fold before its end.
pub(super) struct Folded<D: Domain> {
    pub(super) folding: Folding<D>,
    pub(super) trail: Trail,
    pub(super) tail: Tail,
    pub(super) unusable: Vec<Unusable>,
}

impl<D: Domain> Store<D> {
    /// Makes the journal of a new scope. It is on the disk, with its header, before this returns.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the id was used in the same second (a minted one never is); [`StoreError::Io`].
    pub fn create(
        &self,
        place: Place,
        scope: ScopeId,
        kind: D::Kind,
        now: Timestamp,
    ) -> Result<Created<D>, StoreError> {
        let (folders, stem) = place.new_journal(self.data(), scope, now);
        for folder in &folders {
            if layout::ensure_folder(folder)?
                && let Some(parent) = folder.parent()
            {
                layout::sync_folder(parent)?;
            }
        }
        let home = folders.last().map_or(self.data(), PathBuf::as_path);
        let folder = home.join(&stem);
        let journal = home.join(format!("{stem}.{}", layout::JOURNAL));
        if !layout::ensure_folder(&folder)? {
            return Err(StoreError::Exists(scope));
        }
        let made = self.begin(scope, kind, now, &folder, &journal);
        if made.is_err() && fs::symlink_metadata(&journal).is_err() {
            // Of what could not be begun nothing stays, unless that cannot be removed either.
            let _ = fs::remove_dir_all(&folder);
        }
        made
    }

    /// Writes the first line of a new journal.
    fn begin(
        &self,
        scope: ScopeId,
        kind: D::Kind,
        now: Timestamp,
        folder: &Path,
        journal: &Path,
    ) -> Result<Created<D>, StoreError> {
        // Under another name first, so that no journal is ever seen without its header, or without its owner.
        let draft = folder.join("journal.new");
        let file = layout::make_file(&draft)?;
        let header = Header {
            glasswork: line::FORMAT,
            schema: D::SCHEMA,
            scope,
            kind,
            created: now,
            lineage: Vec::new(),
        };
        let (mut bytes, chain) = line::encode_header(&header).map_err(unwritable(&draft))?;
        bytes.push(b'\n');
        let mut lease = Lease::take(scope, journal.to_owned(), file)?;
        lease.note(&self.owner(now))?;
        append(&mut lease, &bytes)?;
        fs::rename(&draft, journal).map_err(StoreError::io("name", journal))?;
        if let Some(home) = folder.parent() {
            layout::sync_folder(home)?;
        }
        Ok(Created {
            loaded: Loaded::vacant(scope, kind, chain),
            lease,
        })
    }

    /// Opens a journal for writing: takes the lock, folds all commits, moves a torn last line aside and notes the
    /// opening, which begins a new epoch.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where somebody else writes it; [`StoreError::Damaged`] where a line before the last is
    /// not what was written, in which case nothing is changed; [`StoreError::Unknown`]; [`StoreError::Io`].
    pub fn open_for_writing(
        &self,
        scope: ScopeId,
        now: Timestamp,
    ) -> Result<OpenedForWriting<D>, StoreError> {
        self.open_again(scope, now, None)
    }

    /// Like [`open_for_writing`](Self::open_for_writing), after this process has failed to write the journal: lines
    /// that were shown, and of which the disk has not said that it has them, are written anew, to a file of their own.
    ///
    /// # Errors
    /// As there.
    pub fn open_again(
        &self,
        scope: ScopeId,
        now: Timestamp,
        unsynced: Option<Unsynced>,
    ) -> Result<OpenedForWriting<D>, StoreError> {
        let journal = self.path(scope)?;
        let mut options = layout::careful(Links::Refuse);
        let file = layout::open_regular(&journal, options.read(true).append(true), Links::Refuse)?;
        layout::own_alone(&file, &journal)?;
        layout::ensure_folder(&journal.with_extension(""))?;
        let mut lease = Lease::take(scope, journal.clone(), file)?;
        if !lease.is_current() {
            return Err(StoreError::Unknown {
                wanted: scope.to_string(),
            });
        }
        lease = self.unpacked(lease)?;
        let left = lease.was_left();
        lease.note(&self.owner(now))?;
        if left {
            look_at_the_disk(&journal)?;
        }
        let found = self.fold(&journal, scope, None);
        // Another process may have gone on since, with what it found on the disk. And there may be none: where writing
        // has failed, all that was written before may have been synced.
        let unsynced = unsynced.filter(|unsynced| !unsynced.lines.is_empty());
        let kept = unsynced.filter(|unsynced| match &found {
            Ok(found) => found
                .folding
                .scope()
                .is_some_and(|read| read.epoch == unsynced.epoch),
            Err(StoreError::Damaged { intact, .. }) => intact + 1 >= unsynced.first,
            Err(_) => false,
        });
        let found = match &kept {
            Some(unsynced) => self.fold(&journal, scope, Some(unsynced))?,
            None => found?,
        };
        let Folded {
            folding,
            trail,
            tail,
            unusable,
        } = found;
        for file in &unusable {
            // It is told once, and what comes in its place is of use.
            let _ = fs::remove_file(&file.path);
        }
        let torn = match (&kept, tail) {
            (None, Tail::Unfinished(bytes)) => Some(set_aside(&mut lease, &trail, &bytes, now)?),
            _ => None,
        };
        let schema = folding.schema();
        let strange = folding.of_another_history();
        if !strange.is_empty() {
            // They are told once. Where they cannot be removed they say nothing all the same.
            let _ = digests::rewrite(lease.folder(), |seq, chain| {
                (!strange.contains(&(seq, chain))).then_some(chain)
            });
        }
        let mut loaded = folding.finish(&journal)?;
        let epoch = loaded.scope.epoch.saturating_add(1);
        let opening = Opening {
            epoch,
            at: now,
            schema: D::SCHEMA,
        };
        let (line, chain) = line::encode_opening(&opening, loaded.chain).map_err(unwritable(&journal))?;
        lease.begin(epoch, loaded.reached);
        if kept.is_none() && trail.path() != journal {
            *lease.written_mut() = reopened(trail.path())?;
        }
        let is_full = lease.written().length >= parts::PART_BYTES;
        match kept {
            None if schema == D::SCHEMA && !is_full => append(&mut lease, &[&*line, b"\n"].concat())?,
            kept => {
                // Nothing that was written is touched: what comes from now on, of a newer schema or after a disk
                // that failed, lies in a file of its own.
                let (first, mut bytes) = match kept {
                    Some(unsynced) => (unsynced.first, unsynced.lines),
                    None => (loaded.reached + 1, Vec::new()),
                };
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
                *lease.written_mut() = parts::begin(lease.folder(), epoch, first, &bytes)?;
            }
        }
        loaded.chain = chain;
        Arc::make_mut(&mut loaded.scope).epoch = epoch;
        Ok(OpenedForWriting {
            loaded,
            lease,
            torn,
            unusable,
            of_another_history: strange.len() as u64,
        })
    }

    /// Folds all commits; where some are in memory alone, those instead of what the disk has from there on.
    pub(super) fn fold(
        &self,
        journal: &Path,
        scope: ScopeId,
        unsynced: Option<&Unsynced>,
    ) -> Result<Folded<D>, StoreError> {
        let until = unsynced.map(|unsynced| unsynced.first.saturating_sub(1));
        let Begun {
            mut trail,
            fold,
            unusable,
        } = resume::begin::<D>(journal, scope, until)?;
        if let Some(unsynced) = unsynced {
            trail = trail.then(unsynced.first, unsynced.lines.clone());
        }
        let mut folding = Folding::of(fold, &journal.with_extension(""), None);
        let tail = scan(&mut trail, Some(scope), &mut folding)?;
        Ok(Folded {
            folding,
            trail,
            tail,
            unusable,
        })
    }

    /// The journal at a path, to read; wherever it lies, and also through a link.
    #[must_use]
    pub fn journal_at(path: impl Into<PathBuf>) -> StoredJournal<D> {
        StoredJournal::at(path.into())
    }

    pub(super) fn owner(&self, now: Timestamp) -> Owner {
        Owner {
            pid: std::process::id(),
            since: now,
            socket: self.socket.clone(),
        }
    }
}

/// Appends one line and waits until it is on the disk. What a failed attempt leaves is taken back: it was never told.
fn append(lease: &mut Lease, bytes: &[u8]) -> Result<(), StoreError> {
    let written = lease.written_mut();
    let (mut file, before) = (&*written.file, written.length);
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = file.set_len(before);
        return Err(StoreError::io("write", &written.path)(error));
    }
    written.length = before + bytes.len() as u64;
    Ok(())
}

/// Opens the last part of a journal to go on in it.
fn reopened(path: &Path) -> Result<WrittenFile, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    let file = layout::open_regular(path, options.read(true).append(true), Links::Refuse)?;
    layout::own_alone(&file, path)?;
    let length = file.metadata().map_err(StoreError::io("look at", path))?.len();
    Ok(WrittenFile {
        path: path.to_owned(),
        file: Arc::new(file),
        length,
    })
}

/// Has the last part read from the disk, not from memory: where its owner was ended by a failing disk, the system may
/// remember lines that the disk never got.
fn look_at_the_disk(journal: &Path) -> Result<(), StoreError> {
    let last = parts::later(&journal.with_extension(""))?.pop();
    let path = last.map_or_else(|| journal.to_owned(), |part| part.path);
    let written = reopened(&path)?;
    written.file.sync_all().map_err(StoreError::io("sync", &path))?;
    // A file system that cannot forget has nothing else to read from either; nor has a Mac, which knows no such call.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&*written.file, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

fn unwritable(path: &Path) -> impl FnOnce(LineError) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| StoreError::io("write", &path)(std::io::Error::other(error))
}

/// Moves a torn tail out of the journal. It is safe in its new place before it leaves the old one.
fn set_aside(lease: &mut Lease, trail: &Trail, bytes: &[u8], now: Timestamp) -> Result<TornTail, StoreError> {
    let folder = lease.folder();
    let time = layout::compact(now);
    let moved_to = (0u32..)
        .map(|number| match number {
            0 => folder.join(format!("torn-{time}.bin")),
            _ => folder.join(format!("torn-{time}-{number}.bin")),
        })
        .find(|path| fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| folder.join("torn.bin"));
    let mut file = layout::make_file(&moved_to)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", &moved_to))?;
    layout::sync_folder(folder)?;
    let LinePlace { line, offset } = trail.place();
    let shortened = reopened(trail.path())?;
    shortened
        .file
        .set_len(offset)
        .and_then(|()| shortened.file.sync_all())
        .map_err(StoreError::io("shorten", trail.path()))?;
    if trail.path() == lease.journal() {
        lease.written_mut().length = offset;
    }
    Ok(TornTail {
        line,
        offset,
        bytes: bytes.len() as u64,
        moved_to,
    })
}
