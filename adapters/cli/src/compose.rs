//! Where the parts are put together: the only file of this crate that calls anything below `app-runtime`.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::runners::{SelfAnswer, SelfQuery};
use glasswork_agent_session::secrets::{Vaults, is_credential};
pub(crate) use glasswork_agent_session::store::Repair;
use glasswork_agent_session::store::StoreError;
use glasswork_ai::http::{self, SecretString};
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::api_keys::ApiKeys;
use glasswork_app_runtime::archive::{self, Progress, Record, Refreshed};
use glasswork_app_runtime::credentials::{All, Stored};
use glasswork_app_runtime::demo;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::models::{self, Provider};
use glasswork_app_runtime::one_record::OneRecord;
use glasswork_app_runtime::reading::{Reader, Snapshot, Viewer};
use glasswork_app_runtime::runtime::{Ports, Runtime};
use glasswork_app_runtime::settings::{self, Flag, Layers, Resolved, SettingsError};
use glasswork_app_runtime::sign_in::SignIns;
use glasswork_engine::replay::Replayed;
use glasswork_engine::{Clock as _, ScopeId, SystemClock};
use glasswork_query::Graph;
use glasswork_session_state::Glasswork;
use glasswork_session_state::host::Credential;
use glasswork_session_state::host_settings::Settings as HostSettings;
use glasswork_session_state::settings::Sourced;

use crate::problem::Problem;

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

    /// The sessions.
    ///
    /// # Errors
    /// Where their folder cannot be made.
    pub(crate) fn sessions(&self) -> Result<Sessions, Problem> {
        let archive = FileArchive::open(&self.homes.data).map_err(stored)?;
        let instructions = self.homes.instructions_file();
        let host = self.of_program();
        Ok(Sessions {
            archive,
            instructions,
            host: host.map(|resolved| resolved.host),
        })
    }

    /// Where somebody is signed in, and the ways to change that.
    ///
    /// # Errors
    /// Where the settings cannot be read.
    pub(crate) fn sign_ins(&self) -> Result<SignIns, Problem> {
        Ok(self.sign_ins_of(&self.of_program()?.host))
    }

    /// The same; where the settings cannot be read, as if there were none.
    pub(crate) fn sign_ins_for_doctor(&self) -> SignIns {
        let resolved = self.of_program();
        self.sign_ins_of(&resolved.map(|resolved| resolved.host).unwrap_or_default())
    }

    fn sign_ins_of(&self, host: &HostSettings) -> SignIns {
        let clock = Arc::new(SystemClock::default());
        SignIns::new(&self.homes.data, &host.sign_in.value, clock)
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

    /// The providers that this build speaks with.
    ///
    /// # Errors
    /// Where the settings cannot be read, or have an address that is none.
    pub(crate) fn providers(&self) -> Result<Providers, Problem> {
        let resolved = self.of_program()?;
        let stored = self
            .sign_ins_of(&resolved.host)
            .stored()
            .map_err(Problem::usage)?;
        self.providers_of(&resolved.host, &resolved.api_keys, stored)
    }

    /// The providers as far as they are known: where the settings cannot be read, by the environment's keys alone.
    ///
    /// # Errors
    /// Where there is an address that is none.
    pub(crate) fn providers_for_doctor(&self) -> Result<Providers, Problem> {
        // Where they cannot be read, another finding says so.
        let stored = self.sign_ins_for_doctor().stored().unwrap_or_default();
        match self.of_program() {
            Ok(resolved) => self.providers_of(&resolved.host, &resolved.api_keys, stored),
            Err(_) => {
                let keys = settings::keys_of_environment(&self.environment);
                self.providers_of(&HostSettings::default(), &keys, stored)
            }
        }
    }

    fn providers_of(&self, host: &HostSettings, keys: &ApiKeys, stored: All) -> Result<Providers, Problem> {
        let sign_ins = Arc::new(self.sign_ins_of(host));
        // Environment, then settings, then what somebody has signed in with.
        let set_key = |provider: &str| {
            let key = keys.in_force(&format!("{provider}_api_key"))?;
            Some((key.key()?.clone(), From(key.from()).to_string()))
        };
        let secret = |provider: &str| match (set_key(provider), stored.get(provider)) {
            (Some((key, _)), _) => Some(key),
            (None, Some(Stored::Key(key))) => Some(key.clone()),
            (None, _) => None,
        };
        let place_of = |provider: &str| match (set_key(provider), stored.get(provider)) {
            (Some((_, place)), _) => Some(place),
            (None, Some(Stored::Key(_) | Stored::Tokens(_))) => Some(sign_ins.file().display().to_string()),
            (None, _) => None,
        };
        let signed_in = |provider: http::Provider, name: &str| match stored.get(name) {
            Some(Stored::Tokens(_)) => provider.signed_in(sign_ins.source(name)),
            _ => provider,
        };
        let set = http::Settings {
            openai_api_key: secret("openai"),
            openai_base_url: host.openai_base_url.value.clone(),
            anthropic_api_key: secret("anthropic"),
            anthropic_base_url: host.anthropic_base_url.value.clone(),
        };
        let wrong = |address: &Sourced<Option<String>>, error: http::BaseUrlError| {
            Problem::usage(format!("{}: {error}", From(&address.from)))
        };
        let anthropic = set
            .anthropic()
            .map_err(|error| wrong(&host.anthropic_base_url, error))?;
        let anthropic = signed_in(anthropic, "anthropic");
        let openai = set
            .openai()
            .map_err(|error| wrong(&host.openai_base_url, error))?;
        let openai = signed_in(openai, "openai");
        let known = vec![
            Provider {
                name: "anthropic",
                key_variable: "ANTHROPIC_API_KEY",
                has_key: anthropic.is_usable(),
                key_from: place_of("anthropic"),
                default_model: "claude-sonnet-4-5",
                families: own_server(&host.anthropic_base_url, &["claude-"]),
            },
            Provider {
                name: "openai",
                key_variable: "OPENAI_API_KEY",
                has_key: openai.is_usable(),
                key_from: place_of("openai"),
                default_model: "gpt-5",
                families: own_server(
                    &host.openai_base_url,
                    &["gpt-", "o1", "o3", "o4", "chatgpt-", "codex-"],
                ),
            },
        ];
        let ports = Models::default()
            .with("anthropic", Arc::new(anthropic))
            .with("openai", Arc::new(openai));
        Ok(Providers {
            known,
            ports,
            secrets: self.secrets_with(keys, &stored),
            sign_ins,
        })
    }

    /// The secrets of this process: of the environment whatever is one by its name, and the keys of providers.
    fn secrets_with(&self, keys: &ApiKeys, stored: &All) -> Vaults {
        let environment = self.environment.with_prefix("");
        let named = environment
            .filter(|(name, value)| is_credential(name, value))
            .map(|(_, value)| SecretString::from(value));
        let stored = stored.values().flat_map(Stored::secrets);
        Vaults::new(
            named
                .chain(keys.secrets().cloned())
                .chain(stored.cloned())
                .collect(),
        )
    }

    /// The secrets of this process, to be masked in what leaves it.
    ///
    /// # Errors
    /// Where the settings cannot be read: one of them may be such a secret.
    pub(crate) fn secrets(&self) -> Result<Vaults, Problem> {
        let resolved = self.of_program()?;
        let stored = self
            .sign_ins_of(&resolved.host)
            .stored()
            .map_err(Problem::usage)?;
        Ok(self.secrets_with(&resolved.api_keys, &stored))
    }
}

