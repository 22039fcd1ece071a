//! What the agent answers: every method of the protocol, over one connection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, AuthMethod, AuthMethodAgent, AuthMethodTerminal, AuthenticateRequest,
    AuthenticateResponse, CloseSessionRequest, CloseSessionResponse, DeleteSessionRequest,
    DeleteSessionResponse, Implementation, InitializeRequest, InitializeResponse, ListSessionsRequest,
    ListSessionsResponse, LoadSessionRequest, LoadSessionResponse, McpCapabilities, Meta, NewSessionRequest,
    NewSessionResponse, PromptCapabilities, ResumeSessionRequest, ResumeSessionResponse, SessionCapabilities,
    SessionCloseCapabilities, SessionConfigOption, SessionDeleteCapabilities, SessionId, SessionInfo,
    SessionListCapabilities, SessionModeState, SessionNotification, SessionResumeCapabilities, SessionUpdate,
    SetSessionConfigOptionRequest, SetSessionConfigOptionResponse, SetSessionModeRequest,
    SetSessionModeResponse,
};
use agent_client_protocol::v1::{ConnectionTo, schema};
use agent_client_protocol::{Client, Error, RequestCancellation};
use glasswork_app_runtime::archive::{Cursor, Filter, Listing};
use glasswork_app_runtime::attachments::{Asked, AttachError, Attachment};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_app_runtime::servers::ServerCommand;
use glasswork_engine::{Refusal, ScopeId, Timestamp};
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::state::Session;
use tokio::sync::watch;

use super::attached::{Attached, Line, Told};
use super::commands;
use super::editor::Presence;
use super::heard::{Cancelling, Heard, Prompted};
use super::lines::Pace;
use super::opening::{self, House, ModelChoice, NotReady, ProviderChoice};
use super::options;
use super::servers;
use super::updates::{self, Offers};
use crate::socket::talk::Talk;

/// How many sessions a page of the list has.
const PAGE: usize = 50;
/// Most sessions that are open on a connection.
const SESSIONS: usize = 32;
/// Most characters of what a client calls itself.
const NAME: usize = 80;

/// The agent at one end of a connection.
pub(super) struct Agent {
    talk: Arc<Talk>,
    pace: Arc<Pace>,
    /// Whether the host is there for this client alone: then nothing goes on without it.
    alone: bool,
    client: OnceLock<(Offers, Arc<str>)>,
    attached: Mutex<BTreeMap<ScopeId, Attached>>,
    presence: Arc<Presence>,
    heard: Arc<Heard>,
}

impl Agent {
    pub(super) fn new(talk: Arc<Talk>, pace: Arc<Pace>, alone: bool) -> Self {
        Self {
            talk,
            pace,
            alone,
            client: OnceLock::new(),
            attached: Mutex::default(),
            presence: Arc::default(),
            heard: Arc::default(),
        }
    }

    /// The client says nothing more, and so it lends nothing more.
    pub(super) fn lends_nothing(&self) {
        self.presence.leave();
    }

    fn runtime(&self) -> &Arc<Runtime> {
        self.talk.connection.hub().runtime()
    }

    fn house(&self) -> Result<Arc<dyn House>, Error> {
        let alone = "this host runs one session; begin or open others with an agent of their own";
        self.talk.house.clone().ok_or_else(|| wrong(alone))
    }

    fn models(&self) -> Vec<ModelChoice> {
        opening::models(self.talk.house.as_deref())
    }

    fn providers(&self) -> Vec<ProviderChoice> {
        let house = self.talk.house.as_ref();
        house.map(|house| house.providers()).unwrap_or_default()
    }

    pub(super) fn offers(&self) -> Offers {
        self.client.get().map(|(offers, _)| *offers).unwrap_or_default()
    }

    pub(super) fn initialize(&self, request: &InitializeRequest) -> InitializeResponse {
        let client = &request.client_capabilities;
        let name = request.client_info.as_ref().map(|info| {
            let name = info.title.as_ref().unwrap_or(&info.name);
            name.chars().take(NAME).collect::<String>()
        });
        let name = name.unwrap_or_else(|| "an editor".to_owned());
        // A client that says it twice keeps to what it said first.
        let _ = self.client.set((Offers::of(client), name.into()));
        let capabilities = AgentCapabilities::new()
            .load_session(true)
            // Programs on this machine alone; that goes without saying.
            .mcp_capabilities(McpCapabilities::new())
            .prompt_capabilities(PromptCapabilities::new().image(true).embedded_context(true))
            .session_capabilities(
                SessionCapabilities::new()
                    .list(SessionListCapabilities::new())
                    .delete(SessionDeleteCapabilities::new())
                    .resume(SessionResumeCapabilities::new())
                    .close(SessionCloseCapabilities::new()),
            );
        InitializeResponse::new(ProtocolVersion::V1)
            .agent_capabilities(capabilities)
            .agent_info(
                Implementation::new("glasswork", env!("CARGO_PKG_VERSION")).title("Glasswork".to_owned()),
            )
            .auth_methods(self.auth_methods(client.auth.terminal))
    }

