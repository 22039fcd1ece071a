//! The writer: the one thread that owns the root.
//!
//! It takes work in this order: reports of the journal, consequences of the last commit, the urgent lane, then the
//! inside and the outside lane in turn. So a cancel is never behind more than what one commit led to, and neither
//! results nor prompts can starve each other.

mod lanes;
mod mounting;
mod written;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::commit::Commit;
use crate::deadline::Deadlines;
use crate::domain::{Domain, Durability, Loss};
use crate::envelope::{Deadline, DispatchId, EffectKey, Origin, ScopeId, Timestamp};
use crate::handle::{Answer, Doors, Outside, Refusal};
use crate::journal::{Appended, Journal, Line};
use crate::line::Chain;
use crate::pipeline::effects::{Effects, Notes};
use crate::pipeline::{self, Applied, Envelope, Stage, Stopped, Stopwatch, Terms};
use crate::reader::Shelf;
use crate::root::{Root, Scope};
use crate::trace::{DispatchTrace, EffectPhase, SLOW, TraceRecord, TraceSink};

use lanes::Work;
pub(crate) use lanes::{Inside, Lanes};
pub use mounting::{MountError, UnmountError};

/// How long a chain of consequences may become before it is cut: a domain that needs more loops.
const MAX_CONSEQUENCES: u32 = 64;
/// Dropped states are handed to the disposer in heaps of this size.
const DISPOSE_AT: usize = 64;
/// What one kept state costs beside what its commit brought: the nodes that were copied on the way to it.
const STATE_WEIGHT: usize = 2_048;

struct Mount<D: Domain> {
    decided: Arc<Scope<D>>,
    chain: Chain,
    /// Refusals since the last commit.
    refusals: u32,
    /// Decided, not written.
    unwritten: VecDeque<Pending<D>>,
    /// Written, and something waits until it is synced.
    unsynced: VecDeque<Pending<D>>,
    deadlines: Vec<(D::DeadlineKey, Deadline)>,
}

struct Pending<D: Domain> {
    scope: Arc<Scope<D>>,
    commit: Arc<Commit<D>>,
    answer: Option<(oneshot::Sender<Answer<D>>, D::Reply)>,
    stages: [u64; Stage::COUNT],
    sealed: u64,
    bytes: usize,
    terms: Terms<D>,
    /// Refusals before it, since the commit before it: numbering goes on from there if it is never written.
    refusals: u32,
}

/// A dispatch that waits for the writer itself: a consequence, or an event of recovery.
struct Next<D: Domain> {
    scope: ScopeId,
    envelope: Envelope<D>,
    depth: u32,
    /// Whether this is what the domain says of a lost effect: the last word, never followed by another.
    last_word: bool,
}

pub(crate) struct Writer<D: Domain> {
    pub(crate) lanes: Lanes<D>,
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) sink: Box<dyn TraceSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shelf: Arc<Shelf<D>>,
    pub(crate) doors: Arc<Doors<D>>,
    pub(crate) deadlines: Arc<Deadlines<D>>,
    pub(crate) disposer: Sender<Vec<Arc<Scope<D>>>>,
    pub(crate) journal_bytes: usize,
    pub(crate) own: Own<D>,
}

/// What nobody but the writer's thread ever touches.
pub(crate) struct Own<D: Domain> {
    mounts: BTreeMap<ScopeId, Mount<D>>,
    root: Root<D>,
    effects: Effects<D>,
    next: VecDeque<Next<D>>,
    in_flight: usize,
    inside_turn: bool,
    stopping: bool,
    garbage: Vec<Arc<Scope<D>>>,
}

impl<D: Domain> Own<D> {
    pub(crate) fn new(effects: Effects<D>) -> Self {
        Self {
            mounts: BTreeMap::new(),
            root: Root::default(),
            effects,
            next: VecDeque::new(),
            in_flight: 0,
            inside_turn: true,
            stopping: false,
            garbage: Vec::new(),
        }
    }
}

impl<D: Domain> Writer<D> {
    pub(crate) fn run(mut self) {
        loop {
            while let Ok(report) = self.lanes.reports.try_recv() {
                self.report(report);
            }
            if let Some(next) = self.own.next.pop_front() {
                self.dispatch(next, None);
                continue;
            }
            if let Ok(request) = self.lanes.urgent.try_recv() {
                self.request(request);
                continue;
            }
            self.tell_overload();
            match self.take() {
                Work::Inside(inside) => self.inside(inside),
                Work::Outside(request) => self.request(request),
                Work::Report(report) => self.report(report),
                Work::Nothing => {
                    if self.own.stopping && self.is_settled() {
                        break;
                    }
                    match self.wait() {
                        Work::Inside(inside) => self.inside(inside),
                        Work::Outside(request) => self.request(request),
                        Work::Report(report) => self.report(report),
                        Work::Nothing => break,
                    }
                }
            }
        }
    }

