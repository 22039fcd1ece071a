//! The engine's journal in files: one thread writes, a small pool syncs.
//!
//! The writing thread takes all lines that wait, writes those of one file at once, and reports them written. Files
//! in which something waits for the disk go to the pool; one sync covers all lines that were written before it. A
//! file is in the hands of one pool thread at a time, so reports of one scope come in order. After a failed write or
//! sync no further line of that scope is written: what the disk then holds is not known, and trying again could
//! report safe what was lost.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use glasswork_engine::journal::{Appended, Journal, Line, Report, Reporter};
use glasswork_engine::{Domain, Reader, ScopeId};

use super::error::advice;
use super::keeper::{Keeper, Pace};
use super::lease::{Lease, WrittenFile};
use super::parts::{self, PART_BYTES};

/// Threads that sync.
const SYNCERS: usize = 2;
/// How much may be written before the disk is asked, though nobody waits for it, in bytes.
const SYNC_AT: usize = 4 << 20;
/// How much may be written and not be known to be on the disk, in bytes: it is kept in memory, to be written anew.
const UNSYNCED: usize = 16 << 20;
/// How much is written before it is reported, in bytes; more waits for the next round.
const BATCH: usize = 256 << 10;

/// The journal of a running engine, in files. What waits in it is bounded by the engine
/// ([`Limits::journal_bytes`](glasswork_engine::Limits::journal_bytes)).
///
/// Dropping it, which stopping the engine does, writes and syncs all that it was given and closes all files.
#[derive(Debug)]
pub struct FileJournal {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// Gives files to a [`FileJournal`] that an engine already owns, and takes them back. Clones share it.
#[derive(Debug, Clone)]
pub struct JournalFiles {
    messages: Sender<Message>,
    unsynced: Arc<Mutex<BTreeMap<ScopeId, Unsynced>>>,
}

/// Lines of a journal that were written, and of which the disk has not said that it has them when it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsynced {
    /// The opening during which they were written.
    pub epoch: u32,
    /// The first commit of which that is so.
    pub first: u64,
    /// The lines, each with its newline.
    pub lines: Vec<u8>,
}

/// The engine that owned the journal has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal was closed with the runtime; start it again")]
pub struct JournalStopped;

#[derive(Debug)]
enum Message {
    Keep(Keeper),
    Settle(Sender<()>),
    Start(Reporter),
    Attach(Lease),
    Append(Line),
    Close {
        scope: ScopeId,
        closed: Option<Sender<()>>,
    },
    Stop,
}

impl FileJournal {
    /// Starts the threads. The first goes to the engine, the second to whoever opens scopes.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub fn spawn() -> io::Result<(Self, JournalFiles)> {
        Self::with_parts_of(PART_BYTES)
    }

    /// Like [`spawn`](Self::spawn), with parts of another length than [`PART_BYTES`].
    ///
    /// # Errors
    /// As there.
    pub fn with_parts_of(part_bytes: u64) -> io::Result<(Self, JournalFiles)> {
        let unsynced = Arc::<Mutex<BTreeMap<ScopeId, Unsynced>>>::default();
        let (messages, inbox) = unbounded();
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
        let clerk = Clerk {
            inbox,
            work,
            pool,
            reporter: None,
            sheets: BTreeMap::new(),
            batches: BTreeMap::new(),
            spare: None,
            waiting: VecDeque::new(),
            keeper: None,
            unsynced: Arc::clone(&unsynced),
            part_bytes,
        };
        let thread = thread::Builder::new()
            .name("journal-write".to_owned())
            .spawn(move || clerk.run())?;
        let files = JournalFiles {
            messages: messages.clone(),
            unsynced,
        };
        let journal = Self {
            messages,
            thread: Some(thread),
        };
        Ok((journal, files))
    }
}

impl JournalFiles {
    /// Gives the journal a file to write. To be called before its scope is mounted.
    ///
    /// # Errors
    /// [`JournalStopped`]; the lease ends.
    pub fn attach(&self, lease: Lease) -> Result<(), JournalStopped> {
        let mut kept = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has opened it again has written them.
        kept.remove(&lease.scope());
        drop(kept);
        self.messages
            .send(Message::Attach(lease))
            .map_err(|_| JournalStopped)
    }

