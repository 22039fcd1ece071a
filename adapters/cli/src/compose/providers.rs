//! Providers, with the keys and sign-ins that the user has for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use glasswork_agent_session::secrets::{Vaults, is_credential};
use glasswork_ai::catalogue::{Catalogue, ProviderEntry};
use glasswork_ai::http::{self, Clients, SecretString};
use glasswork_ai::local::LocalModel;
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{ModelPort, Models};
use glasswork_app_runtime::api_keys::ApiKeys;
use glasswork_app_runtime::credentials::{All, Stored};
use glasswork_app_runtime::explain::Place as From;
use glasswork_app_runtime::homes::Environment;
use glasswork_app_runtime::local_servers::Asked;
use glasswork_app_runtime::models::{self, Provider};
use glasswork_app_runtime::network;
use glasswork_app_runtime::own_models::OwnFiles;
use glasswork_app_runtime::proxy_setting::ProxySetting;
use glasswork_app_runtime::settings::{Layers, Resolved};
use glasswork_app_runtime::sign_in::SignIns;
use glasswork_session_state::host_settings::Settings as HostSettings;
use glasswork_session_state::settings::Sourced;
use glasswork_session_state::sign_in::Kind;
use serde::Serialize;

use super::{Place, end, tasks};
use crate::problem::Problem;

/// The variable with the key of `google`, as its own clients have it.
const GEMINI_API_KEY: &str = "GEMINI_API_KEY";

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
    pub(super) asked: Option<(Asked, Arc<str>)>,
    /// How all of them are reached.
    clients: Clients,
    ports: BTreeMap<Arc<str>, Arc<http::Provider>>,
    pub(super) secrets: Vaults,
    /// Where somebody is signed in.
    pub sign_ins: Arc<SignIns>,
}

impl Providers {
    /// The ports to all of them.
    pub(super) fn ports(&self) -> Models {
        let ports = self.ports.iter();
        ports.fold(Models::default(), |all, (name, port)| {
            all.with(name, Arc::clone(port) as Arc<dyn ModelPort>)
        })
    }

    /// Has the connection to a model's server prepared, as far as that can be done without asking it.
    pub(crate) fn make_ready(&self, id: &ModelId) {
        if let Some(port) = self.ports.get(&id.provider) {
            port.make_ready();
        }
    }

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
        let found = tasks.block_on(http::probe(url, key.as_ref(), &self.clients));
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
pub(super) fn elsewhere(host: &HostSettings) -> impl Iterator<Item = &'static str> + use<> {
    let addresses = [
        ("anthropic", &host.anthropic_base_url),
        ("openai", &host.openai_base_url),
    ];
    let named = addresses.map(|(name, address)| address.value.as_ref().map(|_| name));
    named.into_iter().flatten()
}

/// What the user has to show to providers: a key of the environment goes before one of the settings, and that before
/// what somebody has signed in with.
struct Keys<'a> {
    environment: &'a Environment,
    set: &'a ApiKeys,
    proxy: &'a ProxySetting,
    stored: All,
    sign_ins: Arc<SignIns>,
    clients: Clients,
}

