//! Traces in files: one per scope, rotating, lossy, never in anyone's way.
//!
//! `trace.jsonl` grows up to [`ROTATE_AT`]; then it becomes `trace.1.jsonl`, in place of the one before. Each line is
//! a [`TraceRecord`], or `{"dropped":n}` where `n` records found no room in the queue.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use glasswork_engine::trace::{Outcome, TraceRecord, TraceSink};
use glasswork_engine::{Domain, ScopeId};
use serde::{Deserialize, Serialize};

use super::StoredJournal;
use super::error::StoreError;
use super::layout::{self, Links};
use super::lines::{Lines, Piece};

/// How long a trace file may become, in bytes, before the next one begins. Two are kept.
pub const ROTATE_AT: u64 = 4 << 20;
/// What may wait to be written, in bytes of memory.
const QUEUE: usize = 2 << 20;
/// How much is collected before it is written, in bytes.
const BATCH: usize = 256 << 10;

const CURRENT: &str = "trace.jsonl";
const PREVIOUS: &str = "trace.1.jsonl";

/// The trace files of a running engine. Dropping it, which stopping the engine does, writes what still waits.
#[derive(Debug)]
pub struct TraceFile {
    messages: Sender<Message>,
    queued: Arc<AtomicUsize>,
    /// Records that found no room, by scope, until they are told.
    dropped: BTreeMap<ScopeId, u64>,
    thread: Option<JoinHandle<()>>,
}

/// Tells a [`TraceFile`] that an engine already owns where the traces of a scope go. Clones share it.
#[derive(Debug, Clone)]
pub struct TraceFolders {
    messages: Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Attach { scope: ScopeId, folder: PathBuf },
    Record { record: TraceRecord, weight: usize },
    Dropped { scope: ScopeId, count: u64 },
    Stop,
}

/// A line that stands for records that found no room.
#[derive(Debug, Serialize, Deserialize)]
struct Gap {
    dropped: u64,
}

impl TraceFile {
    /// Starts the thread. The first goes to the engine, the second to whoever opens scopes.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn() -> io::Result<(Self, TraceFolders)> {
        let (messages, inbox) = unbounded();
        let queued = Arc::new(AtomicUsize::new(0));
        let scribe = Scribe {
            inbox,
            queued: Arc::clone(&queued),
            folders: BTreeMap::new(),
            batches: BTreeMap::new(),
            unwritten: BTreeMap::new(),
        };
        let thread = thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || scribe.run())?;
        let folders = TraceFolders {
            messages: messages.clone(),
        };
        let sink = Self {
            messages,
            queued,
            dropped: BTreeMap::new(),
            thread: Some(thread),
        };
        Ok((sink, folders))
    }
}

impl TraceFolders {
    /// Names the folder of a scope. To be called before the scope is mounted; unmounting forgets it.
    pub fn attach(&self, scope: ScopeId, folder: &Path) {
        let folder = folder.to_owned();
        // Once the engine has stopped there is nothing to trace.
        let _ = self.messages.send(Message::Attach { scope, folder });
    }
}

