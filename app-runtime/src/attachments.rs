//! Clients that look at sessions and act in them: who is attached, with which role, and what each is given.
//!
//! That a client is attached is a fact of the host's scope. What it asks for goes through the gate under the number of its
//! connection, so every record says which client it was. Of several that answer for one call the gate takes the first.

mod asking;
mod attendance;
mod base;
mod beginning;
mod commanding;
mod line;
mod owner;
mod turns;
mod updates;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use glasswork_agent_core::id::CallId;
use glasswork_ai::catalogue::SelectError;
use glasswork_engine::{Accepted, Cursor, DispatchId, Handle, Origin, Party, Refusal, ScopeId};
use glasswork_session_state::clients::{self, Client, History, Left, Role, places};
use glasswork_session_state::state::{Kind, Scope};
use glasswork_session_state::{Event, Glasswork};

pub use base::Base;
pub use beginning::{Again, Settled};
pub use commanding::Performed;
pub use updates::{Delivery, Updates};

use crate::runtime::{OperationError, Runtime};
use line::{Waiter, Whose};
use turns::Turns;

type Done = Result<Accepted<Glasswork>, AttachError>;

/// How much clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time.
    pub connections: usize,
    /// Most sessions that are mounted because somebody attaches to them.
    pub sessions: usize,
    /// Most turns that clients have run at a time; more prompts wait, each told its place.
    pub turns: usize,
    /// Most prompts that wait.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            sessions: 64,
            turns: 16,
            waiting: 64,
        }
    }
}

/// Why something that a client asked for did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There are too many connections.
    #[error("{0} clients are connected already; wait until one of them leaves")]
    TooManyConnections(usize),
    /// There are too many sessions.
    #[error("{0} sessions are open in this host already; close one of them, or attach to one that is open")]
    TooManySessions(usize),
    /// There are too many prompts that wait.
    #[error("{0} prompts wait for a turn to end already; ask again later")]
    TooManyWaiting(usize),
    /// It only looks on.
    #[error("this client is attached as an observer, which acts on nothing; attach as a controller")]
    Observer,
    /// It was taken back while it waited.
    #[error(
        "this was taken back while it waited for its turn, and did not begin; say it again if it is to be done after all"
    )]
    TakenBack,
    /// The session cannot be opened again.
    #[error("the session cannot be opened for a turn: {0}")]
    NotOpened(String),
    /// It is not attached any more.
    #[error("this attachment has ended; attach again")]
    NotAttached,
    /// Somebody else was faster.
    #[error("the call {call} was {} already by {who}", if *approved { "approved or answered" } else { "refused" })]
    AnsweredAlready {
        /// The call.
        call: CallId,
        /// Whether it may run; of one that asks something, whether it has an answer.
        approved: bool,
        /// The commit that said so.
        by: DispatchId,
        /// Whose it was.
        origin: Origin,
        /// The same in words.
        who: String,
    },
    /// The host ends.
    #[error("this host is stopping and begins no turn; the session can be gone on with elsewhere")]
    Stopping,
    /// No model is called so, or several are.
    #[error(transparent)]
    Model(#[from] SelectError),
    /// The operation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<Refusal<Glasswork>> for AttachError {
    fn from(refusal: Refusal<Glasswork>) -> Self {
        Self::Operation(refusal.into())
    }
}

/// All clients of a host.
pub struct Attachments {
    runtime: Arc<Runtime>,
    limits: Limits,
    last: AtomicU64,
    open: AtomicU64,
    turns: Arc<Turns>,
    /// Sessions that are being opened: they count as open.
    opening: Mutex<usize>,
    attendance: attendance::Attendance,
    /// How sessions of the past are opened again, once somebody has said so.
    again: OnceLock<Arc<Again>>,
    /// Held, to be read, by everything that is about to begin.
    beginning: Arc<tokio::sync::RwLock<()>>,
}