impl Keys<'_> {
    /// The key of a provider of this build, and where it is from.
    fn of(&self, provider: &str) -> Option<(SecretString, String)> {
        let set = self.set.in_force(&format!("{provider}_api_key"));
        match set.and_then(|set| Some((set.key()?, set.from()))) {
            Some((key, from)) => Some((key.clone(), From(from).to_string())),
            None => self.stored_key(provider),
        }
    }

    /// The key that a variable has, or that is stored.
    fn named(&self, variable: Option<&str>, provider: &str) -> Option<(SecretString, String)> {
        let found = variable.and_then(|variable| Some((variable, self.environment.text(variable)?)));
        match found {
            Some((variable, key)) => Some((SecretString::from(key.trim()), variable.to_owned())),
            None => self.stored_key(provider),
        }
    }

    fn of_own(&self, provider: &str, entry: &ProviderEntry) -> Option<(SecretString, String)> {
        self.named(entry.key_variable.as_deref(), provider)
    }

    fn stored_key(&self, provider: &str) -> Option<(SecretString, String)> {
        match self.stored.get(provider)? {
            Stored::Key(key) => Some((key.clone(), self.file())),
            Stored::Tokens(_) | Stored::Refused { .. } | Stored::InKeyring(_) => None,
        }
    }

    /// What is stored and only looked up when it is needed, and where.
    fn later(&self, provider: &str) -> Option<(Kind, String)> {
        match self.stored.get(provider)? {
            Stored::Tokens(_) => Some((Kind::Tokens, self.file())),
            Stored::InKeyring(entry) => Some((entry.kind, "the keyring".to_owned())),
            Stored::Key(_) | Stored::Refused { .. } => None,
        }
    }

    fn file(&self) -> String {
        self.sign_ins.file().display().to_string()
    }

    /// A provider with what somebody has signed in with. A key that is at hand goes before it.
    fn signed_in(&self, name: &str, port: http::Provider) -> http::Provider {
        let source = |kind| self.sign_ins.source(name, kind);
        match self.later(name) {
            Some((Kind::Tokens, _)) => port.signed_in(source(Kind::Tokens)),
            Some((Kind::Key, _)) => port.with_key_from(source(Kind::Key)),
            None => port,
        }
    }

    /// What is known of a provider whose key, if there is one, is from the place named.
    fn known(&self, name: &str, port: &http::Provider, key_from: Option<String>) -> Provider {
        Provider {
            name: name.to_owned().into(),
            key_variable: None,
            has_key: port.is_usable(),
            key_from: key_from.or_else(|| self.later(name).map(|(_, place)| place)),
            way: port.way(),
            default_model: None,
        }
    }

    /// All that must be masked: of the environment whatever is a secret by its name, and the keys of providers.
    fn secrets(&self, own: &BTreeMap<Arc<str>, ProviderEntry>) -> Vaults {
        let of_own = own.values().filter_map(|entry| entry.key_variable.as_deref());
        let of_own = of_own.filter_map(|variable| self.environment.text(variable));
        let named = self.environment.with_prefix("");
        let named = named.filter(|(name, value)| is_credential(name, value));
        let texts = named.map(|(_, value)| value).chain(of_own);
        let stored = self.stored.values().flat_map(Stored::secrets);
        Vaults::new(
            texts
                .map(SecretString::from)
                .chain(self.set.secrets().chain(stored).cloned())
                .chain(network::secrets(self.environment, self.proxy))
                .collect(),
        )
    }
}

impl Place {
    /// The providers that this build speaks with.
    ///
    /// # Errors
    /// Where the settings cannot be read, or have an address that is none.
    pub(crate) fn providers(&self) -> Result<Providers, Problem> {
        let resolved = self.of_program()?;
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?;
        let clients = self.clients_of(&resolved)?;
        let keys = self.keys_of(&resolved, None, &clients)?;
        providers_of(&resolved.host, &keys, &own)
    }

    /// The providers as far as they are known: where the settings cannot be read, by the environment's keys alone.
    ///
    /// # Errors
    /// Where there is an address that is none.
    pub(crate) fn providers_for_doctor(&self) -> Result<Providers, Problem> {
        // What is wrong with these files, with what is stored, and with proxies are findings of their own.
        let own = OwnFiles::read(&self.homes).unwrap_or_default();
        let stored = self.sign_ins_for_doctor().stored().unwrap_or_default();
        let resolved = match self.of_program() {
            Ok(resolved) => resolved,
            Err(_) => Layers::keys_of(&self.environment).resolve(&[], Path::new("."))?,
        };
        let clients = self.clients_of(&resolved).unwrap_or_default();
        let keys = self.keys_of(&resolved, Some(stored), &clients)?;
        providers_of(&resolved.host, &keys, &own)
    }