    /// A way to sign in at each provider. A client that has a terminal can run it there; another one tells its user.
    fn auth_methods(&self, terminal: bool) -> Vec<AuthMethod> {
        let methods = self.providers().into_iter().map(|provider| {
            let name = format!("Sign in at {}", provider.name);
            let way = how(&provider.name, provider.key_variable.as_deref());
            let id = schema::AuthMethodId::new(provider.name.as_str());
            match terminal {
                true => AuthMethod::Terminal(
                    AuthMethodTerminal::new(id, name)
                        .args(vec!["login".to_owned(), provider.name])
                        .description(way),
                ),
                false => AuthMethod::Agent(AuthMethodAgent::new(id, name).description(way)),
            }
        });
        methods.collect()
    }

    pub(super) fn authenticate(&self, request: &AuthenticateRequest) -> Result<AuthenticateResponse, Error> {
        let id = &*request.method_id.0;
        let providers = self.providers();
        match providers.iter().find(|provider| provider.name == id) {
            Some(provider) if provider.usable => Ok(AuthenticateResponse::new()),
            Some(provider) => Err(sign_in(format!(
                "nobody is signed in at {id}: {}, then start the agent again",
                how(id, provider.key_variable.as_deref())
            ))),
            None => Err(Error::invalid_params().data(format!("there is no way `{id}` to sign in"))),
        }
    }

    pub(super) async fn new_session(
        &self,
        request: NewSessionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<(Arc<Session>, NewSessionResponse), Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let servers = servers::commands(request.mcp_servers)?;
        self.has_room()?;
        let house = self.house()?;
        let _room = self.talk.connection.hub().room_for(None).map_err(refused)?;
        let opening = blocking(move || house.new_session(&request.cwd)).await?;
        let mut opening = opening.map_err(not_ready)?;
        opening.servers.extend(servers);
        let id = self.runtime().new_session(opening).await.map_err(failed)?;
        let session = self.attach(id, client, Role::Controller, false).await?;
        let (modes, options) = self.chosen(&session);
        let response = NewSessionResponse::new(id.to_string());
        Ok((session, response.modes(modes).config_options(options)))
    }

    pub(super) async fn load(
        &self,
        request: LoadSessionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<(Arc<Session>, LoadSessionResponse), Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let role = role(request.meta.as_ref())?;
        let servers = servers::commands(request.mcp_servers)?;
        let session = self
            .again(&request.session_id, role, servers, client, true)
            .await?;
        let (modes, options) = self.chosen(&session);
        let response = LoadSessionResponse::new();
        Ok((session, response.modes(modes).config_options(options)))
    }

    pub(super) async fn resume(
        &self,
        request: ResumeSessionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<(Arc<Session>, ResumeSessionResponse), Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let role = role(request.meta.as_ref())?;
        let servers = servers::commands(request.mcp_servers)?;
        let session = self
            .again(&request.session_id, role, servers, client, false)
            .await?;
        let (modes, options) = self.chosen(&session);
        let response = ResumeSessionResponse::new();
        Ok((session, response.modes(modes).config_options(options)))
    }

    /// Opens a session that there was, where it is not open, and has the client see it.
    async fn again(
        &self,
        session: &SessionId,
        role: Role,
        servers: Vec<ServerCommand>,
        client: &ConnectionTo<Client>,
        history: bool,
    ) -> Result<Arc<Session>, Error> {
        let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
        // Who only looks on starts nothing.
        let servers = Some(servers).filter(|_| role == Role::Controller);
        let id = self.open(session, servers.unwrap_or_default()).await?;
        let session = self.attach(id, client, role, history).await?;
        if role == Role::Controller {
            self.tell_missing(&names, &session, client).await?;
        }
        Ok(session)
    }

