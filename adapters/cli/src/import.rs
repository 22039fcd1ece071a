//! `glasswork sessions import`

use std::path::Path;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::importing::{self, Imported, Plan};
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::Import;
use crate::compose::{self, Model, Place, Sessions};
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;

/// What came of one file.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    /// What became of it; `null` where it was not imported.
    result: Option<Imported>,
    session: Option<String>,
    /// Why it was not imported.
    error: Option<String>,
    #[serde(flatten)]
    read: Value,
}

/// Imports files.
pub(crate) fn import(arguments: &Import, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let runtime = sessions.start(place.providers()?, &Model::none()).await?;
        let mut importing = Importing {
            arguments,
            console,
            sessions: &sessions,
            runtime: &runtime,
            outcomes: vec![],
            code: ExitCode::Done,
        };
        for file in &arguments.files {
            importing.file(file).await?;
        }
        let (outcomes, code) = (importing.outcomes, importing.code);
        runtime.stop().await;
        Ok::<_, Problem>((outcomes, code))
    });
    compose::end(tasks);
    let (outcomes, code) = done?;
    if arguments.json.json {
        console.json(&outcomes, Layout::Document)?;
    }
    Ok(code)
}

struct Importing<'a> {
    arguments: &'a Import,
    console: &'a Console,
    sessions: &'a Sessions,
    runtime: &'a Runtime,
    outcomes: Vec<Outcome>,
    code: ExitCode,
}

impl Importing<'_> {
    /// Imports one file. What is wrong with it is told, and the others follow.
    async fn file(&mut self, file: &Path) -> Result<(), Problem> {
        let outcome = match self.try_file(file).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.code = (&error).into();
                Outcome {
                    file: file.display().to_string(),
                    result: None,
                    session: None,
                    error: Some(error.to_string()),
                    read: json!({}),
                }
            }
        };
        if !self.arguments.json.json {
            self.tell(&outcome)?;
        }
        self.outcomes.push(outcome);
        Ok(())
    }

    async fn try_file(&self, file: &Path) -> Result<Outcome, OperationError> {
        let bytes = importing::read(file)?;
        let format = self.arguments.format.foreign();
        let mut plan = Plan::of(file, bytes, format, self.arguments.workspace.as_deref())?;
        if self.arguments.as_new {
            plan = plan.anew();
        }
        let result = match self.arguments.dry_run {
            true => self.runtime.imported(&plan)?.filter(|found| *found == Imported::AlreadyHere),
            false => Some(self.runtime.import(&plan).await?),
        };
        let transcript = &plan.transcript;
        Ok(Outcome {
            file: file.display().to_string(),
            result,
            session: Some(plan.session.to_string()),
            error: None,
            read: json!({
                "format": transcript.format,
                "version": transcript.version,
                "title": transcript.title,
                "workspace": plan.workspace,
                "model": transcript.model,
                "entries": transcript.entries.len(),
                "on_branch": transcript.sent.len(),
                "cut": plan.cut,
                "left": transcript.left,
            }),
        })
    }

    fn tell(&self, outcome: &Outcome) -> Result<(), Problem> {
        let (console, file) = (self.console, escape::line(&outcome.file));
        if let Some(error) = &outcome.error {
            let text = escape::text(error);
            console.note(&format!("{} {text}\n", console.err.red("error:")));
            return Ok(());
        }
        let session = outcome.session.as_deref().unwrap_or_default();
        let number = |name: &str| outcome.read.get(name).and_then(Value::as_u64).unwrap_or(0);
        let format = outcome.read.get("format").and_then(Value::as_str).unwrap_or_default();
        let what = match outcome.result {
            Some(Imported::AlreadyHere) => "is here already",
            Some(Imported::Completed) => "is now whole",
            Some(Imported::New) => "is new",
            None => "would be imported",
        };
        let entries = number("entries");
        console.data(&format!("{session}  {what}: {file} ({format}, {entries} entries)\n"))?;
        let left = outcome.read.get("left").and_then(Value::as_array);
        for left in left.into_iter().flatten() {
            console.note(&format!("  {}\n", escape::line(&importing::left_text(left))));
        }
        if number("cut") > 0 {
            console.note(&format!("  {} texts were cut; the file is kept whole\n", number("cut")));
        }
        Ok(())
    }
}
