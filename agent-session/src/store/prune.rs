//! Old records of processes: those with something left to be done, and removing the others. Sessions are never removed
//! by themselves.

use std::fs;
use std::path::{Path, PathBuf};

use glasswork_engine::{Domain, ScopeId};

use super::error::StoreError;
use super::layout::{self, Links, Place};
use super::{Store, StoredJournal};

/// How many records of past processes are kept.
pub const HOSTS_KEPT: usize = 32;

impl<D: Domain> Store<D> {
    /// The records of processes that have ended in the middle of something, oldest first: they have effects open. Reads
    /// all of them. A record that a process still writes may be among them; one that cannot be read is not.
    #[must_use]
    pub fn left_open(&self) -> Vec<ScopeId> {
        let mut hosts = self.hosts().unwrap_or_default();
        hosts.retain(|(journal, _)| !is_locked(journal));
        hosts.retain(|(journal, host)| {
            let read = StoredJournal::<D>::of(journal.clone(), *host).read();
            read.is_ok_and(|loaded| !loaded.scope.open.is_empty())
        });
        hosts.into_iter().map(|(_, host)| host).collect()
    }

    /// The records of processes, oldest first.
    fn hosts(&self) -> Result<Vec<(PathBuf, ScopeId)>, StoreError> {
        let folder = Place::Host.folder(self.data());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(Result::ok),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("list", &folder)(error)),
        };
        let mut hosts: Vec<(PathBuf, ScopeId)> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                let stem = name
                    .to_str()?
                    .strip_suffix(&format!(".{}", layout::JOURNAL))?
                    .to_owned();
                Some((entry.path(), Place::Host.id_of(&stem)?))
            })
            .collect();
        // Ids sort by time, and so do names.
        hosts.sort_unstable();
        Ok(hosts)
    }

    /// Removes the records of processes that have ended, but the newest [`HOSTS_KEPT`]. A record that a process still
    /// writes is locked, and stays, and so does one in which something is left to be done. Returns how many were
    /// removed.
    ///
    /// # Errors
    /// [`StoreError::Io`] where one cannot be removed; those before it are gone.
    pub fn prune_hosts(&self) -> Result<usize, StoreError> {
        let hosts = self.hosts()?;
        let old = hosts.len().saturating_sub(HOSTS_KEPT);
        let mut removed = 0;
        for (journal, host) in hosts.into_iter().take(old) {
            let opened =
                layout::open_regular(&journal, layout::careful(Links::Refuse).read(true), Links::Refuse);
            // What is no journal, or is gone already, is not ours to remove.
            let Ok(file) = opened else { continue };
            if file.try_lock().is_err() {
                continue;
            }
            let read = StoredJournal::<D>::of(journal.clone(), host).read();
            if read.is_ok_and(|loaded| !loaded.scope.open.is_empty()) {
                continue;
            }
            fs::remove_file(&journal).map_err(StoreError::io("remove", &journal))?;
            let beside = journal.with_extension("");
            match fs::remove_dir_all(&beside) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &beside)(error));
                }
                _ => removed += 1,
            }
        }
        Ok(removed)
    }
}

/// Whether a process writes it at this moment. Takes nothing that a writer needs for longer than it takes to ask.
fn is_locked(journal: &Path) -> bool {
    let options = layout::careful(Links::Refuse).read(true).to_owned();
    match layout::open_regular(journal, &options, Links::Refuse) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(_) => true,
    }
}
