//! The right to write a journal: the operating system's lock on it, and a note for others who ask.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use glasswork_engine::{ScopeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout;

/// Who owns a journal, as the owner itself has noted. Only for people and for attaching: the truth is the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// Where it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} since {}", self.pid, layout::compact(self.since))?;
        match &self.socket {
            Some(socket) => write!(f, " (reachable at {})", socket.display()),
            None => Ok(()),
        }
    }
}

/// The right to write one journal, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lease {
    scope: ScopeId,
    journal: PathBuf,
    folder: PathBuf,
    /// The first file, which is locked.
    file: Arc<File>,
    /// The file that is written.
    written: WrittenFile,
    /// How often the journal was opened.
    epoch: u32,
    /// The last commit before this opening.
    before: u64,
    noted: bool,
    ended_badly: AtomicBool,
    released: AtomicBool,
}

/// A file of a journal, as its owner writes it.
#[derive(Debug, Clone)]
pub(super) struct WrittenFile {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// Up to where it holds whole lines.
    pub(super) length: u64,
}

impl Lease {
    /// Locks an open journal. The lock belongs to the open file, so that it ends with the process, and it is not
    /// inherited: the file is closed on exec.
    pub(super) fn take(scope: ScopeId, journal: PathBuf, file: File) -> Result<Self, StoreError> {
        let folder = journal.with_extension("");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = read_owner(&folder);
                return Err(StoreError::Owned { scope, owner });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &journal)(error)),
        }
        let length = file
            .metadata()
            .map_err(StoreError::io("look at", &journal))?
            .len();
        let file = Arc::new(file);
        Ok(Self {
            scope,
            written: WrittenFile {
                path: journal.clone(),
                file: Arc::clone(&file),
                length,
            },
            journal,
            folder,
            file,
            epoch: 1,
            before: 0,
            noted: false,
            ended_badly: AtomicBool::new(false),
            released: AtomicBool::new(false),
        })
    }

    /// Tells others who has it.
    pub(super) fn note(&mut self, owner: &Owner) -> Result<(), StoreError> {
        note_owner(&self.folder, owner)?;
        self.noted = true;
        Ok(())
    }

    /// Whose journal it is.
    #[must_use]
    pub fn scope(&self) -> ScopeId {
        self.scope
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// The scope's folder, for all that belongs to it beside the journal.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[cfg(test)]
    fn file(&self) -> &File {
        &self.file
    }

    /// The file that is written.
    pub(super) fn written(&self) -> &WrittenFile {
        &self.written
    }

    pub(super) fn written_mut(&mut self) -> &mut WrittenFile {
        &mut self.written
    }

    /// How often the journal was opened, this time included.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The last commit before this opening.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    pub(super) fn begin(&mut self, epoch: u32, before: u64) {
        (self.epoch, self.before) = (epoch, before);
    }

    /// Leaves the note behind: whoever opens the journal next must look at the disk itself.
    pub(super) fn end_badly(&self) {
        self.ended_badly.store(true, Ordering::Release);
    }

    /// Whether its last owner has ended without giving it back.
    pub(super) fn was_left(&self) -> bool {
        !self.noted && owner_file(&self.folder).exists()
    }

    /// Whether the file that is locked is still the one that others find.
    pub(super) fn is_current(&self) -> bool {
        let (Ok(here), Ok(there)) = (self.file.metadata(), fs::symlink_metadata(&self.journal)) else {
            return false;
        };
        (here.dev(), here.ino()) == (there.dev(), there.ino())
    }

    /// Gives the right back, once: what comes after may be another's.
    pub(super) fn release(&self) {
        if self.released.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.noted && !self.ended_badly.load(Ordering::Acquire) {
            // While the lock still holds: the next owner's note must not be the one that goes.
            let _ = fs::remove_file(owner_file(&self.folder));
        }
        // Explicitly, because a child between fork and exec may still hold a copy of the file.
        let _ = self.file.unlock();
    }

    #[cfg(test)]
    pub(super) fn of_device(scope: ScopeId, file: File, folder: &Path) -> Self {
        let file = Arc::new(file);
        let journal = folder.join("device");
        Self {
            scope,
            written: WrittenFile {
                path: journal.clone(),
                file: Arc::clone(&file),
                length: 0,
            },
            journal,
            folder: folder.to_owned(),
            file,
            epoch: 1,
            before: 0,
            noted: false,
            ended_badly: AtomicBool::new(false),
            released: AtomicBool::new(false),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

fn owner_file(folder: &Path) -> PathBuf {
    folder.join("owner.json")
}

/// A note in full or none: others may read at any moment.
fn note_owner(folder: &Path, owner: &Owner) -> Result<(), StoreError> {
    let draft = folder.join(format!("owner.{}.new", owner.pid));
    let _ = fs::remove_file(&draft);
    let mut file = layout::make_file(&draft)?;
    let text = serde_json::to_vec(owner).unwrap_or_default();
    std::io::Write::write_all(&mut file, &text).map_err(StoreError::io("write", &draft))?;
    let noted = owner_file(folder);
    fs::rename(&draft, &noted).map_err(StoreError::io("write", &noted))
}

fn read_owner(folder: &Path) -> Option<Owner> {
    let path = owner_file(folder);
    let mut options = layout::careful(layout::Links::Refuse);
    let file = layout::open_regular(&path, options.read(true), layout::Links::Refuse).ok()?;
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 16 << 10), &mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Who has a journal open for writing, as far as they have noted it. Takes nothing that an owner needs: where there is
/// no note, or its process is gone, the lock is not even looked at.
#[must_use]
pub fn owner_of(journal: &Path) -> Option<Owner> {
    let owner = read_owner(&journal.with_extension(""))?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(owner.pid).ok()?)?;
    // A process of another user exists too, but may not be asked.
    let lives = !matches!(
        rustix::process::test_kill_process(pid),
        Err(rustix::io::Errno::SRCH)
    );
    if !lives {
        return None;
    }
    // The number may be another process's by now.
    let options = layout::careful(layout::Links::Refuse).read(true).to_owned();
    let file = layout::open_regular(journal, &options, layout::Links::Refuse).ok()?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_is_given_back_is_free_even_where_a_copy_of_its_file_lives_on() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.jsonl");
        let take = |file| Lease::take(ScopeId::from_u128(1), path.clone(), file);
        let lease = take(layout::make_file(&path).unwrap()).unwrap();
        // As a child has it between fork and exec.
        let copy = lease.file().try_clone().unwrap();
        assert!(matches!(
            take(File::open(&path).unwrap()),
            Err(StoreError::Owned { owner: None, .. })
        ));
        drop(lease);
        take(File::open(&path).unwrap()).unwrap();
        drop(copy);
    }

    #[test]
    fn who_holds_a_file_that_others_no_longer_find_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.jsonl");
        let lease = Lease::take(
            ScopeId::from_u128(1),
            path.clone(),
            layout::make_file(&path).unwrap(),
        )
        .unwrap();
        assert!(lease.is_current());
        fs::rename(&path, home.path().join("b.jsonl")).unwrap();
        assert!(!lease.is_current());
        layout::make_file(&path).unwrap();
        assert!(!lease.is_current());
    }
}