    /// What a scope whose journal has failed, and was closed, leaves to be written anew.
    #[must_use]
    pub fn unsynced(&self, scope: ScopeId) -> Option<Unsynced> {
        let kept = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&scope).cloned()
    }

    /// Has checkpoints written of what an engine publishes of the scopes whose files it gives. To be called once.
    ///
    /// # Errors
    /// Where the thread cannot be started. The journal is written all the same.
    pub fn keep<D: Domain>(&self, reader: Reader<D>, pace: Pace) -> io::Result<()> {
        let keeper = Keeper::spawn(reader, pace)?;
        // What cannot be sent any more ends its thread with it.
        let _ = self.messages.send(Message::Keep(keeper));
        Ok(())
    }

    /// Waits until everything that was written so far, and has become due, is in checkpoints.
    pub fn settle(&self) {
        let (done, settled) = bounded(1);
        if self.messages.send(Message::Settle(done)).is_ok() {
            let _ = settled.recv();
        }
    }

    /// Closes the file of a scope that is not mounted (any more), if that has not happened yet, and waits until its
    /// lock is free.
    pub fn close(&self, scope: ScopeId) {
        let (done, closed) = bounded(1);
        let close = Message::Close {
            scope,
            closed: Some(done),
        };
        if self.messages.send(close).is_ok() {
            // An error says that the journal has stopped meanwhile, and has closed every file.
            let _ = closed.recv();
        }
    }
}

impl Journal for FileJournal {
    fn start(&mut self, reporter: Reporter) {
        let _ = self.messages.send(Message::Start(reporter));
    }

    fn append(&mut self, line: Line) -> Appended {
        let _ = self.messages.send(Message::Append(line));
        Appended::Later
    }

