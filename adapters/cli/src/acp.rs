//! `glasswork acp`: an agent for editors, over standard input and output.

use clap::ValueEnum as _;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::settings::Flag;
use glasswork_rpc::acp;
use glasswork_session_state::settings::Settings;

use crate::commands::Acp;
use crate::compose::{self, Model, OfPlace, Place};
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
    let house = OfPlace::of(place, &sessions, flags, &providers);
    let tasks = compose::tasks()?;
    let code = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = sessions.start(providers, &model).await?;
        let (doors, failed) = sessions.doors(runtime, "acp", Some(house));
        if let Some(error) = failed {
            console.warn(Some(format!(
                "nobody can attach to the sessions of this editor: {error}"
            )));
        }
        let mut told = None;
        let served = acp::serve(
            doors.offer(),
            sessions.others(),
            tokio::io::stdin(),
            tokio::io::stdout(),
            async { told = Some(signals.next().await) },
        )
        .await;
        doors.give_up().await;
        doors.close().await;
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
