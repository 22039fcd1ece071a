//! Where a fold begins: at the newest checkpoint that can be used, or at the first line.

use std::path::Path;

use glasswork_engine::load::Fold;
use glasswork_engine::{Domain, ScopeId};

use super::StoredJournal;
use super::checkpoint::{self, Checkpoint, CheckpointFile, Unusable, Why};
use super::error::StoreError;
use super::layout::Links;
use super::parts;
use super::trail::Trail;

/// The beginning of a fold.
pub(super) struct Begun<D: Domain> {
    pub(super) trail: Trail,
    pub(super) fold: Fold<D>,
    /// Newer checkpoints that were passed over.
    pub(super) unusable: Vec<Unusable>,
}

/// Begins a fold that shall not lead beyond commit `until`, where that is given.
pub(super) fn begin<D: Domain>(
    journal: &Path,
    scope: ScopeId,
    until: Option<u64>,
) -> Result<Begun<D>, StoreError> {
    let folder = journal.with_extension("");
    let mut unusable = Vec::new();
    let until = until.unwrap_or(u64::MAX);
    for file in checkpoint::list(&folder)
        .into_iter()
        .filter(|file| file.seq <= until)
    {
        match at::<D>(journal, scope, &file)? {
            Ok((trail, Checkpoint { label, scope })) => {
                let fold = Fold::resume(label.header, scope, label.spot.chain, label.schema);
                return Ok(Begun {
                    trail,
                    fold,
                    unusable,
                });
            }
            Err(why) => unusable.push(Unusable { path: file.path, why }),
        }
    }
    Ok(Begun {
        trail: Trail::open(journal, Links::Refuse)?,
        fold: Fold::new(),
        unusable,
    })
}

/// A checkpoint and the lines after it, or why it cannot be used.
pub(super) fn at<D: Domain>(
    journal: &Path,
    scope: ScopeId,
    file: &CheckpointFile,
) -> Result<Result<(Trail, Checkpoint<D>), Why>, StoreError> {
    let found = match checkpoint::read::<D>(file, scope) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let trail = Trail::open_at(journal, &found.label.spot)?;
    Ok(trail.map(|trail| (trail, found)).ok_or(Why::OtherJournal))
}

impl<D: Domain> StoredJournal<D> {
    /// The checkpoints that lie beside the journal, newest first.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<CheckpointFile> {
        checkpoint::list(&self.folder())
    }

    /// How many files the journal consists of, and their length in bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`] where they cannot be looked at.
    pub fn size(&self) -> Result<(u64, u64), StoreError> {
        let later = parts::later(&self.folder())?;
        let files = later.len() as u64 + 1;
        Ok((files, checkpoint::journal_bytes(self.path())))
    }

    /// Reads all checkpoints, and says which cannot be used, and why.
    ///
    /// # Errors
    /// Those of opening.
    pub fn unusable_checkpoints(&self) -> Result<Vec<Unusable>, StoreError> {
        let scope = self.header()?.scope;
        let mut unusable = Vec::new();
        for file in self.checkpoints() {
            if let Err(why) = at::<D>(self.path(), scope, &file)? {
                unusable.push(Unusable { path: file.path, why });
            }
        }
        Ok(unusable)
    }
}
