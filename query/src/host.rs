//! The host: the process itself.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_engine::Scope;
use glasswork_session_state::Glasswork;
use glasswork_session_state::host;

use crate::error::Answer;
use crate::operation::Op;
use crate::scalar::{Long, Time};
use crate::session::Session;
use crate::under_way::UnderWay;

/// The host: a live process and what is its own.
pub(crate) struct Host {
    op: Op,
    scope: Arc<Scope<Glasswork>>,
    host: Arc<host::Host>,
}

/// Whether there is a credential. Never the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum CredentialStatus {
    /// None is needed.
    NotNeeded,
    /// There is one.
    Present,
    /// There is none.
    Missing,
}

/// A provider of models.
#[derive(Debug, SimpleObject)]
pub(crate) struct Provider {
    /// Its name.
    name: String,
    /// Whether it can be used.
    credential: CredentialStatus,
    /// Where the credential comes from, or is looked for: the name of an environment variable, or a file.
    credential_from: Option<String>,
}

impl Provider {
    pub(crate) fn of(name: &str, credential: &host::Credential) -> Self {
        let (credential, from) = match credential {
            host::Credential::NotNeeded => (CredentialStatus::NotNeeded, None),
            host::Credential::Present { from } => (CredentialStatus::Present, Some(from)),
            host::Credential::Missing { expected } => (CredentialStatus::Missing, Some(expected)),
        };
        Self {
            name: name.to_owned(),
            credential,
            credential_from: from.map(ToString::to_string),
        }
    }
}

impl Host {
    pub(crate) fn of(op: &Op) -> Option<Self> {
        let scope = op.host()?;
        match &scope.state {
            glasswork_session_state::state::Scope::Host(host) => Some(Self {
                op: Arc::clone(op),
                host: Arc::clone(host),
                scope,
            }),
            glasswork_session_state::state::Scope::Session(_) => None,
        }
    }

    /// Whether a provider can be used; `None` where the host does not know it.
    pub(crate) fn credential(&self, provider: &str) -> Option<CredentialStatus> {
        self.host
            .providers
            .get(provider)
            .map(|credential| Provider::of(provider, credential).credential)
    }
}

/// The host: a live process and what is its own.
#[Object]
impl Host {
    /// Its scope.
    async fn id(&self) -> ID {
        ID(self.scope.id.to_string())
    }

    /// The last commit of its own journal.
    async fn seq(&self) -> Long {
        Long(self.scope.seq)
    }

    /// The version that runs.
    async fn version(&self) -> &str {
        &self.host.version
    }

    /// When it started.
    async fn started(&self) -> Time {
        Time(self.host.started)
    }

    /// The providers of models that it knows.
    #[graphql(complexity = "16 * child_complexity")]
    async fn providers(&self) -> Vec<Provider> {
        self.host
            .providers
            .iter()
            .map(|(name, credential)| Provider::of(name, credential))
            .collect()
    }

    /// The sessions that are mounted: in memory, and open for events.
    #[graphql(complexity = "16 * child_complexity")]
    async fn mounted(&self) -> Answer<Option<Vec<Session>>> {
        let most = self.op.limits.page;
        let mounted = self.host.mounted.iter().take(most);
        mounted
            .map(|id| Session::now(&self.op, *id))
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// What it is doing for several sessions at once, or for one that is not mounted.
    async fn under_way(&self) -> Option<UnderWay> {
        UnderWay::of(&self.op, &self.scope)
    }

    /// What hosts that were killed left undone of that, and this one is doing now, oldest first.
    #[graphql(complexity = "4 * child_complexity")]
    async fn left_by_others(&self) -> Vec<UnderWay> {
        let hosts = self.op.past_hosts();
        hosts.filter_map(|scope| UnderWay::of(&self.op, scope)).collect()
    }

    /// Why nothing more can be written to its journal, once an append has failed.
    async fn journal_failure(&self) -> Option<String> {
        self.scope.journal_failure.as_deref().map(str::to_owned)
    }
}
