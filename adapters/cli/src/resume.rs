//! `glasswork resume`, and which session `run` goes on with.

use std::io::{self, BufRead as _};
use std::path::Path;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::resuming::{self, Past, ResumeError};

use crate::answering::Answering;
use crate::commands::{OutputFormat, Resume, Run};
use crate::compose::{Place, Sessions};
use crate::console::Console;
use crate::escape;
use crate::pick::{self, Among};
use crate::problem::Problem;
use crate::run;
use crate::session_list;

/// Goes on with a session that a person picks.
pub(crate) fn resume(arguments: &Resume, console: &Console) -> Result<ExitCode, Problem> {
    if !console.can_ask {
        return Err(Problem::usage(
            "`glasswork resume` asks what to do, and so needs a terminal; elsewhere: `glasswork run PROMPT --resume \
             SESSION`",
        ));
    }
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let past = chosen(&arguments.session.join(" "), &sessions, console)?;
    let asks = match past.rests {
        true => "Its turn rests: Enter lets it go on, or say something first.",
        false => "What is to be done?",
    };
    let snapshot = sessions.snapshot();
    let row = snapshot.row(past.id)?;
    let name = row.as_ref().map(|row| row.archived.name()).unwrap_or_default();
    console.note(&format!("{}\n{asks}\n> ", console.err.bold(&escape::line(name))));
    let mut prompt = String::new();
    io::stdin()
        .lock()
        .read_line(&mut prompt)
        .map_err(Problem::failed)?;
    let prompt = prompt.trim();
    if prompt.is_empty() && !past.rests {
        console.note("Nothing was said, and nothing was done.\n");
        return Ok(ExitCode::Done);
    }
    let prompt = (!prompt.is_empty()).then(|| prompt.to_owned());
    let run = Run {
        schema: None,
        prompt: None,
        directory: None,
        model: arguments.model.clone(),
        fallback_model: arguments.fallback_model.clone(),
        permission_mode: arguments.permission_mode,
        output_format: OutputFormat::Text,
        images: vec![],
        answering: Answering::default(),
        max_steps: None,
        max_budget: None,
        go_on: false,
        resume: Some(past.id.to_string()),
    };
    run::within(&run, prompt, &place, console)
}

/// The session that is meant; where that could be several, or nothing was said, the person at the terminal picks one.
///
/// # Errors
/// That there is none, or nobody to pick one.
pub(crate) fn chosen(wanted: &str, sessions: &Sessions, console: &Console) -> Result<Past, Problem> {
    session_list::prepare(sessions, console)?;
    let among = match wanted.trim() {
        "" if console.can_ask => pick::among_those_of(Path::new(".")),
        "" => {
            return Err(Problem::usage(
                "say which session: `--resume SESSION`, or be at a terminal to pick one",
            ));
        }
        wanted => match resuming::named(&sessions.snapshot(), wanted) {
            Err(ResumeError::Several { sessions, .. }) if console.can_ask => {
                Among::These(sessions.iter().map(|session| session.id).collect())
            }
            named => return Ok(named?),
        },
    };
    let id = pick::pick(sessions, among, console)?;
    Ok(resuming::past(&sessions.snapshot(), id)?)
}
