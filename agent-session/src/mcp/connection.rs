//! One server that runs: its process, what is said to it, and who watches it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use glasswork_engine::{EffectKey, ScopeId};
use glasswork_session_state::mcp::{Event, Introduction, MESSAGE_BYTES, Problem, Told};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientConfig, Implementation, JsonObject,
    PaginatedRequestParams, ProtocolVersion,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService,
    ServiceError,
};
use rmcp::{ClientHandler, Peer, RoleClient};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::line::{Gauge, Line, WINDOW_BYTES};
use super::{News, ServerCommand, environment, listing, subscription};
use crate::processes::{Exit, Running};
use crate::secrets::{Masking, Origin};

/// How long a server has to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last words of a server that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long is waited for the end of one that has closed its line, or of which something is being told.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited after a server says that it has other tools: it may say so again at once.
const CALM: Duration = Duration::from_millis(200);
/// The same of one that has other tools again and again: each time twice as long, up to this.
const MOST_CALM: Duration = Duration::from_secs(30);
/// After so long without other tools it is as if there had been none yet.
const FORGIVEN: Duration = Duration::from_secs(60);
/// How often a session is told of that, where it does not take it yet.
const TELLINGS: u32 = 20;
/// Most pages of tools that are asked for.
const PAGES: usize = 64;

/// All that is needed to start a server.
pub(super) struct Launch {
    pub(super) session: ScopeId,
    pub(super) launch: EffectKey,
    pub(super) command: Arc<ServerCommand>,
    pub(super) directory: PathBuf,
    pub(super) masking: Masking,
    pub(super) news: Option<Arc<dyn News>>,
}

/// A server that runs. Dropped, it is ended.
pub(crate) struct Connection {
    peer: Peer<RoleClient>,
    gauge: Gauge,
    stop: CancellationToken,
    ended: CancellationToken,
    problem: Arc<OnceLock<Problem>>,
    masking: Masking,
    _stops: DropGuard,
}

/// How a call of a tool ended.
#[derive(Debug)]
pub(crate) enum CallEnd {
    /// The tool answered.
    Answered(CallToolResult),
    /// The server did not do it, and says why.
    Refused(String),
    /// It wants something that it is not given: an answer of a person, or to go on by itself.
    Wants(&'static str),
    /// It took too long.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// The server is gone; nobody knows what it has done.
    Gone(Problem),
}

/// Hears that a server has other tools.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Notify>);

impl ClientHandler for Ear {
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("glasswork", env!("CARGO_PKG_VERSION"));
        // None of the capabilities that servers may use: no roots, no sampling, no elicitation.
        ClientConfig::new(Default::default(), us)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    fn on_tool_list_changed(
        &self,
        _: NotificationContext<RoleClient>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.0.notify_one();
        std::future::ready(())
    }
}

/// The last that a server says on its standard error.
#[derive(Debug, Clone, Default)]
struct Murmur {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Nothing more comes.
    over: CancellationToken,
}

impl Murmur {
    fn listen(&self, pipe: pipe::Receiver) {
        let kept = Arc::clone(&self.kept);
        let over = self.over.clone().drop_guard();
        tokio::spawn(async move {
            let _over = over;
            let mut pipe = pipe;
            let mut buffer = vec![0; 4096];
            while let Ok(len) = pipe.read(&mut buffer).await {
                if len == 0 {
                    break;
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(buffer.get(..len).unwrap_or_default());
                let over = kept.len().saturating_sub(MESSAGE_BYTES);
                kept.drain(..over);
            }
        });
    }

    /// What it said last, of one that has ended. What it has started may go on talking, and is not waited for.
    async fn said(&self, masking: &Masking) -> Arc<str> {
        let _ = tokio::time::timeout(LAST_WORDS, self.over.cancelled()).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        message(&String::from_utf8_lossy(&kept), masking)
    }
}

/// A text that somebody else wrote, as it may be kept.
fn message(text: &str, masking: &Masking) -> Arc<str> {
    let masked = masking.text(text, &Origin::Elsewhere);
    listing::beginning(masked.trim(), MESSAGE_BYTES).into()
}

/// The process with all that hangs on it.
struct Process {
    running: Running,
    murmur: Murmur,
    gauge: Gauge,
    masking: Masking,
}

impl Process {
    /// Why nothing more comes from it.
    async fn problem(&mut self) -> Problem {
        if self.gauge.is_flooded() {
            return Problem::Flooded {
                bytes: u64::try_from(WINDOW_BYTES).unwrap_or(u64::MAX),
            };
        }
        let exit = tokio::time::timeout(PATIENCE, self.running.exit()).await;
        self.ended(exit.unwrap_or(Exit::Unknown)).await
    }

