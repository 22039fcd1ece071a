//! Mounting and unmounting scopes: operations of the engine, not events of a domain.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Mount, Next, STATE_WEIGHT, Writer};
use crate::domain::Domain;
use crate::envelope::{DispatchId, Origin, ScopeId};
use crate::load::Loaded;
use crate::log::lock;
use crate::pipeline::{Envelope, deadlines, panic_text};
use crate::trace::TraceRecord;

/// Why a scope could not be mounted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// It is mounted already.
    #[error("{0} is mounted already")]
    Mounted(ScopeId),
    /// The domain's recovery panicked. A defect; the scope can be read without being mounted.
    #[error("{0} cannot be mounted, because its recovery failed: {1}; please report this")]
    Failed(ScopeId, String),
    /// The engine has stopped.
    #[error("the runtime has stopped")]
    Stopped,
}

/// Why a scope could not be unmounted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmountError {
    /// It is not mounted.
    #[error("{0} is not open here")]
    NotMounted(ScopeId),
    /// It has open effects, or lines that are not on the disk yet.
    #[error("{0} is not at rest: {1} effects are open")]
    Busy(ScopeId, usize),
    /// The engine has stopped.
    #[error("the runtime has stopped")]
    Stopped,
}

impl<D: Domain> Writer<D> {
    pub(super) fn mount(&mut self, loaded: Loaded<D>) -> Result<(), MountError> {
        let Loaded { scope, chain, .. } = loaded;
        let id = scope.id;
        if self.own.mounts.contains_key(&id) {
            return Err(MountError::Mounted(id));
        }
        let (deadlines, recoveries) = catch_unwind(AssertUnwindSafe(|| {
            let open: Vec<_> = scope.open.iter().map(|(key, effect)| (*key, &**effect)).collect();
            (deadlines::<D>(&scope.state), D::recover(&scope.state, &open))
        }))
        .map_err(|payload| MountError::Failed(id, panic_text(&*payload)))?;
        self.deadlines.replace(id, &[], &deadlines);
        for recovery in recoveries {
            let envelope = Envelope {
                cause: Some(DispatchId::commit(id, recovery.cause)),
                ..Envelope::new(Origin::Recovery, recovery.event)
            };
            self.own.next.push_back(Next {
                scope: id,
                envelope,
                depth: 0,
                last_word: false,
            });
        }
        let mount = Mount {
            decided: Arc::clone(&scope),
            chain,
            refusals: 0,
            unwritten: VecDeque::new(),
            unsynced: VecDeque::new(),
            deadlines,
        };
        self.own.mounts.insert(id, mount);
        let (epoch, seq, at) = (scope.epoch, scope.seq, self.clock.wall());
        lock(&self.shelf.ring).push(id, seq, STATE_WEIGHT, Arc::clone(&scope), drop);
        self.own.root.put(scope);
        let root = Arc::new(self.own.root.clone());
        self.shelf.feed.publish([], || self.shelf.root.store(root));
        self.trace(TraceRecord::Mounted {
            scope: id,
            epoch,
            seq,
            digest: chain.to_string(),
            at,
        });
        Ok(())
    }

    pub(super) fn unmount(&mut self, id: ScopeId) -> Result<(), UnmountError> {
        let mount = self.own.mounts.get(&id).ok_or(UnmountError::NotMounted(id))?;
        let at_rest = mount.unwritten.is_empty()
            && mount.unsynced.is_empty()
            && (mount.decided.open.is_empty() || mount.decided.journal_failure.is_some())
            && self.own.next.iter().all(|next| next.scope != id);
        if !at_rest {
            return Err(UnmountError::Busy(id, mount.decided.open.len()));
        }
        let Some(mount) = self.own.mounts.remove(&id) else {
            return Err(UnmountError::NotMounted(id));
        };
        self.deadlines.replace(id, &mount.deadlines, &[]);
        self.own.effects.running.retain(|(scope, _), _| *scope != id);
        self.own.root.remove(id);
        let root = Arc::new(self.own.root.clone());
        self.shelf.feed.end(id, || self.shelf.root.store(root));
        self.shelf.log.forget(id);
        self.own.garbage.extend(lock(&self.shelf.ring).remove(id));
        self.own.garbage.push(Arc::clone(&mount.decided));
        self.journal.unmounted(id);
        let at = self.clock.wall();
        self.trace(TraceRecord::Unmounted {
            scope: id,
            seq: mount.decided.seq,
            at,
        });
        Ok(())
    }
}