    /// What the user has to show. What is stored is read, where it is not given.
    fn keys_of<'a>(
        &'a self,
        resolved: &'a Resolved,
        stored: Option<All>,
        clients: &Clients,
    ) -> Result<Keys<'a>, Problem> {
        let sign_ins = Arc::new(self.sign_ins_of(&resolved.host, clients));
        let stored = match stored {
            Some(stored) => stored,
            None => sign_ins.stored().map_err(Problem::usage)?,
        };
        Ok(Keys {
            environment: &self.environment,
            set: &resolved.api_keys,
            proxy: &resolved.proxy,
            stored,
            sign_ins,
            clients: clients.clone(),
        })
    }

    /// The servers that answer on this machine: of the user's own those that are here, then where others usually listen.
    ///
    /// # Errors
    /// Where the user's own files are wrong.
    pub(crate) fn local_servers(&self) -> Result<Vec<LocalServer>, Problem> {
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?.providers();
        let resolved = self.of_program()?;
        let clients = self.clients_of(&resolved)?;
        let keys = self.keys_of(&resolved, None, &clients)?;
        let mut places: Vec<(Option<String>, http::BaseUrl, Option<SecretString>)> = Vec::new();
        for (name, entry) in &own {
            let url = own_address(name, entry)?;
            if url.is_local() {
                places.push((
                    Some(name.to_string()),
                    url,
                    keys.of_own(name, entry).map(|(key, _)| key),
                ));
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
                .block_on(http::probe(&url, key.as_ref(), &clients))
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

    /// The secrets of this process, to be masked in what leaves it.
    ///
    /// # Errors
    /// Where the settings cannot be read: one of them may be such a secret.
    pub(crate) fn secrets(&self) -> Result<Vaults, Problem> {
        let resolved = self.of_program()?;
        let own = OwnFiles::read(&self.homes).map_err(Problem::usage)?.providers();
        let keys = self.keys_of(&resolved, None, &Clients::default())?;
        Ok(keys.secrets(&own))
    }
}

fn providers_of(host: &HostSettings, keys: &Keys<'_>, own: &OwnFiles) -> Result<Providers, Problem> {
    let key = |found: &Option<(SecretString, String)>| found.as_ref().map(|(key, _)| key.clone());
    let place = |found: Option<(SecretString, String)>| found.map(|(_, place)| place);
    let anthropic_key = keys.of("anthropic");
    let openai_key = keys.of("openai");
    let google_key = keys.named(Some(GEMINI_API_KEY), "google");
    let set = http::Settings {
        openai_api_key: key(&openai_key),
        openai_base_url: host.openai_base_url.value.clone(),
        anthropic_api_key: key(&anthropic_key),
        anthropic_base_url: host.anthropic_base_url.value.clone(),
        gemini_api_key: key(&google_key),
    };
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
    let built_in = [
        ("anthropic", "ANTHROPIC_API_KEY", anthropic, place(anthropic_key)),
        ("openai", "OPENAI_API_KEY", openai, place(openai_key)),
        ("google", GEMINI_API_KEY, google, place(google_key)),
    ];
    let catalogue = Arc::new(own.catalogue(elsewhere(host)));
    let mut known = Vec::new();
    let mut ports: BTreeMap<Arc<str>, Arc<http::Provider>> = BTreeMap::new();
    for (name, variable, port, key_from) in built_in {
        let port = keys.signed_in(name, port).through(&keys.clients);
        known.push(Provider {
            key_variable: Some(variable.into()),
            default_model: models::default_model(name),
            ..keys.known(name, &port, key_from)
        });
        ports.insert(name.into(), Arc::new(port.knowing(Arc::clone(&catalogue))));
    }
    let own = own.providers();
    let mut near = BTreeMap::new();
    for (name, entry) in &own {
        let url = own_address(name, entry)?;
        let found = keys.of_own(name, entry);
        let key = key(&found);
        let variable = entry.key_variable.as_ref().map(ToString::to_string);
        let named = Cow::from(variable.clone().unwrap_or_default());
        let port = http::Provider::new(named, entry.server(name), &url, key.as_ref());
        let port = keys.signed_in(name, port).through(&keys.clients);
        known.retain(|known: &Provider| known.name != **name);
        known.push(Provider {
            // One that names a variable wants a key; one that does not can be asked without.
            has_key: key.is_some() || keys.later(name).is_some() || variable.is_none(),
            key_variable: variable.map(Cow::from),
            ..keys.known(name, &port, place(found))
        });
        ports.insert(Arc::clone(name), Arc::new(port.knowing(Arc::clone(&catalogue))));
        if url.is_local() {
            near.insert(Arc::clone(name), (url, key));
        }
    }
    Ok(Providers {
        known,
        ports,
        catalogue,
        near,
        clients: keys.clients.clone(),
        asked: None,
        secrets: keys.secrets(&own),
        sign_ins: Arc::clone(&keys.sign_ins),
    })
}

fn own_address(name: &str, entry: &ProviderEntry) -> Result<http::BaseUrl, Problem> {
    http::BaseUrl::parse(&entry.base_url)
        .map_err(|error| Problem::usage(format!("the provider `{name}` of your models: {error}")))
}
