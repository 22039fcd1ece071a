//! Settings by layer. Every value knows where it comes from, and what it overrode.
//!
//! The user's settings are a [RON](https://docs.rs/ron) struct of names and plain values:
//!
//! ```ron
//! (
//!     model: "anthropic/claude-sonnet-5-5",
//!     mode: "accept-edits",
//!     max_steps: 50,
//! )
//! ```
//!
//! Later layers override earlier ones: built in, user's file, environment (`GLASSWORK_MAX_STEPS=50`), flags, and what
//! was changed in the session. A project's file is not read: nothing that a workspace ships has effect before the
//! workspace is trusted, and there is no way to trust one yet.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use glasswork_agent_session::secrets::SecretString;
use glasswork_ai::http::ProxyAddress;
use glasswork_session_state::host_settings::{Setting as HostSetting, Settings as HostSettings};
use glasswork_session_state::settings::{Layer, Setting, Settings, Source, Sourced};
use ron::Options;
use ron::extensions::Extensions;
use ron::value::RawValue;
use serde::Serialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::api_keys::{API_KEYS, ApiKeySetting, ApiKeys};
use crate::homes::{Environment, Homes};
use crate::proxy_setting::{PROXY, ProxySetting};
use crate::server_settings::{MCP_SERVERS, ServersSetting};

/// The prefix of environment variables that are settings.
const PREFIX: &str = "GLASSWORK_";
/// Variables with that prefix that are something else.
const NOT_SETTINGS: &[&str] = &["GLASSWORK_HOME", glasswork_agent_session::processes::MARK];
/// Makes the setting of an address.
type Address = fn(Sourced<Option<String>>) -> HostSetting;
/// The variables that providers' own programs read for addresses.
const ADDRESSES: [(&str, Address); 2] = [
    ("ANTHROPIC_BASE_URL", HostSetting::AnthropicBaseUrl),
    ("OPENAI_BASE_URL", HostSetting::OpenaiBaseUrl),
];
/// Permissions of a file that let others than its owner at it.
const OTHERS: u32 = 0o077;
/// A settings file longer than this is none.
const MOST_BYTES: u64 = 1 << 20;

/// All settings, resolved, with their history.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What is in force for a session.
    pub settings: Settings,
    /// What is in force for the program as a whole.
    pub host: HostSettings,
    /// The keys of providers.
    pub api_keys: ApiKeys,
    /// The proxy.
    pub proxy: ProxySetting,
    /// The MCP servers of every session.
    pub mcp_servers: ServersSetting,
    /// Every setting in force, in order, each with what it overrode, the nearest layer first.
    pub explained: Vec<Explained>,
    /// Files that would hold settings and are not read, each with the reason.
    pub not_read: Vec<NotRead>,
}

/// A setting in force, and what it overrode.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The setting.
    pub setting: AnySetting,
    /// What it overrode, the nearest layer first.
    pub overrode: Vec<AnySetting>,
}

/// A setting of a session, or of the program as a whole. Serialises as `{name: {value, from}}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AnySetting {
    /// Of a session.
    Session(Setting),
    /// Of the program.
    Host(HostSetting),
    /// The key of a provider.
    ApiKey(ApiKeySetting),
    /// The proxy.
    Proxy(ProxySetting),
    /// The MCP servers.
    Servers(ServersSetting),
}

impl AnySetting {
    /// The setting's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Session(setting) => setting.name(),
            Self::Host(setting) => setting.name(),
            Self::ApiKey(setting) => setting.name(),
            Self::Proxy(setting) => setting.name(),
            Self::Servers(setting) => setting.name(),
        }
    }

    /// Where its value comes from.
    #[must_use]
    pub fn from(&self) -> &Source {
        match self {
            Self::Session(setting) => setting.from(),
            Self::Host(setting) => setting.from(),
            Self::ApiKey(setting) => setting.from(),
            Self::Proxy(setting) => setting.from(),
            Self::Servers(setting) => setting.from(),
        }
    }

    /// Whether its value is a secret, or holds one.
    fn is_secret(&self) -> bool {
        match self {
            Self::Session(_) | Self::Host(_) => false,
            Self::ApiKey(setting) => setting.key().is_some(),
            Self::Proxy(setting) => setting.address().is_some_and(ProxyAddress::has_credentials),
            Self::Servers(setting) => setting.is_secret(),
        }
    }
}

