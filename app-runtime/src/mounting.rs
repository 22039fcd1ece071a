//! Which sessions are mounted: on demand, one asker at a time, and no longer than somebody needs them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_agent_session::mcp::Servers;
use glasswork_engine::load::Loaded;
use glasswork_engine::{Bell, Clock, DispatchId, Engine, Handle, Party, Refusal, Scope, ScopeId};
use glasswork_session_state::{Event, Glasswork, fork, host, state};

use crate::archive::{Opened, Vault};
use crate::entering::Entered;
use crate::indexing::{self, Leaving};
use crate::leftovers;
use crate::runtime::{OperationError, Runtime};

/// Mounts and unmounts sessions.
pub(crate) struct Mounts {
    engine: Weak<Engine<Glasswork>>,
    pub(crate) reader: glasswork_engine::Reader<Glasswork>,
    pub(crate) user: Handle<Glasswork>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: tokio::runtime::Handle,
    pub(crate) host: ScopeId,
    servers: Arc<Servers>,
    /// Who works on whether a session is mounted, as long as somebody does.
    turns: Mutex<BTreeMap<ScopeId, Weak<tokio::sync::Mutex<()>>>>,
    /// When each session was mounted, in time awake.
    since: Mutex<BTreeMap<ScopeId, Duration>>,
    pub(crate) entered: Entered,
}

/// The index follows every mounted session.
const OWN_FOLLOWERS: usize = 1;

/// What one holds while one decides whether a session is mounted.
pub(crate) type Turn = tokio::sync::OwnedMutexGuard<()>;

/// What became of something that the host was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    OnRecord,
    NotOnRecord,
}

