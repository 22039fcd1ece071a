//! The canonical state: one immutable value, replaced by one that shares structure with it.

use std::sync::Arc;

use im::OrdMap;

use crate::domain::Domain;
use crate::envelope::{EffectKey, Moment, ScopeId, Timestamp};

/// The root as readers see it: every mounted scope, each at its last written commit.
#[derive(Debug)]
pub struct Root<D: Domain> {
    scopes: OrdMap<ScopeId, Arc<Scope<D>>>,
}

impl<D: Domain> Clone for Root<D> {
    fn clone(&self) -> Self {
        Self {
            scopes: self.scopes.clone(),
        }
    }
}

impl<D: Domain> Default for Root<D> {
    fn default() -> Self {
        Self {
            scopes: OrdMap::new(),
        }
    }
}

impl<D: Domain> Root<D> {
    /// A mounted scope.
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> Option<&Arc<Scope<D>>> {
        self.scopes.get(&id)
    }

    /// The mounted scopes, in order of their ids (that is, of their making).
    pub fn scopes(&self) -> impl Iterator<Item = &Arc<Scope<D>>> {
        self.scopes.values()
    }

    #[cfg(feature = "writer")]
    pub(crate) fn put(&mut self, scope: Arc<Scope<D>>) {
        self.scopes.insert(scope.id, scope);
    }

    #[cfg(feature = "writer")]
    pub(crate) fn remove(&mut self, id: ScopeId) {
        self.scopes.remove(&id);
    }
}

/// One scope at one commit: the domain's state, and what the engine itself keeps of it.
#[derive(Debug)]
pub struct Scope<D: Domain> {
    /// Its id.
    pub id: ScopeId,
    /// Its kind.
    pub kind: D::Kind,
    /// How often the journal was opened for writing. Part of every cursor on the wire.
    pub epoch: u32,
    /// The last commit; 0 before the first.
    pub seq: u64,
    /// That commit's time.
    pub at: Timestamp,
    /// The domain's state.
    pub state: D::State,
    /// Effects whose outcome is not recorded yet.
    pub open: OrdMap<EffectKey, Arc<D::Effect>>,
    /// Why nothing more can be written, once an append has failed.
    pub journal_failure: Option<Arc<str>>,
    /// Why the state cannot be trusted, though it can be read: what was found when it was loaded.
    pub unsound: Option<Arc<str>>,
}

impl<D: Domain> Clone for Scope<D> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            kind: self.kind,
            epoch: self.epoch,
            seq: self.seq,
            at: self.at,
            state: self.state.clone(),
            open: self.open.clone(),
            journal_failure: self.journal_failure.clone(),
            unsound: self.unsound.clone(),
        }
    }
}

/// Equal in what the journal determines: the epoch and a failed journal belong to the process, not the record.
impl<D: Domain> PartialEq for Scope<D> {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.kind, self.seq, self.at) == (other.id, other.kind, other.seq, other.at)
            && self.state == other.state
            && self.open == other.open
    }
}

impl<D: Domain> Scope<D> {
    /// A scope before its first commit.
    #[must_use]
    pub fn vacant(id: ScopeId, kind: D::Kind, epoch: u32) -> Self {
        Self {
            id,
            kind,
            epoch,
            seq: 0,
            at: Timestamp::default(),
            state: D::vacant(kind, id),
            open: OrdMap::new(),
            journal_failure: None,
            unsound: None,
        }
    }

    /// Applies what a commit decided. Loading and the live path both go through here, so they cannot differ.
    pub(crate) fn apply(&mut self, moment: Moment, decided: &Decided<'_, D>) {
        for fact in decided.facts {
            D::evolve(&mut self.state, fact, moment);
        }
        for key in decided.settles.iter().chain(decided.closes) {
            self.open.remove(key);
        }
        for (ordinal, effect) in (0u16..).zip(decided.effects) {
            self.open.insert(
                EffectKey {
                    seq: moment.seq,
                    ordinal,
                },
                Arc::new(effect.clone()),
            );
        }
        self.seq = moment.seq;
        self.at = moment.at;
    }
}

/// The part of a commit that changes the state.
pub(crate) struct Decided<'a, D: Domain> {
    pub(crate) facts: &'a [D::Fact],
    pub(crate) effects: &'a [D::Effect],
    pub(crate) closes: &'a [EffectKey],
    pub(crate) settles: Option<EffectKey>,
}