    fn unmounted(&mut self, scope: ScopeId) {
        let _ = self.messages.send(Message::Close { scope, closed: None });
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// A file that is being written, as the writing thread and the pool share it.
#[derive(Debug)]
struct Sheet {
    scope: ScopeId,
    lease: Lease,
    reporter: Reporter,
    progress: Mutex<Progress>,
    /// The last commit before this opening.
    before: u64,
    /// Length at which the next part begins, in bytes.
    part_bytes: u64,
    /// Told after each sync.
    synced: Condvar,
}

#[derive(Debug)]
struct Progress {
    /// The file that is written, and its length: whole lines only.
    file: WrittenFile,
    /// What was written and is not known to be on the disk: the lines of each write, with the last of them.
    unsynced: VecDeque<(u64, Vec<u8>)>,
    /// Length of those, in bytes.
    unsynced_bytes: usize,
    /// The last line that was written.
    written: u64,
    /// The last line that is on the disk.
    synced: u64,
    /// The last line for which something waits.
    wanted: u64,
    /// A thread of the pool has it, or will.
    queued: bool,
    failed: bool,
}

impl Progress {
    fn of(file: WrittenFile) -> Self {
        Self {
            file,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            written: 0,
            synced: 0,
            wanted: 0,
            queued: false,
            failed: false,
        }
    }

    fn note_written(&mut self, through: u64, lines: Vec<u8>) {
        self.written = through;
        self.unsynced_bytes += lines.len();
        self.unsynced.push_back((through, lines));
        if self.unsynced_bytes > SYNC_AT {
            self.wanted = through;
        }
    }

    fn note_synced(&mut self, through: u64) {
        self.synced = through;
        while self.unsynced.front().is_some_and(|(last, _)| *last <= through) {
            let lines = self.unsynced.pop_front().map_or(0, |(_, lines)| lines.len());
            self.unsynced_bytes -= lines;
        }
    }
}

/// The lines of one file that are written at once.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Sequence number and end of each line.
    ends: Vec<(u64, usize)>,
    /// The last line for which something waits until it is on the disk.
    wanted: u64,
}

impl Batch {
    /// The first line, and those up to a byte.
    fn through(&self, end: usize) -> Vec<u8> {
        self.bytes.get(..end).unwrap_or_default().to_vec()
    }
}

impl Sheet {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing is done under the lock that could leave it half-changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines and reports them. Returns whether the pool must be told.
    fn write(&self, batch: &Batch) -> bool {
        let Some((last, _)) = batch.ends.last() else {
            return false;
        };
        let mut progress = self.lock();
        while progress.unsynced_bytes > UNSYNCED && progress.queued && !progress.failed {
            progress = self.synced.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        if progress.failed {
            return false;
        }
        if progress.file.length >= self.part_bytes {
            return self.begin_part(&mut progress, batch, *last);
        }
        let (count, result) = write_all(&*progress.file.file, &batch.bytes);
        if let Err(error) = result {
            self.fail_writing(&mut progress, batch, count, &error);
            return false;
        }
        progress.file.length += batch.bytes.len() as u64;
        self.advance(&mut progress, *last, batch.through(batch.bytes.len()));
        progress.wanted = progress.wanted.max(batch.wanted);
        let must_sync = progress.wanted > progress.synced && !progress.queued;
        progress.queued |= must_sync;
        must_sync
    }

    /// Writes lines to a new part. All before them, and they, are on the disk then: a later part never is without the
    /// lines that it goes on from. Returns whether the pool must be told, which it never must.
    fn begin_part(&self, progress: &mut Progress, batch: &Batch, last: u64) -> bool {
        let first = batch.ends.first().map_or(last, |(seq, _)| *seq);
        if let Err(error) = progress.file.file.sync_data() {
            self.fail(progress, "sync", &error);
            return false;
        }
        let begun = parts::begin(self.lease.folder(), self.lease.epoch(), first, &batch.bytes);
        match begun {
            Ok(file) => {
                progress.file = file;
                self.advance(progress, last, Vec::new());
                self.note_sync(progress, last, Ok(()));
            }
            Err(error) => self.fail_because(progress, error.to_string()),
        }
        false
    }

    fn advance(&self, progress: &mut Progress, through: u64, lines: Vec<u8>) {
        progress.note_written(through, lines);
        let scope = self.scope;
        self.reporter.report(Report::Written { scope, through });
    }

    /// What was written whole is in the journal. The rest is taken back: a line that its asker is told was refused
    /// must not turn up when the journal is loaded.
    fn fail_writing(&self, progress: &mut Progress, batch: &Batch, count: usize, error: &io::Error) {
        let whole = batch.ends.iter().take_while(|(_, end)| *end <= count).last();
        if let Some((through, end)) = whole {
            progress.file.length += *end as u64;
            self.advance(progress, *through, batch.through(*end));
        }
        let _ = progress.file.file.set_len(progress.file.length);
        self.fail(progress, "write to", error);
    }

    fn fail(&self, progress: &mut Progress, doing: &str, error: &io::Error) {
        let path = progress.file.path.display();
        let reason = format!("cannot {doing} {path}: {error}{}", advice(error));
        self.fail_because(progress, reason);
    }

    fn fail_because(&self, progress: &mut Progress, reason: String) {
        progress.failed = true;
        self.lease.end_badly();
        self.reporter.report(Report::Failed {
            scope: self.scope,
            reason: reason.into(),
        });
    }

    /// Syncs once. Returns whether something waits again; if not, the pool has let go of it.
    fn sync(&self) -> bool {
        let (through, file) = {
            let progress = self.lock();
            (progress.written, Arc::clone(&progress.file.file))
        };
        let result = file.sync_data();
        let mut progress = self.lock();
        self.note_sync(&mut progress, through, result);
        progress.queued = progress.wanted > progress.synced && !progress.failed;
        self.synced.notify_all();
        progress.queued
    }

    fn note_sync(&self, progress: &mut Progress, through: u64, result: io::Result<()>) {
        match result {
            Err(error) => self.fail(progress, "sync", &error),
            // The file may have changed meanwhile, and then all before it was synced.
            Ok(()) if progress.failed || through < progress.synced => {}
            Ok(()) => {
                progress.note_synced(through);
                let scope = self.scope;
                self.reporter.report(Report::Synced { scope, through });
            }
        }
    }

    /// Waits for the pool, syncs what nobody waited for, and gives the file back. What was written and cannot be told
    /// to be on the disk is returned.
    fn close(&self) -> Option<Unsynced> {
        let mut progress = self.lock();
        while progress.queued {
            progress = self.synced.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        if progress.written > progress.synced && !progress.failed {
            let through = progress.written;
            let result = progress.file.file.sync_data();
            self.note_sync(&mut progress, through, result);
        }
        let unsynced = progress.failed.then(|| Unsynced {
            epoch: self.lease.epoch(),
            first: progress.synced.max(self.before) + 1,
            lines: progress.unsynced.drain(..).flat_map(|(_, lines)| lines).collect(),
        });
        self.lease.release();
        unsynced
    }
}

/// A thread of the pool. A file in which something waits again goes to the end of the queue: two busy ones must not
/// keep all others from the disk. `None` ends one thread.
fn syncer(
    works: Receiver<Option<Arc<Sheet>>>,
    again: Sender<Option<Arc<Sheet>>>,
) -> impl FnOnce() + Send + 'static {
    move || {
        while let Ok(Some(sheet)) = works.recv() {
            if sheet.sync() {
                let _ = again.send(Some(sheet));
            }
        }
    }
}

/// Like `Write::write_all`, and says how much was written before the failure.
fn write_all(mut file: impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (count, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(()))
}

/// The writing thread.
struct Clerk {
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
    fn run(mut self) {
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
        let sheet = Sheet {
            scope,
            before: lease.before(),
            part_bytes: self.part_bytes,
            progress: Mutex::new(Progress::of(lease.written().clone())),
            lease,
            reporter,
            synced: Condvar::new(),
        };
        if let Some(keeper) = &self.keeper {
            keeper.attach(&sheet.lease);
        }
        self.sheets.insert(scope, Arc::new(sheet));
    }

