//! Where the parts are put together: the only file of this crate, with those of its folder, that calls anything below
//! `app-runtime`.

mod doors;
mod house;
mod providers;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::runners::{SelfAnswer, SelfQuery};
pub(crate) use glasswork_agent_session::store::Repair;
use glasswork_agent_session::store::StoreError;
use glasswork_ai::catalogue::Catalogue;
use glasswork_ai::http::{ClientSettings, Clients};
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{ModelPort, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::archive::{self, Progress, Record, Refreshed};
use glasswork_app_runtime::attachments::Attachments;
use glasswork_app_runtime::breakers::{self, Breakers};
use glasswork_app_runtime::bundle::Opened;
use glasswork_app_runtime::demo;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::models;
use glasswork_app_runtime::network::{self, NetworkError};
use glasswork_app_runtime::one_record::OneRecord;
use glasswork_app_runtime::own_models::OwnFiles;
use glasswork_app_runtime::reading::{Reader, Snapshot, Viewer};
use glasswork_app_runtime::runtime::{Ports, Runtime};
use glasswork_app_runtime::runtime_directory;
use glasswork_app_runtime::settings::{Flag, Layers, Resolved, SettingsError};
use glasswork_app_runtime::sign_in::SignIns;
use glasswork_engine::replay::Replayed;
use glasswork_engine::{Clock as _, ScopeId, SystemClock};
use glasswork_query::Graph;
use glasswork_session_state::Glasswork;
use glasswork_session_state::host::Credential;
use glasswork_session_state::host_settings::Settings as HostSettings;

use crate::problem::Problem;
pub(crate) use doors::Doors;
pub(crate) use house::OfPlace;
pub(crate) use providers::Providers;
use providers::elsewhere;

/// Where this process is: its environment, its directories, and what is set there.
#[derive(Debug)]
pub(crate) struct Place {
    /// The environment.
    pub environment: Environment,
    /// The directories.
    pub homes: Homes,
    /// What the user's file and the environment say. They are read once.
    settings: Result<Layers, SettingsError>,
}

impl Place {
    /// The place of this process.
    ///
    /// # Errors
    /// Where there is no home.
    pub(crate) fn find() -> Result<Self, Problem> {
        let environment = Environment::of_process();
        let homes = Homes::find(&environment)?;
        let settings = Layers::read(&homes, &environment);
        Ok(Self {
            environment,
            homes,
            settings,
        })
    }

    /// The settings, with what flags say, for a workspace.
    ///
    /// # Errors
    /// Where they cannot be read, or a flag does not fit.
    pub(crate) fn settings(&self, flags: &[Flag], workspace: &Path) -> Result<Resolved, SettingsError> {
        self.settings.clone()?.resolve(flags, workspace)
    }

    /// What is set for the program as a whole. No project has a say in it, so it does not matter from where it is
    /// looked for.
    fn of_program(&self) -> Result<Resolved, SettingsError> {
        self.settings(&[], Path::new("."))
    }

    /// The circuit breakers of providers; where the settings cannot be read, with the rules that are built in.
    pub(crate) fn breakers(&self) -> Breakers {
        let host = self
            .of_program()
            .map(|resolved| resolved.host)
            .unwrap_or_default();
        let clock = Arc::new(SystemClock::default());
        Breakers::below(&self.homes.data, breakers::rules(&host), clock)
    }

    /// The sessions.
    ///
    /// # Errors
    /// Where their folder cannot be made.
    pub(crate) fn sessions(&self) -> Result<Sessions, Problem> {
        let archive = FileArchive::open(&self.homes.data).map_err(stored)?;
        let instructions = self.homes.instructions_file();
        let host = self.of_program().map(|resolved| resolved.host);
        // What is wrong with these files is told where models are chosen.
        let own = OwnFiles::read(&self.homes).unwrap_or_default();
        let catalogue = own.catalogue(host.iter().flat_map(elsewhere));
        Ok(Sessions {
            archive,
            sockets: runtime_directory::of(&self.environment, &self.homes),
            instructions,
            catalogue: Arc::new(catalogue),
            host,
        })
    }

    /// The session in a file that was opened, and no other.
    ///
    /// # Errors
    /// As [`sessions`](Self::sessions).
    pub(crate) fn sessions_in(&self, opened: &Opened) -> Result<Sessions, Problem> {
        Ok(Sessions {
            archive: opened.archive.clone(),
            ..self.sessions()?
        })
    }

    /// Where somebody is signed in, and the ways to change that.
    ///
    /// # Errors
    /// Where the settings cannot be read.
    pub(crate) fn sign_ins(&self) -> Result<SignIns, Problem> {
        let resolved = self.of_program()?;
        Ok(self.sign_ins_of(&resolved.host, &self.clients_of(&resolved)?))
    }

    /// The same; where the settings cannot be read, as if there were none.
    pub(crate) fn sign_ins_for_doctor(&self) -> SignIns {
        let resolved = self.of_program();
        let host = resolved.map(|resolved| resolved.host).unwrap_or_default();
        self.sign_ins_of(&host, &Clients::default())
    }

    fn sign_ins_of(&self, host: &HostSettings, clients: &Clients) -> SignIns {
        let clock = Arc::new(SystemClock::default());
        SignIns::new(&self.homes.data, &host.sign_in.value, clock).through(clients)
    }

    /// How servers are reached; where the settings cannot be read, as the environment has it.
    pub(crate) fn network_for_doctor(&self) -> Result<ClientSettings, NetworkError> {
        let resolved = self.of_program();
        let (host, proxy) = resolved
            .map(|resolved| (resolved.host, resolved.proxy))
            .unwrap_or_default();
        network::client_settings(&self.environment, &host, &proxy)
    }

    fn clients_of(&self, resolved: &Resolved) -> Result<Clients, Problem> {
        let set = network::client_settings(&self.environment, &resolved.host, &resolved.proxy);
        set.map(Clients::new).map_err(Problem::usage)
    }

    /// Where a key that goes before a sign-in comes from, if there is one.
    ///
    /// # Errors
    /// Where the settings cannot be read.
    pub(crate) fn key_before(&self, provider: &str) -> Result<Option<String>, Problem> {
        let keys = self.of_program()?.api_keys;
        let key = keys.in_force(&format!("{provider}_api_key"));
        let key = key.filter(|key| key.key().is_some());
        Ok(key.map(|key| From(key.from()).to_string()))
    }
}

/// The sessions of this user.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    archive: FileArchive,
    /// Where hosts have their sockets.
    sockets: PathBuf,
    /// What is known of models.
    catalogue: Arc<Catalogue>,
    /// What is set for the program as a whole.
    host: Result<HostSettings, SettingsError>,
    /// The file with the user's own instructions to agents.
    instructions: PathBuf,
}

