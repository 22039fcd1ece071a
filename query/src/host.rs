//! The host: the process itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_ai::local;
use glasswork_engine::{Scope, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::host;
use glasswork_session_state::sign_in;

use crate::attached_client::AttachedClient;
use crate::error::Answer;
use crate::failover::Breaker;
use crate::id;
use crate::operation::Op;
use crate::scalar::{Long, Time};
use crate::session::Session;
use crate::turn_place::TurnPlaces;
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
    /// Where the credential comes from, or is looked for: the name of an environment variable, a file, or
    /// the keyring.
    credential_from: Option<String>,
    /// Whether somebody is signed in there with a key or tokens that are stored, and the provider has not ended that.
    signed_in: bool,
    /// With what.
    sign_in_kind: Option<SignInKind>,
    /// Where that is kept.
    sign_in_kept_in: Option<SignInKeptIn>,
    /// Whose account it is, where the provider told.
    account: Option<String>,
    /// When the token ends; it is renewed by itself before.
    expires: Option<Time>,
    /// What the token allows, where the provider told.
    scopes: Vec<String>,
    /// Why the provider has ended the sign-in.
    sign_in_refused: Option<String>,
    /// Its circuit breaker, as this host saw it last: also of what other processes had noted by then.
    breaker: Breaker,
}

/// Where that is kept with which somebody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SignInKeptIn {
    /// A file that only its owner can read.
    File,
    /// The keyring of the system.
    Keyring,
}

/// With what somebody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SignInKind {
    /// A key that was stored.
    Key,
    /// Tokens that the provider gave.
    Tokens,
}

impl Provider {
    /// A provider whose models can be asked, or at which somebody is signed in.
    fn of(host: &host::Host, name: &str) -> Self {
        let (credential, sign_in) = (host.providers.get(name), host.sign_ins.get(name));
        let signed_in = sign_in.is_some_and(|sign_in| sign_in.refused.is_none());
        let (credential, from) = match credential {
            Some(credential) => status(credential),
            // Its models are not asked by this build: what there is, is the sign-in.
            None if signed_in => (CredentialStatus::Present, None),
            None => (CredentialStatus::Missing, None),
        };
        Self {
            name: name.to_owned(),
            credential,
            credential_from: from.map(ToString::to_string),
            signed_in,
            sign_in_kind: sign_in.map(|sign_in| match sign_in.kind {
                sign_in::Kind::Key => SignInKind::Key,
                sign_in::Kind::Tokens => SignInKind::Tokens,
            }),
            sign_in_kept_in: sign_in.map(|sign_in| match sign_in.kept_in {
                sign_in::KeptIn::File => SignInKeptIn::File,
                sign_in::KeptIn::Keyring => SignInKeptIn::Keyring,
            }),
            account: sign_in.and_then(|sign_in| sign_in.account.as_deref().map(str::to_owned)),
            expires: sign_in.and_then(|sign_in| sign_in.expires.map(Time)),
            scopes: sign_in.map_or_else(Vec::new, |sign_in| {
                sign_in.scopes.iter().map(ToString::to_string).collect()
            }),
            sign_in_refused: sign_in.and_then(|sign_in| sign_in.refused.as_deref().map(str::to_owned)),
            breaker: Breaker::from(&host.breakers.get(name).cloned().unwrap_or_default()),
        }
    }
}

/// A server on this machine, and what it said of itself when it was asked.
#[derive(Debug, SimpleObject)]
pub(crate) struct LocalServer {
    /// The provider as which it is asked for answers.
    provider: String,
    /// Its address.
    base_url: String,
    /// Which server it is.
    kind: String,
    /// When it said so.
    at: Time,
    /// The dispatch that has it on record.
    by: ID,
    /// What it has; the one for whose sake it was asked is among them.
    models: Vec<LocalModel>,
}

/// A model, as its server speaks of it.
#[derive(Debug, SimpleObject)]
pub(crate) struct LocalModel {
    /// Its id, with which it is asked.
    id: String,
    /// Tokens that it takes as it is loaded; null where that is not said.
    context_window: Option<Long>,
    /// Tokens for which it was made; null where that is not said. This is never used as its window.
    longest_window: Option<Long>,
    /// Whether it calls tools; null where that is not said.
    tools: Option<bool>,
    /// Whether it takes images; null where that is not said.
    images: Option<bool>,
    /// Whether the server has a template for its prompts.
    has_template: bool,
}

impl LocalServer {
    fn of(host: ScopeId, provider: &str, said: &host::LocalServer) -> Self {
        let model = |model: &local::LocalModel| LocalModel {
            id: model.id.to_string(),
            context_window: model.context_window.map(Long),
            longest_window: model.longest_window.map(Long),
            tools: model.tools,
            images: model.images,
            has_template: model.has_template,
        };
        Self {
            provider: provider.to_owned(),
            base_url: said.base_url.to_string(),
            kind: said.kind.to_string(),
            at: Time(said.at),
            by: id::commit(host, said.by),
            models: said.models.iter().map(model).collect(),
        }
    }
}

fn status(credential: &host::Credential) -> (CredentialStatus, Option<&Arc<str>>) {
    match credential {
        host::Credential::NotNeeded => (CredentialStatus::NotNeeded, None),
        host::Credential::Present { from } => (CredentialStatus::Present, Some(from)),
        host::Credential::Missing { expected } => (CredentialStatus::Missing, Some(expected)),
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

    /// The clients that are attached to one of its sessions.
    pub(crate) fn clients_of(&self, session: ScopeId) -> Vec<AttachedClient> {
        let clients = self.host.clients.iter();
        clients
            .filter(|(_, client)| client.session == session)
            .map(|(attachment, client)| AttachedClient::of(&self.op, self.scope.id, *attachment, client))
            .collect()
    }

    /// Whether a provider can be used; `None` where the host does not know it.
    pub(crate) fn credential(&self, provider: &str) -> Option<CredentialStatus> {
        self.host
            .providers
            .get(provider)
            .map(|credential| status(credential).0)
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

    /// The providers of models that it knows, those at which somebody is signed in, and those that have failed lately.
    #[graphql(complexity = "16 * child_complexity")]
    async fn providers(&self) -> Vec<Provider> {
        let host = &*self.host;
        let others = host.sign_ins.keys().chain(host.breakers.keys());
        let others: BTreeSet<_> = others
            .filter(|name| !host.providers.contains_key(*name))
            .collect();
        let names = host.providers.keys().chain(others);
        names.map(|name| Provider::of(host, name)).collect()
    }

    /// What servers on this machine have said of themselves: one is asked where a model of it is chosen whose window nobody
    /// has said.
    #[graphql(complexity = "16 * child_complexity")]
    async fn servers(&self) -> Vec<LocalServer> {
        let servers = self.host.servers.iter();
        servers
            .map(|(provider, said)| LocalServer::of(self.scope.id, provider, said))
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

    /// The clients that are attached to its sessions, in the order in which they came.
    #[graphql(complexity = "16 * child_complexity")]
    async fn clients(&self) -> Vec<AttachedClient> {
        let clients = self.host.clients.iter();
        clients
            .map(|(attachment, client)| AttachedClient::of(&self.op, self.scope.id, *attachment, client))
            .collect()
    }

    /// The turns that clients run in its sessions, and those that wait to begin, with their places in the line.
    async fn turns(&self) -> TurnPlaces {
        TurnPlaces::of(&self.op, self.scope.id, &self.host.places)
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
