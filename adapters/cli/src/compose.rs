//! Where the parts are put together: the only file of this crate that calls anything below `app-runtime`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_session::runners::{SelfAnswer, SelfQuery};
use glasswork_agent_session::secrets::{Vaults, is_credential};
pub(crate) use glasswork_agent_session::store::Repair;
use glasswork_agent_session::store::StoreError;
use glasswork_ai::catalogue::{Catalogue, ProviderEntry};
use glasswork_ai::http::{self, SecretString};
use glasswork_ai::local::LocalModel;
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_app_runtime::api_keys::ApiKeys;
use glasswork_app_runtime::archive::{self, Progress, Record, Refreshed};
use glasswork_app_runtime::demo;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::files::FileArchive;
use glasswork_app_runtime::homes::{Environment, Homes};
use glasswork_app_runtime::local_servers::Asked;
use glasswork_app_runtime::models::{self, Provider};
use glasswork_app_runtime::one_record::OneRecord;
use glasswork_app_runtime::own_models::OwnFiles;
use glasswork_app_runtime::reading::{Reader, Snapshot, Viewer};
use glasswork_app_runtime::runtime::{Ports, Runtime};
use glasswork_app_runtime::settings::{self, Flag, Layers, Resolved, SettingsError};
use glasswork_engine::replay::Replayed;
use glasswork_engine::{Clock as _, ScopeId, SystemClock};
use glasswork_query::Graph;
use glasswork_session_state::Glasswork;
use glasswork_session_state::host::Credential;
use glasswork_session_state::host_settings::Settings as HostSettings;
use glasswork_session_state::settings::Sourced;
use serde::Serialize;

use crate::problem::Problem;

