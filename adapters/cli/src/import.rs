//! `glasswork sessions import`

use std::path::Path;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::importing::{self, Imported, Plan, Report};
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use serde::Serialize;

use crate::commands::Import;
use crate::compose::{self, Model, Place};
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// What came of one file.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    /// Why it was not imported.
    error: Option<String>,
    #[serde(flatten)]
    report: Option<Report>,
}

/// Imports files.
pub(crate) fn import(arguments: &Import, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let runtime = sessions.start(place.providers()?, &Model::none()).await?;
        let done = each(arguments, console, &runtime).await;
        runtime.stop().await;
        done
    });
    compose::end(tasks);
    let (outcomes, code) = done?;
    if arguments.json.json {
        console.json(&outcomes, Layout::Document)?;
    }
    Ok(code)
}

/// Imports one file after the other. What is wrong with one is told, and the others follow.
async fn each(
    arguments: &Import,
    console: &Console,
    runtime: &Runtime,
) -> Result<(Vec<Outcome>, ExitCode), Problem> {
    let (mut outcomes, mut code) = (vec![], ExitCode::Done);
    for file in &arguments.files {
        let mut outcome = Outcome {
            file: file.display().to_string(),
            error: None,
            report: None,
        };
        match one(arguments, file, runtime).await {
            Ok(report) => outcome.report = Some(report),
            Err(error) => {
                code = (&error).into();
                outcome.error = Some(error.to_string());
            }
        }
        if !arguments.json.json {
            tell(&outcome, console)?;
        }
        outcomes.push(outcome);
    }
    Ok((outcomes, code))
}

async fn one(arguments: &Import, file: &Path, runtime: &Runtime) -> Result<Report, OperationError> {
    let bytes = importing::read(file)?;
    let mut plan = Plan::of(
        file,
        bytes,
        arguments.format.foreign(),
        arguments.workspace.as_deref(),
    )?;
    if arguments.as_new {
        plan = plan.anew();
    }
    let result = match arguments.dry_run {
        true => runtime
            .imported(&plan)?
            .filter(|found| *found == Imported::AlreadyHere),
        false => Some(runtime.import(&plan).await?),
    };
    Ok(plan.report(result))
}

fn tell(outcome: &Outcome, console: &Console) -> Result<(), Problem> {
    if let Some(error) = &outcome.error {
        console.note(&format!(
            "{} {}\n",
            console.err.red("error:"),
            escape::text(error)
        ));
    }
    let Some(report) = &outcome.report else {
        return Ok(());
    };
    let what = match report.result {
        Some(Imported::AlreadyHere) => "is here already",
        Some(Imported::Completed) => "was here in part, and is whole now",
        Some(Imported::New) => "is new",
        None => "would be new",
    };
    let (session, format, entries) = (report.session, report.format, report.entries);
    let file = escape::line(&outcome.file);
    console.data(&format!(
        "{session}  {what}: {file} ({format}, {entries} entries)\n"
    ))?;
    for left in &report.left {
        console.note(&format!("  {}\n", escape::line(&importing::left_text(left))));
    }
    if report.cut > 0 {
        console.note(&format!(
            "  {} × text: longer than an entry holds; the file is kept whole\n",
            report.cut
        ));
    }
    Ok(())
}