    fn keep(&mut self, keeper: Keeper) {
        for sheet in self.sheets.values() {
            keeper.attach(&sheet.lease);
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
            sheet.lock().queued = false;
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

#[cfg(test)]
#[path = "../../tests/store/tally.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod tally;

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::atomic::Ordering;

    use glasswork_engine::line::Chain;
    use glasswork_engine::load::Loaded;

    use super::tally::{Event, Kind, Till, add, engine, scope, send, user, wait};
    use super::*;

    /// Events on a journal that is a device, and their answers; then how many effects ran.
    fn on_device(device: &str, events: impl IntoIterator<Item = Event>) -> (Vec<String>, u64) {
        let (journal, files) = FileJournal::spawn().unwrap();
        let till = Till::default();
        let engine = engine(journal, Box::new(()), &till, false);
        let file = OpenOptions::new().read(true).append(true).open(device).unwrap();
        let folder = tempfile::tempdir().unwrap();
        files
            .attach(Lease::of_device(scope(1), file, folder.path()))
            .unwrap();
        wait(engine.mount(Loaded::vacant(scope(1), Kind::Tally, Chain::default()))).unwrap();
        let handle = user(&engine);
        let answers = events
            .into_iter()
            .map(|event| match send(&handle, scope(1), event) {
                Ok(accepted) => accepted.id.seq.to_string(),
                Err(refused) => refused
                    .to_string()
                    .replace(&folder.path().display().to_string(), ""),
            })
            .collect();
        engine.stop();
        (answers, till.0.load(Ordering::SeqCst))
    }

    /// Hands out the reporter that an engine gives its journal.
    struct Tap(Sender<Reporter>);

    impl Journal for Tap {
        fn start(&mut self, reporter: Reporter) {
            self.0.send(reporter).unwrap();
        }
        fn append(&mut self, _: Line) -> Appended {
            Appended::Later
        }
        fn unmounted(&mut self, _: ScopeId) {}
    }

    #[test]
    fn after_a_failure_no_line_is_written_though_some_are_on_their_way() {
        let (tap, reporters) = bounded(1);
        let engine = engine(Tap(tap), Box::new(()), &Till::default(), false);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        let lease = Lease::of_device(scope(1), file, folder.path());
        let sheet = Sheet {
            scope: scope(1),
            progress: Mutex::new(Progress::of(lease.written().clone())),
            lease,
            reporter: reporters.recv().unwrap(),
            before: 0,
            part_bytes: PART_BYTES,
            synced: Condvar::new(),
        };
        let batch = |seq| Batch {
            bytes: b"line\n".to_vec(),
            ends: vec![(seq, 5)],
            wanted: seq,
        };
        assert!(sheet.write(&batch(1)), "the pool is told once");
        assert!(!sheet.write(&batch(2)), "and has it already");
        assert!(!sheet.sync(), "one sync covers both");
        let state = || {
            let progress = sheet.lock();
            (progress.written, progress.synced, progress.queued)
        };
        assert_eq!(state(), (2, 2, false));
        assert!(sheet.write(&batch(3)));
        sheet.note_sync(&mut sheet.lock(), 3, Err(io::ErrorKind::StorageFull.into()));
        assert!(!sheet.write(&batch(4)));
        assert!(!sheet.sync());
        assert_eq!(state(), (3, 2, false));
        assert_eq!(std::fs::read(&path).unwrap(), b"line\nline\nline\n");
        engine.stop();
    }

    fn pay() -> Event {
        Event::Pay { note: String::new() }
    }

    #[test]
    fn a_line_that_cannot_be_synced_is_written_and_never_told_safe() {
        // The null device takes every write and refuses every sync.
        let (answers, effects) = on_device("/dev/null", [add(1), pay(), add(1)]);
        let refused = "the journal cannot be written: cannot sync /device: Invalid argument (os error 22)";
        assert_eq!(
            (answers, effects),
            (vec!["1".to_owned(), refused.to_owned(), refused.to_owned()], 0)
        );
    }

    #[test]
    fn a_line_for_which_there_is_no_room_says_what_to_do() {
        let (answers, effects) = on_device("/dev/full", [add(1), pay()]);
        let refused = "the journal cannot be written: cannot write to /device: No space left on device (os error 28); \
                       free some space, then open it again";
        assert_eq!(
            (answers, effects),
            (vec![refused.to_owned(), refused.to_owned()], 0)
        );
    }
}
