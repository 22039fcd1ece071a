//! The trash: sessions that were put away, whole, with a note of where they were.
//!
//! ```text
//! <data>/trash/<time>-<id>/                    one session
//! <data>/trash/<time>-<id>/trashed.json        whose it is, where it was, and since when it is here
//! <data>/trash/<time>-<id>/<time>-<id>.jsonl   its journal
//! <data>/trash/<time>-<id>/<time>-<id>/        its folder
//! ```
//!
//! The journal goes first and comes back last: a session that is listed has its folder, wherever a move was cut short.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use glasswork_engine::{Domain, ScopeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::{self, Links, Place};
use super::lease::Lease;
use super::{Store, StoredJournal};

const FOLDER: &str = "trash";
const NOTE: &str = "trashed.json";
/// More than any note has, in bytes.
const NOTE_BYTES: u64 = 64 << 10;

/// A session in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// The session.
    pub scope: ScopeId,
    /// When it was put there.
    pub since: Timestamp,
    /// Where its journal was, below the data directory.
    pub journal: PathBuf,
    /// Where it lies now.
    pub folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Note {
    scope: ScopeId,
    since: Timestamp,
    journal: PathBuf,
}

impl<D: Domain> Store<D> {
    /// Puts a session into the trash. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where somebody writes it; [`StoreError::Unknown`]; [`StoreError::Io`].
    pub fn put_in_trash(&self, scope: ScopeId, now: Timestamp) -> Result<(), StoreError> {
        let journal = match self.journal(scope) {
            Ok(journal) => journal,
            Err(StoreError::Unknown { .. }) if self.in_trash(scope)?.is_some() => return self.tidy(scope),
            Err(error) => return Err(error),
        };
        // Held until all is done, so that nobody opens it meanwhile.
        let _lease = lock(&journal, scope)?;
        let (Some(name), Some(stem)) = (journal.path().file_name(), journal.path().file_stem()) else {
            return Err(StoreError::Unknown {
                wanted: scope.to_string(),
            });
        };
        let trash = self.data().join(FOLDER);
        let folder = trash.join(stem);
        layout::ensure_folder(&trash)?;
        layout::ensure_folder(&folder)?;
        let below = journal.path().strip_prefix(self.data()).unwrap_or(journal.path());
        let note = Note {
            scope,
            since: now,
            journal: below.to_owned(),
        };
        write_note(&folder, &note)?;
        layout::sync_folder(&trash)?;
        rename(journal.path(), &folder.join(name))?;
        self.tidy(scope)
    }

    /// Takes a session out of the trash, to where it was. One that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where it is neither here nor there; [`StoreError::Exists`]; [`StoreError::Io`].
    pub fn take_from_trash(&self, scope: ScopeId) -> Result<(), StoreError> {
        let Some(trashed) = self.in_trash(scope)? else {
            self.journal(scope)?;
            return self.sweep(scope);
        };
        if self.journal(scope).is_ok() {
            return Err(StoreError::Exists(scope));
        }
        let (kept, journal) = (trashed.kept(), self.data().join(&trashed.journal));
        let mut home = self.data().to_owned();
        for part in trashed.journal.parent().into_iter().flat_map(Path::components) {
            home.push(part);
            layout::ensure_folder(&home)?;
        }
        let folder = kept.with_extension("");
        if fs::symlink_metadata(&folder).is_ok() {
            rename(&folder, &journal.with_extension(""))?;
        }
        rename(&kept, &journal)?;
        self.sweep(scope)
    }

