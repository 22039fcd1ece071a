//! `glasswork sessions export`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::export::{self, ExportError, Format, Leaving, Report};
use glasswork_app_runtime::written_file::{Replace, WrittenFile};
use serde_json::json;

use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;
use crate::session_commands::{Export, ExportFormat};

/// Writes a session as a file.
pub(crate) fn export(arguments: &Export, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let snapshot = sessions.snapshot();
    let what = export::Export {
        session: snapshot.find(&arguments.session)?,
        at: arguments.at,
        format: match arguments.format {
            ExportFormat::Archive => Format::Archive,
            ExportFormat::Jsonl => Format::Jsonl,
            ExportFormat::Markdown => Format::Markdown,
            ExportFormat::Html => Format::Html,
        },
    };
    let leaving = match arguments.raw {
        true => Leaving::default(),
        false => Leaving::home(place.environment.text("HOME")).masking(&place.secrets()?, what.session),
    };
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-"));
    if to_stdout && what.format == Format::Archive && console.out_is_terminal {
        return Err(Problem::usage("an archive is no text; give it a file: `-o FILE`"));
    }
    if to_stdout {
        let mut out = std::io::stdout().lock();
        let report = export::export(&snapshot, sessions.files(), what, &leaving, &mut out);
        let report = report.map_err(|error| match error {
            ExportError::Write(error) => Problem::output(error),
            error => told(&error),
        })?;
        out.flush().map_err(Problem::output)?;
        tell(&report, None, console);
        return Ok(ExitCode::Done);
    }
    let named = || PathBuf::from(format!("{}.{}", what.session, what.format.ending()));
    let path = arguments.output.clone().unwrap_or_else(named);
    let replace = if arguments.force {
        Replace::Yes
    } else {
        Replace::No
    };
    let cannot = |error| Problem::failed(format!("cannot write {}: {error}", path.display()));
    let mut file = WrittenFile::create(&path, replace).map_err(cannot)?;
    let report = export::export(&snapshot, sessions.files(), what, &leaving, &mut file);
    let report = report.map_err(|error| told(&error))?;
    file.finish().map_err(cannot)?;
    match arguments.json {
        true => console.json(&json!({ "file": path, "export": report }), Layout::Document)?,
        false => tell(&report, Some(&path), console),
    }
    Ok(ExitCode::Done)
}

fn told(error: &ExportError) -> Problem {
    Problem::Told {
        code: error.into(),
        text: error.to_string(),
    }
}

/// What was written, and what was found in it.
fn tell(report: &Report, file: Option<&Path>, console: &Console) {
    let mut text = String::new();
    if let Some(file) = file {
        let name = file.display().to_string();
        text.push_str(&format!("{} at commit {}\n", escape::line(&name), report.commit));
    }
    let (paths, verbatim) = (report.found.home_paths, report.verbatim);
    if paths > 0 && verbatim {
        text.push_str(&format!(
            "  {paths} × path below the home directory: still in it, because it is the record itself\n"
        ));
    } else if paths > 0 {
        text.push_str(&format!(
            "  {paths} × path below the home directory: shortened to `~`\n"
        ));
    }
    for (kind, count) in &report.found.secrets {
        text.push_str(&format!("  {count} × secret ({}): masked\n", escape::line(kind)));
    }
    console.note(&text);
}
