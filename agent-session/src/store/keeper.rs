//! The thread that writes checkpoints and digests: behind the journal, never in anybody's way.
//!
//! It is told how far the journals of the mounted scopes are written, and looks at what the engine has published,
//! which never is ahead of what is written. Where exactly in the journal a state belongs it finds by reading the
//! lines since the last checkpoint, verified once more. What it cannot do now it tries again later; nothing depends
//! on it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use glasswork_engine::line::{self, Chain, Header};
use glasswork_engine::load::DamageKind;
use glasswork_engine::{Domain, Reader, Scope, ScopeId};

use super::StoredJournal;
use super::checkpoint::{self, Spot};
use super::digests;
use super::error::StoreError;
use super::layout::Links;
use super::lease::Lease;
use super::read::follow;
use super::trail::{Stand, Step, Trail};

/// When a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After so many commits since the last one.
    pub commits: u64,
    /// Or after so many bytes of journal.
    pub bytes: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            commits: 4_096,
            bytes: 8 << 20,
        }
    }
}

/// How long it waits for the engine to publish what is written already.
const SOON: Duration = Duration::from_millis(2);

/// What the journal's thread tells.
#[derive(Debug, Default)]
struct Told {
    /// Scopes whose journal is written here.
    attached: BTreeMap<ScopeId, Attached>,
    /// What was written and not looked at.
    written: BTreeMap<ScopeId, Written>,
    /// Who waits until all that was told before was looked at.
    waiting: Vec<Sender<()>>,
    /// The scope that is being looked at.
    busy: Option<ScopeId>,
    stop: bool,
}

/// A journal that is written here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attached {
    journal: PathBuf,
    /// The last commit when it was opened.
    before: u64,
}

/// What was written of a scope.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    through: u64,
    bytes: u64,
}

