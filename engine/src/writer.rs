//! The writer: the one thread that owns the root.
//!
//! It takes work in this order: reports of the journal, consequences of the last commit, the urgent lane, then the
//! inside and the outside lane in turn. So a cancel is never behind more than what one commit led to, and neither
//! results nor prompts can starve each other.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::commit::Commit;
use crate::deadline::Deadlines;
use crate::domain::{Class, Domain, Durability, Loss};
use crate::effect::Slot;
use crate::envelope::{Deadline, DispatchId, EffectKey, Origin, ScopeId, Timestamp};
use crate::handle::{Accepted, Answer, Doors, Outside, Refusal};
use crate::journal::{Appended, Journal, Line, Report};
use crate::line::Chain;
use crate::load::Loaded;
use crate::log::lock;
use crate::pipeline::effects::{Effects, Notes};
use crate::pipeline::{self, Applied, Envelope, Stage, Stopped, Stopwatch, Terms, deadlines, panic_text};
use crate::reader::Shelf;
use crate::root::{Root, Scope};
use crate::trace::{DispatchTrace, EffectPhase, Outcome, SLOW, TraceRecord, TraceSink};

/// What reaches the writer from within. Never refused: what is in this lane is bounded by the effects that are open.
pub(crate) enum Inside<D: Domain> {
    /// An effect's progress waits in its slot.
    Progress(Arc<Slot<D>>),
    /// An effect's result.
    Result {
        scope: ScopeId,
        envelope: Envelope<D>,
        lost: bool,
    },
    /// A deadline was reached.
    Dispatch { scope: ScopeId, envelope: Envelope<D> },
    /// Mounts a scope.
    Mount {
        loaded: Loaded<D>,
        done: oneshot::Sender<Result<(), MountError>>,
    },
    /// Unmounts a scope that is at rest.
    Unmount {
        scope: ScopeId,
        done: oneshot::Sender<Result<(), UnmountError>>,
    },
    /// Ends the writer, once all that was accepted is in the journal.
    Stop,
}

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

/// How long a chain of consequences may become before it is cut: a domain that needs more loops.
const MAX_CONSEQUENCES: u32 = 64;
/// Dropped states are handed to the disposer in heaps of this size.
const DISPOSE_AT: usize = 64;

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

/// The lanes, at the writer's end.
pub(crate) struct Lanes<D: Domain> {
    /// Keeps the lane of reports open for a journal that never reports, and so drops its end.
    pub(crate) _reporter: Sender<Report>,
    pub(crate) reports: Receiver<Report>,
    pub(crate) urgent: Receiver<Outside<D>>,
    pub(crate) inside: Receiver<Inside<D>>,
    pub(crate) outside: Receiver<Outside<D>>,
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

enum Work<D: Domain> {
    Inside(Inside<D>),
    Outside(Outside<D>),
    Report(Report),
    Nothing,
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

    /// Takes from inside and outside in turn, unless the journal is too far behind: then progress merges in its
    /// slots and askers wait at the door, which is what bounds the memory of a slow disk.
    fn take(&mut self) -> Work<D> {
        if self.congested() {
            return Work::Nothing;
        }
        self.own.inside_turn = !self.own.inside_turn;
        let Lanes { inside, outside, .. } = &self.lanes;
        let inside = || inside.try_recv().ok().map(Work::Inside);
        let outside = || outside.try_recv().ok().map(Work::Outside);
        let work = if self.own.inside_turn {
            inside().or_else(outside)
        } else {
            outside().or_else(inside)
        };
        work.unwrap_or(Work::Nothing)
    }

    fn congested(&self) -> bool {
        self.own.in_flight > self.journal_bytes
    }

    fn wait(&mut self) -> Work<D> {
        self.dispose();
        let Lanes {
            reports,
            urgent,
            inside,
            outside,
            ..
        } = &self.lanes;
        if self.congested() || self.own.stopping {
            return select! {
                recv(reports) -> report => report.map_or(Work::Nothing, Work::Report),
                recv(urgent) -> request => request.map_or(Work::Nothing, Work::Outside),
            };
        }
        select! {
            recv(reports) -> report => report.map_or(Work::Nothing, Work::Report),
            recv(urgent) -> request => request.map_or(Work::Nothing, Work::Outside),
            recv(inside) -> inside => inside.map_or(Work::Nothing, Work::Inside),
            recv(outside) -> request => request.map_or(Work::Nothing, Work::Outside),
        }
    }

    /// A burst lasts until half the places are free again.
    fn tell_overload(&mut self) {
        let outside = &self.lanes.outside;
        if outside.len() * 2 > outside.capacity().unwrap_or(usize::MAX) {
            return;
        }
        if let Some((scope, refused)) = self.doors.overload.take() {
            let at = self.clock.wall();
            self.trace(TraceRecord::Overload { scope, refused, at });
        }
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

    fn report(&mut self, report: Report) {
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
    fn written(&mut self, id: ScopeId, through: u64) {
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
    fn release(&mut self, mut pending: Pending<D>) {
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

    fn nanos(&self) -> u64 {
        self.clock.awake().as_nanos() as u64
    }

    /// All lines of a scope up to `through` are on the disk: effects of class *once* run.
    fn synced(&mut self, id: ScopeId, through: u64) {
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
    fn failed(&mut self, id: ScopeId, reason: &Arc<str>) {
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
        self.shelf.feed.publish([], || self.shelf.root.store(root));
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

    fn mount(&mut self, loaded: Loaded<D>) -> Result<(), MountError> {
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

    fn unmount(&mut self, id: ScopeId) -> Result<(), UnmountError> {
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

/// What one kept state costs beside what its commit brought: the nodes that were copied on the way to it.
const STATE_WEIGHT: usize = 2_048;

struct Note {
    event: &'static str,
    origin: Origin,
    cause: Option<DispatchId>,
    settles: Option<EffectKey>,
    received: Timestamp,
}

fn acknowledge<D: Domain>(pending: &mut Pending<D>) {
    if let Some((answer, reply)) = pending.answer.take() {
        let _ = answer.send(Ok(Accepted {
            id: pending.commit.id,
            reply,
        }));
    }
}