impl TraceSink for TraceFile {
    fn record(&mut self, record: &TraceRecord) {
        let weight = weight(record);
        let scope = record.scope();
        if self.queued.load(Ordering::Relaxed).saturating_add(weight) > QUEUE {
            *self.dropped.entry(scope).or_default() += 1;
            return;
        }
        if let Some(count) = self.dropped.remove(&scope) {
            let _ = self.messages.send(Message::Dropped { scope, count });
        }
        self.queued.fetch_add(weight, Ordering::Relaxed);
        let record = record.clone();
        let _ = self.messages.send(Message::Record { record, weight });
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        for (scope, count) in std::mem::take(&mut self.dropped) {
            let _ = self.messages.send(Message::Dropped { scope, count });
        }
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Roughly what a waiting record occupies, in bytes. Refusals carry text of any length; all else is small.
fn weight(record: &TraceRecord) -> usize {
    let text = match record {
        TraceRecord::Dispatch(dispatch) => match &dispatch.outcome {
            Outcome::Rejected { data, text } | Outcome::Invalid { data, text } => {
                text.len() + data.to_string().len()
            }
            Outcome::Failed { panic } => panic.len(),
            _ => 0,
        },
        _ => 0,
    };
    size_of::<Message>() + size_of::<glasswork_engine::trace::DispatchTrace>() + text
}

/// The writing thread.
struct Scribe {
    inbox: Receiver<Message>,
    queued: Arc<AtomicUsize>,
    folders: BTreeMap<ScopeId, PathBuf>,
    batches: BTreeMap<ScopeId, Batch>,
    /// Records that could not be written, by scope, until something can be.
    unwritten: BTreeMap<ScopeId, u64>,
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    records: u64,
}

impl Scribe {
    fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let mut next = Some(first);
            let mut collected = 0;
            while let Some(message) = next {
                match message {
                    Message::Attach { scope, folder } => {
                        self.folders.insert(scope, folder);
                    }
                    Message::Record { record, weight } => {
                        self.queued.fetch_sub(weight, Ordering::Relaxed);
                        collected += weight;
                        self.collect(record.scope(), &record, 1);
                        if let TraceRecord::Unmounted { scope, .. } = record {
                            self.write();
                            self.folders.remove(&scope);
                            self.unwritten.remove(&scope);
                        }
                    }
                    Message::Dropped { scope, count } => self.collect(scope, &Gap { dropped: count }, count),
                    Message::Stop => return self.write(),
                }
                if collected >= BATCH {
                    break;
                }
                next = self.inbox.try_recv().ok();
            }
            self.write();
        }
        self.write();
    }

    fn collect<T: Serialize>(&mut self, scope: ScopeId, line: &T, records: u64) {
        if !self.folders.contains_key(&scope) {
            return;
        }
        let batch = self.batches.entry(scope).or_default();
        if serde_json::to_writer(&mut batch.bytes, line).is_ok() {
            batch.bytes.push(b'\n');
            batch.records += records;
        }
    }

    fn write(&mut self) {
        while let Some((scope, mut batch)) = self.batches.pop_first() {
            let Some(folder) = self.folders.get(&scope) else {
                continue;
            };
            let before = self.unwritten.remove(&scope).unwrap_or(0);
            if before > 0
                && let Ok(mut gap) = serde_json::to_vec(&Gap { dropped: before })
            {
                gap.push(b'\n');
                batch.bytes.splice(0..0, gap);
            }
            if append(folder, &batch.bytes).is_err() {
                self.unwritten.insert(scope, before + batch.records);
            }
        }
    }
}

/// Appends whole lines. Files are opened for each batch: sessions are many, and open files are few.
fn append(folder: &Path, lines: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(CURRENT);
    let mut file = open_to_append(&path)?;
    let failed = || StoreError::io("write", &path);
    let mut length = file.metadata().map_err(failed())?.len();
    if length > 0 && length + lines.len() as u64 > ROTATE_AT {
        fs::rename(&path, folder.join(PREVIOUS)).map_err(failed())?;
        file = open_to_append(&path)?;
        length = 0;
    }
    let mut last = *b"\n";
    if length > 0 {
        file.read_exact_at(&mut last, length - 1).map_err(failed())?;
    }
    if last != *b"\n" {
        // A process that was killed has left part of a line: the next one must not continue it.
        file.write_all(b"\n").map_err(failed())?;
    }
    file.write_all(lines).map_err(failed())
}

fn open_to_append(path: &Path) -> Result<File, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    match layout::open_regular(path, options.read(true).append(true), Links::Refuse) {
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            layout::make_file(path)
        }
        Err(error) => Err(error),
        Ok(file) => {
            layout::own_alone(&file, path)?;
            Ok(file)
        }
    }
}

/// What the trace files of a scope hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traces {
    /// The records, oldest first.
    pub records: Vec<TraceRecord>,
    /// How many found no room when they were made.
    pub dropped: u64,
    /// How many lines could not be read: torn by a crash, or of another version.
    pub unreadable: u64,
}

impl<D: Domain> StoredJournal<D> {
    /// The traces beside the journal, also while another process writes them. At most two files of [`ROTATE_AT`]
    /// bytes; a journal without traces has none.
    ///
    /// # Errors
    /// [`StoreError::Io`], or [`StoreError::NotAJournal`] where something else stands in their place.
    pub fn traces(&self) -> Result<Traces, StoreError> {
        read_traces(&self.folder())
    }
}

