//! Putting the parts together: threads, lanes, and the doors to them.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use crossbeam_channel::{Sender, bounded, unbounded};
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::domain::Domain;
use crate::effect::Runner;
use crate::envelope::ScopeId;
use crate::feed::Feed;
use crate::handle::{Doors, Handle, Overload, Party};
use crate::journal::{Journal, Reporter};
use crate::load::Loaded;
use crate::log::Log;
use crate::pipeline::effects::Effects;
use crate::reader::{Reader, Shelf};
use crate::retained::Retained;
use crate::root::Root;
use crate::trace::TraceSink;
use crate::writer::{Inside, Lanes, MountError, Own, UnmountError, Writer};

/// Caps of all that an engine keeps or lets wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may wait for the writer.
    pub outside: usize,
    /// Asynchronous callers that may wait for one of those places.
    pub waiting: usize,
    /// Urgent requests that may wait.
    pub urgent: usize,
    /// Memory for past states, in bytes (estimated: states share structure).
    pub ring_bytes: usize,
    /// Memory for recent commits, in bytes.
    pub log_bytes: usize,
    /// Memory for recent traces, in bytes.
    pub trace_bytes: usize,
    /// What one follower may be behind, in bytes of journal lines.
    pub feed_bytes: usize,
    /// Lines that may wait for the journal, in bytes.
    pub journal_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            outside: 1_024,
            waiting: 4_096,
            urgent: 256,
            ring_bytes: 16 * MIB,
            log_bytes: 8 * MIB,
            trace_bytes: 2 * MIB,
            feed_bytes: MIB,
            journal_bytes: 8 * MIB,
        }
    }
}

/// What an engine is made of.
pub struct Parts<D: Domain> {
    /// Where lines become durable.
    pub journal: Box<dyn Journal>,
    /// Who does the work of effects.
    pub runner: Arc<dyn Runner<D>>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where traces go besides memory.
    pub trace: Box<dyn TraceSink>,
    /// Caps.
    pub limits: Limits,
}

/// A running engine. Whoever has it may mint handles and mount scopes; everybody else gets a handle or a reader.
pub struct Engine<D: Domain> {
    doors: Arc<Doors<D>>,
    inside: Sender<Inside<D>>,
    reader: Reader<D>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<D: Domain> std::fmt::Debug for Engine<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl<D: Domain> Engine<D> {
    /// Starts the writer, the watcher of deadlines and the disposer.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub fn start(parts: Parts<D>) -> io::Result<Self> {
        let Parts {
            mut journal,
            runner,
            clock,
            trace,
            limits,
        } = parts;
        let (reporter, reports) = unbounded();
        let (urgent_in, urgent) = bounded(limits.urgent);
        let (inside_in, inside) = unbounded();
        let (outside_in, outside) = bounded(limits.outside);
        let (disposer, garbage) = bounded::<Vec<_>>(64);
        journal.start(Reporter {
            reports: reporter.clone(),
        });
        let shelf = Arc::new(Shelf {
            root: ArcSwap::from_pointee(Root::default()),
            ring: Mutex::new(Retained::new(limits.ring_bytes)),
            log: Log::new(limits.log_bytes, limits.trace_bytes),
            feed: Feed::new(),
            feed_bytes: limits.feed_bytes,
        });
        let doors = Arc::new(Doors {
            urgent: urgent_in,
            outside: outside_in,
            permits: Arc::new(Semaphore::new(limits.outside)),
            waiting: AtomicU64::new(0),
            waiting_cap: limits.waiting as u64,
            overload: Overload::default(),
        });
        let deadlines = Arc::new(Deadlines::new(Arc::clone(&clock)));
        let effects = Effects {
            runner,
            inside: inside_in.clone(),
            running: std::collections::BTreeMap::new(),
            awaiting: std::collections::BTreeMap::new(),
        };
        let writer = Writer {
            lanes: Lanes {
                _reporter: reporter,
                reports,
                urgent,
                inside,
                outside,
            },
            journal,
            sink: trace,
            clock,
            shelf: Arc::clone(&shelf),
            doors: Arc::clone(&doors),
            deadlines: Arc::clone(&deadlines),
            disposer,
            journal_bytes: limits.journal_bytes,
            own: Own::new(effects),
        };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        let watcher_inside = inside_in.clone();
        let threads = vec![
            named("writer").spawn(move || writer.run())?,
            named("deadlines").spawn(move || deadlines.watch(&watcher_inside))?,
            named("disposer").spawn(move || garbage.into_iter().for_each(drop))?,
        ];
        Ok(Self {
            doors,
            inside: inside_in,
            reader: Reader { shelf },
            threads: Mutex::new(threads),
        })
    }

    /// Mints the door for one party.
    #[must_use]
    pub fn handle(&self, party: Party) -> Handle<D> {
        Handle {
            origin: party.into(),
            doors: Arc::clone(&self.doors),
        }
    }

    /// A reader of everything published.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    /// Mounts a scope. Where it was loaded with something open, the domain's events of recovery run before any
    /// other event of that scope.
    ///
    /// # Errors
    /// [`MountError`].
    pub async fn mount(&self, loaded: Loaded<D>) -> Result<(), MountError> {
        let (done, mounted) = oneshot::channel();
        self.inside
            .send(Inside::Mount { loaded, done })
            .map_err(|_| MountError::Stopped)?;
        mounted.await.unwrap_or(Err(MountError::Stopped))
    }

    /// Unmounts a scope that is at rest.
    ///
    /// # Errors
    /// [`UnmountError`].
    pub async fn unmount(&self, scope: ScopeId) -> Result<(), UnmountError> {
        let (done, unmounted) = oneshot::channel();
        self.inside
            .send(Inside::Unmount { scope, done })
            .map_err(|_| UnmountError::Stopped)?;
        unmounted.await.unwrap_or(Err(UnmountError::Stopped))
    }

    /// Stops: refuses new requests, waits until all that was accepted is in the journal, and ends the threads.
    /// Runners that are still at work are told to abandon it; recovery settles their effects. Blocks.
    pub fn stop(&self) {
        let _ = self.inside.send(Inside::Stop);
        let threads = std::mem::take(&mut *crate::log::lock(&self.threads));
        for thread in threads {
            // A thread that panicked has said so already; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl<D: Domain> Drop for Engine<D> {
    fn drop(&mut self) {
        self.stop();
    }
}