    pub(super) async fn list(&self, request: ListSessionsRequest) -> Result<ListSessionsResponse, Error> {
        let after: Option<Cursor> = request
            .cursor
            .map(|cursor| cursor.parse())
            .transpose()
            .map_err(wrong)?;
        let listing = Listing {
            filter: Filter {
                workspace: request
                    .cwd
                    .map(|cwd| resolved(&cwd).to_string_lossy().into_owned()),
                ..Filter::default()
            },
            limit: PAGE,
            after,
            ..Listing::default()
        };
        let snapshot = self.runtime().reader().snapshot(Viewer::owner());
        let sort = listing.sort;
        let page = blocking(move || snapshot.page(&listing, None)).await?;
        let page = page.map_err(|error| internal(error.to_string()))?;
        let next = page.rows.last().filter(|_| page.more);
        let next = next.map(|row| Cursor::behind(&row.archived, sort).to_string());
        let sessions = page.rows.iter().map(|row| {
            let row = &row.archived;
            SessionInfo::new(row.id.to_string(), row.workspace.as_deref().unwrap_or_default())
                .title(row.name().to_owned())
                .updated_at(rfc3339(row.updated.unwrap_or(row.created)))
        });
        Ok(ListSessionsResponse::new(sessions.collect()).next_cursor(next))
    }

    pub(super) async fn delete(&self, request: DeleteSessionRequest) -> Result<DeleteSessionResponse, Error> {
        let id = self.existing(&request.session_id).await?;
        drop(self.detach(id).await);
        self.runtime().put_in_trash(id).await.map_err(failed)?;
        Ok(DeleteSessionResponse::new())
    }

    pub(super) async fn close(&self, request: CloseSessionRequest) -> Result<CloseSessionResponse, Error> {
        let id = session_id(&request.session_id)?;
        let attachment = self.detach(id).await;
        let attachment = attachment.ok_or_else(|| unknown(&request.session_id))?;
        // For others who look at it, it goes on.
        if self.alone && attachment.others() == 0 {
            self.runtime().put_down(id).await.map_err(failed)?;
        }
        Ok(CloseSessionResponse::new())
    }

    pub(super) async fn set_mode(
        &self,
        request: SetSessionModeRequest,
    ) -> Result<SetSessionModeResponse, Error> {
        let id = self.acting(&request.session_id)?.session();
        let mode = options::mode(&request.mode_id.0)?;
        self.runtime().set(id, mode).await.map_err(failed)?;
        Ok(SetSessionModeResponse::new())
    }

    pub(super) async fn set_option(
        &self,
        request: SetSessionConfigOptionRequest,
    ) -> Result<SetSessionConfigOptionResponse, Error> {
        let id = self.acting(&request.session_id)?.session();
        let session = self.session(id).await?;
        let models = self.models();
        let setting = options::option(&request.config_id.0, &request.value, &session.settings, &models)?;
        self.runtime().set(id, setting).await.map_err(failed)?;
        let now = self.session(id).await?;
        Ok(SetSessionConfigOptionResponse::new(options::options(
            &now.settings,
            &models,
        )))
    }

    /// A prompt is heard.
    pub(super) fn hear(&self, session: &SessionId, request: RequestCancellation) -> Result<Prompted, Error> {
        Ok(self.heard.hear(session_id(session)?, request))
    }

    /// What was heard in a session is being cancelled. Gives how the client acts there, to stop what works; `None` where it
    /// may not.
    pub(super) fn begin_to_cancel(&self, session: &SessionId) -> Option<(Attachment, Cancelling)> {
        let attachment = self.acting(session).ok()?;
        let cancelling = self.heard.cancel(attachment.session());
        Some((attachment, cancelling))
    }

    /// What becomes of the sessions of a client that left. A host of its own ends with it: what works is cancelled, what
    /// rests goes on resting, and nothing stays open.
    pub(super) async fn left(&self) {
        let attached = std::mem::take(&mut *lock(&self.attached));
        for (id, attached) in attached {
            attached.end().await;
            if self.alone {
                // What cannot be closed now is settled by whoever opens the session next.
                drop(self.runtime().put_down(id).await);
            }
        }
    }

    async fn detach(&self, id: ScopeId) -> Option<Attachment> {
        let attached = lock(&self.attached).remove(&id)?;
        let attachment = attached.end().await;
        // Where the host's journal fails, the host itself says so.
        drop(self.talk.connection.detach(attachment.id()).await);
        Some(attachment)
    }

    fn has_room(&self) -> Result<(), Error> {
        match lock(&self.attached).len() < SESSIONS {
            true => Ok(()),
            false => Err(wrong(format!(
                "{SESSIONS} sessions are open on this connection already; close one of them"
            ))),
        }
    }