    /// The same, of one that has ended like this: that is told once only.
    async fn ended(&self, exit: Exit) -> Problem {
        Problem::Ended {
            code: match exit {
                Exit::Code(code) => Some(code),
                Exit::Unknown => None,
            },
            said: self.murmur.said(&self.masking).await,
        }
    }
}

impl Connection {
    /// Starts a server, greets it and asks which tools it has.
    pub(super) async fn begin(
        launch: Launch,
        protocol: Option<&str>,
    ) -> Result<(Arc<Self>, Introduction, Vec<Told>), Problem> {
        let masking = launch.masking.clone();
        let no_process = |error: std::io::Error| Problem::NoProcess {
            message: message(&error.to_string(), &masking),
        };
        let (murmurs, theirs) = std::io::pipe().map_err(no_process)?;
        let murmurs = pipe::Receiver::from_owned_fd(murmurs.into()).map_err(no_process)?;
        let argv: Vec<&OsStr> = [&launch.command.command]
            .into_iter()
            .chain(&launch.command.args)
            .map(OsStr::new)
            .collect();
        let mark = format!("{}/mcp:{}", launch.session, launch.command.name);
        let environment = environment::of(&launch.command);
        let started = Running::start_talking(&argv, &launch.directory, environment, &mark, theirs);
        let (running, socket) = started.map_err(no_process)?;
        let (murmur, gauge, ear) = (Murmur::default(), Gauge::new(), Ear::default());
        murmur.listen(murmurs);
        let (from, to) = socket.into_split();
        let mut process = Process {
            running,
            murmur,
            gauge: gauge.clone(),
            masking: masking.clone(),
        };
        let served = {
            let serving = ear
                .clone()
                .serve_with_lifecycle((Line::new(from, gauge.clone()), to), lifecycle(protocol));
            tokio::select! {
                // A server that has said its last word may have said all that is needed.
                biased;
                served = serving => served.map_err(|error| unserved(&error, &masking)),
                () = gauge.closed() => Err(None),
            }
        };
        let service = match served {
            Ok(service) => service,
            Err(Some(problem)) if !gauge.is_flooded() => return Err(problem),
            Err(_) => return Err(process.problem().await),
        };
        gauge.asked();
        let listed = list(service.peer(), &gauge).await;
        let tools = match listed {
            Ok(tools) => listing::told(tools, &masking),
            Err(ServiceError::TransportClosed) => return Err(process.problem().await),
            Err(error) => return Err(protocol_problem(&error.to_string(), &masking)),
        };
        let introduction = introduction(service.peer(), &masking);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        if subscription::is_needed(service.peer()) {
            let hearing = subscription::hear(service.peer().clone(), Arc::clone(&ear.0));
            let stopped = stop.clone();
            tokio::spawn(async move { stopped.run_until_cancelled_owned(hearing).await });
        }
        let connection = Arc::new(Self {
            peer: service.peer().clone(),
            gauge,
            stop: stop.clone(),
            ended: ended.clone(),
            problem: Arc::default(),
            masking,
            _stops: stop.clone().drop_guard(),
        });
        let watched = Watched {
            problem: Arc::clone(&connection.problem),
            changed: ear.0,
            calm: CALM,
            last: None,
            told: tools.clone(),
            launch,
            process,
            service,
            stop,
        };
        tokio::spawn(async move {
            watched.watch().await;
            ended.cancel();
        });
        Ok((connection, introduction, tools))
    }

