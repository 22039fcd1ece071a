//! The host's own affairs: which version runs, which providers have credentials, which sessions are mounted.

use std::sync::Arc;

use glasswork_engine::{Moment, ScopeId, Timestamp};
use im::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

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
    /// A session was mounted.
    Mounted(ScopeId),
    /// A session was unmounted.
    Unmounted(ScopeId),
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
    /// A session is mounted.
    Mounted(ScopeId),
    /// A session is not mounted any more.
    Unmounted(ScopeId),
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
            Self::Mounted(scope) => {
                host.mounted.insert(*scope);
            }
            Self::Unmounted(scope) => {
                host.mounted.remove(scope);
            }
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
        Event::Mounted(scope) if host.mounted.contains(scope) => vec![],
        Event::Mounted(scope) => vec![Fact::Mounted(*scope)],
        Event::Unmounted(scope) if host.mounted.contains(scope) => vec![Fact::Unmounted(*scope)],
        Event::Unmounted(_) => vec![],
    }
}