fn all(
    settings: &Settings,
    host: &HostSettings,
    keys: &ApiKeys,
    proxy: &ProxySetting,
    servers: &ServersSetting,
) -> Vec<AnySetting> {
    let session = settings.all().into_iter().map(AnySetting::Session);
    session
        .chain(host.all().into_iter().map(AnySetting::Host))
        .chain([
            AnySetting::Proxy(proxy.clone()),
            AnySetting::Servers(servers.clone()),
        ])
        .chain(keys.all().map(AnySetting::ApiKey))
        .collect()
}

/// A file that would hold settings and is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// The file.
    pub file: PathBuf,
    /// Why it is not read.
    pub reason: &'static str,
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// The file is not RON.
    #[error("{}:{line}:{column}: {message}; a settings file looks like `(mode: \"ask\", max_steps: 50)`", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The file holds a key, and others than the user can get at it.
    #[error(
        "{place}: `{name}` is a secret, and others can read or change this file: `chmod 600 {}`, then make a new key if \
         it may have been seen",
        file.display()
    )]
    Exposed {
        /// Where it stands.
        place: String,
        /// The setting.
        name: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// There is no such setting.
    #[error(
        "{place}: there is no setting `{name}`; did you mean `{nearest}`? `glasswork settings` lists all"
    )]
    Unknown {
        /// Where it stands.
        place: String,
        /// What was written.
        name: String,
        /// The nearest that there is.
        nearest: String,
    },
    /// A setting stands twice in one file.
    #[error("{place}: `{name}` is set twice in this file; keep one")]
    Twice {
        /// Where it stands the second time.
        place: String,
        /// The setting.
        name: String,
    },
    /// The value does not fit.
    #[error("{place}: `{name}` cannot be {value}: {message}")]
    Misfit {
        /// Where it stands.
        place: String,
        /// The setting.
        name: String,
        /// What was written.
        value: String,
        /// What is wrong.
        message: String,
    },
    /// It is set for the program as a whole, which no session changes.
    #[error(
        "{place}: `{name}` is set for the program as a whole; write it to `settings.ron`, and start anew"
    )]
    NotOfASession {
        /// Where it stands.
        place: String,
        /// The setting.
        name: String,
    },
}

/// A setting as a flag gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The setting's name.
    pub name: String,
    /// Its value: RON, or plain text.
    pub value: String,
    /// The flag, for people: `--max-steps`.
    pub flag: String,
}

/// What the user's file and the environment say. A program reads them once, and resolves them as often as it likes.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers(Vec<AnySetting>);

impl Layers {
    /// Reads the user's file and the environment.
    ///
    /// # Errors
    /// The first [`SettingsError`]; nothing is guessed around it.
    pub fn read(homes: &Homes, environment: &Environment) -> Result<Self, SettingsError> {
        let mut stack = from_file(&homes.settings_file())?;
        stack.extend(of_providers(environment));
        for (variable, text) in environment.with_prefix(PREFIX) {
            if NOT_SETTINGS.contains(&variable) {
                continue;
            }
            let name = variable.trim_start_matches(PREFIX).to_ascii_lowercase();
            let source = Source {
                layer: Layer::Environment,
                file: Some(variable.into()),
                line: None,
            };
            stack.push(parse(&name, text, source, variable)?);
        }
        Ok(Self(stack))
    }

    /// What of the environment holds where the settings cannot be read: the keys, and no address.
    #[must_use]
    pub fn keys_of(environment: &Environment) -> Self {
        let mut layers = of_providers(environment);
        layers.retain(|setting| matches!(setting, AnySetting::ApiKey(_)));
        Self(layers)
    }