    /// Has it ended.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended, and its session was told if it was not asked to.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Calls a tool. A call that is cancelled or takes too long is taken back; the server may do it all the same.
    pub(crate) async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
        limit: Duration,
        cancelled: impl Future<Output = ()>,
    ) -> CallEnd {
        self.gauge.asked();
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        // Dropping the call tells the server.
        let called = tokio::select! {
            biased;
            () = cancelled => return CallEnd::Cancelled,
            called = self.peer.call_tool_once(params) => called,
            () = self.ended() => Err(ServiceError::TransportClosed),
            () = tokio::time::sleep(limit) => return CallEnd::TimedOut,
        };
        match called {
            Ok(CallToolResponse::Complete(result)) => CallEnd::Answered(result),
            Ok(CallToolResponse::InputRequired(_)) => CallEnd::Wants("to ask something"),
            Ok(CallToolResponse::Task(_)) => CallEnd::Wants("to go on by itself"),
            Ok(_) => CallEnd::Wants("something that is not known here"),
            Err(ServiceError::McpError(error)) => {
                CallEnd::Refused(message(&error.message, &self.masking).to_string())
            }
            Err(ServiceError::TransportClosed | ServiceError::TransportSend(_)) => {
                // Its session shall know before the model hears of it.
                let _ = tokio::time::timeout(PATIENCE * 2, self.ended()).await;
                let problem = self.problem.get().cloned();
                CallEnd::Gone(problem.unwrap_or(Problem::Ended {
                    code: None,
                    said: "".into(),
                }))
            }
            Err(error) => CallEnd::Refused(message(&error.to_string(), &self.masking).to_string()),
        }
    }
}

/// How one begins to talk with a server: as with those that are known, or by finding out.
fn lifecycle(protocol: Option<&str>) -> ClientLifecycleMode {
    let known = ProtocolVersion::KNOWN_VERSIONS.iter();
    let mut greeted = known.filter(|version| version.has_initialize());
    match protocol.and_then(|protocol| greeted.find(|version| version.as_str() == protocol)) {
        Some(_) => ClientLifecycleMode::Initialize,
        None => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
    }
}

/// Why one could not begin to talk; `None` where nothing came, and the process knows why.
fn unserved(error: &ClientInitializeError, masking: &Masking) -> Option<Problem> {
    match error {
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => None,
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => unserved(fallback, masking),
        other => Some(protocol_problem(&other.to_string(), masking)),
    }
}

fn protocol_problem(text: &str, masking: &Masking) -> Problem {
    Problem::Protocol {
        message: message(text, masking),
    }
}

fn introduction(peer: &Peer<RoleClient>, masking: &Masking) -> Introduction {
    let info = peer.peer_info();
    let program = info.as_ref().and_then(|info| info.server_info.as_ref());
    Introduction {
        protocol: info
            .as_ref()
            .map_or("", |info| info.protocol_version.as_str())
            .into(),
        name: program.map(|program| short(&program.name, masking)),
        version: program.map(|program| short(&program.version, masking)),
    }
}

/// A name as it may be kept.
fn short(text: &str, masking: &Masking) -> Arc<str> {
    const MOST: usize = 128;
    listing::beginning(&message(text, masking), MOST).into()
}

/// All tools, page by page; a list without end is one that is long enough.
async fn list(peer: &Peer<RoleClient>, gauge: &Gauge) -> Result<Vec<rmcp::model::Tool>, ServiceError> {
    let has_tools = peer
        .peer_info()
        .is_none_or(|info| info.capabilities.tools.is_some());
    let mut tools = Vec::new();
    if !has_tools {
        return Ok(tools);
    }
    let mut cursor = None;
    for _ in 0..PAGES {
        let page = peer.list_tools(Some(PaginatedRequestParams::default().with_cursor(cursor)));
        let page = tokio::select! {
            biased;
            page = page => page?,
            () = gauge.closed() => return Err(ServiceError::TransportClosed),
        };
        tools.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() || tools.len() >= listing::MOST {
            break;
        }
    }
    Ok(tools)
}

/// A server, watched until it ends.
struct Watched {
    problem: Arc<OnceLock<Problem>>,
    changed: Arc<Notify>,
    /// How long is waited before it is asked the next time which tools it has.
    calm: Duration,
    /// When it had other tools last.
    last: Option<Instant>,
    told: Vec<Told>,
    launch: Launch,
    process: Process,
    service: RunningService<RoleClient, Ear>,
    stop: CancellationToken,
}

impl Watched {
    async fn watch(mut self) {
        let problem = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break None,
                () = self.process.gauge.closed() => break Some(self.process.problem().await),
                exit = self.process.running.exit() => break Some(self.process.ended(exit).await),
                () = self.changed.notified() => self.list_anew().await,
            }
        };
        if let Some(problem) = &problem {
            let _ = self.problem.set(problem.clone());
        }
        let _ = self.service.close_with_timeout(PATIENCE).await;
        self.process.running.end(GRACE).await;
        if let (Some(problem), Some(news)) = (problem, &self.launch.news) {
            let event = Event::Ended {
                server: self.launch.command.name.as_str().into(),
                launch: self.launch.launch,
                problem,
            };
            let telling = news.tell(self.launch.session, &self.launch.command.name, event);
            let _ = tokio::time::timeout(PATIENCE, telling).await;
        }
    }

    /// Asks which tools it has now, and has its session told if they are others. One that does not answer will be heard
    /// of when it is called.
    async fn list_anew(&mut self) {
        let stopped = self.stop.clone();
        if self.last.is_some_and(|last| last.elapsed() >= FORGIVEN) {
            self.calm = CALM;
        }
        let work = async {
            // What it says meanwhile is one more time at most. Nothing is asked that would let it say more than it may.
            tokio::time::sleep(self.calm).await;
            let listed = list(self.service.peer(), &self.process.gauge).await;
            let Ok(tools) = listed else { return };
            let tools = listing::told(tools, &self.launch.masking);
            if tools == self.told {
                return;
            }
            let Some(news) = self.launch.news.clone() else {
                return;
            };
            for _ in 0..TELLINGS {
                let event = Event::Listed {
                    server: self.launch.command.name.as_str().into(),
                    launch: self.launch.launch,
                    tools: tools.clone(),
                };
                if news
                    .tell(self.launch.session, &self.launch.command.name, event)
                    .await
                {
                    self.told = tools;
                    self.last = Some(Instant::now());
                    self.calm = (self.calm * 2).min(MOST_CALM);
                    return;
                }
                // That it has started may not be on record yet.
                tokio::time::sleep(CALM).await;
            }
        };
        tokio::select! {
            biased;
            () = stopped.cancelled() => {}
            () = work => {}
        }
    }
}