impl Mounts {
    pub(crate) fn new(
        engine: &Arc<Engine<Glasswork>>,
        vault: &Arc<dyn Vault>,
        clock: &Arc<dyn Clock>,
        tasks: tokio::runtime::Handle,
        host: ScopeId,
        servers: &Arc<Servers>,
    ) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            reader: engine.reader(),
            user: engine.handle(Party::User),
            vault: Arc::clone(vault),
            clock: Arc::clone(clock),
            tasks,
            host,
            servers: Arc::clone(servers),
            turns: Mutex::default(),
            since: Mutex::default(),
            entered: Entered::default(),
        }
    }

    pub(crate) fn engine(&self) -> Result<Arc<Engine<Glasswork>>, OperationError> {
        let stopped = glasswork_engine::MountError::Stopped;
        self.engine.upgrade().ok_or(OperationError::Mount(stopped))
    }

    /// Waits until nobody else decides whether a session is mounted.
    pub(crate) async fn turn(&self, session: ScopeId) -> Turn {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(&session).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::default();
                turns.insert(session, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }

    /// Does something in a task of its own. Whoever asked for it may not wait any more, as its connection has ended or what
    /// it said was taken back: that must not leave a session that is owned and not mounted, or that nobody gives up.
    pub(crate) async fn wholly<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, OperationError>> + Send + 'static,
    ) -> Result<T, OperationError> {
        let done = self.tasks.spawn(work).await;
        done.unwrap_or_else(|broken| Err(OperationError::NotDone(broken.to_string())))
    }

    /// Takes ownership of a session, and ends what a process that was killed left running for it. Folding a long one
    /// takes its time, on a thread where that is allowed.
    pub(crate) async fn own(&self, session: ScopeId) -> Result<Opened, OperationError> {
        let (vault, now) = (Arc::clone(&self.vault), self.clock.wall());
        let opened = tokio::task::spawn_blocking(move || vault.open(session, now)).await;
        let mut opened = opened.map_err(|failed| OperationError::Start(std::io::Error::other(failed)))??;
        opened.notices.extend(leftovers::end(&opened.loaded.scope).await);
        Ok(opened)
    }

    /// Takes ownership of a session and mounts it, by whoever's turn it is. Gives that back, with what had to be mended.
    pub(crate) async fn open(
        self: &Arc<Self>,
        session: ScopeId,
        turn: Turn,
    ) -> Result<(Turn, Vec<String>), OperationError> {
        let mounts = Arc::clone(self);
        self.wholly(async move {
            let opened = mounts.own(session).await?;
            mounts.mount(opened.loaded, opened.parent).await?;
            Ok((turn, opened.notices))
        })
        .await
    }

    /// Mounts a session that this process owns. One that cannot be mounted is given up again.
    /// A fork that is mounted for the first time records whose fork it is. To be done [wholly](Self::wholly).
    pub(crate) async fn mount(
        &self,
        loaded: Loaded<Glasswork>,
        parent: Option<DispatchId>,
    ) -> Result<(), OperationError> {
        let (session, epoch) = (loaded.scope.id, loaded.scope.epoch);
        let known = match &loaded.scope.state {
            state::Scope::Session(session) => session.meta.parent,
            state::Scope::Host(_) => None,
        };
        let parent = parent.map(|parent| state::Parent {
            session: parent.scope,
            at: parent.seq,
        });
        if let Err(error) = self.engine()?.mount(loaded).await {
            self.vault.release(session);
            return Err(error.into());
        }
        lock(&self.since).insert(session, self.clock.awake());
        self.entered.mounted(session, epoch);
        let entered = match parent.filter(|parent| known != Some(*parent)) {
            Some(state::Parent { session: parent, at }) => {
                let entered = Event::Fork(fork::Event::Entered { parent, at });
                self.user.dispatch(session, entered).await.map(drop)
            }
            None => Ok(()),
        };
        // Only now: the index must not hear of a fork that does not know its parent.
        let (live, vault) = (self.reader.clone(), Arc::clone(&self.vault));
        self.tasks.spawn(indexing::follow(live, vault, session));
        if self.tell(host::Event::Mounted(session)).await? == Told::NotOnRecord {
            // What was opened could be written, so the host's record can be, too.
            self.mend_host().await;
            self.tell(host::Event::Mounted(session)).await?;
        }
        entered?;
        Ok(())
    }

    /// Mounts a session unless it is mounted. Returns what had to be mended.
    pub(crate) async fn demand(self: &Arc<Self>, session: ScopeId) -> Result<Vec<String>, OperationError> {
        let turn = self.turn(session).await;
        if self.reader.scope(session).is_some() {
            return Ok(Vec::new());
        }
        let (_turn, notices) = self.open(session, turn).await?;
        Ok(notices)
    }

    /// Unmounts a session that is at rest, and gives it up, by whoever's turn it is. To be done [wholly](Self::wholly).
    pub(crate) async fn unmount(&self, session: ScopeId, _: &Turn) -> Result<(), OperationError> {
        let leaving = Leaving::begin(&self.reader, session);
        self.engine()?.unmount(session).await?;
        // Whoever mounts it again has them started when they are needed.
        self.servers.end(session).await;
        lock(&self.since).remove(&session);
        let vault = Arc::clone(&self.vault);
        // Closing a file waits for the disk.
        let _ = tokio::task::spawn_blocking(move || {
            leaving.end(&*vault);
            vault.release(session);
        })
        .await;
        self.tell(host::Event::Unmounted(session)).await.map(drop)
    }

    /// Tells the host. Where its own record cannot be written, sessions go on all the same: it says so itself.
    async fn tell(&self, event: host::Event) -> Result<Told, OperationError> {
        match self.user.dispatch(self.host, Event::Host(event)).await {
            Ok(_) => Ok(Told::OnRecord),
            Err(Refusal::JournalUnavailable { .. } | Refusal::NotMounted(_)) => Ok(Told::NotOnRecord),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Goes on with the host's own record, if that could not be written. Where it still cannot be, this is tried again
    /// when the next session is mounted.
    async fn mend_host(&self) {
        let _turn = self.turn(self.host).await;
        let (Ok(engine), host) = (self.engine(), self.host) else {
            return;
        };
        if let Some(scope) = self.reader.scope(host)
            && (scope.journal_failure.is_none() || engine.unmount(host).await.is_err())
        {
            return;
        }
        let (vault, now) = (Arc::clone(&self.vault), self.clock.wall());
        let opened = tokio::task::spawn_blocking(move || {
            vault.release(host);
            vault.open(host, now)
        });
        if let Ok(Ok(opened)) = opened.await
            && engine.mount(opened.loaded).await.is_err()
        {
            self.vault.release(host);
        }
    }

    /// Unmounts the sessions in which nothing has happened for so long, and which nobody follows.
    async fn unmount_idle(&self, after: Duration) {
        for scope in self.reader.root().scopes() {
            let turn = self.turn(scope.id).await;
            if scope.id != self.host
                && self.idle_for(scope) >= after
                && self.reader.followers(scope.id) <= OWN_FOLLOWERS
            {
                // Where something began meanwhile, the engine says no.
                let _ = self.unmount(scope.id, &turn).await;
            }
        }
    }

    /// How long nothing has happened in a session; nothing at all where something may still happen by itself.
    fn idle_for(&self, scope: &Scope<Glasswork>) -> Duration {
        let state::Scope::Session(session) = &scope.state else {
            return Duration::ZERO;
        };
        let open = session
            .open_turn()
            .is_some_and(|turn| turn.state != State::Paused);
        // A summary that backs off has no effect open.
        if open || session.compactions.open.is_some() || !scope.open.is_empty() {
            return Duration::ZERO;
        }
        let mounted = lock(&self.since).get(&scope.id).copied();
        let mounted = mounted.map_or(Duration::ZERO, |since| self.clock.awake().saturating_sub(since));
        // By two clocks: the wall's may jump, and never makes it longer than the session is mounted.
        self.clock.wall().since(scope.at).min(mounted)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave them half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that unmounts what is at rest; dropping this ends it.
pub(crate) struct Resting {
    bell: Arc<Bell>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resting {
    fn begin(mounts: Arc<Mounts>, after: Duration) -> std::io::Result<Self> {
        let (bell, ended) = (Arc::<Bell>::default(), Arc::<AtomicBool>::default());
        let tasks = tokio::runtime::Handle::current();
        let (rung, over) = (Arc::clone(&bell), Arc::clone(&ended));
        // Often enough that nothing stays much longer than it should.
        let pause = (after / 8).max(Duration::from_millis(1));
        // From now on, however late the thread begins.
        let mut next = mounts.clock.awake() + pause;
        let thread = std::thread::Builder::new()
            .name("resting".to_owned())
            .spawn(move || {
                while !over.load(Ordering::Acquire) {
                    mounts.clock.wait(&rung, Some(next));
                    next = mounts.clock.awake() + pause;
                    if !over.load(Ordering::Acquire) {
                        tasks.block_on(mounts.unmount_idle(after));
                    }
                }
            })?;
        Ok(Self {
            bell,
            ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Runtime {
    /// Mounts a session as it was left, unless it is mounted already; of several askers one does it, and all have it.
    /// Operations on a session that is not mounted do so by themselves. Returns what had to be mended.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn mount(&self, session: ScopeId) -> Result<Vec<String>, OperationError> {
        self.mounts.demand(session).await
    }

    /// Goes on with a session whose journal could not be written, once the disk is well again. What people saw of it
    /// is kept; what was under way is settled as after a crash. Returns what had to be mended.
    ///
    /// # Errors
    /// [`OperationError`]; where the disk still fails, the session can be read from its record, and this be tried again.
    pub async fn reopen(&self, session: ScopeId) -> Result<Vec<String>, OperationError> {
        let turn = self.mounts.turn(session).await;
        let mounted = self.reader().live(session);
        if mounted.is_some_and(|scope| scope.journal_failure.is_some()) {
            let mounts = Arc::clone(&self.mounts);
            let unmounting = async move { mounts.unmount(session, &turn).await };
            self.mounts.wholly(unmounting).await?;
        } else {
            drop(turn);
        }
        let notices = self.mounts.demand(session).await?;
        self.mounts.mend_host().await;
        Ok(notices)
    }

    /// From now on unmounts sessions in which nothing has happened for so long, and which nobody follows. To be called once, within a tokio runtime.
    ///
    /// # Errors
    /// [`OperationError::Start`].
    pub fn unmount_after(&self, after: Duration) -> Result<(), OperationError> {
        let resting = Resting::begin(Arc::clone(&self.mounts), after).map_err(OperationError::Start)?;
        // A second one ends at once.
        let _ = self.resting.set(resting);
        Ok(())
    }
}
