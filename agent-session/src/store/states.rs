//! Every state of a scope, one after the other: a fold that stops to be looked at.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use glasswork_engine::line::Chain;
use glasswork_engine::load::{Damage, Fold};
use glasswork_engine::{Domain, Scope, ScopeId};

use super::StoredJournal;
use super::error::StoreError;
use super::read::Reading;

impl<D: Domain> StoredJournal<D> {
    /// Gives the states after the commits in `range` to `each`, in order, in one pass over the journal, until `each` has
    /// enough. Commits that were folded away have no state of their own any more. States share structure, so what
    /// `each` keeps costs little more than what changed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of opening.
    pub fn each_state(
        &self,
        range: RangeInclusive<u64>,
        mut each: impl FnMut(&Arc<Scope<D>>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.scan(&mut Stepping::<D> {
            // Not from a checkpoint: between its lines the state has every delta, so that no moment is passed over.
            fold: Fold::with_deltas(),
            range,
            seen: 0,
            enough: false,
            each: &mut each,
        })
    }
}

struct Stepping<'a, D: Domain> {
    fold: Fold<D>,
    range: RangeInclusive<u64>,
    /// The last commit whose state was given, or passed over.
    seen: u64,
    enough: bool,
    each: &'a mut dyn FnMut(&Arc<Scope<D>>) -> ControlFlow<()>,
}

impl<D: Domain> Reading for Stepping<'_, D> {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.fold.line(bytes)?;
        let Some(scope) = self.fold.scope().filter(|scope| scope.seq > self.seen) else {
            return Ok(());
        };
        self.seen = scope.seq;
        if self.range.contains(&self.seen) {
            self.enough = (self.each)(&Arc::new(scope.clone())).is_break();
        }
        Ok(())
    }

    fn place(&self) -> Option<(ScopeId, u64)> {
        self.fold.scope().map(|scope| (scope.id, self.fold.reached()))
    }

    fn chain(&self) -> Chain {
        self.fold.chain()
    }

    fn is_done(&self) -> bool {
        self.enough || (self.fold.header().is_some() && self.fold.reached() >= *self.range.end())
    }
}
