//! What the agent answers: every method of the protocol, over one connection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, AuthMethod, AuthMethodAgent, AuthMethodTerminal, AuthenticateRequest,
    AuthenticateResponse, CloseSessionRequest, CloseSessionResponse, DeleteSessionRequest,
    DeleteSessionResponse, Implementation, InitializeRequest, InitializeResponse, ListSessionsRequest,
    ListSessionsResponse, LoadSessionRequest, LoadSessionResponse, NewSessionRequest, NewSessionResponse,
    PromptCapabilities, PromptRequest, PromptResponse, ResumeSessionRequest, ResumeSessionResponse,
    SessionCapabilities, SessionCloseCapabilities, SessionConfigOption, SessionDeleteCapabilities, SessionId,
    SessionInfo, SessionListCapabilities, SessionModeState, SessionResumeCapabilities,
    SetSessionConfigOptionRequest, SetSessionConfigOptionResponse, SetSessionModeRequest,
    SetSessionModeResponse,
};
use agent_client_protocol::v1::{ConnectionTo, schema};
use agent_client_protocol::{Client, Error, RequestCancellation};
use glasswork_agent_core::id::TurnId;
use glasswork_agent_core::turn;
use glasswork_app_runtime::archive::{Cursor, Filter, Listing};
use glasswork_app_runtime::reading::Viewer;
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_engine::{Refusal, ScopeId, Timestamp};
use glasswork_session_state::state::Session;
use tokio::sync::watch;

use super::attached::{Attached, Ended, Line};
use super::content;
use super::lines::Pace;
use super::opening::{House, NotReady};
use super::options;
use super::stopping::Ending;
use super::updates::{self, Offers};

/// How many sessions a page of the list has.
const PAGE: usize = 50;

/// The agent at one end of a connection.
pub(super) struct Agent {
    runtime: Arc<Runtime>,
    house: Arc<dyn House>,
    pace: Arc<Pace>,
    offers: OnceLock<Offers>,
    attached: Mutex<BTreeMap<ScopeId, Attached>>,
}

impl Agent {
    pub(super) fn new(runtime: Arc<Runtime>, house: Arc<dyn House>, pace: Arc<Pace>) -> Self {
        Self {
            runtime,
            house,
            pace,
            offers: OnceLock::new(),
            attached: Mutex::default(),
        }
    }