/// The variable with the key of `google`, as its own clients have it.
const GEMINI_API_KEY: &str = "GEMINI_API_KEY";

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
        let host = self.of_program().map(|resolved| resolved.host);
        // What is wrong with these files is told where models are chosen.
        let own = OwnFiles::read(&self.homes).unwrap_or_default();
        let catalogue = own.catalogue(host.iter().flat_map(elsewhere));
        Ok(Sessions {
            archive,
            instructions,
            catalogue: Arc::new(catalogue),
            host,
        })
    }

    /// The providers that this build speaks with.
    ///
    /// # Errors
    /// Where the settings cannot be read, or have an address that is none.
    pub(crate) fn providers(&self) -> Result<Providers, Problem> {
        let resolved = self.of_program()?;
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?;
        self.providers_of(&resolved.host, &resolved.api_keys, &own)
    }

    /// The providers as far as they are known: where the settings cannot be read, by the environment's keys alone.
    ///
    /// # Errors
    /// Where there is an address that is none.
    pub(crate) fn providers_for_doctor(&self) -> Result<Providers, Problem> {
        // What is wrong with these files is a finding of its own.
        let own = OwnFiles::read(&self.homes).unwrap_or_default();
        match self.of_program() {
            Ok(resolved) => self.providers_of(&resolved.host, &resolved.api_keys, &own),
            Err(_) => {
                let keys = settings::keys_of_environment(&self.environment);
                self.providers_of(&HostSettings::default(), &keys, &own)
            }
        }
    }

    fn providers_of(
        &self,
        host: &HostSettings,
        keys: &ApiKeys,
        own: &OwnFiles,
    ) -> Result<Providers, Problem> {
        let secret = |name: &str| keys.in_force(name).and_then(|key| key.key()).cloned();
        let place_of = |name: &str| {
            let key = keys.in_force(name).filter(|key| key.key().is_some())?;
            Some(From(key.from()).to_string())
        };
        let set = http::Settings {
            openai_api_key: secret("openai_api_key"),
            openai_base_url: host.openai_base_url.value.clone(),
            anthropic_api_key: secret("anthropic_api_key"),
            anthropic_base_url: host.anthropic_base_url.value.clone(),
            gemini_api_key: self
                .environment
                .text(GEMINI_API_KEY)
                .map(|key| SecretString::from(key.trim())),
        };
        let catalogue = Arc::new(own.catalogue(elsewhere(host)));
        let wrong = |address: &Sourced<Option<String>>, error: http::BaseUrlError| {
            Problem::usage(format!("{}: {error}", From(&address.from)))
        };
        let anthropic = set
            .anthropic()
            .map_err(|error| wrong(&host.anthropic_base_url, error))?;
        let openai = set
            .openai()
            .map_err(|error| wrong(&host.openai_base_url, error))?;
        let google = set.google().map_err(Problem::defect)?;
        let mut known = vec![
            Provider {
                name: "anthropic".into(),
                key_variable: Some("ANTHROPIC_API_KEY".into()),
                has_key: anthropic.is_usable(),
                key_from: place_of("anthropic_api_key"),
                default_model: Some("claude-sonnet-4-5"),
            },
            Provider {
                name: "openai".into(),
                key_variable: Some("OPENAI_API_KEY".into()),
                has_key: openai.is_usable(),
                key_from: place_of("openai_api_key"),
                default_model: Some("gpt-5"),
            },
            Provider {
                name: "google".into(),
                key_variable: Some(GEMINI_API_KEY.into()),
                has_key: google.is_usable(),
                key_from: google.has_key().then(|| GEMINI_API_KEY.to_owned()),
                default_model: Some("gemini-2.5-pro"),
            },
        ];
        let mut ports = Models::default()
            .with("anthropic", Arc::new(anthropic.knowing(Arc::clone(&catalogue))))
            .with("openai", Arc::new(openai.knowing(Arc::clone(&catalogue))))
            .with("google", Arc::new(google.knowing(Arc::clone(&catalogue))));
        let mut own_keys = Vec::new();
        let mut near = BTreeMap::new();
        for (name, entry) in own.providers() {
            let (provider, port, key) = self.own_server(&name, &entry)?;
            known.retain(|known| known.name != provider.name);
            known.push(provider);
            ports = ports.with(&name, Arc::new(port.knowing(Arc::clone(&catalogue))));
            let url = own_address(&name, &entry)?;
            if url.is_local() {
                near.insert(Arc::clone(&name), (url, key.clone()));
            }
            own_keys.extend(key);
        }
        Ok(Providers {
            known,
            ports,
            catalogue,
            near,
            asked: None,
            secrets: self.secrets_with(keys, own_keys),
        })
    }

    /// The servers that answer on this machine: of the user's own those that are here, then where others usually listen.
    ///
    /// # Errors
    /// Where the user's own files are wrong.
    pub(crate) fn local_servers(&self) -> Result<Vec<LocalServer>, Problem> {
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?.providers();
        let mut places: Vec<(Option<String>, http::BaseUrl, Option<SecretString>)> = Vec::new();
        for (name, entry) in &own {
            let url = own_address(name, entry)?;
            if url.is_local() {
                places.push((Some(name.to_string()), url, self.own_key(entry)));
            }
        }
        for place in http::USUAL_PLACES {
            let url = http::BaseUrl::parse(place).map_err(Problem::defect)?;
            if !places.iter().any(|(_, known, _)| *known == url) {
                places.push((None, url, None));
            }
        }
        let tasks = tasks()?;
        let mut servers = Vec::new();
        for (provider, url, key) in places {
            let found = tasks
                .block_on(http::probe(&url, key.as_ref()))
                .map_err(|failure| Problem::failed(failure.message))?;
            servers.extend(found.map(|found| LocalServer {
                provider,
                base_url: url.to_string(),
                kind: found.server.to_string(),
                models: found.models,
            }));
        }
        end(tasks);
        Ok(servers)
    }

    /// A server of the user's own, and its key.
    fn own_server(
        &self,
        name: &str,
        entry: &ProviderEntry,
    ) -> Result<(Provider, http::Provider, Option<SecretString>), Problem> {
        let url = own_address(name, entry)?;
        let key = self.own_key(entry);
        let variable = entry.key_variable.as_ref().map(ToString::to_string);
        let named = Cow::from(variable.clone().unwrap_or_default());
        let port = http::Provider::new(named, entry.server(name), &url, key.as_ref());
        let provider = Provider {
            name: name.to_owned().into(),
            // One that names a variable wants a key; one that does not can be asked without.
            has_key: key.is_some() || variable.is_none(),
            key_from: key.as_ref().and(variable.clone()),
            key_variable: variable.map(Cow::from),
            default_model: None,
        };
        Ok((provider, port, key))
    }

    fn own_key(&self, entry: &ProviderEntry) -> Option<SecretString> {
        let text = self.environment.text(entry.key_variable.as_deref()?)?;
        Some(SecretString::from(text.trim()))
    }

    /// The secrets of this process: of the environment whatever is one by its name, and the keys of providers.
    fn secrets_with(&self, keys: &ApiKeys, own: Vec<SecretString>) -> Vaults {
        let environment = self.environment.with_prefix("");
        let named = environment
            .filter(|(name, value)| is_credential(name, value))
            .map(|(_, value)| SecretString::from(value));
        Vaults::new(named.chain(keys.secrets().cloned()).chain(own).collect())
    }

    /// The secrets of this process, to be masked in what leaves it.
    ///
    /// # Errors
    /// Where the settings cannot be read: one of them may be such a secret.
    pub(crate) fn secrets(&self) -> Result<Vaults, Problem> {
        let resolved = self.of_program()?;
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?.providers();
        let variables = own.values().filter_map(|entry| entry.key_variable.as_deref());
        let own = variables.filter_map(|variable| self.environment.text(variable));
        Ok(self.secrets_with(&resolved.api_keys, own.map(SecretString::from).collect()))
    }
}

