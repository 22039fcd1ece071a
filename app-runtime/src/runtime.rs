//! Start-up, operations and shut-down, from ports that the program injects.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use glasswork_agent_core::compaction::RESERVE;
use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::Said;
use glasswork_agent_session::blobs::{BlobError, BlobStore};
use glasswork_agent_session::editors::Editors;
use glasswork_agent_session::mcp::{ServerCommand, Servers};
use glasswork_agent_session::runners::{
    Gate, Runners, SelfAnswer, SelfQuery, Sessions, World, graph, plan, question as asking,
};
use glasswork_agent_session::secrets::{Masking, Origin, Vaults};
use glasswork_agent_session::store::StoreError;
use glasswork_agent_session::tools::{Limits as ToolLimits, Tool};
use glasswork_ai::catalogue::Catalogue;
use glasswork_ai::model::ToolSpec;
use glasswork_ai::port::ModelPort;
use glasswork_engine::journal::Journal;
use glasswork_engine::trace::TraceSink;
use glasswork_engine::{
    Accepted, Clock, Engine, Handle, Limits, MountError, Party, Refusal, ScopeId, UnmountError,
};
use glasswork_session_state::host::{self, Credential};
use glasswork_session_state::secrets::spoken;
use glasswork_session_state::settings::{Layer, Setting, Settings};
use glasswork_session_state::state::{self, Kind, Session};
use glasswork_session_state::{Event, Glasswork, compaction, prompt, question, session, sign_in, tools};
use im::OrdMap;

use crate::archive::{Archive, Vault};
use crate::breakers::Breakers;
use crate::candidates;
use crate::closing::LateSessions;
use crate::credentials::CredentialsError;
use crate::housekeeping::Housekeeping;
use crate::importing::ImportError;
use crate::indexing;
use crate::mounting::{Mounts, Resting, Turn};
use crate::past_hosts::Past;
use crate::reading::{ReadError, Reader};
use crate::sagas::{Sagas, VaultRecords};
use crate::servers::Tellings;
use crate::sign_in::SignIns;
use crate::system_prompt;
use crate::watching::{Update, Watch};

/// What a runtime is made of. The program puts it together; tests put in what they hold in their hands.
pub struct Ports {
    /// Where records are read.
    pub archive: Arc<dyn Archive>,
    /// Where records are made and owned.
    pub vault: Arc<dyn Vault>,
    /// Where lines become durable.
    pub journal: Box<dyn Journal>,
    /// Where traces go besides memory.
    pub trace: Box<dyn TraceSink>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The models that can be asked.
    pub models: Arc<dyn ModelPort>,
    /// Where a session keeps its blobs.
    pub blobs: Box<dyn Fn(ScopeId) -> BlobStore + Send + Sync>,
    /// Where tasks run.
    pub tasks: tokio::runtime::Handle,
    /// What tools may take and give.
    pub tool_limits: ToolLimits,
    /// Providers of models, and whether there are keys for them.
    pub providers: OrdMap<Arc<str>, Credential>,
    /// The secrets of all sessions.
    pub secrets: Arc<Vaults>,
    /// The circuit breakers of providers.
    pub breakers: Arc<Breakers>,
}

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal<Glasswork>),
    /// The record could not be made, owned or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session could not be mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The session could not be unmounted.
    #[error(transparent)]
    Unmount(#[from] UnmountError),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It was tried, and failed.
    #[error("{0}")]
    NotDone(String),
    /// The workspace is no directory.
    #[error("the workspace {} is not a directory that can be used: {error}", path.display())]
    Workspace {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// An image could not be kept.
    #[error("an image cannot be kept: {0}")]
    Image(BlobError),
    /// What somebody has signed in with cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A conversation could not be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A thread could not be started.
    #[error("the runtime cannot start: {0}")]
    Start(std::io::Error),
}

/// What an operation that is one dispatch gives.
pub type Done = Result<Accepted<Glasswork>, OperationError>;

/// A running Glasswork.
pub struct Runtime {
    pub(crate) engine: Arc<Engine<Glasswork>>,
    pub(crate) user: Handle<Glasswork>,
    reader: Reader,
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) sagas: Sagas,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) blobs: Arc<dyn Fn(ScopeId) -> BlobStore + Send + Sync>,
    pub(crate) host: ScopeId,
    graph: Arc<LateGraph>,
    pub(crate) secrets: Arc<Vaults>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) editors: Arc<Editors>,
    pub(crate) models: Arc<dyn ModelPort>,
    instructions: OnceLock<PathBuf>,
    /// What is known of models, once somebody has told it.
    pub(crate) catalogue: OnceLock<Arc<Catalogue>>,
    /// Unmounts what is at rest, once somebody has asked for that.
    pub(crate) resting: OnceLock<Resting>,
    /// As above.
    pub(crate) housekeeping: OnceLock<Housekeeping>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Runtime").field(&self.host).finish()
    }
}