impl Sessions {
    /// Brings the index of the sessions in line with their journals.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub(crate) fn refresh(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), Problem> {
        let refreshed = self.archive.index().refresh(progress);
        refreshed.map(drop).map_err(Problem::failed)
    }

    /// Reads all journals again for the index.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub(crate) fn reindex(&self, progress: &mut dyn FnMut(Progress)) -> Result<Refreshed, Problem> {
        self.archive.index().reindex(progress).map_err(Problem::failed)
    }

    /// Repairs a session, or says what would be done.
    ///
    /// # Errors
    /// Where it cannot be repaired.
    pub(crate) fn repair(&self, session: ScopeId, dry_run: bool) -> Result<Option<Repair>, Problem> {
        let now = SystemClock::default().wall();
        self.archive.repair(session, now, dry_run).map_err(stored)
    }

    /// A reader of what is on the disk, also of what another process is writing.
    #[must_use]
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(None, Arc::new(self.archive.clone()))
    }

    /// Everything on the disk, as its owner may see it.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.reader().snapshot(Viewer::owner())
    }

    /// The graph over what is on the disk.
    #[must_use]
    pub(crate) fn graph(&self) -> Graph {
        Graph::new(self.reader()).with_models(Arc::clone(&self.catalogue))
    }

    /// The graph over a running host, through which its operations can be asked for.
    #[must_use]
    pub(crate) fn graph_of_host(&self, host: &Arc<Attachments>) -> Graph {
        Graph::new(host.runtime().reader().clone())
            .with_models(Arc::clone(&self.catalogue))
            .with_operations(host)
    }

    /// The directory of this user's hosts.
    #[must_use]
    pub(crate) fn runtime_directory(&self) -> &Path {
        &self.sockets
    }

    /// The graph over one record as it was replayed, and nothing else.
    #[must_use]
    pub(crate) fn graph_of(&self, record: Record, replayed: &Replayed<Glasswork>) -> Graph {
        let one = OneRecord::of(Arc::new(self.archive.clone()), record, replayed);
        Graph::new(Reader::new(None, Arc::new(one)))
    }

    /// The records in files.
    #[must_use]
    pub(crate) fn files(&self) -> &FileArchive {
        &self.archive
    }

    /// The port to the records.
    #[must_use]
    pub(crate) fn archive(&self) -> &dyn archive::Archive {
        &self.archive
    }

    /// Starts a runtime. Within a tokio runtime.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) async fn start(&self, providers: Providers, model: &Model) -> Result<Runtime, Problem> {
        let host = self.host.clone()?;
        let (vault, journal, trace) = self.archive.writing().map_err(Problem::failed)?;
        let blobs = self.archive.clone();
        let model_ports = providers.ports();
        let catalogue = providers.catalogue;
        let credentials = providers.known.iter().map(|provider| {
            let credential = match (&provider.key_from, provider.has_key) {
                (Some(place), _) => Credential::Present {
                    from: place.as_str().into(),
                },
                (None, true) => Credential::NotNeeded,
                (None, false) => Credential::Missing {
                    expected: provider.key_variable.as_deref().unwrap_or_default().into(),
                },
            };
            (Arc::from(&*provider.name), credential)
        });
        let sign_ins = Arc::clone(&providers.sign_ins);
        let ports = Ports {
            archive: Arc::new(self.archive.clone()),
            vault: Arc::new(vault),
            journal: Box::new(journal),
            trace: Box::new(trace),
            clock: Arc::new(SystemClock::default()),
            providers: credentials.collect(),
            models: match &model.0 {
                Some(scripts) => Arc::new(model_ports.with(models::SCRIPTED, Arc::new(scripts.clone())))
                    as Arc<dyn ModelPort>,
                None => Arc::new(model_ports),
            },
            blobs: Box::new(move |session| blobs.blobs(session)),
            tasks: tokio::runtime::Handle::current(),
            tool_limits: glasswork_agent_session::tools::Limits::default(),
            secrets: Arc::new(providers.secrets),
            breakers: Arc::new(
                self.archive
                    .breakers(breakers::rules(&host), Arc::new(SystemClock::default())),
            ),
        };
        let runtime = Runtime::start(ports).await?;
        runtime.know_models(Arc::clone(&catalogue));
        runtime.bind_sign_ins(&sign_ins).await?;
        runtime.unmount_after(Duration::from_secs(
            60 * u64::from(host.unmount_after_minutes.value),
        ))?;
        runtime.keep_house(self.archive.clone(), host);
        runtime.read_instructions(self.instructions.clone());
        if let Some((asked, sake)) = &providers.asked {
            runtime.know_server(asked, sake).await?;
        }
        runtime.bind_graph(Arc::new(OwnGraph(
            Graph::new(runtime.reader().clone()).with_models(catalogue),
        )));
        Ok(runtime)
    }
}