    /// How this client is attached to a session of the connection.
    pub(super) fn attached_to(&self, session: &SessionId) -> Result<Attachment, Error> {
        let id = session_id(session)?;
        let attachment = lock(&self.attached)
            .get(&id)
            .map(|known| known.attachment().clone());
        attachment.ok_or_else(|| unknown(session))
    }

    /// How this client acts in a session of the connection.
    fn acting(&self, session: &SessionId) -> Result<Attachment, Error> {
        let attachment = self.attached_to(session)?;
        match attachment.role() {
            Some(Role::Observer) => Err(refused(AttachError::Observer)),
            _ => Ok(attachment),
        }
    }

    async fn session(&self, id: ScopeId) -> Result<Arc<Session>, Error> {
        let watch = self.runtime().watch_mounted(id).await.map_err(failed)?;
        Ok(Arc::clone(watch.session()))
    }

    /// Has the client see what happens in a session again, where that was unmounted meanwhile because nobody needed it.
    pub(super) async fn looking(
        &self,
        attachment: Attachment,
        client: &ConnectionTo<Client>,
    ) -> Result<(Arc<Session>, Attachment), Error> {
        let id = attachment.session();
        let is_over = lock(&self.attached).get(&id).is_none_or(Attached::is_over);
        if !is_over {
            return Ok((self.session(id).await?, attachment));
        }
        let role = attachment.role().unwrap_or(Role::Controller);
        drop(self.detach(id).await);
        let session = self.attach(id, client, role, false).await?;
        let attached = lock(&self.attached)
            .get(&id)
            .map(|known| known.attachment().clone());
        Ok((session, attached.unwrap_or(attachment)))
    }

    /// A session that there is.
    async fn existing(&self, session: &SessionId) -> Result<ScopeId, Error> {
        let id = session_id(session)?;
        let snapshot = self.runtime().reader().snapshot(Viewer::owner());
        let row = blocking(move || snapshot.row(id)).await?;
        match row.map_err(|error| internal(error.to_string()))? {
            Some(_) => Ok(id),
            None => Err(unknown(session)),
        }
    }

    /// Opens a session of the past, with these servers besides those that are set; one that is open here already is
    /// left as it is.
    async fn open(&self, session: &SessionId, servers: Vec<ServerCommand>) -> Result<ScopeId, Error> {
        let id = self.existing(session).await?;
        if self.runtime().watch(id).is_some() {
            return Ok(id);
        }
        let house = self.house()?;
        let _room = self.talk.connection.hub().room_for(Some(id)).map_err(refused)?;
        let mut opening: Opening = blocking(move || house.again(id)).await?.map_err(not_ready)?;
        opening.servers.extend(servers);
        match self.runtime().open(id, opening).await {
            Ok(_) => Ok(id),
            // Somebody else was faster.
            Err(_) if self.runtime().watch(id).is_some() => Ok(id),
            Err(error) => Err(failed(error)),
        }
    }

    /// Has the client see what happens in a session, from now on, or after all that happened so far.
    async fn attach(
        &self,
        id: ScopeId,
        client: &ConnectionTo<Client>,
        role: Role,
        history: bool,
    ) -> Result<Arc<Session>, Error> {
        drop(self.detach(id).await);
        self.has_room()?;
        let name = self.client.get().map(|(_, name)| Arc::clone(name));
        let name = name.unwrap_or_else(|| "an editor".into());
        let asked = Asked {
            session: id,
            name: Arc::clone(&name),
            role,
            history: if history { History::Full } else { History::Pending },
            seen: None,
        };
        let (attachment, _) = self.talk.connection.attach(asked).await.map_err(refused)?;
        let watch = self.runtime().watch_mounted(id).await.map_err(failed)?;
        let session = Arc::clone(watch.session());
        let line = Line {
            hub: Arc::clone(self.talk.connection.hub()),
            house: self.talk.house.clone(),
            client: client.clone(),
            connection: self.talk.connection.number(),
            name,
            presence: Arc::clone(&self.presence),
            offers: self.offers(),
            pace: Arc::clone(&self.pace),
        };
        if history {
            for told in updates::history(&session, self.offers()) {
                line.tell(id, told).await?;
            }
        }
        let attached = Attached::begin(line, attachment, watch);
        lock(&self.attached).insert(id, attached);
        Ok(session)
    }