    /// Whether all that was accepted is in the journal, as safely as somebody waits for it to be.
    fn is_settled(&self) -> bool {
        self.own.in_flight == 0 && self.own.mounts.values().all(|mount| mount.unsynced.is_empty())
    }

    fn trace(&mut self, record: TraceRecord) {
        self.sink.record(&record);
        self.shelf.log.trace(record);
    }

    fn request(&mut self, request: Outside<D>) {
        let Outside {
            scope,
            envelope,
            answer,
            ..
        } = request;
        self.dispatch(
            Next {
                scope,
                envelope,
                depth: 0,
                last_word: false,
            },
            Some(answer),
        );
    }

    fn inside(&mut self, inside: Inside<D>) {
        match inside {
            Inside::Progress(slot) => {
                let Some(event) = slot.take() else { return };
                self.note_effect(slot.scope, slot.key, EffectPhase::Progressed);
                let envelope = Envelope {
                    cause: Some(DispatchId::commit(slot.scope, slot.key.seq)),
                    ..Envelope::new(Origin::Effect(slot.key), event)
                };
                if self.is_open(slot.scope, slot.key) {
                    self.dispatch(
                        Next {
                            scope: slot.scope,
                            envelope,
                            depth: 0,
                            last_word: false,
                        },
                        None,
                    );
                }
            }
            Inside::Result {
                scope,
                envelope,
                lost,
            } => {
                if let Some(key) = envelope.settles {
                    let phase = if lost {
                        EffectPhase::Lost
                    } else {
                        EffectPhase::Finished
                    };
                    self.note_effect(scope, key, phase);
                }
                self.dispatch(
                    Next {
                        scope,
                        envelope,
                        depth: 0,
                        last_word: lost,
                    },
                    None,
                );
            }
            Inside::Dispatch { scope, envelope } => {
                self.dispatch(
                    Next {
                        scope,
                        envelope,
                        depth: 0,
                        last_word: false,
                    },
                    None,
                );
            }
            Inside::Mount { loaded, done } => {
                let _ = done.send(self.mount(loaded));
            }
            Inside::Unmount { scope, done } => {
                let _ = done.send(self.unmount(scope));
            }
            Inside::Stop => {
                self.own.stopping = true;
                self.doors.permits.close();
            }
        }
    }

    fn is_open(&self, scope: ScopeId, key: EffectKey) -> bool {
        self.own
            .mounts
            .get(&scope)
            .is_some_and(|mount| mount.decided.open.contains_key(&key))
    }

    fn note_effect(&mut self, scope: ScopeId, key: EffectKey, phase: EffectPhase) {
        let mut notes = Notes {
            log: &self.shelf.log,
            sink: &mut *self.sink,
            clock: &*self.clock,
        };
        notes.effect(scope, key, phase);
    }

    /// One passage through the gate, from receipt to the journal's door.
    fn dispatch(&mut self, next: Next<D>, answer: Option<oneshot::Sender<Answer<D>>>) {
        let Next {
            scope: id,
            envelope,
            depth,
            last_word,
        } = next;
        let received = self.clock.wall();
        let clock = Arc::clone(&self.clock);
        let nanos = move || clock.awake().as_nanos() as u64;
        let Some(mount) = self.own.mounts.get_mut(&id) else {
            if let Some(answer) = answer {
                let _ = answer.send(Err(Refusal::NotMounted(id)));
            }
            return;
        };
        let mut watch = Stopwatch::start(&nanos);
        let note = Note {
            event: D::event_name(&envelope.event),
            origin: envelope.origin.clone(),
            cause: envelope.cause,
            settles: envelope.settles,
            received,
        };
        let outcome = if depth > MAX_CONSEQUENCES {
            Err(Stopped::Failed(format!(
                "more than {MAX_CONSEQUENCES} consequences in a chain"
            )))
        } else {
            pipeline::pass(&mount.decided, envelope, received, mount.chain, &mut watch)
        };
        match outcome {
            Ok(applied) => {
                let stages = watch.stages;
                self.accept(applied, stages, watch.last, depth, answer);
            }
            Err(stopped) => {
                let stages = watch.stages;
                self.refuse(id, note, stopped, stages, last_word, answer);
            }
        }
    }

