//! Stage 6: what a record allows is released, once the journal has it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::commit::Commit;
use crate::domain::{Class, Domain};
use crate::effect::{Demand, EffectPort, Job, Runner};
use crate::envelope::{EffectKey, ScopeId};
use crate::log::Log;
use crate::root::Scope;
use crate::trace::{EffectPhase, EffectTrace, TraceRecord, TraceSink};
use crate::writer::Inside;

/// Runners, and the way to reach those that are at work.
pub(crate) struct Effects<D: Domain> {
    pub(crate) runner: Arc<dyn Runner<D>>,
    pub(crate) inside: Sender<Inside<D>>,
    pub(crate) running: BTreeMap<(ScopeId, EffectKey), watch::Sender<Demand>>,
    /// Effects that are decided but not released yet, and what later commits already ask of them.
    pub(crate) awaiting: BTreeMap<(ScopeId, EffectKey), Demand>,
}

/// Where the stage notes what it does.
pub(crate) struct Notes<'a, D: Domain> {
    pub(crate) log: &'a Log<D>,
    pub(crate) sink: &'a mut dyn TraceSink,
    pub(crate) clock: &'a dyn Clock,
}

impl<D: Domain> Notes<'_, D> {
    pub(crate) fn effect(&mut self, scope: ScopeId, effect: EffectKey, phase: EffectPhase) {
        let record = TraceRecord::Effect(EffectTrace {
            scope,
            effect,
            phase,
            at: self.clock.wall(),
        });
        self.sink.record(&record);
        self.log.trace(record);
    }
}

impl<D: Domain> Effects<D> {
    /// Notes the effects of a commit that was just decided.
    pub(crate) fn await_release(&mut self, commit: &Commit<D>) {
        for key in keys(commit) {
            self.awaiting.insert((commit.id.scope, key), Demand::Run);
        }
    }

    /// Forgets the effects of a commit that will never be written.
    pub(crate) fn forget(&mut self, commit: &Commit<D>) {
        for key in keys(commit) {
            self.awaiting.remove(&(commit.id.scope, key));
        }
    }

    /// Releases the effects of a commit that are of `class`; not those that a later commit has closed meanwhile.
    pub(crate) fn release(
        &mut self,
        commit: &Commit<D>,
        scope: &Arc<Scope<D>>,
        classes: &[Class],
        class: Class,
        notes: &mut Notes<'_, D>,
    ) {
        let id = commit.id.scope;
        for ((key, effect), of) in keys(commit).zip(&commit.effects).zip(classes) {
            if *of != class {
                continue;
            }
            let asked = self.awaiting.remove(&(id, key));
            if asked == Some(Demand::Abandon) {
                notes.effect(id, key, EffectPhase::Closed);
                continue;
            }
            let effect = scope
                .open
                .get(&key)
                .map_or_else(|| Arc::new(effect.clone()), Arc::clone);
            let (port, demand) = EffectPort::open(id, key, Arc::clone(&effect), self.inside.clone());
            if asked == Some(Demand::Stop) {
                demand.send_replace(Demand::Stop);
            }
            self.running.insert((id, key), demand);
            notes.effect(id, key, EffectPhase::Started);
            let job = Job {
                effect,
                scope: Arc::clone(scope),
                port,
            };
            // A runner that panics here has dropped its port by that, which reports the effect as lost.
            let _ = catch_unwind(AssertUnwindSafe(|| self.runner.run(job)));
        }
    }

    /// Tells runners what a commit asks of them.
    pub(crate) fn demand(&mut self, commit: &Commit<D>, notes: &mut Notes<'_, D>) {
        let id = commit.id.scope;
        for key in &commit.stops {
            if let Some(asked) = self.awaiting.get_mut(&(id, *key)) {
                *asked = Demand::Stop;
            } else if let Some(demand) = self.running.get(&(id, *key)) {
                demand.send_replace(Demand::Stop);
                notes.effect(id, *key, EffectPhase::Stopping);
            }
        }
        for key in &commit.closes {
            if let Some(asked) = self.awaiting.get_mut(&(id, *key)) {
                *asked = Demand::Abandon;
            } else if let Some(demand) = self.running.remove(&(id, *key)) {
                demand.send_replace(Demand::Abandon);
                notes.effect(id, *key, EffectPhase::Closed);
            }
        }
        if let Some(key) = commit.settles {
            self.running.remove(&(id, key));
        }
    }
}

fn keys<D: Domain>(commit: &Commit<D>) -> impl Iterator<Item = EffectKey> + use<'_, D> {
    let seq = commit.id.seq;
    (0u16..)
        .zip(&commit.effects)
        .map(move |(ordinal, _)| EffectKey { seq, ordinal })
}