    pub(super) fn initialize(&self, request: &InitializeRequest) -> InitializeResponse {
        let client = &request.client_capabilities;
        // A client that says it twice keeps to what it said first.
        let _ = self.offers.set(Offers::of(client));
        let capabilities = AgentCapabilities::new()
            .load_session(true)
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
        let methods = self.house.providers().into_iter().map(|provider| {
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
        let providers = self.house.providers();
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
    ) -> Result<NewSessionResponse, Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let house = Arc::clone(&self.house);
        let opening = blocking(move || house.new_session(&request.cwd)).await?;
        let id = self
            .runtime
            .new_session(opening.map_err(not_ready)?)
            .await
            .map_err(failed)?;
        let session = self.attach(id, client).await?;
        let (modes, options) = self.chosen(&session);
        self.no_servers(id, client, request.mcp_servers.len()).await?;
        Ok(NewSessionResponse::new(id.to_string())
            .modes(modes)
            .config_options(options))
    }

    pub(super) async fn load(
        &self,
        request: LoadSessionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<LoadSessionResponse, Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let id = self.open(&request.session_id).await?;
        let session = self.attach_after(id, client, true).await?;
        let (modes, options) = self.chosen(&session);
        self.no_servers(id, client, request.mcp_servers.len()).await?;
        Ok(LoadSessionResponse::new().modes(modes).config_options(options))
    }

    pub(super) async fn resume(
        &self,
        request: ResumeSessionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<ResumeSessionResponse, Error> {
        fits(&request.cwd, &request.additional_directories)?;
        let id = self.open(&request.session_id).await?;
        let session = self.attach(id, client).await?;
        let (modes, options) = self.chosen(&session);
        self.no_servers(id, client, request.mcp_servers.len()).await?;
        Ok(ResumeSessionResponse::new().modes(modes).config_options(options))
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
        let snapshot = self.runtime.reader().snapshot(Viewer::owner());
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
        self.detach(id).await;
        self.runtime.put_in_trash(id).await.map_err(failed)?;
        Ok(DeleteSessionResponse::new())
    }

    pub(super) async fn close(&self, request: CloseSessionRequest) -> Result<CloseSessionResponse, Error> {
        let id = session_id(&request.session_id)?;
        if !lock(&self.attached).contains_key(&id) {
            return Err(unknown(&request.session_id));
        }
        self.detach(id).await;
        self.runtime.put_down(id).await.map_err(failed)?;
        Ok(CloseSessionResponse::new())
    }

    pub(super) async fn set_mode(
        &self,
        request: SetSessionModeRequest,
    ) -> Result<SetSessionModeResponse, Error> {
        let id = self.known(&request.session_id)?;
        let mode = options::mode(&request.mode_id.0)?;
        self.runtime.set(id, mode).await.map_err(failed)?;
        Ok(SetSessionModeResponse::new())
    }

    pub(super) async fn set_option(
        &self,
        request: SetSessionConfigOptionRequest,
        client: &ConnectionTo<Client>,
    ) -> Result<SetSessionConfigOptionResponse, Error> {
        let id = self.known(&request.session_id)?;
        let session = self.attach(id, client).await?;
        let models = self.house.models();
        let setting = options::option(&request.config_id.0, &request.value, &session.settings, &models)?;
        self.runtime.set(id, setting).await.map_err(failed)?;
        let now = self.attach(id, client).await?;
        Ok(SetSessionConfigOptionResponse::new(options::options(
            &now.settings,
            &models,
        )))
    }

    /// A prompt, until its turn is over.
    pub(super) async fn prompt(
        &self,
        request: PromptRequest,
        client: &ConnectionTo<Client>,
        cancellation: &RequestCancellation,
    ) -> Result<PromptResponse, Error> {
        let id = self.known(&request.session_id)?;
        let prompt = blocking(move || content::prompt(&request.prompt)).await??;
        let session = self.attach(id, client).await?;
        let (mut ended, own) = {
            let attached = lock(&self.attached);
            let attached = attached.get(&id).ok_or_else(|| unknown(&request.session_id))?;
            (attached.ended(), attached.prompts())
        };
        let resting = session
            .open_turn()
            .filter(|turn| turn.state == turn::State::Paused)
            .map(|turn| turn.id);
        let begun = match resting {
            Some(turn) => self.go_on(id, turn, &prompt.text).await,
            None => {
                let accepted = self.runtime.prompt_with(id, prompt, None).await;
                accepted.map(|accepted| TurnId(accepted.id.seq))
            }
        };
        let turn = match begun {
            Ok(turn) => turn,
            Err(error) => {
                own.failed();
                return Err(failed(error));
            }
        };
        if resting.is_some() {
            own.failed();
        }
        let mut is_cancelled = false;
        loop {
            tokio::select! {
                ending = ending(&mut ended, turn) => {
                    // Whoever follows the session has stopped: it was closed, or taken away.
                    let ending = ending.unwrap_or(Ending::Stopped(schema::StopReason::Cancelled));
                    return ending.into_result().map(PromptResponse::new);
                }
                () = cancellation.cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    // It may have ended meanwhile.
                    drop(self.runtime.cancel(id).await);
                }
            }
        }
    }

    async fn go_on(&self, id: ScopeId, turn: TurnId, words: &str) -> Result<TurnId, OperationError> {
        self.runtime.steer(id, words, None).await?;
        self.runtime.resume(id).await?;
        Ok(turn)
    }

    pub(super) async fn cancel(&self, session: &SessionId) {
        if let Ok(id) = self.known(session) {
            // Where nothing works there is nothing to cancel.
            drop(self.runtime.cancel(id).await);
        }
    }

    /// What becomes of the sessions of a client that left: what works is cancelled, what rests goes on resting, and
    /// nothing stays open.
    pub(super) async fn left(&self) {
        let attached = std::mem::take(&mut *lock(&self.attached));
        for (id, attached) in attached {
            attached.end().await;
            // What cannot be closed now is settled by whoever opens the session next.
            drop(self.runtime.put_down(id).await);
        }
    }

    async fn detach(&self, id: ScopeId) {
        let attached = lock(&self.attached).remove(&id);
        if let Some(attached) = attached {
            attached.end().await;
        }
    }

    /// A session of this connection.
    fn known(&self, session: &SessionId) -> Result<ScopeId, Error> {
        let id = session_id(session)?;
        match lock(&self.attached).contains_key(&id) {
            true => Ok(id),
            false => Err(unknown(session)),
        }
    }

    /// A session that there is.
    async fn existing(&self, session: &SessionId) -> Result<ScopeId, Error> {
        let id = session_id(session)?;
        let snapshot = self.runtime.reader().snapshot(Viewer::owner());
        let row = blocking(move || snapshot.row(id)).await?;
        match row.map_err(|error| internal(error.to_string()))? {
            Some(_) => Ok(id),
            None => Err(unknown(session)),
        }
    }

    /// Opens a session of the past; one that is open here already is left as it is.
    async fn open(&self, session: &SessionId) -> Result<ScopeId, Error> {
        let id = self.existing(session).await?;
        if self.runtime.watch(id).is_some() {
            return Ok(id);
        }
        let house = Arc::clone(&self.house);
        let opening: Opening = blocking(move || house.again(id)).await?.map_err(not_ready)?;
        self.runtime.open(id, opening).await.map_err(failed)?;
        Ok(id)
    }

    async fn attach(&self, id: ScopeId, client: &ConnectionTo<Client>) -> Result<Arc<Session>, Error> {
        self.attach_after(id, client, false).await
    }

    /// Has the client see what happens in a session, from now on, or after all that happened so far.
    async fn attach_after(
        &self,
        id: ScopeId,
        client: &ConnectionTo<Client>,
        history: bool,
    ) -> Result<Arc<Session>, Error> {
        if history {
            self.detach(id).await;
        }
        let watch = self.runtime.watch_mounted(id).await.map_err(failed)?;
        let session = Arc::clone(watch.session());
        if lock(&self.attached)
            .get(&id)
            .is_some_and(|attached| !attached.is_over())
        {
            return Ok(session);
        }
        let line = Line {
            runtime: Arc::clone(&self.runtime),
            house: Arc::clone(&self.house),
            client: client.clone(),
            offers: self.offers.get().copied().unwrap_or_default(),
            pace: Arc::clone(&self.pace),
        };
        if history {
            for told in updates::history(&session) {
                line.tell(id, told).await?;
            }
        }
        let attached = Attached::begin(line, id, watch);
        lock(&self.attached).insert(id, attached);
        Ok(session)
    }

    fn chosen(&self, session: &Session) -> (SessionModeState, Vec<SessionConfigOption>) {
        (
            options::modes(&session.settings),
            options::options(&session.settings, &self.house.models()),
        )
    }

    /// Servers of tools that the client has are not spoken with, and it is told so.
    async fn no_servers(
        &self,
        id: ScopeId,
        client: &ConnectionTo<Client>,
        count: usize,
    ) -> Result<(), Error> {
        let offers = self.offers.get().copied().unwrap_or_default();
        let more = format!("{count} were given; this version speaks with none");
        match offers
            .warning("MCP servers are not started", more)
            .filter(|_| count > 0)
        {
            Some(told) => {
                self.pace.take().await;
                client.send_notification(schema::SessionNotification::new(id.to_string(), told))
            }
            None => Ok(()),
        }
    }
}

/// How a turn ended, once it has; `None` where nobody looks at it any more.
async fn ending(ended: &mut watch::Receiver<Ended>, turn: TurnId) -> Option<Ending> {
    let ended = ended.wait_for(|ended| ended.of(turn).is_some()).await.ok()?;
    ended.of(turn).cloned()
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

fn wrong(text: impl ToString) -> Error {
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|broken| internal(broken.to_string()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
