//! `glasswork acp`: an agent for editors, over standard input and output.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum as _;
use glasswork_ai::catalogue::Catalogue;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::model_list::{self, Which};
use glasswork_app_runtime::models::{self, Provider};
use glasswork_app_runtime::resuming;
use glasswork_app_runtime::runtime::Opening;
use glasswork_app_runtime::settings::Flag;
use glasswork_engine::ScopeId;
use glasswork_rpc::acp::{self, House, ModelChoice, NotReady, ProviderChoice};
use glasswork_session_state::settings::Settings;

use crate::commands::Acp;
use crate::compose::{self, Model, Place, Sessions};
use crate::console::Console;
use crate::problem::Problem;
use crate::run;
use crate::signals::{Asked, Signals};

/// Serves one client, until it leaves.
pub(crate) fn acp(arguments: &Acp, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    sessions.refresh(&mut |_| {})?;
    let mut providers = place.providers()?;
    let flags = run::meant(&flags(arguments), &providers)?;
    let here = std::env::current_dir()
        .map_err(|error| Problem::usage(format!("the current directory is gone: {error}")))?;
    let model = ready(&place.settings(&flags, &here)?.settings, &mut providers)?;
    let serves = Serves {
        known: providers.known.clone(),
        catalogue: Arc::clone(&providers.catalogue),
        sessions: sessions.clone(),
        place,
        flags,
    };
    let tasks = compose::tasks()?;
    let code = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = Arc::new(sessions.start(providers, &model).await?);
        let mut told = None;
        let served = acp::serve(
            Arc::clone(&runtime),
            Arc::new(serves),
            tokio::io::stdin(),
            tokio::io::stdout(),
            async { told = Some(signals.next().await) },
        )
        .await;
        if let Some(runtime) = Arc::into_inner(runtime) {
            runtime.stop().await;
        }
        if let Err(error) = served {
            console.note(&format!(
                "the connection ended: {}\n",
                crate::escape::line(&error.to_string())
            ));
        }
        Ok(match told {
            None => ExitCode::Done,
            Some(Asked::Interrupt) => ExitCode::Interrupted,
            Some(Asked::Terminate) => ExitCode::Terminated,
        })
    });
    compose::end(tasks);
    code
}

fn flags(arguments: &Acp) -> Vec<Flag> {
    let mode = arguments
        .permission_mode
        .and_then(|mode| mode.to_possible_value());
    let flags = [
        ("model", "--model", arguments.model.clone()),
        (
            "mode",
            "--permission-mode",
            mode.map(|mode| mode.get_name().to_owned()),
        ),
    ];
    let given = flags.into_iter().filter_map(|(name, flag, value)| {
        Some(Flag {
            name: name.to_owned(),
            value: value?,
            flag: flag.to_owned(),
        })
    });
    given.collect()
}

/// What the models need that are set: their scripts, where they play some. That there is none at all, or no key, is
/// told to the client when it wants a session.
fn ready(settings: &Settings, providers: &mut compose::Providers) -> Result<Model, Problem> {
    let mut model = Model::none();
    if let Some(id) = &settings.model.value {
        model = model.also(id)?;
        if settings.context_window.value.is_none() {
            providers.learn(id)?;
        }
    }
    for id in &settings.fallback_models.value {
        model = model.also(id)?;
    }
    Ok(model)
}

/// How sessions are opened for a client.
struct Serves {
    place: Place,
    sessions: Sessions,
    flags: Vec<Flag>,
    known: Vec<Provider>,
    catalogue: Arc<Catalogue>,
}

impl Serves {
    fn settings(&self, workspace: &Path) -> Result<Settings, NotReady> {
        let resolved = self.place.settings(&self.flags, workspace);
        Ok(resolved.map_err(wrong)?.settings)
    }

    fn opening(&self, workspace: PathBuf, settings: Settings) -> Result<Opening, NotReady> {
        if let Some(id) = &settings.model.value {
            models::check(id, &self.known).map_err(|error| NotReady::NoModel(error.to_string()))?;
        }
        Ok(Opening {
            workspace,
            settings,
            title: None,
        })
    }
}

impl House for Serves {
    fn new_session(&self, workspace: &Path) -> Result<Opening, NotReady> {
        let mut settings = self.settings(workspace)?;
        let chosen = models::choose(&settings.model, &self.known);
        settings.model = chosen.map_err(|error| NotReady::NoModel(error.to_string()))?;
        self.opening(workspace.to_owned(), settings)
    }

    fn again(&self, session: ScopeId) -> Result<Opening, NotReady> {
        let past = resuming::past(&self.sessions.snapshot(), session).map_err(wrong)?;
        let settings = resuming::settings(self.settings(&past.workspace)?, &past, &self.known);
        let settings = settings.map_err(|error| NotReady::NoModel(error.to_string()))?;
        self.opening(past.workspace, settings)
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
