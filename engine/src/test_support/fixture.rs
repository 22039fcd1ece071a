//! An engine whose outside world is a test.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use super::{ManualRunner, PATIENCE, assert_replays, wait};
use crate::clock::VirtualClock;
use crate::domain::Domain;
use crate::engine::{Engine, Limits, Parts};
use crate::envelope::{ScopeId, Timestamp};
use crate::feed::FeedItem;
use crate::handle::{Accepted, Answer, Handle, Party};
use crate::journal::MemoryJournal;
use crate::load::Loaded;
use crate::log::lock;
use crate::reader::Reader;
use crate::root::Scope;
use crate::trace::{TraceRecord, TraceSink};
use crate::writer::UnmountError;

/// An engine with a memory journal, a clock that stands still and jobs that wait for the test.
///
/// When it is dropped it stops, and every scope that it made must load and replay to its live state.
pub struct Fixture<D: Domain> {
    /// The engine.
    pub engine: Engine<D>,
    /// The user's door.
    pub user: Handle<D>,
    /// A reader.
    pub reader: Reader<D>,
    /// Its journal.
    pub journal: MemoryJournal,
    /// Its clock; it begins at 1,000,000 s after the epoch.
    pub clock: VirtualClock,
    /// Its jobs.
    pub runner: ManualRunner<D>,
    /// Holds the writer.
    pub brake: Brake,
    made: Mutex<Vec<ScopeId>>,
    guarded: bool,
}

impl<D: Domain> Default for Fixture<D> {
    fn default() -> Self {
        Self::with(Limits::default())
    }
}

impl<D: Domain> Fixture<D> {
    /// Starts an engine with these caps.
    ///
    /// # Panics
    /// Where threads cannot be started.
    #[must_use]
    pub fn with(limits: Limits) -> Self {
        let journal = MemoryJournal::new();
        let clock = VirtualClock::at(Timestamp(1_000_000_000_000));
        let runner = ManualRunner::default();
        let brake = Brake::default();
        let started = Engine::start(Parts {
            journal: Box::new(journal.clone()),
            runner: Arc::new(runner.clone()),
            clock: Arc::new(clock.clone()),
            trace: Box::new(brake.clone()),
            limits,
        });
        let engine = started.unwrap_or_else(|error| panic!("the engine does not start: {error}"));
        Self {
            user: engine.handle(Party::User),
            reader: engine.reader(),
            engine,
            journal,
            clock,
            runner,
            brake,
            made: Mutex::default(),
            guarded: true,
        }
    }

    /// Leaves out the replay when it is dropped: for tests that break their journal on purpose.
    #[must_use]
    pub fn unguarded(mut self) -> Self {
        self.guarded = false;
        self
    }

