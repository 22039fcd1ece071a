//! How sessions are opened in a host that others connect to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glasswork_ai::catalogue::Catalogue;
use glasswork_app_runtime::model_list::{self, Which};
use glasswork_app_runtime::models::{self, Provider};
use glasswork_app_runtime::resuming;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::server_settings::ServersSetting;
use glasswork_app_runtime::settings::{Flag, Resolved};
use glasswork_engine::ScopeId;
use glasswork_rpc::acp::{House, ModelChoice, NotReady, ProviderChoice};
use glasswork_session_state::settings::Settings;

use super::{Place, Providers, Sessions};

/// How sessions are opened for clients: with what is set where they work, under the flags of this process.
pub(crate) struct OfPlace {
    place: Place,
    sessions: Sessions,
    flags: Vec<Flag>,
    known: Vec<Provider>,
    catalogue: Arc<Catalogue>,
}

impl OfPlace {
    /// The house of a host that was started so.
    pub(crate) fn of(
        place: Place,
        sessions: &Sessions,
        flags: Vec<Flag>,
        providers: &Providers,
    ) -> Arc<dyn House> {
        Arc::new(Self {
            place,
            sessions: sessions.clone(),
            flags,
            known: providers.known.clone(),
            catalogue: Arc::clone(&providers.catalogue),
        })
    }

    fn resolved(&self, workspace: &Path) -> Result<Resolved, NotReady> {
        self.place.settings(&self.flags, workspace).map_err(wrong)
    }

    fn opening(
        &self,
        workspace: PathBuf,
        settings: Settings,
        servers: &ServersSetting,
    ) -> Result<Opening, NotReady> {
        if let Some(id) = &settings.model.value {
            models::check(id, &self.known).map_err(|error| NotReady::NoModel(error.to_string()))?;
        }
        Ok(Opening {
            workspace,
            settings,
            title: None,
            servers: servers.commands().to_vec(),
        })
    }
}

impl House for OfPlace {
    fn new_session(&self, workspace: &Path) -> Result<Opening, NotReady> {
        let mut resolved = self.resolved(workspace)?;
        let chosen = models::choose(&resolved.settings.model, &self.known);
        resolved.settings.model = chosen.map_err(|error| NotReady::NoModel(error.to_string()))?;
        self.opening(workspace.to_owned(), resolved.settings, &resolved.mcp_servers)
    }

    fn again(&self, session: ScopeId) -> Result<Opening, NotReady> {
        let past = resuming::past(&self.sessions.snapshot(), session).map_err(wrong)?;
        let resolved = self.resolved(&past.workspace)?;
        let settings = resuming::settings(resolved.settings, &past, &self.known);
        let settings = settings.map_err(|error| NotReady::NoModel(error.to_string()))?;
        self.opening(past.workspace, settings, &resolved.mcp_servers)
    }

    fn models(&self) -> Vec<ModelChoice> {
        let listed = model_list::list(&self.catalogue, &self.known, Which::Usable);
        let choices = listed.into_iter().map(|listed| ModelChoice {
            name: listed
                .model
                .name
                .map_or_else(|| listed.model.id.to_string(), |name| name.to_string()),
            id: listed.model.id,
        });
        choices.collect()
    }

    fn providers(&self) -> Vec<ProviderChoice> {
        let choices = self.known.iter().map(|provider| ProviderChoice {
            name: provider.name.to_string(),
            key_variable: provider.key_variable.as_deref().map(ToOwned::to_owned),
            usable: provider.has_key,
        });
        choices.collect()
    }
}

fn wrong(error: impl ToString) -> NotReady {
    NotReady::Wrong(error.to_string())
}
