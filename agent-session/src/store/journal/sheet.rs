//! A file that is being written: what was written of it, what is on the disk, and what happens when that fails.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use glasswork_engine::ScopeId;
use glasswork_engine::journal::{Report, Reporter};

use super::Unsynced;
use crate::store::error::advice;
use crate::store::lease::{Lease, WrittenFile};
use crate::store::parts;

/// How much may be written before the disk is asked, though nobody waits for it, in bytes.
const SYNC_AT: usize = 4 << 20;
/// How much may be written and not be known to be on the disk, in bytes: it is kept in memory, to be written anew.
const UNSYNCED: usize = 16 << 20;

/// A file that is being written, as the writing thread and the pool share it.
#[derive(Debug)]
pub(super) struct Sheet {
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
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Sequence number and end of each line.
    pub(super) ends: Vec<(u64, usize)>,
    /// The last line for which something waits until it is on the disk.
    pub(super) wanted: u64,
}

impl Batch {
    /// The first line, and those up to a byte.
    fn through(&self, end: usize) -> Vec<u8> {
        self.bytes.get(..end).unwrap_or_default().to_vec()
    }
}

impl Sheet {
    /// The file of a lease, of which all is on the disk, and which goes on in another one at that length.
    pub(super) fn of(lease: Lease, reporter: Reporter, part_bytes: u64) -> Self {
        Self {
            scope: lease.scope(),
            before: lease.before(),
            part_bytes,
            progress: Mutex::new(Progress::of(lease.written().clone())),
            lease,
            reporter,
            synced: Condvar::new(),
        }
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Lets go of it where the pool is gone.
    pub(super) fn abandon(&self) {
        self.lock().queued = false;
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing is done under the lock that could leave it half-changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines and reports them. Returns whether the pool must be told.
    pub(super) fn write(&self, batch: &Batch) -> bool {
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
    pub(super) fn close(&self) -> Option<Unsynced> {
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
pub(super) fn syncer(
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

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use crossbeam_channel::bounded;
    use glasswork_engine::journal::{Appended, Journal, Line};

    use super::super::tally::{Till, engine, scope};
    use super::*;

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
        let sheet = Sheet::of(lease, reporters.recv().unwrap(), parts::PART_BYTES);
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
}
