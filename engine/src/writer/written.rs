//! What follows from the journal's word: published, acknowledged and released, or never happened.

use std::sync::Arc;

use super::{DISPOSE_AT, Pending, STATE_WEIGHT, Writer};
use crate::domain::{Class, Domain, Durability};
use crate::envelope::ScopeId;
use crate::handle::{Accepted, Refusal};
use crate::journal::Report;
use crate::log::lock;
use crate::pipeline::Stage;
use crate::pipeline::effects::Notes;
use crate::root::Scope;
use crate::trace::{DispatchTrace, Outcome, SLOW, TraceRecord};

impl<D: Domain> Writer<D> {
    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Written { scope, through } => self.written(scope, through),
            Report::Synced { scope, through } => {
                self.written(scope, through);
                self.synced(scope, through);
            }
            Report::Failed { scope, reason } => self.failed(scope, &reason),
        }
    }

    /// The journal has all lines of a scope up to `through`: readers may see them, and effects of class *again* run.
    pub(super) fn written(&mut self, id: ScopeId, through: u64) {
        let Some(mount) = self.own.mounts.get_mut(&id) else {
            return;
        };
        let count = mount
            .unwritten
            .iter()
            .take_while(|pending| pending.commit.id.seq <= through)
            .count();
        if count == 0 {
            return;
        }
        let mut ready: Vec<Pending<D>> = mount.unwritten.drain(..count).collect();
        let Some(last) = ready.last_mut() else { return };
        let newest = Arc::clone(&last.scope);
        let deadlines = std::mem::take(&mut last.terms.deadlines);
        let before = std::mem::replace(&mut mount.deadlines, deadlines);
        self.deadlines.replace(id, &before, &mount.deadlines);

        self.own.root.put(newest);
        let root = Arc::new(self.own.root.clone());
        let shelf = Arc::clone(&self.shelf);
        let commits = ready.iter().map(|pending| &pending.commit);
        shelf.feed.publish(commits, || {
            let mut ring = lock(&shelf.ring);
            for pending in &ready {
                shelf.log.commit(Arc::clone(&pending.commit));
                if !pending.terms.delta {
                    let weight = pending.bytes + STATE_WEIGHT;
                    let state = Arc::clone(&pending.scope);
                    let garbage = &mut self.own.garbage;
                    ring.push(id, pending.commit.id.seq, weight, state, |old| garbage.push(old));
                }
            }
            shelf.root.store(root);
        });
        if self.own.garbage.len() >= DISPOSE_AT {
            self.dispose();
        }
        for pending in ready {
            self.release(pending);
        }
    }

    /// Stage *effects* for one commit whose line is written.
    pub(super) fn release(&mut self, mut pending: Pending<D>) {
        self.own.in_flight = self.own.in_flight.saturating_sub(pending.bytes);
        let begun = self.nanos();
        let mut notes = Notes {
            log: &self.shelf.log,
            sink: &mut *self.sink,
            clock: &*self.clock,
        };
        let commit = Arc::clone(&pending.commit);
        self.own.effects.demand(&commit, &mut notes);
        // Work that would be abandoned at once is not begun: recovery finds it open.
        if !self.own.stopping {
            self.own.effects.release(
                &commit,
                &pending.scope,
                &pending.terms.classes,
                Class::Again,
                &mut notes,
            );
        }
        let durability = pending.terms.acknowledged;
        if durability == Durability::Written {
            acknowledge(&mut pending);
        }
        let mut stages = pending.stages;
        if let Some(slot) = stages.get_mut(Stage::Effects as usize) {
            *slot = self.nanos().saturating_sub(begun);
        }
        let busy: u64 = stages.iter().sum();
        self.trace(TraceRecord::Dispatch(Box::new(DispatchTrace {
            id: commit.id,
            event: D::event_name(&commit.event).into(),
            origin: commit.origin.clone(),
            cause: commit.cause,
            received: commit.at,
            stages,
            journal: begun.saturating_sub(pending.sealed),
            outcome: Outcome::Committed,
            facts: u32::try_from(commit.facts.len()).unwrap_or(u32::MAX),
            effects: u32::try_from(commit.effects.len()).unwrap_or(u32::MAX),
            slow: busy > SLOW,
        })));
        let waits = durability == Durability::Synced || pending.terms.holds_once();
        if waits && let Some(mount) = self.own.mounts.get_mut(&commit.id.scope) {
            mount.unsynced.push_back(pending);
        }
    }

    /// All lines of a scope up to `through` are on the disk: effects of class *once* run.
    pub(super) fn synced(&mut self, id: ScopeId, through: u64) {
        let Some(mount) = self.own.mounts.get_mut(&id) else {
            return;
        };
        let count = mount
            .unsynced
            .iter()
            .take_while(|pending| pending.commit.id.seq <= through)
            .count();
        let ready: Vec<Pending<D>> = mount.unsynced.drain(..count).collect();
        for mut pending in ready {
            let mut notes = Notes {
                log: &self.shelf.log,
                sink: &mut *self.sink,
                clock: &*self.clock,
            };
            if !self.own.stopping {
                self.own.effects.release(
                    &pending.commit,
                    &pending.scope,
                    &pending.terms.classes,
                    Class::Once,
                    &mut notes,
                );
            }
            acknowledge(&mut pending);
        }
    }

    /// A scope's journal failed: what was not written never happened, what was stays readable.
    pub(super) fn failed(&mut self, id: ScopeId, reason: &Arc<str>) {
        let Some(mount) = self.own.mounts.get_mut(&id) else {
            return;
        };
        if mount.decided.journal_failure.is_some() {
            return;
        }
        let Some(published) = self.own.root.scope(id) else {
            return;
        };
        let mut scope = Scope::clone(published);
        scope.journal_failure = Some(Arc::clone(reason));
        let scope = Arc::new(scope);
        let seq = scope.seq + 1;
        mount.decided = Arc::clone(&scope);
        if let Some(first) = mount.unwritten.front() {
            mount.refusals = first.refusals;
        }
        let lost: Vec<_> = mount
            .unwritten
            .drain(..)
            .chain(mount.unsynced.drain(..))
            .collect();
        self.own.next.retain(|next| next.scope != id);
        // Readers first: who was refused reads why.
        self.own.root.put(scope);
        let root = Arc::new(self.own.root.clone());
        self.shelf.feed.fail(id, reason, || self.shelf.root.store(root));
        for mut pending in lost {
            self.own.effects.forget(&pending.commit);
            if pending.commit.id.seq >= seq {
                self.own.in_flight = self.own.in_flight.saturating_sub(pending.bytes);
            }
            if let Some((answer, _)) = pending.answer.take() {
                let reason = Arc::clone(reason);
                let _ = answer.send(Err(Refusal::JournalUnavailable { id: None, reason }));
            }
        }
        let at = self.clock.wall();
        self.trace(TraceRecord::JournalFailed {
            scope: id,
            seq,
            reason: reason.to_string(),
            at,
        });
    }
}

fn acknowledge<D: Domain>(pending: &mut Pending<D>) {
    if let Some((answer, reply)) = pending.answer.take() {
        let _ = answer.send(Ok(Accepted {
            id: pending.commit.id,
            reply,
        }));
    }
}
