//! Writing a journal without its deltas, for what is put away.

use std::io::Write;

use glasswork_engine::archive::{ArchiveError, Archived, Archiver};
use glasswork_engine::line::Chain;
use glasswork_engine::load::Damage;
use glasswork_engine::{Domain, ScopeId};

use super::StoredJournal;
use super::error::StoreError;
use super::read::{Reading, damaged};

/// How much is collected before it is written, in bytes.
const BATCH: usize = 256 << 10;

impl<D: Domain> StoredJournal<D> {
    /// Writes the journal of a scope at rest to `out` without its deltas: it loads to the same state, and every other
    /// commit keeps its number. The journal itself is left as it is; whoever puts the new one in its place owns the
    /// scope, and syncs what was written first.
    ///
    /// # Errors
    /// [`StoreError::NotAtRest`], [`StoreError::Damaged`], those of opening, and [`StoreError::Io`] where `out` takes no
    /// more. What was written is of no use then.
    pub fn archive(&self, out: &mut impl Write) -> Result<Archived<D>, StoreError> {
        let mut archiving = Archiving::<D> {
            archiver: Archiver::new(),
            lines: Vec::new(),
            place: None,
            failure: None,
            out,
        };
        self.scan(&mut archiving)?;
        let failed = match archiving.failure.take() {
            Some(error) => Err(error),
            None => archiving.out.write_all(&archiving.lines),
        };
        failed.map_err(StoreError::io("write the archive of", self.path()))?;
        archiving.archiver.finish().map_err(|error| match error {
            ArchiveError::Damaged(damage) => damaged(self.path(), 0, damage),
            ArchiveError::NotAtRest(effect) => StoreError::NotAtRest {
                path: self.path().to_owned(),
                effect,
            },
        })
    }
}

struct Archiving<'a, D: Domain> {
    archiver: Archiver<D>,
    lines: Vec<u8>,
    place: Option<(ScopeId, u64)>,
    failure: Option<std::io::Error>,
    out: &'a mut dyn Write,
}

impl<D: Domain> Reading for Archiving<'_, D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        match self.archiver.line(bytes, &mut self.lines) {
            // Told at the end alone.
            Ok(()) | Err(ArchiveError::NotAtRest(_)) => {}
            Err(ArchiveError::Damaged(damage)) => return Err(damage),
        }
        self.place = self.archiver.place();
        if self.lines.len() >= BATCH {
            self.failure = self.out.write_all(&self.lines).err();
            self.lines.clear();
        }
        Ok(())
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.place
    }

    fn chain(&self) -> Chain {
        self.archiver.chain()
    }

    fn is_done(&self) -> bool {
        self.failure.is_some()
    }
}