/// The families of models that are known, unless the user has named a server, which may have any.
fn own_server(
    address: &Sourced<Option<String>>,
    families: &'static [&'static str],
) -> &'static [&'static str] {
    match address.value {
        Some(_) => &[],
        None => families,
    }
}

/// The sessions of this user.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    archive: FileArchive,
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
        Graph::new(self.reader())
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
        let credentials = providers.known.iter().map(|provider| {
            let credential = match (&provider.key_from, provider.has_key) {
                (Some(place), _) => Credential::Present {
                    from: place.as_str().into(),
                },
                (None, true) => Credential::NotNeeded,
                (None, false) => Credential::Missing {
                    expected: provider.key_variable.into(),
                },
            };
            (Arc::from(provider.name), credential)
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
                Some(scripts) => Arc::new(providers.ports.with(models::SCRIPTED, Arc::new(scripts.clone())))
                    as Arc<dyn ModelPort>,
                None => Arc::new(providers.ports),
            },
            blobs: Box::new(move |session| blobs.blobs(session)),
            tasks: tokio::runtime::Handle::current(),
            tool_limits: glasswork_agent_session::tools::Limits::default(),
            secrets: Arc::new(providers.secrets),
        };
        let runtime = Runtime::start(ports).await?;
        runtime.bind_sign_ins(&sign_ins).await?;
        runtime.unmount_after(Duration::from_secs(
            60 * u64::from(host.unmount_after_minutes.value),
        ))?;
        runtime.keep_house(self.archive.clone(), host);
        runtime.read_instructions(self.instructions.clone());
        runtime.bind_graph(Arc::new(OwnGraph(Graph::new(runtime.reader().clone()))));
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

/// The providers, and the ports to them.
#[derive(Debug)]
pub(crate) struct Providers {
    /// What is known of each.
    pub known: Vec<Provider>,
    ports: Models,
    secrets: Vaults,
    /// Where somebody is signed in.
    pub sign_ins: Arc<SignIns>,
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
        let path = Path::new(&*id.model);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::usage(format!("cannot read the script {}: {error}", path.display())))?;
        let script = Script::parse(&text).map_err(|error| {
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
        })?;
        Ok(Self(Some(Scripts::default().with(&id.model, script))))
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