/// How a session is begun, or opened again.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The directory in which it works. Of a session that is opened again the old one stays.
    pub workspace: PathBuf,
    /// What is set, every value resolved.
    pub settings: Settings,
    /// Its title.
    pub title: Option<Arc<str>>,
    /// The servers of tools that it has from now on, whoever named them. Of several with one name the last counts.
    pub servers: Vec<ServerCommand>,
}

impl Runtime {
    /// Starts a runtime, and its host scope.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn start(ports: Ports) -> Result<Self, OperationError> {
        let (graph, sessions) = (Arc::new(LateGraph::default()), Arc::new(LateSessions::default()));
        let blobs: Arc<dyn Fn(ScopeId) -> BlobStore + Send + Sync> = ports.blobs.into();
        let models = Arc::clone(&ports.models);
        let tasks = ports.tasks.clone();
        let (servers, editors) = (Arc::<Servers>::default(), Arc::<Editors>::default());
        let world = World {
            runtime: ports.tasks,
            models: ports.models,
            gate: Arc::clone(&ports.breakers) as Arc<dyn Gate>,
            blobs: Box::new({
                let blobs = Arc::clone(&blobs);
                move |session| blobs(session)
            }),
            limits: ports.tool_limits,
            graph: Arc::clone(&graph) as Arc<dyn SelfQuery>,
            records: Arc::new(VaultRecords {
                vault: Arc::clone(&ports.vault),
                clock: Arc::clone(&ports.clock),
            }),
            sessions: Arc::clone(&sessions) as Arc<dyn Sessions>,
            secrets: Arc::clone(&ports.secrets),
            servers: Arc::clone(&servers),
            editors: Arc::clone(&editors),
        };
        let engine = Arc::new(
            Engine::start(glasswork_engine::Parts {
                journal: ports.journal,
                runner: Arc::new(Runners::new(world)),
                clock: Arc::clone(&ports.clock),
                trace: ports.trace,
                limits: Limits::default(),
            })
            .map_err(OperationError::Start)?,
        );
        servers.bind(Arc::new(Tellings::of(&engine)));
        ports.vault.keep(engine.reader());
        let user = engine.handle(Party::User);
        let host = ScopeId::mint();
        let reader = Reader::of_host(host, engine.reader(), ports.archive);
        let mounts = Mounts::new(&engine, &ports.vault, &ports.clock, tasks.clone(), host, &servers);
        let mounts = Arc::new(mounts);
        sessions.bind(&mounts);
        let loaded = ports.vault.create(host, Kind::Host, ports.clock.wall())?;
        engine.mount(loaded).await?;
        let started = host::Event::Started {
            version: env!("CARGO_PKG_VERSION").into(),
            providers: ports.providers,
        };
        user.dispatch(host, Event::Host(started)).await?;
        candidates::report(&ports.breakers, engine.handle(Party::User), host, &tasks);
        let past = Past::resume(&mounts);
        Ok(Self {
            sagas: Sagas {
                mounts: Arc::clone(&mounts),
                reader: reader.clone(),
                past,
            },
            reader,
            mounts,
            engine,
            user,
            vault: ports.vault,
            clock: ports.clock,
            blobs,
            host,
            graph,
            secrets: ports.secrets,
            servers,
            editors,
            models,
            instructions: OnceLock::new(),
            catalogue: OnceLock::new(),
            resting: OnceLock::new(),
            housekeeping: OnceLock::new(),
        })
    }

    /// Binds the graph that the tool `graph` asks. Until then the tool says that there is none.
    pub fn bind_graph(&self, graph: Arc<dyn SelfQuery>) {
        // Binding twice would be a defect of the program that composes; the first one stays.
        let _ = self.graph.0.set(graph);
    }

    /// Tells the host's record where somebody is signed in, now and whenever that changes.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn bind_sign_ins(&self, sign_ins: &SignIns) -> Result<(), OperationError> {
        let (user, host) = (self.user.clone(), self.host);
        sign_ins.report_to(Box::new(move |event| {
            let user = user.clone();
            Box::pin(async move {
                // The file is what counts; where the host's journal fails, the session's tells of that.
                let _ = user.dispatch(host, Event::SignIn(event)).await;
            })
        }));
        sign_ins.mask_by(Arc::clone(&self.secrets));
        let known = sign_ins.known()?;
        if !known.is_empty() {
            let event = sign_in::Event::Known { sign_ins: known };
            self.user.dispatch(self.host, Event::SignIn(event)).await?;
        }
        Ok(())
    }

    /// Names the file with the user's own instructions for every session that is opened from now on.
    pub fn read_instructions(&self, file: PathBuf) {
        // As above.
        let _ = self.instructions.set(file);
    }

    pub(crate) fn models(&self) -> &dyn ModelPort {
        &*self.models
    }

    pub(crate) fn engine(&self) -> &Engine<Glasswork> {
        &self.engine
    }

    pub(crate) fn host(&self) -> ScopeId {
        self.host
    }

    /// The scope of this process.
    #[must_use]
    pub fn host_id(&self) -> ScopeId {
        self.host
    }

    pub(crate) async fn tell_host(&self, event: host::Event) -> Result<(), OperationError> {
        self.user.dispatch(self.host, Event::Host(event)).await?;
        Ok(())
    }

    /// The way to everything that can be read.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What is mounted, as it is now.
    pub(crate) fn live(&self) -> glasswork_engine::Reader<Glasswork> {
        self.engine.reader()
    }

    /// Watches a mounted session.
    #[must_use]
    pub fn watch(&self, session: ScopeId) -> Option<Watch> {
        Watch::begin(self.engine.reader(), session)
    }

    /// Begins a session. Of one that could not be begun nothing stays.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn new_session(&self, opening: Opening) -> Result<ScopeId, OperationError> {
        let id = ScopeId::mint();
        let workspace = resolved(&opening.workspace)?;
        let loaded = self.vault.create(id, Kind::Session, self.clock.wall())?;
        let (mounts, turn) = (Arc::clone(&self.mounts), self.mounts.turn(id).await);
        let mounted = async move { mounts.mount(loaded, None).await.map(|()| turn) };
        let begun = match self.mounts.wholly(mounted).await {
            Ok(turn) => self.take_in(id, turn, &workspace, opening).await,
            Err(error) => Err(error),
        };
        if begun.is_err() {
            let vault = Arc::clone(&self.vault);
            let _ = tokio::task::spawn_blocking(move || vault.discard(id)).await;
        }
        begun.map(|()| id)
    }

    /// Opens a session of the past. What its last process left open is settled first; then what is set now holds.
    /// Returns what had to be mended.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn open(&self, id: ScopeId, opening: Opening) -> Result<Vec<String>, OperationError> {
        let workspace = resolved(&opening.workspace)?;
        let turn = self.mounts.turn(id).await;
        let (turn, notices) = self.mounts.open(id, turn).await?;
        self.take_in(id, turn, &workspace, opening).await?;
        Ok(notices)
    }

    /// Enters a session that was just mounted. One that cannot be entered is given up again.
    async fn take_in(
        &self,
        id: ScopeId,
        turn: Turn,
        workspace: &Path,
        opening: Opening,
    ) -> Result<(), OperationError> {
        let entered = self.enter(id, workspace, opening).await;
        match entered {
            Ok(()) => self.note_checkout(id).await,
            // Why it could not be entered says more than why it could not be given up.
            Err(_) => drop(self.give_up_now(id, turn).await),
        }
        entered
    }

    pub(crate) async fn enter(
        &self,
        id: ScopeId,
        workspace: &Path,
        mut opening: Opening,
    ) -> Result<(), OperationError> {
        for fitting in self.room(&opening.settings) {
            opening.settings.set(fitting);
        }
        let servers = std::mem::take(&mut opening.servers);
        let masks = opening.settings.mask_secrets.value;
        self.enter_itself(id, workspace, opening).await?;
        self.give_servers(id, servers, masks).await?;
        self.note_entered(id);
        Ok(())
    }

    async fn enter_itself(
        &self,
        id: ScopeId,
        workspace: &Path,
        opening: Opening,
    ) -> Result<(), OperationError> {
        if let Some(session) = self.mounted(id)
            && session.open_turn().is_some()
        {
            return self.enter_resting(&session, opening).await;
        }
        let opened = session::Event::Opened {
            workspace: workspace.to_string_lossy().into(),
            title: opening.title,
            settings: Box::new(opening.settings),
            system: system_prompt::parts(workspace, self.instructions.get().map(PathBuf::as_path)),
            tools: tool_specs(),
        };
        self.ask(id, Event::Session(opened)).await?;
        Ok(())
    }

    /// Enters a session whose turn rests: that one goes on with the prompt and the tools with which it began, but what
    /// is set now holds.
    async fn enter_resting(&self, session: &Session, opening: Opening) -> Result<(), OperationError> {
        for setting in opening.settings.differences(&session.settings) {
            // The turn relies upon there being a model, so the one that it has stays where none is chosen now.
            if matches!(&setting, Setting::Model(model) if model.value.is_none()) {
                continue;
            }
            self.set(session.id, setting).await?;
        }
        if let Some(title) = opening.title {
            self.ask(session.id, Event::Session(session::Event::Retitled { title }))
                .await?;
        }
        Ok(())
    }

    /// Says something to the running turn; it is taken in before the next step.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn steer(&self, session: ScopeId, text: &str, key: Option<&str>) -> Done {
        self.ask(
            session,
            Event::Prompt(prompt::Event::Steered {
                text: text.into(),
                key: key.map(Into::into),
            }),
        )
        .await
    }

    /// Says something for after the running turn.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn follow_up(&self, session: ScopeId, text: &str, key: Option<&str>) -> Done {
        self.tell_spending(session).await?;
        self.tell_candidates(session).await?;
        let event = prompt::Event::FollowedUp {
            text: text.into(),
            key: key.map(Into::into),
        };
        self.ask(session, Event::Prompt(event)).await
    }

    /// Has the turn stop at the next safe point.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn interrupt(&self, session: ScopeId) -> Done {
        self.ask(session, Event::Prompt(prompt::Event::Interrupted)).await
    }

    /// Stops the turn at once.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn cancel(&self, session: ScopeId) -> Done {
        self.ask(session, Event::Prompt(prompt::Event::Cancelled)).await
    }

    /// Has the turn rest at the next safe point.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn pause(&self, session: ScopeId) -> Done {
        self.ask(session, Event::Prompt(prompt::Event::Paused)).await
    }

    /// Has a resting turn go on.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn resume(&self, session: ScopeId) -> Done {
        self.servers_ready(session).await?;
        self.tell_spending(session).await?;
        self.tell_candidates(session).await?;
        self.ask(session, Event::Prompt(prompt::Event::Resumed)).await
    }

    /// Lets a tool call run.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn approve(&self, session: ScopeId, call: CallId) -> Done {
        self.ask(session, Event::Tools(tools::Event::Approved { call }))
            .await
    }

    /// Does not let a tool call run.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn refuse(&self, session: ScopeId, call: CallId, reason: Option<&str>) -> Done {
        let event = tools::Event::Refused {
            call,
            reason: reason.map(Into::into),
        };
        self.ask(session, Event::Tools(event)).await
    }

    /// Answers what a call asks. Who does not want to, [refuses](Self::refuse) it.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn answer(&self, session: ScopeId, call: CallId, said: Said) -> Done {
        self.ask(session, Event::Question(question::Event::Answered { call, said }))
            .await
    }

    /// Changes a setting of a session: the model, the mode, …
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn set(&self, session: ScopeId, setting: Setting) -> Done {
        self.set_as(&self.user, session, setting).await
    }

    /// The same, of somebody else.
    pub(crate) async fn set_as(&self, asker: &Handle<Glasswork>, session: ScopeId, setting: Setting) -> Done {
        let is_list = matches!(setting, Setting::FallbackModels(_));
        let is_model = is_list || matches!(setting, Setting::Model(_) | Setting::CompactModel(_));
        let changed = Event::Session(session::Event::SettingChanged(setting));
        let done = self.ask_as(asker, session, changed).await?;
        if is_model
            && let Some(scope) = self.engine.reader().scope(session)
            && let state::Scope::Session(state) = &scope.state
        {
            for fitting in self.room(&state.settings) {
                self.ask(session, Event::Session(session::Event::SettingChanged(fitting)))
                    .await?;
            }
        }
        if is_list {
            self.tell_candidates(session).await?;
        }
        Ok(done)
    }

    /// What settings that nobody has set should be for the model that is set: how much it takes, how much of that is
    /// kept free, because an answer may be as long as its wire asks for, and what it costs.
    fn room(&self, settings: &Settings) -> Vec<Setting> {
        let mut fitting = settings.clone();
        let known = settings.model.value.as_ref();
        if settings.context_window.from.layer == Layer::Default {
            let listed = known.and_then(|model| self.known(model)?.context_window);
            let told = || known.and_then(|model| self.models.context_window(model));
            fitting.context_window.value = listed.or_else(told);
            fitting.context_window.from.file =
                known.and_then(|model| self.catalogue.get()?.window_from(model));
        }
        if settings.compact_reserve.from.layer == Layer::Default {
            let answer = known.and_then(|model| self.models.default_answer(model));
            fitting.compact_reserve.value = answer.unwrap_or(0).max(RESERVE);
        }
        self.price(&mut fitting);
        self.tell_takes(&mut fitting);
        fitting.differences(settings)
    }

    /// Compacts the conversation of a session in which no turn is open. Returns when the request for a summary is
    /// under way; [`watch`](Self::watch) tells how it ends.
    ///
    /// # Errors
    /// [`OperationError`]: among others where there is nothing to be compacted.
    pub async fn compact(&self, session: ScopeId, focus: Option<&str>, key: Option<&str>) -> Done {
        self.tell_spending(session).await?;
        let event = compaction::Event::Requested {
            focus: focus.map(Into::into),
            key: key.map(Into::into),
        };
        self.ask(session, Event::Compaction(event)).await
    }

    /// Undoes the compaction at which a conversation stands: it goes on before that, whole.
    ///
    /// # Errors
    /// [`OperationError`]: among others where more was said since.
    pub async fn undo_compaction(&self, session: ScopeId, key: Option<&str>) -> Done {
        let event = compaction::Event::Undone {
            key: key.map(Into::into),
        };
        self.ask(session, Event::Compaction(event)).await
    }

    /// Closes a session: an open turn is cancelled; once it rests, the session is unmounted and given up.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn close(&self, session: ScopeId) -> Result<(), OperationError> {
        let mut watch = self.watch(session);
        self.ask(session, Event::Session(session::Event::Closed)).await?;
        if let Some(watch) = &mut watch {
            while watch.session().state != glasswork_agent_core::session::State::Closed {
                // Someone else has unmounted it, and then nothing more comes.
                if watch.next().await.updates.contains(&Update::Ended) {
                    break;
                }
            }
        }
        self.give_up(session).await
    }

    /// Unmounts a session that is at rest, without closing it, and gives it up.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn give_up(&self, session: ScopeId) -> Result<(), OperationError> {
        let turn = self.mounts.turn(session).await;
        self.give_up_now(session, turn).await
    }

    /// The same, by whoever's turn it is.
    pub(crate) async fn give_up_now(&self, session: ScopeId, turn: Turn) -> Result<(), OperationError> {
        let mounts = Arc::clone(&self.mounts);
        let (servers, secrets) = (Arc::clone(&self.servers), Arc::clone(&self.secrets));
        let giving_up = async move {
            mounts.unmount(session, &turn).await?;
            mounts.entered.forget(session);
            servers.forget(session).await;
            secrets.forget(session);
            Ok(())
        };
        self.mounts.wholly(giving_up).await
    }

    /// Shuts down: everything that was accepted is in the journal when this returns. Turns that are still open are
    /// abandoned by whoever opens their sessions next.
    pub async fn stop(self) {
        let Self {
            engine,
            resting,
            housekeeping,
            vault,
            servers,
            ..
        } = self;
        drop(housekeeping);
        servers.end_all().await;
        // Joining threads blocks.
        let _ = tokio::task::spawn_blocking(move || {
            drop(resting);
            engine.stop();
            indexing::stopped(&engine.reader(), &*vault);
        })
        .await;
    }

    /// How a session masks: as it is set, or is about to be. Where there is no such session, the event will be refused;
    /// but refusals are on record too.
    fn masking(&self, session: ScopeId, event: &Event) -> Masking {
        if let Event::Session(session::Event::Opened { settings, .. }) = event {
            return self.secrets.masking(session, settings.mask_secrets.value);
        }
        match self
            .engine
            .reader()
            .scope(session)
            .as_deref()
            .map(|scope| &scope.state)
        {
            Some(state::Scope::Session(state)) => self.secrets.of(state),
            _ => self.secrets.masking(session, true),
        }
    }

    /// Masks what a person says in an event.
    fn masked(&self, session: ScopeId, mut event: Event) -> Event {
        let masking = self.masking(session, &event);
        spoken(&mut event, &mut |text| {
            if let Cow::Owned(masked) = masking.text(text, &Origin::Elsewhere) {
                *text = masked.into();
            }
        });
        event
    }

    pub(crate) async fn ask(&self, session: ScopeId, event: Event) -> Done {
        self.ask_as(&self.user, session, event).await
    }

    /// The same, of somebody else.
    pub(crate) async fn ask_as(&self, asker: &Handle<Glasswork>, session: ScopeId, event: Event) -> Done {
        match asker.dispatch(session, self.masked(session, event.clone())).await {
            Err(Refusal::NotMounted(_)) => {
                self.mounts.demand(session).await?;
                // Only now it is known whether the session masks.
                Ok(asker.dispatch(session, self.masked(session, event)).await?)
            }
            answer => Ok(answer?),
        }
    }
}