    fn chosen(&self, session: &Session) -> (SessionModeState, Vec<SessionConfigOption>) {
        (
            options::modes(&session.settings),
            options::options(&session.settings, &self.models()),
        )
    }

    /// Says which servers a session has not, of those that were named for it.
    async fn tell_missing(
        &self,
        named: &[String],
        session: &Session,
        client: &ConnectionTo<Client>,
    ) -> Result<(), Error> {
        let missing = servers::missing(named, session);
        let more = format!(
            "{}: the session was open already, and keeps the servers that it has",
            missing.join(", ")
        );
        match self
            .offers()
            .warning("MCP servers were not started", more)
            .filter(|_| !missing.is_empty())
        {
            Some(told) => self.tell(session.id, client, told).await,
            None => Ok(()),
        }
    }

    /// Tells the client which commands a session has, and which of its servers do not run. It comes behind the answer
    /// that names the session: who does not know a session takes no news of it.
    pub(super) async fn announce(
        &self,
        session: &Session,
        client: &ConnectionTo<Client>,
    ) -> Result<(), Error> {
        let troubles = updates::troubles(None, session, self.offers());
        for told in [commands::available()].into_iter().chain(troubles) {
            self.tell(session.id, client, told).await?;
        }
        Ok(())
    }

    /// Tells the client something about a session, once there is room for it.
    pub(super) async fn tell(
        &self,
        id: ScopeId,
        client: &ConnectionTo<Client>,
        update: SessionUpdate,
    ) -> Result<(), Error> {
        self.pace.take().await;
        client.send_notification(SessionNotification::new(id.to_string(), update))
    }

    /// What the client was told of a session of this connection, and how its turns end.
    pub(super) fn told(&self, id: ScopeId) -> Result<watch::Receiver<Told>, Error> {
        let attached = lock(&self.attached);
        let attached = attached.get(&id).ok_or_else(|| unknown(&id.to_string().into()))?;
        Ok(attached.told())
    }
}

/// What a client wants to do: `_meta.glasswork.role`, where it says so.
fn role(meta: Option<&Meta>) -> Result<Role, Error> {
    match meta.and_then(|meta| meta.get("glasswork")?.get("role")) {
        None => Ok(Role::Controller),
        Some(role) if role == "controller" => Ok(Role::Controller),
        Some(role) if role == "observer" => Ok(Role::Observer),
        Some(role) => Err(wrong(format!(
            "`_meta.glasswork.role` is `controller` or `observer`, not {role}"
        ))),
    }
}

fn how(provider: &str, variable: Option<&str>) -> String {
    match variable {
        Some(variable) => format!("run `glasswork login {provider}`, or set {variable}"),
        None => format!("run `glasswork login {provider}`"),
    }
}

fn fits(cwd: &Path, more: &[PathBuf]) -> Result<(), Error> {
    if !cwd.is_absolute() {
        return Err(wrong(format!(
            "`cwd` must be an absolute path; {} is not",
            cwd.display()
        )));
    }
    match more.is_empty() {
        true => Ok(()),
        false => Err(wrong(
            "a session works in one directory; `additionalDirectories` was not offered",
        )),
    }
}

fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn session_id(session: &SessionId) -> Result<ScopeId, Error> {
    session.0.parse().map_err(|_| unknown(session))
}

fn unknown(session: &SessionId) -> Error {
    schema::Error::session_not_found(session.clone()).into()
}

pub(super) fn wrong(text: impl ToString) -> Error {
    Error::invalid_params().data(text.to_string())
}

fn internal(text: String) -> Error {
    Error::new(Error::internal_error().code, text)
}

fn sign_in(text: String) -> Error {
    Error::new(Error::auth_required().code, text)
}

fn not_ready(error: NotReady) -> Error {
    match error {
        NotReady::NoModel(text) => sign_in(text),
        NotReady::Wrong(text) => wrong(text),
    }
}

pub(super) fn refused(error: AttachError) -> Error {
    match error {
        AttachError::Operation(error) => failed(error),
        other => Error::new(Error::invalid_request().code, other.to_string()),
    }
}

fn failed(error: OperationError) -> Error {
    let text = error.to_string();
    match error {
        // What the gate refuses was asked at the wrong time.
        OperationError::Refused(Refusal::Rejected { .. }) => Error::new(Error::invalid_request().code, text),
        OperationError::Workspace { .. } | OperationError::Image(_) => wrong(text),
        _ => internal(text),
    }
}

fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .unwrap_or_default()
        .to_string()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|broken| internal(broken.to_string()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
