//! `glasswork doctor`

use glasswork_app_runtime::doctor::{self, Finding, Health};
use glasswork_app_runtime::ending::ExitCode;

use crate::commands::Json;
use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// Looks whether everything is in place.
pub(crate) fn doctor(format: Json, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let workspace = std::env::current_dir().map_err(Problem::failed)?;
    let providers = place.providers_for_doctor()?;
    let sessions = place.sessions();
    let archive = match &sessions {
        Ok(sessions) => Ok(sessions.archive()),
        Err(Problem::Told { text, .. }) => Err(text.clone()),
        Err(Problem::Closed) => Err(String::new()),
    };
    let findings = doctor::examine(
        &place.homes,
        &place.environment,
        place.settings(&[], &workspace),
        place.network_for_doctor(),
        &providers.known,
        &place.breakers(),
        archive,
        &place.sign_ins_for_doctor(),
    );
    match format.json {
        true => console.json(&findings, Layout::Document)?,
        false => console.data(
            &findings
                .iter()
                .map(|finding| line(finding, console))
                .collect::<String>(),
        )?,
    }
    Ok(
        match findings.iter().any(|finding| finding.health == Health::Broken) {
            true => ExitCode::Failed,
            false => ExitCode::Done,
        },
    )
}

fn line(finding: &Finding, console: &Console) -> String {
    let mark = match finding.health {
        Health::Good => console.out.green("good   "),
        Health::Limited => console.out.cyan("limited"),
        Health::Broken => console.out.red("broken "),
    };
    format!("{mark}  {:10} {}\n", finding.what, escape::line(&finding.text))
}
