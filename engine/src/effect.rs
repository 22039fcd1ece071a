//! Effects on the other side of the gate: what a runner is given, and how it reports.

use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use tokio::sync::watch;

use crate::domain::{Domain, Loss};
use crate::envelope::{DispatchId, EffectKey, Origin, ScopeId};
use crate::log::lock;
use crate::pipeline::Envelope;
use crate::root::Scope;
use crate::writer::Inside;

/// Does the work of effects. Called by the writer thread: must hand the job on (to a runtime, a pool) and return.
pub trait Runner<D: Domain>: Send + Sync + 'static {
    /// Takes a job.
    fn run(&self, job: Job<D>);
}

/// An effect that was released, with all that its runner may know.
#[derive(Debug)]
pub struct Job<D: Domain> {
    /// The work.
    pub effect: Arc<D::Effect>,
    /// The scope as of the commit that released it.
    pub scope: Arc<Scope<D>>,
    /// The way to report.
    pub port: EffectPort<D>,
}

/// What the gate asks of a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Go on.
    Run,
    /// Stop as soon as possible, and report how it ended.
    Stop,
    /// Stop; nobody listens any more.
    Abandon,
}

/// The one way for a runner to report: progress, which may be merged, and exactly one result.
///
/// Dropping the port without a result reports that the effect was lost.
pub struct EffectPort<D: Domain> {
    slot: Arc<Slot<D>>,
    inside: Sender<Inside<D>>,
    demand: watch::Receiver<Demand>,
    finished: bool,
}

impl<D: Domain> std::fmt::Debug for EffectPort<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EffectPort")
            .field(&self.slot.scope)
            .field(&self.slot.key)
            .finish()
    }
}

/// Where progress waits for the writer, merged.
pub(crate) struct Slot<D: Domain> {
    pub(crate) scope: ScopeId,
    pub(crate) key: EffectKey,
    effect: Arc<D::Effect>,
    waiting: Mutex<Option<D::Event>>,
}

impl<D: Domain> Slot<D> {
    pub(crate) fn take(&self) -> Option<D::Event> {
        lock(&self.waiting).take()
    }
}

impl<D: Domain> EffectPort<D> {
    pub(crate) fn open(
        scope: ScopeId,
        key: EffectKey,
        effect: Arc<D::Effect>,
        inside: Sender<Inside<D>>,
    ) -> (Self, watch::Sender<Demand>) {
        let (sender, demand) = watch::channel(Demand::Run);
        let slot = Arc::new(Slot {
            scope,
            key,
            effect,
            waiting: Mutex::new(None),
        });
        (
            Self {
                slot,
                inside,
                demand,
                finished: false,
            },
            sender,
        )
    }

    /// The scope whose effect this is.
    #[must_use]
    pub fn scope(&self) -> ScopeId {
        self.slot.scope
    }

    /// The effect.
    #[must_use]
    pub fn key(&self) -> EffectKey {
        self.slot.key
    }

    /// Reports progress. Never blocks: what the writer has not taken yet is merged with it.
    pub fn progress(&self, event: D::Event) {
        let mut waiting = lock(&self.slot.waiting);
        match &mut *waiting {
            Some(earlier) => D::merge_progress(earlier, event),
            None => {
                *waiting = Some(event);
                let _ = self.inside.send(Inside::Progress(Arc::clone(&self.slot)));
            }
        }
    }

    /// Reports the result.
    pub fn finish(mut self, event: D::Event) {
        self.send(event, None);
    }

    fn send(&mut self, event: D::Event, loss: Option<Loss>) {
        self.finished = true;
        let Slot { scope, key, .. } = *self.slot;
        let envelope = Envelope {
            cause: Some(DispatchId::commit(scope, key.seq)),
            settles: Some(key),
            ..Envelope::new(Origin::Effect(key), event)
        };
        let _ = self.inside.send(Inside::Result {
            scope,
            envelope,
            lost: loss.is_some(),
        });
    }

    /// What the gate asks right now.
    #[must_use]
    pub fn demand(&self) -> Demand {
        // A closed channel means that the engine has ended.
        if self.demand.has_changed().is_err() {
            Demand::Abandon
        } else {
            *self.demand.borrow()
        }
    }

    /// A handle on what the gate asks, for a task that works beside the one that reports.
    #[must_use]
    pub fn demands(&self) -> Demands {
        Demands(self.demand.clone())
    }
}

impl<D: Domain> Drop for EffectPort<D> {
    fn drop(&mut self) {
        if !self.finished {
            let event = D::lost(self.slot.key, &self.slot.effect, Loss::RunnerGone);
            self.send(event, Some(Loss::RunnerGone));
        }
    }
}

/// What the gate asks of a runner, to wait upon.
#[derive(Debug, Clone)]
pub struct Demands(watch::Receiver<Demand>);

impl Demands {
    /// Waits until the runner shall stop, and says how.
    pub async fn stopped(&mut self) -> Demand {
        match self.0.wait_for(|demand| *demand != Demand::Run).await {
            Ok(demand) => *demand,
            Err(_) => Demand::Abandon,
        }
    }
}