    /// Removes a session that is in the trash, for good. One that is not there, or not any more, is left alone.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what is still there then stays in the trash, and can be removed again.
    pub fn remove_from_trash(&self, scope: ScopeId) -> Result<(), StoreError> {
        // A move into the trash that was cut short is ended first, so that nothing of the session stays elsewhere.
        self.tidy(scope)?;
        let Some(trashed) = self.in_trash(scope)? else {
            return self.sweep(scope);
        };
        // The journal goes last: as long as it is there, and the note beside it, the session is in the trash.
        let folder = trashed.kept().with_extension("");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &folder)(error));
            }
            _ => {}
        }
        let kept = trashed.kept();
        fs::remove_file(&kept).map_err(StoreError::io("remove", &kept))?;
        self.sweep(scope)
    }

    /// What is in the trash, latest first.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the trash cannot be read. What is no session there is left out.
    pub fn trash(&self) -> Result<Vec<Trashed>, StoreError> {
        let trash = self.data().join(FOLDER);
        let entries = match fs::read_dir(&trash) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("list", &trash)(error)),
        };
        let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
        let mut all: Vec<Trashed> = folders.filter_map(trashed).collect();
        all.sort_by_key(|trashed| std::cmp::Reverse((trashed.since, trashed.scope)));
        Ok(all)
    }

    /// The journal of a session in the trash, to read.
    #[must_use]
    pub fn trashed_journal(trashed: &Trashed) -> StoredJournal<D> {
        StoredJournal::of(trashed.kept(), trashed.scope)
    }

    fn in_trash(&self, scope: ScopeId) -> Result<Option<Trashed>, StoreError> {
        let mut all = self.trash()?.into_iter();
        Ok(all.find(|trashed| trashed.scope == scope))
    }

    /// Removes what is left in the trash of a session that is not there any more: the note of where it was.
    fn sweep(&self, scope: ScopeId) -> Result<(), StoreError> {
        // Who moves it there at this moment has written the note already, and holds the lock.
        let _lease = match self.lease_of_listed(scope) {
            Ok(lease) => lease,
            Err(_) => return Ok(()),
        };
        let trash = self.data().join(FOLDER);
        for entry in fs::read_dir(&trash).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name();
            let stem = name.to_str().unwrap_or_default();
            if Place::Sessions.id_of(stem) != Some(scope) || self.in_trash(scope)?.is_some() {
                continue;
            }
            let folder = entry.path();
            let _ = fs::remove_file(folder.join(NOTE));
            // Whatever else somebody has put there stays.
            let _ = fs::remove_dir(&folder);
            layout::sync_folder(&trash)?;
        }
        Ok(())
    }

    /// The lock on a session that is listed; none where it is not.
    fn lease_of_listed(&self, scope: ScopeId) -> Result<Option<Lease>, StoreError> {
        match self.journal(scope) {
            Ok(journal) => lock(&journal, scope).map(Some),
            Err(StoreError::Unknown { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets the folder of a session follow its journal into the trash.
    fn tidy(&self, scope: ScopeId) -> Result<(), StoreError> {
        let Some(trashed) = self.in_trash(scope)? else {
            return Ok(());
        };
        let folder = self.data().join(&trashed.journal).with_extension("");
        match fs::symlink_metadata(&folder) {
            Ok(_) => rename(&folder, &trashed.kept().with_extension("")),
            Err(_) => Ok(()),
        }
    }
}

impl Trashed {
    /// Where its journal lies now.
    fn kept(&self) -> PathBuf {
        self.folder.join(self.journal.file_name().unwrap_or_default())
    }
}

/// The lock on a journal.
fn lock<D: Domain>(journal: &StoredJournal<D>, scope: ScopeId) -> Result<Lease, StoreError> {
    let options = layout::careful(Links::Refuse).read(true).to_owned();
    let file = layout::open_regular(journal.path(), &options, Links::Refuse)?;
    let lease = Lease::take(scope, journal.path().to_owned(), file)?;
    match lease.is_current() {
        true => Ok(lease),
        false => Err(StoreError::Unknown {
            wanted: scope.to_string(),
        }),
    }
}

/// The session in a folder of the trash, if its journal has arrived there.
fn trashed(folder: PathBuf) -> Option<Trashed> {
    let path = folder.join(NOTE);
    let file = layout::open_regular(&path, layout::careful(Links::Refuse).read(true), Links::Refuse).ok()?;
    let mut text = Vec::new();
    file.take(NOTE_BYTES).read_to_end(&mut text).ok()?;
    let Note {
        scope,
        since,
        journal,
    } = serde_json::from_slice(&text).ok()?;
    // A note leads nowhere but below the data directory.
    let plain = journal
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let trashed = Trashed {
        scope,
        since,
        journal,
        folder,
    };
    let arrived = fs::symlink_metadata(trashed.kept()).is_ok_and(|file| file.is_file());
    (plain && arrived).then_some(trashed)
}

fn write_note(folder: &Path, note: &Note) -> Result<(), StoreError> {
    let path = folder.join(NOTE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &path)(error));
        }
        _ => {}
    }
    let mut file = layout::make_file(&path)?;
    let text = serde_json::to_vec(note).map_err(|error| StoreError::io("write", &path)(error.into()))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", &path))?;
    layout::sync_folder(folder)
}

/// Gives something another place, and waits until that is on the disk.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("move", from))?;
    for folder in [to.parent(), from.parent()].into_iter().flatten() {
        layout::sync_folder(folder)?;
    }
    Ok(())
}