fn own_address(name: &str, entry: &ProviderEntry) -> Result<http::BaseUrl, Problem> {
    http::BaseUrl::parse(&entry.base_url)
        .map_err(|error| Problem::usage(format!("the provider `{name}` of your models: {error}")))
}

/// A server that answers on this machine.
#[derive(Debug, Serialize)]
pub(crate) struct LocalServer {
    /// The name by which the user's own files know it; `None` where they do not.
    pub provider: Option<String>,
    /// Its address.
    pub base_url: String,
    /// Which server it is.
    pub kind: String,
    /// What it has.
    pub models: Vec<LocalModel>,
}

/// The providers that are not at the address of their makers.
fn elsewhere(host: &HostSettings) -> impl Iterator<Item = &'static str> + use<> {
    let addresses = [
        ("anthropic", &host.anthropic_base_url),
        ("openai", &host.openai_base_url),
    ];
    let named = addresses.map(|(name, address)| address.value.as_ref().map(|_| name));
    named.into_iter().flatten()
}

/// The sessions of this user.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    archive: FileArchive,
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
        runtime.know_models(Arc::clone(&catalogue));
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

/// The providers, and the ports to them.
#[derive(Debug)]
pub(crate) struct Providers {
    /// What is known of each.
    pub known: Vec<Provider>,
    /// What is known of models.
    pub catalogue: Arc<Catalogue>,
    /// The addresses of those that are on this machine, with their keys.
    near: BTreeMap<Arc<str>, (http::BaseUrl, Option<SecretString>)>,
    /// The server that was asked what it has, and for the sake of which model.
    asked: Option<(Asked, Arc<str>)>,
    ports: Models,
    secrets: Vaults,
}

impl Providers {
    /// Asks the server of a model what it is loaded with, where that server is on this machine and nobody has said it.
    /// A server that does not answer is none that knows.
    ///
    /// # Errors
    /// Where nothing can be asked at all.
    pub(crate) fn learn(&mut self, id: &ModelId) -> Result<(), Problem> {
        let known = self.catalogue.get(id).and_then(|model| model.context_window);
        let Some((url, key)) = self.near.get(&id.provider).filter(|_| known.is_none()) else {
            return Ok(());
        };
        let tasks = tasks()?;
        let found = tasks.block_on(http::probe(url, key.as_ref()));
        end(tasks);
        if let Some(found) = found.map_err(|failure| Problem::failed(failure.message))? {
            let told = found.models.iter().map(|model| {
                let id = ModelId {
                    provider: Arc::clone(&id.provider),
                    model: Arc::clone(&model.id),
                };
                (id, model.entry())
            });
            let from = format!("{} at {url}", found.server).into();
            self.catalogue = Arc::new(Catalogue::clone(&self.catalogue).with_told(&from, told));
            let asked = Asked {
                provider: Arc::clone(&id.provider),
                base_url: url.to_string().into(),
                kind: found.server,
                models: found.models,
            };
            self.asked = Some((asked, Arc::clone(&id.model)));
        }
        Ok(())
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