impl std::fmt::Debug for Attachments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachments")
            .field("runtime", &self.runtime)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Attachments {
    /// Nobody is attached yet.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>, limits: Limits) -> Arc<Self> {
        let most = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let places = places::Limits {
            running: most(limits.turns),
            waiting: most(limits.waiting),
        };
        let tasks = runtime.mounts.tasks.clone();
        Arc::new(Self {
            turns: Turns::new(runtime.host(), runtime.user.clone(), places, tasks),
            runtime,
            limits,
            last: AtomicU64::new(0),
            open: AtomicU64::new(0),
            opening: Mutex::default(),
            attendance: attendance::Attendance::default(),
            again: OnceLock::new(),
            beginning: Arc::default(),
        })
    }

    /// The runtime.
    #[must_use]
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// A client connects. Its name is its own affair; its number is the host's.
    ///
    /// # Errors
    /// [`AttachError::TooManyConnections`].
    pub fn connect(self: &Arc<Self>) -> Result<Connection, AttachError> {
        let most = self.limits.connections;
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
                usize::try_from(open)
                    .is_ok_and(|open| open < most)
                    .then_some(open + 1)
            });
        taken.map_err(|_| AttachError::TooManyConnections(most))?;
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Connection {
            handle: self.runtime.engine().handle(Party::Client(number)),
            hub: Arc::clone(self),
            number,
            attaches: AtomicBool::new(false),
        })
    }

    /// Who is attached, by the number of the attachment.
    #[must_use]
    pub fn clients(&self) -> Vec<(u64, Client)> {
        let host = self.runtime.live().scope(self.runtime.host());
        match host.as_deref().map(|scope| &scope.state) {
            Some(Scope::Host(host)) => host
                .clients
                .iter()
                .map(|(id, client)| (*id, client.clone()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// From now on no client begins a turn; what waits is sent away. What is about to begin does: [`settled`](Self::settled)
    /// waits for that.
    pub fn stop_turns(&self) {
        self.turns.stop();
    }

    /// The mounted sessions in which a turn runs.
    #[must_use]
    pub fn running(&self) -> Vec<ScopeId> {
        let root = self.runtime.live().root();
        let running = root.scopes().filter(|scope| match &scope.state {
            // Where nothing can be recorded, nothing happens any more.
            Scope::Session(session) => scope.journal_failure.is_none() && turns::runs(session),
            Scope::Host(_) => false,
        });
        running.map(|scope| scope.id).collect()
    }

    /// Waits until no turn runs in any session.
    pub async fn at_rest(&self) {
        while let Some(session) = self.running().first() {
            turns::rest(self.runtime.watch(*session)).await;
        }
    }

    /// Room for one more session, as long as it is being opened; one that is open needs none.
    ///
    /// # Errors
    /// [`AttachError::TooManySessions`].
    pub fn room_for(self: &Arc<Self>, session: Option<ScopeId>) -> Result<Room, AttachError> {
        let mut opening = self.opening();
        let root = self.runtime.live().root();
        if session.is_some_and(|session| root.scope(session).is_some()) {
            return Ok(Room(None));
        }
        let mounted = root.scopes().filter(|scope| scope.kind == Kind::Session).count();
        let most = self.limits.sessions;
        if mounted.saturating_add(*opening) >= most {
            return Err(AttachError::TooManySessions(most));
        }
        *opening += 1;
        Ok(Room(Some(Arc::clone(self))))
    }

    fn opening(&self) -> MutexGuard<'_, usize> {
        // Nothing is done under this lock that could leave it half-changed.
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who an origin is, for people.
    #[must_use]
    pub fn who(&self, origin: &Origin) -> String {
        match origin {
            Origin::Client(connection) => {
                let clients = self.clients();
                let known = clients
                    .iter()
                    .find(|(_, client)| client.connection == *connection);
                match known {
                    Some((_, client)) => format!("`{}`, client {connection}", client.name),
                    None => format!("client {connection}, who has left"),
                }
            }
            Origin::User => "the person at the host".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// Room for a session that is being opened. To be held until it is open.
#[derive(Debug)]
pub struct Room(Option<Arc<Attachments>>);

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(hub) = &self.0 {
            let mut opening = hub.opening();
            *opening = opening.saturating_sub(1);
        }
    }
}

/// A client that is connected. Dropping it leaves its attachments on record; [`leave`](Self::leave) ends them.
#[derive(Debug)]
pub struct Connection {
    hub: Arc<Attachments>,
    handle: Handle<Glasswork>,
    number: u64,
    /// Whether it has ever asked to be attached.
    attaches: AtomicBool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a client asks for when it attaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The session.
    pub session: ScopeId,
    /// What it calls itself.
    pub name: Arc<str>,
    /// What it wants to do.
    pub role: Role,
    /// What it wants of what was before.
    pub history: History,
    /// What it has seen already, of a connection that it had before.
    pub seen: Option<Cursor>,
}

impl Connection {
    /// Its number, which is in the record of all that it asks for.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// All clients of the host.
    #[must_use]
    pub fn hub(&self) -> &Arc<Attachments> {
        &self.hub
    }

    /// Attaches to a session, which is mounted where it was not. Gives the attachment and, apart from it, what happens
    /// in the session, from what the client has seen.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn attach(&self, asked: Asked) -> Result<(Attachment, Updates), AttachError> {
        let runtime = &self.hub.runtime;
        {
            let _room = self.hub.room_for(Some(asked.session))?;
            runtime.mount(asked.session).await?;
        }
        self.attaches.store(true, Ordering::Release);
        let event = clients::Event::Attached {
            connection: self.number,
            name: Arc::clone(&asked.name),
            session: asked.session,
            role: asked.role,
            history: asked.history,
        };
        let done = self.handle.dispatch(runtime.host(), Event::Client(event)).await?;
        let id = done.id.seq;
        self.hub.settle_attendance(asked.session, &self.handle).await;
        let Some(updates) = Updates::begin(&runtime.live(), asked.session, asked.seen, asked.history) else {
            self.tell_left(id, Left::Detached).await?;
            let gone = Refusal::NotMounted(asked.session);
            return Err(gone.into());
        };
        let attachment = Attachment {
            hub: Arc::clone(&self.hub),
            handle: self.handle.clone(),
            id,
            session: asked.session,
        };
        Ok((attachment, updates))
    }

    /// Ends an attachment.
    ///
    /// # Errors
    /// [`AttachError`]: it is none of this connection.
    pub async fn detach(&self, attachment: u64) -> Result<(), AttachError> {
        self.tell_left(attachment, Left::Detached).await
    }

    /// Lets a client do more, or less.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn change_role(&self, attachment: u64, role: Role) -> Result<(), AttachError> {
        let session = self.session_of(attachment);
        let event = Event::Client(clients::Event::RoleChanged { attachment, role });
        self.handle.dispatch(self.hub.runtime.host(), event).await?;
        if role == Role::Observer {
            self.take_back(|of, _| of == attachment);
        }
        if let Some(session) = session {
            self.hub.settle_attendance(session, &self.handle).await;
        }
        Ok(())
    }

    /// Takes back what waits of these attachments and connections.
    fn take_back(&self, which: impl Fn(u64, u64) -> bool) {
        self.hub.turns.take_back(|waiter: &Waiter| match waiter.whose {
            Whose::Owner => false,
            Whose::Client {
                attachment,
                connection,
            } => which(attachment, connection),
        });
    }

    fn session_of(&self, attachment: u64) -> Option<ScopeId> {
        let mut clients = self.hub.clients().into_iter();
        let known = clients.find(|(id, _)| *id == attachment);
        known.map(|(_, client)| client.session)
    }

    /// Ends all attachments of a connection that has ended.
    pub async fn leave(&self) {
        if !self.attaches.load(Ordering::Acquire) {
            return;
        }
        let clients = self.hub.clients().into_iter();
        let own = clients.filter(|(_, client)| client.connection == self.number);
        let sessions: BTreeSet<ScopeId> = own.map(|(_, client)| client.session).collect();
        // By the record, and behind all that this connection has asked for: of an attachment that was under way when it
        // ended nobody else knows.
        let ended = clients::Event::ConnectionEnded {
            connection: self.number,
        };
        // Where the host's journal fails, the host itself says so.
        let _ = self
            .handle
            .dispatch(self.hub.runtime.host(), Event::Client(ended))
            .await;
        self.take_back(|_, connection| connection == self.number);
        for session in sessions {
            self.hub.settle_attendance(session, &self.handle).await;
        }
    }

    async fn tell_left(&self, attachment: u64, why: Left) -> Result<(), AttachError> {
        let session = self.session_of(attachment);
        let event = Event::Client(clients::Event::Detached { attachment, why });
        self.handle.dispatch(self.hub.runtime.host(), event).await?;
        self.take_back(|of, _| of == attachment);
        if let Some(session) = session {
            self.hub.settle_attendance(session, &self.handle).await;
        }
        Ok(())
    }
}

/// A client that is attached to a session. Clones are the same.
#[derive(Debug, Clone)]
pub struct Attachment {
    hub: Arc<Attachments>,
    handle: Handle<Glasswork>,
    id: u64,
    session: ScopeId,
}

impl Attachment {
    /// The number of the attachment: the commit of the host that has it on record.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> ScopeId {
        self.session
    }

    /// What the host's record says of it.
    fn client(&self) -> Result<Client, AttachError> {
        let host = self.hub.runtime.live().scope(self.hub.runtime.host());
        let known = match host.as_deref().map(|scope| &scope.state) {
            Some(Scope::Host(host)) => host.clients.get(&self.id).cloned(),
            _ => None,
        };
        known.ok_or(AttachError::NotAttached)
    }

    /// The origin, in the record, of what the client asks for.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.client().ok().map(|client| Origin::Client(client.connection))
    }

    /// What it may do now; `None` once it has ended.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.client().ok().map(|client| client.role)
    }

    /// Who looks at the session besides, of other connections.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others_who(|_| true)
    }

    /// Those of them who may act in it.
    #[must_use]
    pub fn other_controllers(&self) -> usize {
        self.others_who(|role| role == Role::Controller)
    }

    fn others_who(&self, are: impl Fn(Role) -> bool) -> usize {
        let connection = self.client().map(|client| client.connection).ok();
        let clients = self.hub.clients();
        let others = clients.iter().filter(|(_, client)| {
            client.session == self.session && Some(client.connection) != connection && are(client.role)
        });
        others.count()
    }

    fn may_act(&self) -> Result<(), AttachError> {
        match self.client()?.role {
            Role::Controller => Ok(()),
            Role::Observer => Err(AttachError::Observer),
        }
    }

    /// What the second one is told who answers for a call: who the first one was.
    fn answered_already(&self, call: CallId) -> Option<AttachError> {
        use glasswork_session_state::question::Event as Question;
        use glasswork_session_state::tools::Event as Tools;
        let commits = self.hub.runtime.live().commits(self.session);
        commits.iter().rev().find_map(|commit| {
            let approved = match &commit.event {
                Event::Tools(Tools::Approved { call: of }) if *of == call => true,
                Event::Question(Question::Answered { call: of, .. }) if *of == call => true,
                Event::Tools(Tools::Refused { call: of, .. }) if *of == call => false,
                _ => return None,
            };
            Some(AttachError::AnsweredAlready {
                call,
                approved,
                by: commit.id,
                origin: commit.origin.clone(),
                who: self.hub.who(&commit.origin),
            })
        })
    }
}

/// The refusal, where a handler said no; after that it is worth asking why.
fn rejected(error: &OperationError) -> Option<DispatchId> {
    match error {
        OperationError::Refused(Refusal::Rejected { id, .. }) => Some(*id),
        _ => None,
    }
}