fn read_traces(folder: &Path) -> Result<Traces, StoreError> {
    let mut traces = Traces::default();
    let [previous, current] = open_both(folder)?;
    for (name, file) in [(PREVIOUS, previous), (CURRENT, current)] {
        if let Some(file) = file {
            // Not beyond what one file holds, however long another program has made it.
            let bounded = file.take(2 * ROTATE_AT);
            read_into(&mut traces, bounded).map_err(StoreError::io("read", &folder.join(name)))?;
        }
    }
    Ok(traces)
}

/// Opens both files so that they follow one another: where the writer rotates in between, the same file would be
/// read twice.
fn open_both(folder: &Path) -> Result<[Option<File>; 2], StoreError> {
    loop {
        let current = open_if_there(&folder.join(CURRENT))?;
        let previous = open_if_there(&folder.join(PREVIOUS))?;
        let inode = |file: &Option<File>| file.as_ref()?.metadata().ok().map(|metadata| metadata.ino());
        if inode(&current).is_none() || inode(&current) != inode(&previous) {
            return Ok([previous, current]);
        }
    }
}

fn open_if_there(path: &Path) -> Result<Option<File>, StoreError> {
    let mut options = layout::careful(Links::Refuse);
    match layout::open_regular(path, options.read(true), Links::Refuse) {
        Ok(file) => Ok(Some(file)),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_into(traces: &mut Traces, source: impl Read) -> io::Result<()> {
    let mut lines = Lines::new(source);
    loop {
        match lines.next()? {
            Piece::Line([]) => {}
            Piece::Line(line) => {
                if let Ok(record) = serde_json::from_slice(line) {
                    traces.records.push(record);
                } else if let Ok(Gap { dropped }) = serde_json::from_slice(line) {
                    traces.dropped += dropped;
                } else {
                    traces.unreadable += 1;
                }
            }
            Piece::TooLong => {
                traces.unreadable += 1;
                return Ok(());
            }
            // Unfinished: not written yet.
            Piece::Unfinished(_) | Piece::End => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use glasswork_engine::Timestamp;

    use super::*;

    fn overload(refused: u64) -> TraceRecord {
        TraceRecord::Overload {
            scope: ScopeId::from_u128(1),
            refused,
            at: Timestamp(0),
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, folders) = TraceFile::spawn().unwrap();
        folders.attach(ScopeId::from_u128(1), folder.path());
        sink.record(&overload(1));
        // As if so much waited, on a disk that takes its time.
        sink.queued.fetch_add(QUEUE, Ordering::Relaxed);
        (2..=4).for_each(|number| sink.record(&overload(number)));
        sink.queued.fetch_sub(QUEUE, Ordering::Relaxed);
        sink.record(&overload(5));
        sink.queued.fetch_add(QUEUE, Ordering::Relaxed);
        sink.record(&overload(6));
        drop(sink);
        let lines = fs::read_to_string(folder.path().join(CURRENT)).unwrap();
        let kinds: Vec<&str> = lines
            .lines()
            .map(|line| {
                if line.starts_with(r#"{"overload""#) {
                    "record"
                } else {
                    line
                }
            })
            .collect();
        assert_eq!(
            kinds,
            ["record", r#"{"dropped":3}"#, "record", r#"{"dropped":1}"#]
        );
        let traces = read_traces(folder.path()).unwrap();
        let expected = Traces {
            records: vec![overload(1), overload(5)],
            dropped: 4,
            unreadable: 0,
        };
        assert_eq!(traces, expected);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let scope = ScopeId::from_u128(1);
        let (_, inbox) = unbounded();
        let mut scribe = Scribe {
            inbox,
            queued: Arc::default(),
            folders: BTreeMap::from([(scope, folder.path().to_owned())]),
            batches: BTreeMap::new(),
            unwritten: BTreeMap::new(),
        };
        let mut write = |numbers: &[u64]| {
            for number in numbers {
                scribe.collect(scope, &overload(*number), 1);
            }
            scribe.write();
        };
        fs::create_dir(folder.path().join(CURRENT)).unwrap();
        write(&[1, 2]);
        write(&[3]);
        fs::remove_dir(folder.path().join(CURRENT)).unwrap();
        write(&[4]);
        write(&[5]);
        let expected = Traces {
            records: vec![overload(4), overload(5)],
            dropped: 3,
            unreadable: 0,
        };
        assert_eq!(read_traces(folder.path()).unwrap(), expected);
    }
}