    /// Resolves them for a workspace, with what flags say.
    ///
    /// # Errors
    /// The first [`SettingsError`] of a flag.
    pub fn resolve(&self, flags: &[Flag], workspace: &Path) -> Result<Resolved, SettingsError> {
        resolved(self.0.clone(), flags, workspace)
    }
}

/// Reads and resolves all layers for a workspace.
///
/// # Errors
/// The first [`SettingsError`]; nothing is guessed around it.
pub fn resolve(
    homes: &Homes,
    environment: &Environment,
    flags: &[Flag],
    workspace: &Path,
) -> Result<Resolved, SettingsError> {
    Layers::read(homes, environment)?.resolve(flags, workspace)
}

/// A setting of a session, as somebody changes it while the session is open: RON, or plain text. `place` is where they
/// said so, for people.
///
/// # Errors
/// [`SettingsError`], also where it is no setting of a session. What is a secret, or names programs, is not even looked
/// at: no error repeats it.
pub fn of_session(name: &str, text: &str, place: &str) -> Result<Setting, SettingsError> {
    let source = Source {
        layer: Layer::Session,
        file: None,
        line: None,
    };
    let not_of_a_session = || SettingsError::NotOfASession {
        place: place.to_owned(),
        name: name.to_owned(),
    };
    if name == PROXY || name == MCP_SERVERS || API_KEYS.iter().any(|(key, _)| *key == name) {
        return Err(not_of_a_session());
    }
    match parse(name, text, source, place)? {
        AnySetting::Session(setting) => Ok(setting),
        AnySetting::Host(_) | AnySetting::ApiKey(_) | AnySetting::Proxy(_) | AnySetting::Servers(_) => {
            Err(not_of_a_session())
        }
    }
}

