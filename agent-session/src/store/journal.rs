//! The engine's journal in files: one thread writes, a small pool syncs.
//!
//! The [writing thread](clerk) takes all lines that wait, writes those of one file at once, and reports them written.
//! [Files](sheet) in which something waits for the disk go to the pool; one sync covers all lines that were written
//! before it. A file is in the hands of one pool thread at a time, so reports of one scope come in order. After a failed
//! write or sync no further line of that scope is written: what the disk then holds is not known, and trying again could
//! report safe what was lost.

mod clerk;
mod sheet;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded, unbounded};
use glasswork_engine::journal::{Appended, Journal, Line, Reporter};
use glasswork_engine::{Domain, Reader, ScopeId};

use super::keeper::{Keeper, Pace};
use super::lease::Lease;
use super::parts::PART_BYTES;
use clerk::Clerk;

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
        let clerk = Clerk::new(inbox, Arc::clone(&unsynced), part_bytes)?;
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
