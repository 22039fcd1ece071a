//! An archive that holds one record only, up to a commit: what a replay reads, whatever else there is.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use glasswork_agent_session::store::{Store, StoreError};
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, ScopeId};
use glasswork_session_state::Glasswork;

use crate::archive::{Archive, ArchivedSession, Record};

/// One record of an archive, or one file. Its last commit is the one at which it was opened.
pub struct OneRecord {
    archive: Arc<dyn Archive>,
    record: Record,
    id: ScopeId,
    last: u64,
}

impl OneRecord {
    /// The record as it was after `replayed`.
    #[must_use]
    pub fn of(archive: Arc<dyn Archive>, record: Record, replayed: &Replayed<Glasswork>) -> Self {
        let scope = &replayed.loaded.scope;
        Self {
            archive,
            record,
            id: scope.id,
            last: scope.seq,
        }
    }

    fn known(&self, session: ScopeId) -> Result<(), StoreError> {
        match session == self.id {
            true => Ok(()),
            false => Err(StoreError::Unknown {
                wanted: session.to_string(),
            }),
        }
    }

    fn file(&self) -> Option<&PathBuf> {
        match &self.record {
            Record::File(path) => Some(path),
            Record::Session(_) => None,
        }
    }
}

impl Archive for OneRecord {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        let scope = self.load(self.id, None)?.scope;
        let known = match self.file() {
            None => self.archive.list()?.into_iter().find(|row| row.id == self.id),
            Some(path) => Some(ArchivedSession {
                created: Store::<Glasswork>::journal_at(path).header()?.created,
                // A file that was there a moment ago; its length is for people.
                bytes: std::fs::metadata(path).map_or(0, |file| file.len()),
                ..ArchivedSession::bare(self.id)
            }),
        };
        let row = known.and_then(|known| ArchivedSession::of(&scope, known.created, known.bytes));
        Ok(row.into_iter().collect())
    }

    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        match self.id.to_string().starts_with(text) && !text.is_empty() {
            true => Ok(self.id),
            false => Err(StoreError::Unknown {
                wanted: text.to_owned(),
            }),
        }
    }

    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        self.known(session)?;
        let until = until.map_or(self.last, |until| until.min(self.last));
        match self.file() {
            Some(path) => Store::journal_at(path).read_until(until),
            None => self.archive.load(session, Some(until)),
        }
    }

    fn replay(&self, record: &Record, until: Option<u64>) -> Result<Replayed<Glasswork>, StoreError> {
        self.archive.replay(record, until)
    }

    fn commits(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError> {
        self.known(session)?;
        let range = *range.start()..=self.last.min(*range.end());
        match self.file() {
            Some(path) => {
                let commits = Store::<Glasswork>::journal_at(path).commits(range)?;
                commits.map(|commit| commit.map(Arc::new)).collect()
            }
            None => self.archive.commits(session, range),
        }
    }

    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        self.known(session)?;
        match self.file() {
            Some(path) => {
                let traces = Store::<Glasswork>::journal_at(path).traces()?;
                Ok(traces.records.into_iter().map(Arc::new).collect())
            }
            None => self.archive.traces(session),
        }
    }
}