/// The value of a setting of a session, as text; `None` where there is none.
#[must_use]
pub fn value_text(setting: &Setting) -> Option<String> {
    // Each variant holds one value with its source, in whatever type: `{"mode":{"value":"ask","from":…}}`.
    let tagged = serde_json::to_value(setting).ok()?;
    let (_, sourced) = tagged.as_object()?.iter().next()?;
    match sourced.get("value")? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn resolved(mut stack: Vec<AnySetting>, flags: &[Flag], workspace: &Path) -> Result<Resolved, SettingsError> {
    for flag in flags {
        let source = Source {
            layer: Layer::Flag,
            file: Some(flag.flag.as_str().into()),
            line: None,
        };
        stack.push(parse(&flag.name, &flag.value, source, &flag.flag)?);
    }

    let (mut settings, mut host) = (Settings::default(), HostSettings::default());
    let (mut api_keys, mut proxy) = (ApiKeys::default(), ProxySetting::default());
    let mut servers = ServersSetting::default();
    let defaults = all(&settings, &host, &api_keys, &proxy, &servers);
    for setting in &stack {
        match setting {
            AnySetting::Session(setting) => settings.set(setting.clone()),
            AnySetting::Host(setting) => host.set(setting.clone()),
            AnySetting::ApiKey(key) => api_keys.add(key.clone()),
            AnySetting::Proxy(set) => proxy = set.clone(),
            AnySetting::Servers(set) => servers = set.clone(),
        }
    }
    let explained = all(&settings, &host, &api_keys, &proxy, &servers)
        .into_iter()
        .zip(defaults)
        .map(|(setting, default)| {
            let same = stack.iter().rev().filter(|layer| layer.name() == setting.name());
            let mut overrode: Vec<_> = same.skip(1).cloned().collect();
            if setting.from().layer != Layer::Default {
                overrode.push(default);
            }
            Explained { setting, overrode }
        })
        .collect();
    let project = Homes::project_settings_file(workspace);
    let not_read = project.exists().then_some(NotRead {
        file: project,
        reason: "a workspace cannot be trusted yet, and nothing that an untrusted one ships has effect",
    });
    Ok(Resolved {
        settings,
        host,
        api_keys,
        proxy,
        mcp_servers: servers,
        explained,
        not_read: not_read.into_iter().collect(),
    })
}

/// What the environment says of providers, in variables that are not ours alone. Their values are taken as they are.
fn of_providers(environment: &Environment) -> Vec<AnySetting> {
    let source = |variable: &str| Source {
        layer: Layer::Environment,
        file: Some(variable.into()),
        line: None,
    };
    let addresses = ADDRESSES.into_iter().filter_map(|(variable, setting)| {
        let value = Some(environment.text(variable)?.to_owned());
        let from = source(variable);
        Some(AnySetting::Host(setting(Sourced { value, from })))
    });
    let keys = API_KEYS.into_iter().filter_map(|(name, variable)| {
        let key = Some(SecretString::from(environment.text(variable)?.trim()));
        Some(AnySetting::ApiKey(ApiKeySetting::new(
            name,
            key,
            source(variable),
        )))
    });
    addresses.chain(keys).collect()
}

fn options() -> Options {
    Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

fn from_file(file: &Path) -> Result<Vec<AnySetting>, SettingsError> {
    let unreadable = |error: String| SettingsError::Unreadable {
        file: file.to_owned(),
        error,
    };
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error.to_string())),
        Ok(found) if !found.is_file() => return Err(unreadable("it is not a file".to_owned())),
        Ok(found) if found.len() > MOST_BYTES => {
            return Err(unreadable("it is too long for settings".to_owned()));
        }
        Ok(_) => {}
    }
    let mut text = String::new();
    // Of the very file that is read, whatever its name leads to a moment later.
    let mode = fs::File::open(file)
        .and_then(|mut opened| {
            opened.read_to_string(&mut text)?;
            Ok(opened.metadata()?.permissions().mode())
        })
        .map_err(|error| unreadable(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let fields: Fields<'_> = options()
        .from_str(&text)
        .map_err(|error| SettingsError::Malformed {
            file: file.to_owned(),
            line: error.span.start.line,
            column: error.span.start.col,
            message: without_key(error.code.to_string(), &text),
        })?;
    let mut settings: Vec<AnySetting> = Vec::new();
    for (name, raw) in fields.0 {
        let line = line_of(&text, raw.get_ron());
        let place = format!("{}:{line}", file.display());
        if settings.iter().any(|earlier| earlier.name() == name) {
            return Err(SettingsError::Twice { place, name });
        }
        let named = file.to_string_lossy();
        let source = Source {
            layer: Layer::User,
            file: Some(named.into()),
            line: u32::try_from(line).ok(),
        };
        let setting = parse(&name, raw.get_ron().trim(), source, &place)?;
        if setting.is_secret() && mode & OTHERS != 0 {
            return Err(SettingsError::Exposed {
                place,
                name: setting.name(),
                file: file.to_owned(),
            });
        }
        settings.push(setting);
    }
    Ok(settings)
}

/// What is wrong with a text that is no RON. Words of the text are left out where one of them may be a key.
fn without_key(message: String, text: &str) -> String {
    let mut secret = API_KEYS.iter().map(|(name, _)| *name).chain([PROXY, MCP_SERVERS]);
    let has_key = secret.any(|name| text.contains(name));
    match has_key && message.contains('`') {
        true => "this is no RON; a key or an address stands in quotation marks".to_owned(),
        false => message,
    }
}

/// What is wrong with a secret. What is written there is not repeated.
fn misfit(name: &'static str, place: &str, message: impl Into<String>) -> SettingsError {
    SettingsError::Misfit {
        place: place.to_owned(),
        name: name.to_owned(),
        value: "what is written there".to_owned(),
        message: message.into(),
    }
}

/// The text of a secret: RON in a file, and as it is elsewhere.
fn secret(
    name: &'static str,
    text: &str,
    source: &Source,
    place: &str,
) -> Result<Option<String>, SettingsError> {
    match source.layer {
        Layer::User => {
            let text = options().from_str::<Option<String>>(text);
            text.map_err(|_| misfit(name, place, "it is a text in quotation marks"))
        }
        _ => Ok(Some(text.to_owned())),
    }
}

fn api_key(name: &'static str, text: &str, source: Source, place: &str) -> Result<AnySetting, SettingsError> {
    let key = secret(name, text, &source, place)?;
    let key = key
        .as_deref()
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(SecretString::from);
    Ok(AnySetting::ApiKey(ApiKeySetting::new(name, key, source)))
}

/// The line, from 1, on which `part`, a slice of `text`, has its first visible character.
fn line_of(text: &str, part: &str) -> usize {
    let start = part
        .trim_start()
        .as_ptr()
        .addr()
        .saturating_sub(text.as_ptr().addr());
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}

/// The fields of a settings file, values still as text.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> de::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Struct;
        impl<'de> Visitor<'de> for Struct {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("settings: `(name: value, …)`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_struct("Settings", &[], Struct)
    }
}

struct Name(String);

impl<'de> de::Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Identifier;
        impl Visitor<'_> for Identifier {
            type Value = Name;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a setting")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name.to_owned()))
            }
        }
        deserializer.deserialize_identifier(Identifier)
    }
}

