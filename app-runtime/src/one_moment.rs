//! An archive that holds one session as it was after one commit, and nothing later.

use std::ops::RangeInclusive;
use std::sync::Arc;

use glasswork_agent_session::store::StoreError;
use glasswork_engine::line::Chain;
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, Scope, ScopeId};
use glasswork_session_state::Glasswork;

use crate::archive::{Archive, ArchivedSession, Record};

/// One state of one session, and the record that led to it.
pub(crate) struct OneMoment {
    archive: Arc<dyn Archive>,
    scope: Arc<Scope<Glasswork>>,
}

impl OneMoment {
    pub(crate) fn new(archive: Arc<dyn Archive>, scope: Arc<Scope<Glasswork>>) -> Self {
        Self { archive, scope }
    }

    fn known(&self, session: ScopeId) -> Result<(), StoreError> {
        match session == self.scope.id {
            true => Ok(()),
            false => Err(StoreError::Unknown {
                wanted: session.to_string(),
            }),
        }
    }
}

impl Archive for OneMoment {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        // When its journal was made and how long that is are of the record, not of the moment.
        Ok(ArchivedSession::of(&self.scope, self.scope.at, 0)
            .into_iter()
            .collect())
    }

    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        match self.scope.id.to_string().starts_with(text) && !text.is_empty() {
            true => Ok(self.scope.id),
            false => Err(StoreError::Unknown {
                wanted: text.to_owned(),
            }),
        }
    }

    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        self.known(session)?;
        match until {
            Some(asked) if asked > self.scope.seq => Err(StoreError::NoSuchCommit {
                asked,
                last: self.scope.seq,
            }),
            Some(asked) if asked < self.scope.seq => self.archive.load(session, until),
            _ => Ok(Loaded {
                scope: Arc::clone(&self.scope),
                chain: Chain::default(),
                reached: self.scope.seq,
                breach: None,
            }),
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
        self.archive
            .commits(session, *range.start()..=self.scope.seq.min(*range.end()))
    }

    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        self.known(session)?;
        self.archive.traces(session)
    }
}