    /// Makes and mounts a new scope. Ids count up from 1, so tests can be compared.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    pub fn create(&self, kind: D::Kind) -> ScopeId {
        let mut made = lock(&self.made);
        let id = ScopeId::from_u128(made.len() as u128 + 1);
        let created = self.journal.create::<D>(id, kind, Timestamp(0));
        let loaded = created.unwrap_or_else(|error| panic!("no header can be written: {error}"));
        made.push(id);
        drop(made);
        self.mount(loaded);
        id
    }

    /// Mounts what was loaded.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    pub fn mount(&self, loaded: Loaded<D>) {
        let mounted = wait(self.engine.mount(loaded));
        mounted.unwrap_or_else(|error| panic!("not mounted: {error}"));
    }

    /// Sends an event as the user, and waits for the answer.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&self, scope: ScopeId, event: D::Event) -> Answer<D> {
        wait(self.user.dispatch(scope, event))
    }

    /// Sends an event as the user that must be accepted.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn accept(&self, scope: ScopeId, event: D::Event) -> Accepted<D> {
        self.ask(scope, event)
            .unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    /// The scope as it is published.
    ///
    /// # Panics
    /// Where it is not mounted.
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> Arc<Scope<D>> {
        self.reader
            .scope(id)
            .unwrap_or_else(|| panic!("{id} is not mounted"))
    }

    /// Waits until the writer has taken all that effects and deadlines had sent before this call, one request from
    /// outside that was sent before it, and what followed from them.
    ///
    /// # Panics
    /// Where the engine has stopped.
    pub fn fence(&self) {
        let nobody = ScopeId::from_u128(0);
        // The inside and the outside lane take turns: while the writer takes three from within, it takes one from
        // without.
        for _ in 0..3 {
            assert_eq!(
                wait(self.engine.unmount(nobody)),
                Err(UnmountError::NotMounted(nobody)),
                "a fence goes through the inside lane"
            );
        }
    }

    /// Waits until commit `seq` is published.
    ///
    /// # Panics
    /// Where it does not come, or the scope is not mounted.
    pub fn reach(&self, scope: ScopeId, seq: u64) -> Arc<Scope<D>> {
        let following = self.reader.follow(scope, None);
        let mut following = following.unwrap_or_else(|| panic!("{scope} is not mounted"));
        let mut now = following.base.seq;
        while now < seq {
            now = match wait(following.follower.next()) {
                FeedItem::Commit(commit) => commit.id.seq,
                FeedItem::Gap { to, .. } => to,
                FeedItem::JournalFailed(reason) => panic!("{scope} failed at commit {now}: {reason}"),
                FeedItem::Ended => panic!("{scope} ended at commit {now}, before {seq}"),
            };
        }
        self.scope(scope)
    }
}

impl<D: Domain> Drop for Fixture<D> {
    fn drop(&mut self) {
        self.brake.release();
        self.journal.open();
        self.journal.release_syncs();
        let root = if self.guarded && !thread::panicking() {
            // Stopping writes what was accepted, so the journal is read after it, and the root too.
            self.engine.stop();
            self.reader.root()
        } else {
            self.engine.stop();
            return;
        };
        for scope in root.scopes() {
            assert_replays::<D>(&self.journal.bytes(scope.id), scope);
        }
    }
}

/// A trace sink that can hold the writer: while it is held, the writer stands still at the next record of a trace.
#[derive(Debug, Clone, Default)]
pub struct Brake {
    inner: Arc<(Mutex<Hold>, Condvar)>,
}

#[derive(Debug, Default)]
struct Hold {
    held: bool,
    standing: bool,
    /// How many more records the writer may make while it is held.
    steps: u32,
}

impl Brake {
    /// From now on the writer stops at its next record.
    pub fn hold(&self) {
        lock(&self.inner.0).held = true;
    }

    /// Waits until the writer stands.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn standing(&self) {
        let (hold, changed) = &*self.inner;
        let waited = changed.wait_timeout_while(lock(hold), PATIENCE, |hold| !hold.standing);
        let hold = waited.unwrap_or_else(PoisonError::into_inner).0;
        assert!(hold.standing, "the writer came to no record within {PATIENCE:?}");
    }

    /// Lets the writer, which stands, go on to its next record.
    ///
    /// # Panics
    /// Where it comes to none within [`PATIENCE`].
    pub fn step(&self) {
        {
            let mut hold = lock(&self.inner.0);
            hold.steps += 1;
            hold.standing = false;
        }
        self.inner.1.notify_all();
        self.standing();
    }

    /// Lets the writer go on.
    pub fn release(&self) {
        lock(&self.inner.0).held = false;
        self.inner.1.notify_all();
    }
}

impl TraceSink for Brake {
    fn record(&mut self, _: &TraceRecord) {
        let (hold, changed) = &*self.inner;
        let mut hold = lock(hold);
        hold.standing = hold.held;
        changed.notify_all();
        while hold.held && hold.steps == 0 {
            hold = changed.wait(hold).unwrap_or_else(PoisonError::into_inner);
        }
        hold.steps = hold.steps.saturating_sub(1);
        hold.standing = false;
    }
}
