//! `glasswork sessions import`

use std::path::Path;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::importing::{self, Imported, Own, Plan, Report, Returned};
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use serde::Serialize;

use crate::compose::{self, Model, Place, Sessions};
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;
use crate::session_commands::{Import, ImportFormat};

/// What came of one file.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    /// Why it was not imported.
    error: Option<String>,
    #[serde(flatten)]
    report: Option<Came>,
}

/// What was in a file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Came {
    /// A session of our own.
    Own(Returned),
    /// A conversation of another agent.
    Foreign(Box<Report>),
}

/// Imports files.
pub(crate) fn import(arguments: &Import, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let runtime = sessions.start(place.providers()?, &Model::none()).await?;
        let done = each(arguments, console, &runtime, &sessions).await;
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
    sessions: &Sessions,
) -> Result<(Vec<Outcome>, ExitCode), Problem> {
    let (mut outcomes, mut code) = (vec![], ExitCode::Done);
    for file in &arguments.files {
        let mut outcome = Outcome {
            file: file.display().to_string(),
            error: None,
            report: None,
        };
        match one(arguments, file, runtime, sessions).await {
            Ok(came) => outcome.report = Some(came),
            Err((failed, text)) => {
                code = failed;
                outcome.error = Some(text);
            }
        }
        if !arguments.json.json {
            tell(&outcome, console)?;
        }
        outcomes.push(outcome);
    }
    Ok((outcomes, code))
}

async fn one(
    arguments: &Import,
    file: &Path,
    runtime: &Runtime,
    sessions: &Sessions,
) -> Result<Came, (ExitCode, String)> {
    if let Some(own) = own(arguments, file)? {
        let (as_new, dry_run) = (arguments.as_new, arguments.dry_run);
        let came = importing::take_back(sessions.files(), file, own, as_new, dry_run);
        let told = |error: importing::OwnError| ((&error).into(), format!("{}: {error}", file.display()));
        return came.map(Came::Own).map_err(told);
    }
    let report = foreign(arguments, file, runtime).await;
    let told = |error: OperationError| ((&error).into(), error.to_string());
    report.map(|report| Came::Foreign(Box::new(report))).map_err(told)
}

/// Which file of ours it is, if it is one.
fn own(arguments: &Import, file: &Path) -> Result<Option<Own>, (ExitCode, String)> {
    if !matches!(arguments.format, ImportFormat::Auto | ImportFormat::Glasswork) {
        return Ok(None);
    }
    let usage = |text: String| (ExitCode::Usage, text);
    let own = importing::recognise(file)
        .map_err(|error| usage(format!("cannot read {}: {error}", file.display())))?;
    match (own, arguments.format) {
        (None, ImportFormat::Glasswork) => Err(usage(format!(
            "{} is neither an archive nor a journal of Glasswork",
            file.display()
        ))),
        (own, _) => Ok(own),
    }
}

async fn foreign(arguments: &Import, file: &Path, runtime: &Runtime) -> Result<Report, OperationError> {
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
    let (session, result, about) = match &outcome.report {
        None => return Ok(()),
        Some(Came::Own(own)) => (own.session, own.result, format!("{} commits", own.commit)),
        Some(Came::Foreign(report)) => {
            let (format, entries) = (report.format, report.entries);
            (
                report.session,
                report.result,
                format!("{format}, {entries} entries"),
            )
        }
    };
    let what = match result {
        Some(Imported::AlreadyHere) => "is here already",
        Some(Imported::Completed) => "was here in part, and is whole now",
        Some(Imported::New) => "is new",
        None => "would be new",
    };
    let file = escape::line(&outcome.file);
    console.data(&format!("{session}  {what}: {file} ({about})\n"))?;
    let Some(Came::Foreign(report)) = &outcome.report else {
        return Ok(());
    };
    left_out(report, "  ", console);
    for called in &report.called {
        let (id, entries) = (called.session, called.entries);
        let title = escape::line(called.title.as_deref().unwrap_or("no title"));
        console.note(&format!(
            "  an agent that it called: {id} ({entries} entries): {title}\n"
        ));
        left_out(called, "    ", console);
    }
    Ok(())
}

/// Tells what of a file is not in a conversation, or not as it was.
fn left_out(report: &Report, indent: &str, console: &Console) {
    for left in &report.left {
        console.note(&format!(
            "{indent}{}\n",
            escape::line(&importing::left_text(left))
        ));
    }
    if report.cut > 0 {
        console.note(&format!(
            "{indent}{} × text: longer than an entry holds; the file is kept whole\n",
            report.cut
        ));
    }
}
