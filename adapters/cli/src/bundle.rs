//! `glasswork bundle` and `glasswork open`: a session as a file that can be given away, and looking into one.

use std::path::PathBuf;

use glasswork_app_runtime::bundle::{self, Bundled, Opened, Private, Redaction};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::export::{self, ExportError, Format, Leaving};
use glasswork_app_runtime::importing::OwnError;
use glasswork_app_runtime::written_file::{Replace, WrittenFile};
use serde_json::json;

use crate::bundle_commands::{Bundle, Open, Within};
use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::problem::Problem;
use crate::{escape, read, session_tree, sessions};

/// Packs a session into a file.
pub(crate) fn bundle(arguments: &Bundle, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let snapshot = sessions.snapshot();
    let session = snapshot.find(&arguments.session)?;
    let named = || PathBuf::from(format!("{session}.{}", Format::Archive.ending()));
    let path = arguments.output.clone().unwrap_or_else(named);
    let replace = if arguments.force {
        Replace::Yes
    } else {
        Replace::No
    };
    let cannot = |error| Problem::failed(format!("cannot write {}: {error}", path.display()));
    let mut file = WrittenFile::create(&path, replace).map_err(cannot)?;
    let written = match arguments.raw {
        true => {
            let what = export::Export {
                session,
                at: arguments.at,
                format: Format::Archive,
            };
            let report = export::export(&snapshot, sessions.files(), what, &Leaving::default(), &mut file);
            report.map(|report| Bundled {
                session,
                commit: report.commit,
                redaction: None,
            })
        }
        false => {
            let private = Private {
                home: place.environment.text("HOME"),
                secrets: &place.secrets()?,
            };
            bundle::bundle(sessions.files(), session, arguments.at, &private, &mut file)
        }
    };
    let bundled = written.map_err(|error| unwritten(&error))?;
    file.finish().map_err(cannot)?;
    match arguments.json.json {
        true => console.json(&json!({ "file": path, "bundle": bundled }), Layout::Document)?,
        false => {
            let name = path.display().to_string();
            let head = format!("{} at commit {}\n", escape::line(&name), bundled.commit);
            console.note(&(head + &redacted(bundled.redaction.as_ref())));
        }
    }
    Ok(ExitCode::Done)
}

fn unwritten(error: &ExportError) -> Problem {
    Problem::Told {
        code: error.into(),
        text: error.to_string(),
    }
}

fn unopened(error: &OwnError) -> Problem {
    Problem::Told {
        code: error.into(),
        text: error.to_string(),
    }
}

/// Opens a file.
pub(crate) fn opened(file: &std::path::Path) -> Result<Opened, Problem> {
    bundle::open(file).map_err(|error| unopened(&error))
}

/// What was taken out, in words.
fn redacted(redaction: Option<&Redaction>) -> String {
    let Some(redaction) = redaction else {
        return "  the record as it is: nothing was taken out\n".to_owned();
    };
    let mut text = String::new();
    for (rule, count) in &redaction.taken_out {
        text.push_str(&format!("  {count} × {}: taken out\n", escape::line(rule)));
    }
    for (kind, count) in &redaction.masked_before {
        text.push_str(&format!(
            "  {count} × secret:{}: masked before it came to the session\n",
            escape::line(kind)
        ));
    }
    for digest in &redaction.not_looked_into {
        text.push_str(&format!(
            "  blobs/{}: neither text nor a known image, and so not looked into\n",
            escape::line(digest)
        ));
    }
    if redaction.under_way {
        text.push_str(
            "  something was under way: pieces of an answer are in it, and what stands across two of them was not found\n",
        );
    }
    if text.is_empty() {
        text.push_str("  nothing private was found\n");
    }
    text
}

/// Says what is in a file, or reads in it.
pub(crate) fn open(arguments: &Open, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let opened = opened(&arguments.file)?;
    let within = place.sessions_in(&opened)?;
    match &arguments.command {
        Some(Within::Reading(command)) => return read::read(command, &within, console),
        Some(Within::Show(arguments)) => sessions::show(arguments, &within.snapshot(), console)?,
        Some(Within::Tree(arguments)) => session_tree::show(arguments, &within.snapshot(), console)?,
        None if arguments.json.json => console.json(
            &json!({ "session": opened.session, "commit": opened.commit, "manifest": opened.manifest }),
            Layout::Document,
        )?,
        None => console.data(&text(&opened))?,
    }
    Ok(ExitCode::Done)
}

fn text(opened: &Opened) -> String {
    let mut text = format!("session {} at commit {}\n", opened.session, opened.commit);
    match &opened.manifest {
        None => text.push_str("the lines of its journal alone: no blobs, no traces\n"),
        Some(manifest) => {
            text.push_str(&format!(
                "format {}, made by version {}; every file is as the manifest says:\n",
                manifest.glasswork_archive,
                escape::line(&manifest.version)
            ));
            for file in &manifest.files {
                text.push_str(&format!("  {:>10}  {}\n", file.bytes, escape::line(&file.path)));
            }
            text.push_str(&redacted(manifest.redaction.as_ref()));
        }
    }
    text
}
