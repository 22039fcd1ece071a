//! The thread that writes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use glasswork_engine::ScopeId;
use glasswork_engine::journal::{Line, Report, Reporter};

use super::sheet::{Batch, Sheet, syncer};
use super::{Message, Unsynced};
use crate::store::keeper::Keeper;
use crate::store::lease::Lease;

/// Threads that sync.
const SYNCERS: usize = 2;
/// How much is written before it is reported, in bytes; more waits for the next round.
const BATCH: usize = 256 << 10;

/// The writing thread.
pub(super) struct Clerk {
    inbox: Receiver<Message>,
    work: Sender<Option<Arc<Sheet>>>,
    pool: Vec<JoinHandle<()>>,
    reporter: Option<Reporter>,
    sheets: BTreeMap<ScopeId, Arc<Sheet>>,
    batches: BTreeMap<ScopeId, Batch>,
    /// An empty batch with room in it.
    spare: Option<Batch>,
    /// Leases that came before the engine.
    waiting: VecDeque<Lease>,
    keeper: Option<Keeper>,
    unsynced: Arc<Mutex<BTreeMap<ScopeId, Unsynced>>>,
    part_bytes: u64,
}

impl Clerk {
    /// With its pool, which waits for work.
    pub(super) fn new(
        inbox: Receiver<Message>,
        unsynced: Arc<Mutex<BTreeMap<ScopeId, Unsynced>>>,
        part_bytes: u64,
    ) -> io::Result<Self> {
        let (work, works) = unbounded();
        let mut pool = Vec::with_capacity(SYNCERS);
        for _ in 0..SYNCERS {
            let syncer = syncer(works.clone(), work.clone());
            pool.push(
                thread::Builder::new()
                    .name("journal-sync".to_owned())
                    .spawn(syncer)?,
            );
        }
        Ok(Self {
            inbox,
            work,
            pool,
            reporter: None,
            sheets: BTreeMap::new(),
            batches: BTreeMap::new(),
            spare: None,
            waiting: VecDeque::new(),
            keeper: None,
            unsynced,
            part_bytes,
        })
    }

    pub(super) fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let mut next = Some(first);
            let mut bytes = 0;
            while let Some(message) = next {
                match message {
                    Message::Append(line) => {
                        bytes += line.bytes.len();
                        self.collect(&line);
                        if bytes >= BATCH {
                            break;
                        }
                    }
                    Message::Keep(keeper) => self.keep(keeper),
                    Message::Settle(done) => {
                        self.write();
                        if let Some(keeper) = &self.keeper {
                            keeper.settle(done);
                        }
                    }
                    Message::Start(reporter) => self.begin(reporter),
                    Message::Attach(lease) => self.attach(lease),
                    Message::Close { scope, closed } => {
                        self.write();
                        self.close(scope);
                        drop(closed);
                    }
                    Message::Stop => return self.stop(),
                }
                next = self.inbox.try_recv().ok();
            }
            self.write();
        }
        self.stop();
    }

    fn begin(&mut self, reporter: Reporter) {
        self.reporter = Some(reporter);
        for lease in std::mem::take(&mut self.waiting) {
            self.attach(lease);
        }
    }

    fn attach(&mut self, lease: Lease) {
        let Some(reporter) = self.reporter.clone() else {
            self.waiting.push_back(lease);
            return;
        };
        let scope = lease.scope();
        let sheet = Sheet::of(lease, reporter, self.part_bytes);
        if let Some(keeper) = &self.keeper {
            keeper.attach(sheet.lease());
        }
        self.sheets.insert(scope, Arc::new(sheet));
    }

    fn keep(&mut self, keeper: Keeper) {
        for sheet in self.sheets.values() {
            keeper.attach(sheet.lease());
        }
        // There is one for each engine, and one engine; another one would have nothing to look at.
        self.keeper.get_or_insert(keeper);
    }

    fn collect(&mut self, line: &Line) {
        let spare = &mut self.spare;
        let batch = self
            .batches
            .entry(line.scope)
            .or_insert_with(|| spare.take().unwrap_or_default());
        batch.bytes.extend_from_slice(&line.bytes);
        batch.bytes.push(b'\n');
        batch.ends.push((line.seq, batch.bytes.len()));
        if line.sync {
            batch.wanted = line.seq;
        }
    }

    fn write(&mut self) {
        while let Some((scope, mut batch)) = self.batches.pop_first() {
            match self.sheets.get(&scope) {
                Some(sheet) => {
                    if sheet.write(&batch) {
                        let _ = self.work.send(Some(Arc::clone(sheet)));
                    }
                    if let (Some(keeper), Some((last, _))) = (&self.keeper, batch.ends.last()) {
                        keeper.wrote(scope, *last, batch.bytes.len() as u64);
                    }
                }
                None => refuse(self.reporter.as_ref(), scope),
            }
            batch.bytes.clear();
            batch.ends.clear();
            batch.wanted = 0;
            self.spare = Some(batch);
        }
    }

    /// Here and not in the pool, so that what is said next about the scope finds it closed. Lines of others wait for
    /// one sync meanwhile; closing is rare.
    fn close(&mut self, scope: ScopeId) {
        self.waiting.retain(|lease| lease.scope() != scope);
        if let Some(keeper) = &self.keeper {
            keeper.detach(scope);
        }
        if let Some(unsynced) = self.sheets.remove(&scope).and_then(|sheet| sheet.close()) {
            let mut kept = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(scope, unsynced);
        }
    }

    fn stop(mut self) {
        self.write();
        let Self {
            work,
            pool,
            sheets,
            keeper,
            ..
        } = self;
        // While the locks still hold: beside a journal only its owner writes.
        if let Some(mut keeper) = keeper {
            keeper.stop();
        }
        pool.iter().for_each(|_| drop(work.send(None)));
        for thread in pool {
            let _ = thread.join();
        }
        for sheet in sheets.values() {
            sheet.abandon();
            // The process ends: who opens it next looks at the disk.
            let _ = sheet.close();
        }
    }
}

/// A line of a scope that has no file is a defect of the program, which must not pass for a slow disk.
fn refuse(reporter: Option<&Reporter>, scope: ScopeId) {
    if let Some(reporter) = reporter {
        reporter.report(Report::Failed {
            scope,
            reason: "its journal was not given to the writer; close it and open it again".into(),
        });
    }
}