pub(crate) fn resolved(workspace: &Path) -> Result<PathBuf, OperationError> {
    let failed = |error| OperationError::Workspace {
        path: workspace.to_owned(),
        error,
    };
    let path = workspace.canonicalize().map_err(failed)?;
    match path.is_dir() {
        true => Ok(path),
        false => Err(failed(std::io::ErrorKind::NotADirectory.into())),
    }
}

/// The tools that models are told of.
fn tool_specs() -> Vec<ToolSpec> {
    Tool::ALL
        .into_iter()
        .map(Tool::spec)
        .chain([graph::spec(), plan::spec(), asking::spec()])
        .collect()
}

/// The graph, bound once the runtime that it reads exists.
#[derive(Default)]
struct LateGraph(OnceLock<Arc<dyn SelfQuery>>);

impl SelfQuery for LateGraph {
    fn ask(
        &self,
        session: ScopeId,
        query: String,
        variables: Option<serde_json::Value>,
    ) -> std::pin::Pin<Box<dyn Future<Output = SelfAnswer> + Send>> {
        match self.0.get() {
            Some(graph) => graph.ask(session, query, variables),
            None => Box::pin(std::future::ready(SelfAnswer {
                text: "this program has no graph".to_owned(),
                is_error: true,
            })),
        }
    }
}