impl Written {
    fn add(&mut self, later: Self) {
        self.through = later.through;
        self.bytes += later.bytes;
    }
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    told: Arc<Mutex<Told>>,
    wake: Sender<()>,
    /// Told after each scope that was looked at.
    idle: Arc<std::sync::Condvar>,
    thread: Option<JoinHandle<()>>,
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    // Nothing is done under the lock that could leave it half-changed.
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    pub(super) fn spawn<D: Domain>(reader: Reader<D>, pace: Pace) -> io::Result<Self> {
        let told = Arc::<Mutex<Told>>::default();
        let idle = Arc::<std::sync::Condvar>::default();
        // One is enough: it says that there is something, not what.
        let (wake, woken) = bounded(1);
        let work = Work {
            reader,
            pace,
            told: Arc::clone(&told),
            idle: Arc::clone(&idle),
            scopes: BTreeMap::new(),
        };
        let thread = thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || work.run(&woken))?;
        Ok(Self {
            told,
            wake,
            idle,
            thread: Some(thread),
        })
    }

    pub(super) fn attach(&self, lease: &Lease) {
        let attached = Attached {
            journal: lease.journal().to_owned(),
            before: lease.before(),
        };
        lock(&self.told).attached.insert(lease.scope(), attached);
    }

    pub(super) fn wrote(&self, scope: ScopeId, through: u64, bytes: u64) {
        let written = Written { through, bytes };
        lock(&self.told).written.entry(scope).or_default().add(written);
        let _ = self.wake.try_send(());
    }

    /// Nothing is written beside this scope's journal any more when this returns.
    pub(super) fn detach(&self, scope: ScopeId) {
        let mut told = lock(&self.told);
        told.attached.remove(&scope);
        told.written.remove(&scope);
        while told.busy == Some(scope) {
            told = self.idle.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has `done` dropped once all that was told so far was looked at.
    pub(super) fn settle(&self, done: Sender<()>) {
        lock(&self.told).waiting.push(done);
        let _ = self.wake.try_send(());
    }

    /// Looks at what is left, and ends.
    pub(super) fn stop(&mut self) {
        lock(&self.told).stop = true;
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// What is known of one scope.
struct Kept<D: Domain> {
    attached: Attached,
    /// The state as of the last digests, or of the opening.
    digested: Option<Arc<Scope<D>>>,
    header: Header<D::Kind>,
    schema: u32,
    /// The place of the last checkpoint, or of one that was passed on the way.
    spot: Spot,
    /// The last checkpoint; 0 where there is none.
    last: u64,
    /// By how much the journal has grown since, in bytes.
    grown: u64,
    /// Length of that checkpoint, in bytes.
    bytes: u64,
}

struct Work<D: Domain> {
    reader: Reader<D>,
    pace: Pace,
    told: Arc<Mutex<Told>>,
    idle: Arc<std::sync::Condvar>,
    scopes: BTreeMap<ScopeId, Kept<D>>,
}

impl<D: Domain> Work<D> {
    fn run(mut self, woken: &Receiver<()>) {
        let mut behind: BTreeMap<ScopeId, Written> = BTreeMap::new();
        loop {
            let wait = match behind.is_empty() {
                true => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => woken.recv_timeout(SOON),
            };
            let (waiting, stop) = {
                let mut told = lock(&self.told);
                for (scope, written) in std::mem::take(&mut told.written) {
                    behind.entry(scope).or_default().add(written);
                }
                (std::mem::take(&mut told.waiting), told.stop)
            };
            // What is not published any more, because its scope was unmounted, will not be.
            behind.retain(|scope, written| self.look(*scope, *written));
            if !behind.is_empty() {
                lock(&self.told).waiting.extend(waiting);
            }
            if stop || wait == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// Looks at a scope. Returns whether what is written of it is not published yet.
    fn look(&mut self, id: ScopeId, written: Written) -> bool {
        let Some(scope) = self.reader.scope(id) else {
            self.scopes.remove(&id);
            return false;
        };
        if scope.seq < written.through {
            return scope.journal_failure.is_none();
        }
        let attached = {
            let mut told = lock(&self.told);
            let Some(attached) = told.attached.get(&id).cloned() else {
                self.scopes.remove(&id);
                return false;
            };
            told.busy = Some(id);
            attached
        };
        // What fails now is tried again once there is more to keep.
        let _ = self.keep(&scope, attached, written.bytes);
        lock(&self.told).busy = None;
        self.idle.notify_all();
        false
    }

    fn keep(&mut self, scope: &Arc<Scope<D>>, attached: Attached, bytes: u64) -> Result<(), StoreError> {
        let known = self.scopes.get_mut(&scope.id);
        match known.filter(|kept| kept.attached == attached) {
            Some(kept) => kept.grown += bytes,
            None => {
                let mut kept = Kept::of(scope.id, attached)?;
                let before = kept.attached.before;
                let opened = self.reader.at(scope.id, before);
                kept.digested = opened.filter(|opened| opened.seq == before);
                self.scopes.insert(scope.id, kept);
            }
        }
        let Some(kept) = self.scopes.get_mut(&scope.id) else {
            return Ok(());
        };
        let digested = kept.digest(scope);
        match kept.is_due(scope.seq, self.pace) {
            true => kept.checkpoint(scope).and(digested),
            false => digested,
        }
    }
}

impl<D: Domain> Kept<D> {
    /// What lies on the disk already.
    fn of(scope: ScopeId, attached: Attached) -> Result<Self, StoreError> {
        let journal = attached.journal.clone();
        let folder = journal.with_extension("");
        let long = checkpoint::journal_bytes(&journal);
        for file in checkpoint::list(&folder) {
            let Ok(label) = checkpoint::label::<D>(&file, scope) else {
                continue;
            };
            if Trail::open_at(&journal, &label.spot)?.is_some() {
                return Ok(Self {
                    attached,
                    digested: None,
                    header: label.header,
                    schema: label.schema,
                    last: label.spot.seq,
                    spot: label.spot,
                    grown: long.saturating_sub(label.journal_bytes),
                    bytes: file.bytes,
                });
            }
        }
        let header = StoredJournal::<D>::of(journal, scope).header()?;
        Ok(Self {
            attached,
            digested: None,
            schema: header.schema,
            header,
            spot: Spot {
                part: None,
                lines: 0,
                offset: 0,
                chain: Chain::default(),
                seq: 0,
            },
            last: 0,
            grown: long,
            bytes: 0,
        })
    }

    /// At rest, which is when a turn has ended, what has changed is noted.
    fn digest(&mut self, scope: &Arc<Scope<D>>) -> Result<(), StoreError> {
        let before = match &self.digested {
            _ if !scope.open.is_empty() => return Ok(()),
            Some(before) if before.seq >= scope.seq => return Ok(()),
            before => before.clone(),
        };
        self.digested = Some(Arc::clone(scope));
        let Some(before) = before else {
            return Ok(());
        };
        self.go_to(scope.seq)?;
        let folder = self.attached.journal.with_extension("");
        digests::note(&folder, &before, scope, self.spot.chain)
    }

    /// A checkpoint costs what the state is long, so one of a long state waits until the journal has grown by half as
    /// much: however long a session becomes, its checkpoints cost no more than a few times its journal.
    fn is_due(&self, seq: u64, pace: Pace) -> bool {
        let many = seq >= self.last + pace.commits || self.grown >= pace.bytes;
        many && seq > self.last && self.grown >= self.bytes / 2
    }

    fn checkpoint(&mut self, scope: &Scope<D>) -> Result<(), StoreError> {
        let folder = self.attached.journal.with_extension("");
        self.go_to(scope.seq)?;
        let journal_bytes = checkpoint::journal_bytes(&self.attached.journal);
        self.bytes = checkpoint::write(
            &folder,
            scope,
            &self.header,
            self.schema,
            &self.spot,
            journal_bytes,
        )?;
        (self.last, self.grown) = (scope.seq, 0);
        checkpoint::thin(&folder);
        Ok(())
    }

    /// Moves the place behind a commit that is in the journal.
    fn go_to(&mut self, seq: u64) -> Result<(), StoreError> {
        let trail = match self.spot.lines {
            0 => Some(Trail::open(&self.attached.journal, Links::Refuse)?),
            _ => Trail::open_at(&self.attached.journal, &self.spot)?,
        };
        let mut trail = match trail {
            Some(trail) => trail,
            None => {
                // The journal has changed (it was archived, say): from its beginning, then.
                self.spot = Spot {
                    part: None,
                    lines: 0,
                    offset: 0,
                    chain: Chain::default(),
                    seq: 0,
                };
                Trail::open(&self.attached.journal, Links::Refuse)?
            }
        };
        let mut stand = Stand {
            seq: self.spot.seq,
            chain: self.spot.chain,
        };
        let mut header = self.spot.lines == 0;
        while stand.seq < seq {
            let before = stand.seq;
            let Step::Line(line) = trail.next(stand)? else {
                return Err(StoreError::NoSuchCommit {
                    asked: seq,
                    last: before,
                });
            };
            if let Some(opening) = line::opening(line) {
                self.schema = opening.schema;
            }
            let followed = match header {
                true => line::verify(line, stand.chain).map_err(DamageKind::Line),
                false => follow(line, &mut stand.seq, stand.chain),
            };
            stand.chain = followed.map_err(|kind| trail.damage(before, kind))?;
            header = false;
        }
        self.spot = trail.spot(stand);
        Ok(())
    }
}
