//! Making journals, and opening them for writing: lock, fold, move a torn tail aside, note the opening.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_engine::line::{self, Header, LineError, Opening};
use glasswork_engine::load::Loaded;
use glasswork_engine::{Domain, ScopeId, Timestamp};

use super::error::StoreError;
use super::layout::{self, Links, Place};
use super::lease::{Lease, Owner};
use super::read::{Folding, Tail, scan};
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
        // Under another name first, so that no journal is ever seen without its header, or without its owner.
        let draft = folder.join("journal.new");
        let file = layout::make_file(&draft)?;
        let header = Header {
            glasswork: line::FORMAT,
            schema: D::SCHEMA,
            scope,
            kind,
            created: now,
        };
        let (mut bytes, chain) = line::encode_header(&header).map_err(unwritable(&draft))?;
        bytes.push(b'\n');
        let mut lease = Lease::take(scope, journal.clone(), file)?;
        lease.note(&self.owner(now))?;
        append(&mut lease, &bytes)?;
        fs::rename(&draft, &journal).map_err(StoreError::io("name", &journal))?;
        layout::sync_folder(home)?;
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
        lease.note(&self.owner(now))?;
        let mut folding = Folding::<D>::new(None);
        let (tail, place) = scan(&journal, Some(scope), lease.file(), &mut folding)?;
        let torn = match tail {
            Tail::Unfinished(bytes) => Some(TornTail {
                line: place.line,
                offset: place.offset,
                bytes: bytes.len() as u64,
                moved_to: set_aside(&lease, place.offset, &bytes, now)?,
            }),
            Tail::End | Tail::Enough => None,
        };
        lease.set_length(place.offset);
        let mut loaded = folding.finish(&journal)?;
        let opening = Opening {
            epoch: loaded.scope.epoch.saturating_add(1),
            at: now,
            schema: D::SCHEMA,
        };
        let (mut bytes, chain) =
            line::encode_opening(&opening, loaded.chain).map_err(unwritable(&journal))?;
        bytes.push(b'\n');
        append(&mut lease, &bytes)?;
        loaded.chain = chain;
        Arc::make_mut(&mut loaded.scope).epoch = opening.epoch;
        Ok(OpenedForWriting { loaded, lease, torn })
    }

    /// The journal at a path, to read; wherever it lies, and also through a link.
    #[must_use]
    pub fn journal_at(path: impl Into<PathBuf>) -> StoredJournal<D> {
        StoredJournal::at(path.into())
    }

    fn owner(&self, now: Timestamp) -> Owner {
        Owner {
            pid: std::process::id(),
            since: now,
            socket: self.socket.clone(),
        }
    }
}

/// Appends one line and waits until it is on the disk. What a failed attempt leaves is taken back: it was never told.
fn append(lease: &mut Lease, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = lease.file();
    let before = lease.length();
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = file.set_len(before);
        return Err(StoreError::io("write", lease.journal())(error));
    }
    lease.set_length(before + bytes.len() as u64);
    Ok(())
}

fn unwritable(path: &Path) -> impl FnOnce(LineError) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| StoreError::io("write", &path)(std::io::Error::other(error))
}

/// Moves a torn tail out of the journal. It is safe in its new place before it leaves the old one.
fn set_aside(lease: &Lease, offset: u64, bytes: &[u8], now: Timestamp) -> Result<PathBuf, StoreError> {
    let folder = lease.folder();
    let time = layout::compact(now);
    let path = (0u32..)
        .map(|number| match number {
            0 => folder.join(format!("torn-{time}.bin")),
            _ => folder.join(format!("torn-{time}-{number}.bin")),
        })
        .find(|path| fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| folder.join("torn.bin"));
    let mut file = layout::make_file(&path)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", &path))?;
    layout::sync_folder(folder)?;
    lease
        .file()
        .set_len(offset)
        .and_then(|()| lease.file().sync_all())
        .map_err(StoreError::io("shorten", lease.journal()))?;
    Ok(path)
}
