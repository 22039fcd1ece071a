//! Removing old records of processes. Sessions are never removed by themselves.

use std::fs;

use glasswork_engine::Domain;

use super::Store;
use super::error::StoreError;
use super::layout::{self, Links, Place};

/// How many records of past processes are kept.
pub const HOSTS_KEPT: usize = 32;

impl<D: Domain> Store<D> {
    /// Removes the records of processes that have ended, but the newest [`HOSTS_KEPT`]. A record that a process still
    /// writes is locked, and stays. Returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError::Io`] where one cannot be removed; those before it are gone.
    pub fn prune_hosts(&self) -> Result<usize, StoreError> {
        let folder = Place::Host.folder(self.data());
        let mut names: Vec<_> = match fs::read_dir(&folder) {
            Ok(entries) => entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name())
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(StoreError::io("list", &folder)(error)),
        };
        names.retain(|name| {
            let stem = name
                .to_str()
                .and_then(|name| name.strip_suffix(&format!(".{}", layout::JOURNAL)));
            stem.and_then(|stem| Place::Host.id_of(stem)).is_some()
        });
        // Ids sort by time, and so do names.
        names.sort_unstable();
        let old = names.len().saturating_sub(HOSTS_KEPT);
        let mut removed = 0;
        for name in names.into_iter().take(old) {
            let journal = folder.join(name);
            let opened =
                layout::open_regular(&journal, layout::careful(Links::Refuse).read(true), Links::Refuse);
            // What is no journal, or is gone already, is not ours to remove.
            let Ok(file) = opened else { continue };
            if file.try_lock().is_err() {
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
