//! A journal in memory: for tests, and for scopes that need not outlive the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Appended, Journal, Line, Report, Reporter};
use crate::domain::Domain;
use crate::envelope::{ScopeId, Timestamp};
use crate::line::{self, Header, LineError, Opening};
use crate::load::{Damage, DamageKind, Loaded, load};
use crate::root::Scope;

/// A journal in memory. Clones share it.
///
/// It has a gate. While the gate is shut, lines wait in front of it: nothing is reported, as if the disk took its
/// time. A second gate holds back syncs alone.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    scopes: BTreeMap<ScopeId, Stored>,
    shut: bool,
    syncs_held: bool,
    waiting: Vec<Line>,
    unsynced: Vec<(ScopeId, u64)>,
    failing: Option<Arc<str>>,
    reporter: Option<Reporter>,
}

#[derive(Debug, Default)]
struct Stored {
    bytes: Vec<u8>,
    synced: usize,
}

impl Inner {
    fn store(&mut self, line: &Line) {
        let stored = self.scopes.entry(line.scope).or_default();
        stored.bytes.extend_from_slice(&line.bytes);
        stored.bytes.push(b'\n');
        if self.syncs_held {
            self.unsynced.push((line.scope, line.seq));
        } else {
            stored.synced = stored.bytes.len();
        }
    }

    fn report(&self, report: Report) {
        if let Some(reporter) = &self.reporter {
            reporter.report(report);
        }
    }
}

impl MemoryJournal {
    /// An empty journal with open gates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the journal of a new scope, and gives what the engine needs to mount it.
    ///
    /// # Errors
    /// Where the scope's kind cannot be serialised.
    pub fn create<D: Domain>(
        &self,
        scope: ScopeId,
        kind: D::Kind,
        created: Timestamp,
    ) -> Result<Loaded<D>, LineError> {
        let header = Header {
            glasswork: line::FORMAT,
            schema: D::SCHEMA,
            scope,
            kind,
            created,
            lineage: Vec::new(),
        };
        let (mut bytes, chain) = line::encode_header(&header)?;
        bytes.push(b'\n');
        let synced = bytes.len();
        self.lock().scopes.insert(scope, Stored { bytes, synced });
        Ok(Loaded::vacant(scope, kind, chain))
    }

    /// The journal of a scope, byte by byte.
    #[must_use]
    pub fn bytes(&self, scope: ScopeId) -> Vec<u8> {
        self.lock()
            .scopes
            .get(&scope)
            .map(|stored| stored.bytes.clone())
            .unwrap_or_default()
    }

    /// The journal of a scope, and how many of its bytes are synced.
    #[cfg(feature = "test-support")]
    pub(crate) fn bytes_and_synced(&self, scope: ScopeId) -> (Vec<u8>, usize) {
        let inner = self.lock();
        let stored = inner.scopes.get(&scope);
        stored
            .map(|stored| (stored.bytes.clone(), stored.synced))
            .unwrap_or_default()
    }

    /// Takes over a journal that was written elsewhere. It must end with a whole line.
    pub fn adopt(&self, scope: ScopeId, bytes: Vec<u8>) {
        let synced = bytes.len();
        self.lock().scopes.insert(scope, Stored { bytes, synced });
    }

    /// Opens the journal of a scope again for writing: loads it, and writes that a new epoch begins.
    ///
    /// # Errors
    /// [`Damage`], also where there is no such journal.
    pub fn reopen<D: Domain>(&self, scope: ScopeId, at: Timestamp) -> Result<Loaded<D>, Damage> {
        let mut inner = self.lock();
        let stored = inner.scopes.entry(scope).or_default();
        let mut loaded = load::<D>(&stored.bytes)?;
        let mut reopened = Scope::clone(&loaded.scope);
        reopened.epoch += 1;
        let opening = Opening {
            epoch: reopened.epoch,
            at,
            schema: D::SCHEMA,
        };
        let (line, chain) = line::encode_opening(&opening, loaded.chain).map_err(|error| Damage {
            line: 0,
            offset: stored.bytes.len() as u64,
            kind: DamageKind::Line(error),
        })?;
        stored.bytes.extend_from_slice(&line);
        stored.bytes.push(b'\n');
        stored.synced = stored.bytes.len();
        loaded.scope = Arc::new(reopened);
        loaded.chain = chain;
        Ok(loaded)
    }

    /// Shuts the gate: lines wait unwritten.
    pub fn shut(&self) {
        self.lock().shut = true;
    }

    /// Opens the gate: what waited is written and reported, in order.
    pub fn open(&self) {
        let mut inner = self.lock();
        inner.shut = false;
        for line in std::mem::take(&mut inner.waiting) {
            inner.store(&line);
            inner.report(Report::Written {
                scope: line.scope,
                through: line.seq,
            });
            if !inner.syncs_held {
                inner.report(Report::Synced {
                    scope: line.scope,
                    through: line.seq,
                });
            }
        }
    }

    /// Holds back syncs: lines are written, but not safe.
    pub fn hold_syncs(&self) {
        self.lock().syncs_held = true;
    }

    /// Lets syncs through again, those held back first.
    pub fn release_syncs(&self) {
        let mut inner = self.lock();
        inner.syncs_held = false;
        for stored in inner.scopes.values_mut() {
            stored.synced = stored.bytes.len();
        }
        for (scope, through) in std::mem::take(&mut inner.unsynced) {
            inner.report(Report::Synced { scope, through });
        }
    }

    /// Makes every append from now on fail for this reason.
    pub fn fail(&self, reason: &str) {
        self.lock().failing = Some(reason.into());
    }
}

impl Journal for MemoryJournal {
    fn start(&mut self, reporter: Reporter) {
        self.lock().reporter = Some(reporter);
    }

    fn append(&mut self, line: Line) -> Appended {
        let mut inner = self.lock();
        if let Some(reason) = inner.failing.clone() {
            inner.report(Report::Failed {
                scope: line.scope,
                reason,
            });
            return Appended::Later;
        }
        if inner.shut {
            inner.waiting.push(line);
            return Appended::Later;
        }
        inner.store(&line);
        if inner.syncs_held {
            inner.report(Report::Written {
                scope: line.scope,
                through: line.seq,
            });
            return Appended::Later;
        }
        Appended::Synced
    }

    fn unmounted(&mut self, _scope: ScopeId) {}
}