    fn accept(
        &mut self,
        applied: Applied<D>,
        stages: [u64; Stage::COUNT],
        sealed: u64,
        depth: u32,
        answer: Option<oneshot::Sender<Answer<D>>>,
    ) {
        let Applied {
            scope,
            commit,
            line,
            chain,
            consequences,
            reply,
            terms,
        } = applied;
        let Some(mount) = self.own.mounts.get_mut(&commit.id.scope) else {
            return;
        };
        mount.decided = Arc::clone(&scope);
        mount.chain = chain;
        let refusals = std::mem::take(&mut mount.refusals);
        self.own.effects.await_release(&commit);
        // Pushed to the front, last first: they run directly after this commit, in their order.
        for (ordinal, event) in (0u16..).zip(consequences).collect::<Vec<_>>().into_iter().rev() {
            let envelope = Envelope {
                cause: Some(commit.id),
                consequence: Some(ordinal),
                ..Envelope::new(commit.origin.clone(), event)
            };
            let next = Next {
                scope: commit.id.scope,
                envelope,
                depth: depth + 1,
                last_word: false,
            };
            self.own.next.push_front(next);
        }
        let sync = terms.holds_once() || terms.acknowledged == Durability::Synced;
        let (id, bytes) = (commit.id, line.len());
        let pending = Pending {
            scope,
            commit,
            answer: answer.map(|sender| (sender, reply)),
            stages,
            sealed,
            bytes,
            terms,
            refusals,
        };
        mount.unwritten.push_back(pending);
        self.own.in_flight += bytes;
        let line = Line {
            scope: id.scope,
            seq: id.seq,
            bytes: line,
            sync,
        };
        if self.journal.append(line) == Appended::Synced {
            self.written(id.scope, id.seq);
            self.synced(id.scope, id.seq);
        }
    }

    fn refuse(
        &mut self,
        scope: ScopeId,
        note: Note,
        stopped: Stopped<D>,
        stages: [u64; Stage::COUNT],
        last_word: bool,
        answer: Option<oneshot::Sender<Answer<D>>>,
    ) {
        let Some(mount) = self.own.mounts.get_mut(&scope) else {
            return;
        };
        mount.refusals += 1;
        let id = DispatchId {
            refusal: mount.refusals,
            ..DispatchId::commit(scope, mount.decided.seq)
        };
        // A result that the gate refused must not leave its effect open for ever: the domain says what now.
        if let (Some(key), false, false) = (note.settles, last_word, matches!(stopped, Stopped::Stale(_)))
            && let Some(effect) = mount.decided.open.get(&key)
        {
            let reason = format!("{:?}", stopped.outcome());
            let envelope = Envelope {
                cause: Some(id),
                settles: Some(key),
                ..Envelope::new(
                    Origin::Effect(key),
                    D::lost(key, effect, Loss::ResultRefused(reason)),
                )
            };
            self.own.next.push_front(Next {
                scope,
                envelope,
                depth: 0,
                last_word: true,
            });
        }
        let busy: u64 = stages.iter().sum();
        self.trace(TraceRecord::Dispatch(Box::new(DispatchTrace {
            id,
            event: note.event.into(),
            origin: note.origin,
            cause: note.cause,
            received: note.received,
            stages,
            journal: 0,
            outcome: stopped.outcome(),
            facts: 0,
            effects: 0,
            slow: busy > SLOW,
        })));
        if let Some(answer) = answer {
            let _ = answer.send(Err(match stopped {
                Stopped::Denied { grant, .. } => Refusal::Denied { id, grant },
                Stopped::Rejected(rejection) => Refusal::Rejected { id, rejection },
                Stopped::Invalid(breach) => Refusal::Invalid { id, breach },
                Stopped::Failed(panic) => Refusal::Failed { id, panic },
                Stopped::Stale(effect) => Refusal::Stale { id, effect },
                Stopped::TooLarge(bytes) => Refusal::TooLarge { id, bytes },
                Stopped::JournalUnavailable(reason) => Refusal::JournalUnavailable { id: Some(id), reason },
            }));
        }
    }

    fn nanos(&self) -> u64 {
        self.clock.awake().as_nanos() as u64
    }

    /// Drops old states elsewhere: freeing one can take long.
    fn dispose(&mut self) {
        if !self.own.garbage.is_empty() {
            let garbage = std::mem::take(&mut self.own.garbage);
            // A disposer that cannot keep up must not become a second home for old states: then they go here.
            let _ = self.disposer.try_send(garbage);
        }
    }
}

/// However the writer ends, nobody is left waiting for it: askers, followers, the watcher.
impl<D: Domain> Drop for Writer<D> {
    fn drop(&mut self) {
        self.doors.permits.close();
        self.deadlines.stop();
        self.shelf.feed.end_all();
    }
}

struct Note {
    event: &'static str,
    origin: Origin,
    cause: Option<DispatchId>,
    settles: Option<EffectKey>,
    received: Timestamp,
}
