//! The host's own affairs: which version runs, which providers have credentials, which sessions are mounted.

use std::sync::Arc;

use glasswork_ai::local::{LocalModel, Server};
use glasswork_engine::{Moment, ScopeId, Timestamp};
use im::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::breaker::Breaker;
use crate::clients::Client;
use crate::clients::places::Places;
use crate::closing::Closing;
use crate::fork::Child;
use crate::sign_in::SignIn;
use crate::trash::Moving;

/// The host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Host {
    /// The version that runs.
    pub version: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// Providers of models, by name.
    pub providers: OrdMap<Arc<str>, Credential>,
    /// The circuit breakers of those providers that have one that is not as new.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub breakers: OrdMap<Arc<str>, Breaker>,
    /// What servers on this machine have said of themselves, by provider.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub servers: OrdMap<Arc<str>, Arc<LocalServer>>,
    /// The sessions that are mounted.
    pub mounted: OrdSet<ScopeId>,
    /// Forks of sessions that are not mounted, while they are made.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub forks: OrdMap<ScopeId, Child>,
    /// Sessions that are moved into the trash, or out of it, while they are.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub moving: OrdMap<ScopeId, Moving>,
    /// Trees of sessions that are closed together, by the commit that asked for it; the last ones also after their end.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub closings: OrdMap<u64, Closing>,
    /// Where somebody is signed in, by the name of the provider.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub sign_ins: OrdMap<Arc<str>, SignIn>,
    /// Clients that are attached to its sessions, by the commit that attached them.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub clients: OrdMap<u64, Client>,
    /// The turns that clients run, and those that wait to begin.
    #[serde(default, skip_serializing_if = "Places::is_unused")]
    pub places: Places,
}

/// Most models of a server that are remembered; the one that was asked for is among them.
pub const MODELS_CAP: usize = 64;
/// Most servers that are remembered.
pub const SERVERS_CAP: usize = 32;

/// What a server on this machine has said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalServer {
    /// Its address.
    pub base_url: Arc<str>,
    /// Which server it is.
    pub kind: Server,
    /// What it has, as it is loaded.
    pub models: Vec<LocalModel>,
    /// When it said so.
    #[serde(default)]
    pub at: Timestamp,
    /// The commit that has it on record.
    #[serde(default)]
    pub by: u64,
}

/// Whether a provider can be used. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// It needs none.
    NotNeeded,
    /// There is one.
    Present {
        /// Where it comes from: the name of an environment variable, or a file.
        from: Arc<str>,
    },
    /// There is none.
    Missing {
        /// Where one is looked for.
        expected: Arc<str>,
    },
}

/// What happens to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It started.
    Started {
        /// The version that runs.
        version: Arc<str>,
        /// Providers of models.
        #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
        providers: OrdMap<Arc<str>, Credential>,
    },
    /// A server on this machine was asked what it has.
    ServerAsked {
        /// The provider as which it is asked for answers.
        provider: Arc<str>,
        /// Its address.
        base_url: Arc<str>,
        /// Which server it is.
        kind: Server,
        /// What it has, the model first for whose sake it was asked.
        models: Vec<LocalModel>,
    },
    /// A session was mounted.
    Mounted(ScopeId),
    /// A session was unmounted.
    Unmounted(ScopeId),
    /// The circuit breakers of providers are like this now.
    BreakersSeen(OrdMap<Arc<str>, Breaker>),
}

/// What was decided of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// This version runs, and knows these providers.
    Started {
        /// The version.
        version: Arc<str>,
        /// Providers of models.
        #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
        providers: OrdMap<Arc<str>, Credential>,
    },
    /// A server on this machine says this of itself.
    ServerSaid {
        /// The provider as which it is asked for answers.
        provider: Arc<str>,
        /// Its address.
        base_url: Arc<str>,
        /// Which server it is.
        kind: Server,
        /// What it has.
        models: Vec<LocalModel>,
    },
    /// A session is mounted.
    Mounted(ScopeId),
    /// A session is not mounted any more.
    Unmounted(ScopeId),
    /// The circuit breakers of providers are like this.
    Breakers(OrdMap<Arc<str>, Breaker>),
}

impl Fact {
    pub(crate) fn apply(&self, host: &mut Host, moment: Moment) {
        match self {
            Self::Started { version, providers } => {
                *host = Host {
                    version: Arc::clone(version),
                    started: moment.at,
                    providers: providers.clone(),
                    ..Host::default()
                };
            }
            Self::ServerSaid {
                provider,
                base_url,
                kind,
                models,
            } => {
                let said = LocalServer {
                    base_url: Arc::clone(base_url),
                    kind: *kind,
                    models: models.clone(),
                    at: moment.at,
                    by: moment.seq,
                };
                host.servers.insert(Arc::clone(provider), Arc::new(said));
            }
            Self::Mounted(scope) => {
                host.mounted.insert(*scope);
            }
            Self::Unmounted(scope) => {
                host.mounted.remove(scope);
            }
            Self::Breakers(breakers) => host.breakers = breakers.clone(),
        }
    }
}

/// Decides what happens to the host.
pub(crate) fn decide(host: &Host, event: &Event) -> Vec<Fact> {
    match event {
        Event::Started { version, providers } => vec![Fact::Started {
            version: Arc::clone(version),
            providers: providers.clone(),
        }],
        // One more is not remembered; what sessions have of it stands in their settings.
        Event::ServerAsked { provider, .. }
            if host.servers.len() >= SERVERS_CAP && !host.servers.contains_key(provider) =>
        {
            vec![]
        }
        Event::ServerAsked {
            provider,
            base_url,
            kind,
            models,
        } => vec![Fact::ServerSaid {
            provider: Arc::clone(provider),
            base_url: Arc::clone(base_url),
            kind: *kind,
            models: models.iter().take(MODELS_CAP).cloned().collect(),
        }],
        Event::Mounted(scope) if host.mounted.contains(scope) => vec![],
        Event::Mounted(scope) => vec![Fact::Mounted(*scope)],
        Event::Unmounted(scope) if host.mounted.contains(scope) => vec![Fact::Unmounted(*scope)],
        Event::Unmounted(_) => vec![],
        Event::BreakersSeen(breakers) if host.breakers == *breakers => vec![],
        Event::BreakersSeen(breakers) => vec![Fact::Breakers(breakers.clone())],
    }
}
