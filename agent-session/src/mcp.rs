//! Servers of the [Model Context Protocol](https://modelcontextprotocol.io), as programs beside us: how they are
//! started, asked and ended. What of them is worth knowing is told to the session; see `docs/mcp.md`.

mod answer;
mod connection;
mod environment;
mod line;
mod listing;
mod pictures;
mod subscription;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use glasswork_engine::{EffectKey, ScopeId};
use glasswork_session_state::mcp::{Event, Introduction, Offer, Problem, Told};
use glasswork_session_state::settings::Source;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::answer::answered;
pub(crate) use self::connection::CallEnd;
use self::connection::{Connection, Launch};
use crate::secrets::{Masking, Origin};

/// Most sessions of which is known how their servers are started.
const MOST_SESSIONS: usize = 1024;

/// How a server is started. Only the names of its variables are ever told to a session, and its arguments masked.
#[derive(Clone)]
pub struct ServerCommand {
    /// What it is called.
    pub name: String,
    /// The program: a path, or a name that is looked for in `PATH`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The variables that it gets besides those that every server gets.
    pub env: Vec<(String, SecretString)>,
    /// Where it was named.
    pub from: Source,
}

impl fmt::Debug for ServerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCommand")
            .field("name", &self.name)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl PartialEq for ServerCommand {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |command: &Self| -> Vec<(String, String)> {
            let env = command.env.iter();
            env.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect()
        };
        (&self.name, &self.command, &self.args, exposed(self))
            == (&other.name, &other.command, &other.args, exposed(other))
    }
}

impl ServerCommand {
    /// What a session is told of it.
    #[must_use]
    pub fn offer(&self, masking: &Masking) -> Offer {
        let masked = |text: &str| masking.text(text, &Origin::Elsewhere).into_owned().into();
        Offer {
            name: self.name.as_str().into(),
            command: masked(&self.command),
            arguments: self.args.iter().map(|text| masked(text)).collect(),
            environment: self.env.iter().map(|(name, _)| name.as_str().into()).collect(),
            from: self.from.clone(),
        }
    }
}

/// Hears what becomes of servers that nobody waits for.
pub trait News: Send + Sync + 'static {
    /// Has a session told. Says whether it took it.
    fn tell(
        &self,
        session: ScopeId,
        server: &str,
        event: Event,
    ) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

/// The servers of all sessions of this process. Dropped, all are ended.
#[derive(Default)]
pub struct Servers {
    sessions: Mutex<BTreeMap<ScopeId, BTreeMap<String, Slot>>>,
    news: OnceLock<Arc<dyn News>>,
}

struct Slot {
    command: Arc<ServerCommand>,
    connection: Option<Arc<Connection>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

impl Servers {
    /// Says who hears what becomes of them. The first one stays.
    pub fn bind(&self, news: Arc<dyn News>) {
        let _ = self.news.set(news);
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<ScopeId, BTreeMap<String, Slot>>> {
        // Nothing is done under this lock that could leave it half-changed.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how the servers of a session are started from now on. Those that run and are started otherwise, or not at
    /// all any more, are ended.
    pub fn know(&self, session: ScopeId, commands: Vec<ServerCommand>) {
        let mut sessions = self.sessions();
        if commands.is_empty() {
            sessions.remove(&session);
            return;
        }
        if sessions.len() >= MOST_SESSIONS && !sessions.contains_key(&session) {
            // The id of a session begins with the time at which it was made.
            sessions.pop_first();
        }
        let known = sessions.entry(session).or_default();
        let mut before = std::mem::take(known);
        for command in commands {
            let same = before
                .remove(&command.name)
                .filter(|slot| *slot.command == command);
            let slot = same.unwrap_or_else(|| Slot {
                command: Arc::new(command.clone()),
                connection: None,
            });
            known.insert(command.name, slot);
        }
    }

    /// Ends the servers of a session, and waits until they have ended. How they are started stays known.
    pub async fn end(&self, session: ScopeId) {
        let running = {
            let mut sessions = self.sessions();
            let slots = sessions.get_mut(&session).into_iter();
            slots
                .flat_map(BTreeMap::values_mut)
                .filter_map(|slot| slot.connection.take())
                .collect()
        };
        end_all(running).await;
    }

    /// The same, and forgets how they are started.
    pub async fn forget(&self, session: ScopeId) {
        self.end(session).await;
        self.sessions().remove(&session);
    }

    /// Ends all servers, and waits until they have ended.
    pub async fn end_all(&self) {
        let sessions = std::mem::take(&mut *self.sessions());
        let slots = sessions.into_values().flat_map(BTreeMap::into_values);
        end_all(slots.filter_map(|slot| slot.connection).collect()).await;
    }

    /// Starts a server and asks which tools it has. Dropping the future ends what was started.
    ///
    /// `protocol` is the version that was spoken with it before: one of those that begin with a greeting need not be
    /// found out again, which with some servers takes long.
    pub(crate) async fn start(
        self: &Arc<Self>,
        session: ScopeId,
        name: &str,
        launch: EffectKey,
        directory: PathBuf,
        protocol: Option<&str>,
        masking: Masking,
    ) -> Result<(Introduction, Vec<Told>), Problem> {
        let command = {
            let sessions = self.sessions();
            let slot = sessions.get(&session).and_then(|known| known.get(name));
            Arc::clone(&slot.ok_or(Problem::NotTold)?.command)
        };
        let launching = Launch {
            session,
            launch,
            command: Arc::clone(&command),
            directory,
            masking,
            news: self.news.get().cloned(),
        };
        let (connection, introduction, tools) = Connection::begin(launching, protocol).await?;
        let mut sessions = self.sessions();
        let slot = sessions.get_mut(&session).and_then(|known| known.get_mut(name));
        match slot.filter(|slot| Arc::ptr_eq(&slot.command, &command)) {
            Some(slot) => slot.connection = Some(connection),
            // Meanwhile it was named otherwise, or the session was given up.
            None => return Err(Problem::NotTold),
        }
        Ok((introduction, tools))
    }

    /// Whether a server of a session was started by this process, and not ended by it.
    #[must_use]
    pub fn is_running(&self, session: ScopeId, name: &str) -> bool {
        self.running(session, name).is_some()
    }

    /// The server as it runs.
    pub(crate) fn running(&self, session: ScopeId, name: &str) -> Option<Arc<Connection>> {
        let sessions = self.sessions();
        sessions.get(&session)?.get(name)?.connection.clone()
    }
}

async fn end_all(running: Vec<Arc<Connection>>) {
    for connection in &running {
        connection.stop();
    }
    for connection in running {
        connection.ended().await;
    }
}
