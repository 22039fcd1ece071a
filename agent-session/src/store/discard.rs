//! Removing the journal of a session that never began.

use std::fs;
use std::io;

use glasswork_engine::{Domain, ScopeId};

use super::Store;
use super::error::StoreError;
use super::layout::{self, Links};
use super::lease::Lease;

impl<D: Domain> Store<D> {
    /// Removes the journal of a session in which nothing was ever committed, and its folder. Returns whether that was
    /// so: one with commits stays.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where somebody has it open; [`StoreError::Unknown`], [`StoreError::Io`]; and where it
    /// cannot be read, because then nobody knows what is in it.
    pub fn discard(&self, scope: ScopeId) -> Result<bool, StoreError> {
        let journal = self.journal(scope)?;
        let path = journal.path().to_owned();
        let file = layout::open_regular(&path, layout::careful(Links::Refuse).read(true), Links::Refuse)?;
        // Held until it is gone, so that nobody begins it meanwhile.
        let lease = Lease::take(scope, path.clone(), file)?;
        if !lease.is_current() || journal.read()?.scope.seq > 0 {
            return Ok(false);
        }
        fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        let folder = path.with_extension("");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &folder)(error))
            }
            _ => Ok(true),
        }
    }
}