/// The graph as a session's own model may ask it: of that session only.
struct OwnGraph(Graph);

impl SelfQuery for OwnGraph {
    fn ask(
        &self,
        session: ScopeId,
        query: String,
        variables: Option<serde_json::Value>,
    ) -> Pin<Box<dyn Future<Output = SelfAnswer> + Send>> {
        let graph = self.0.clone();
        Box::pin(async move {
            let variables = variables.unwrap_or_default();
            let response = graph.execute(Viewer::of(session), &query, variables, None).await;
            match response.to_json() {
                Ok(json) => SelfAnswer {
                    is_error: json.get("data").is_none_or(serde_json::Value::is_null),
                    text: json.to_string(),
                },
                Err(error) => SelfAnswer {
                    text: error.to_string(),
                    is_error: true,
                },
            }
        })
    }
}

/// What a model needs beside its provider: a script, where it plays one.
#[derive(Debug)]
pub(crate) struct Model(Option<Scripts>);

impl Model {
    /// Makes a model ready: reads its script, where it plays one.
    ///
    /// # Errors
    /// Where it cannot be asked, or its script cannot be read.
    pub(crate) fn prepare(id: &ModelId, providers: &Providers) -> Result<Self, Problem> {
        models::check(id, &providers.known)?;
        if &*id.provider != models::SCRIPTED {
            return Ok(Self(None));
        }
        Ok(Self(Some(Scripts::default().with(&id.model, script(id)?))))
    }

    /// Has another model be ready too, as far as it can be: reads its script, where it plays one.
    ///
    /// # Errors
    /// Where its script cannot be read.
    pub(crate) fn also(self, id: &ModelId) -> Result<Self, Problem> {
        if &*id.provider != models::SCRIPTED {
            return Ok(self);
        }
        let scripts = self.0.unwrap_or_default();
        Ok(Self(Some(scripts.with(&id.model, script(id)?))))
    }

    /// No model: for what asks none.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The model of the demo.
    ///
    /// # Errors
    /// Never: a test reads the script.
    pub(crate) fn of_demo() -> Result<Self, Problem> {
        let script = demo::script().map_err(Problem::defect)?;
        Ok(Self(Some(Scripts::default().with(demo::SCRIPT, script))))
    }
}

/// The script that a model plays.
fn script(id: &ModelId) -> Result<Script, Problem> {
    let path = Path::new(&*id.model);
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::usage(format!("cannot read the script {}: {error}", path.display())))?;
    Script::parse(&text).map_err(|error| {
        use glasswork_ai::scripted::ScriptError;
        Problem::usage(match error {
            ScriptError::Malformed {
                line,
                column,
                message,
            } => {
                format!("{}:{line}:{column}: {message}", path.display())
            }
            other => format!("{}: {other}", path.display()),
        })
    })
}

/// Where asynchronous work runs.
///
/// # Errors
/// Where its threads cannot be started.
pub(crate) fn tasks() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Problem::failed(format!("the runtime cannot start: {error}")))
}

/// Ends asynchronous work. What still runs is dropped, and with it the commands of tools; a thread that waits in the
/// system for a file must not keep the process.
pub(crate) fn end(tasks: tokio::runtime::Runtime) {
    tasks.shutdown_timeout(std::time::Duration::from_secs(2));
}

fn stored(error: StoreError) -> Problem {
    Problem::Told {
        code: ExitCode::from(&error),
        text: error.to_string(),
    }
}