/// Parses one value: as RON, or as plain text where it is none (`GLASSWORK_MODE=ask`).
fn parse(name: &str, text: &str, source: Source, place: &str) -> Result<AnySetting, SettingsError> {
    if let Some((name, _)) = API_KEYS.into_iter().find(|(key, _)| *key == name) {
        return api_key(name, text, source, place);
    }
    if name == PROXY {
        let text = secret(PROXY, text, &source, place)?.unwrap_or_default();
        let proxy = ProxySetting::parse(&text, source);
        return proxy
            .map(AnySetting::Proxy)
            .map_err(|error| misfit(PROXY, place, error.to_string()));
    }
    if name == MCP_SERVERS {
        let servers = ServersSetting::parse(&options(), text, source);
        return servers
            .map(AnySetting::Servers)
            .map_err(|message| misfit(MCP_SERVERS, place, message));
    }
    if text == "null" {
        return Err(SettingsError::Misfit {
            place: place.to_owned(),
            name: name.to_owned(),
            value: text.to_owned(),
            message: "where nothing is meant, RON says `None`".to_owned(),
        });
    }
    let value = options()
        .from_str::<ron::Value>(text)
        .ok()
        // A bare word is a unit to RON; the word itself is what was meant.
        .filter(|value| *value != ron::Value::Unit)
        .and_then(|value| serde_json::to_value(value).ok())
        .unwrap_or_else(|| serde_json::Value::String(text.to_owned()));
    let known = all(
        &Settings::default(),
        &HostSettings::default(),
        &ApiKeys::default(),
        &ProxySetting::default(),
        &ServersSetting::default(),
    );
    if !known.iter().any(|setting| setting.name() == name) {
        let nearest = known
            .iter()
            .map(AnySetting::name)
            .min_by_key(|known| strsim::damerau_levenshtein(known, name));
        return Err(SettingsError::Unknown {
            place: place.to_owned(),
            name: name.to_owned(),
            nearest: nearest.unwrap_or_default().to_owned(),
        });
    }
    // A setting serialises as `{name: {value, from}}`; going through that form needs no second list of types.
    let tagged = serde_json::json!({ name: { "value": value, "from": source } });
    let is_of_host = HostSettings::default()
        .all()
        .iter()
        .any(|setting| setting.name() == name);
    let parsed = match is_of_host {
        true => serde_json::from_value(tagged).map(AnySetting::Host),
        false => serde_json::from_value(tagged).map(AnySetting::Session),
    };
    parsed.map_err(|error| SettingsError::Misfit {
        place: place.to_owned(),
        name: name.to_owned(),
        value: text.to_owned(),
        // Settings are RON, though they go through JSON here.
        message: error
            .to_string()
            .replace("invalid type: null", "invalid type: `None`"),
    })
}
