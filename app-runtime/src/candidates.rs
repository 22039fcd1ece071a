//! What is known of the models that may be asked instead of a session's own, told to the session before a turn.

use std::sync::Arc;

use glasswork_ai::model::ModelId;
use glasswork_engine::{Handle, ScopeId};
use glasswork_session_state::domain::{Event, Glasswork};
use glasswork_session_state::failover::{self, Bar, Candidate, MOST};
use glasswork_session_state::host::{self, Credential, Host};
use glasswork_session_state::state::Scope;
use im::OrdMap;

use crate::breakers::Breakers;
use crate::runtime::{OperationError, Runtime};

impl Runtime {
    /// Tells a session what is known of the models of its list. Whether their providers' breakers let a request through
    /// is found out when one is sent.
    pub(crate) async fn tell_candidates(&self, id: ScopeId) -> Result<(), OperationError> {
        let Some(session) = self.mounted(id) else {
            return Ok(());
        };
        let models = session.settings.fallback_models.value.iter().take(MOST);
        let known: OrdMap<ModelId, Candidate> = models
            .map(|model| (model.clone(), self.candidate(model)))
            .collect();
        if known != session.candidates {
            let candidates = known.values().cloned().collect();
            self.ask(id, Event::Failover(failover::Event::Told { candidates }))
                .await?;
        }
        Ok(())
    }

    fn candidate(&self, model: &ModelId) -> Candidate {
        let known = self.known(model);
        let listed = known.as_ref().and_then(|known| known.context_window);
        Candidate {
            model: model.clone(),
            barred: self.bar(model),
            window: listed.or_else(|| self.models().context_window(model)),
            tools: known.and_then(|known| known.abilities.tools),
        }
    }

    fn bar(&self, model: &ModelId) -> Option<Bar> {
        if !self.models().serves(model) {
            return Some(Bar::NoProvider);
        }
        let scope = self.live().scope(self.host())?;
        let Scope::Host(host) = &scope.state else {
            return None;
        };
        missing_key(host, &model.provider).map(|expected| Bar::NoKey { expected })
    }
}

/// Where the key of a provider is looked for that has none.
fn missing_key(host: &Host, provider: &str) -> Option<Arc<str>> {
    if host
        .sign_ins
        .get(provider)
        .is_some_and(|sign_in| sign_in.refused.is_none())
    {
        return None;
    }
    match host.providers.get(provider)? {
        Credential::Missing { expected } => Some(Arc::clone(expected)),
        Credential::Present { .. } | Credential::NotNeeded => None,
    }
}

/// Tells the host's record how the breakers are, now and whenever that changes, as long as there is a runtime.
pub(crate) fn report(
    breakers: &Breakers,
    user: Handle<Glasswork>,
    host: ScopeId,
    tasks: &tokio::runtime::Handle,
) {
    let mut seen = breakers.follow();
    if !seen.borrow().is_empty() {
        seen.mark_changed();
    }
    drop(tasks.spawn(async move {
        while seen.changed().await.is_ok() {
            let now = seen.borrow_and_update().clone();
            let event = Event::Host(host::Event::BreakersSeen(now));
            if user.dispatch(host, event).await.is_err() {
                return;
            }
        }
    }));
}
