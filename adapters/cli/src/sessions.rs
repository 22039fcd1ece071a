//! `glasswork sessions`

use std::collections::BTreeMap;

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::projection::status;
use glasswork_app_runtime::projection::transcript::{self, Line, Said};
use glasswork_app_runtime::reading::Snapshot;
use glasswork_session_state::state::Session;
use serde_json::{Value, json};

use crate::compose::Place;
use crate::console::{Console, Layout, Paint};
use crate::problem::Problem;
use crate::session_commands::{SessionsCommand, ShowSession};
use crate::tree_commands::TreeCommand;
use crate::{
    branch, close, compact, escape, export, import, session_list, session_repair, session_tree, show,
};

/// Lists sessions, searches in them, or shows one.
pub(crate) fn sessions(command: &SessionsCommand, console: &Console) -> Result<ExitCode, Problem> {
    match command {
        SessionsCommand::Import(arguments) => return import::import(arguments, console),
        SessionsCommand::Export(arguments) => return export::export(arguments, console),
        SessionsCommand::Compact(arguments) => return compact::compact(arguments, console),
        SessionsCommand::Tree(TreeCommand::Leaf(arguments)) if arguments.summarise => {
            return branch::leave(arguments, console);
        }
        _ => {}
    }
    let place = Place::find()?;
    let sessions = place.sessions()?;
    match command {
        SessionsCommand::Import(_) | SessionsCommand::Export(_) | SessionsCommand::Compact(_) => {}
        SessionsCommand::List(arguments) => session_list::list(arguments, &sessions, console)?,
        SessionsCommand::Search(arguments) => session_list::search(arguments, &sessions, console)?,
        SessionsCommand::Reindex(json) => session_list::reindex(*json, &sessions, console)?,
        SessionsCommand::Repair(arguments) => return session_repair::repair(arguments, &sessions, console),
        SessionsCommand::Tree(TreeCommand::Close(arguments)) => {
            return close::close(arguments, &place, &sessions, console);
        }
        SessionsCommand::Tree(command) => session_tree::act(command, &place, &sessions, console)?,
        SessionsCommand::Show(arguments) => show(arguments, &sessions.snapshot(), console)?,
    }
    Ok(ExitCode::Done)
}

/// Shows what was said and done in a session.
pub(crate) fn show(arguments: &ShowSession, snapshot: &Snapshot, console: &Console) -> Result<(), Problem> {
    let seen = snapshot.session(snapshot.find(&arguments.session)?, arguments.at.at)?;
    let session = seen.session()?;
    match arguments.json.json {
        true => console.json(&shown_json(session, seen.scope.seq), Layout::Document),
        false => console.data(&shown_text(session, seen.scope.seq, console.out)),
    }
}

fn shown_json(session: &Session, seq: u64) -> Value {
    json!({
        "id": session.id,
        "commit": seq,
        "status": status::of(session),
        "masked": masked(session),
        "transcript": transcript::of(session),
    })
}

/// How many secrets of each kind were masked.
fn masked(session: &Session) -> BTreeMap<String, u32> {
    let counts = session.masked.counts();
    counts
        .into_iter()
        .map(|(kind, count)| (kind.to_string(), count))
        .collect()
}

fn shown_text(session: &Session, seq: u64, paint: Paint) -> String {
    let status = status::of(session);
    let model = status
        .model
        .as_ref()
        .map_or_else(|| "no model".to_owned(), ToString::to_string);
    let mut text = format!(
        "{}\n{}\n",
        paint.bold(&format!("session {} at commit {seq}", session.id)),
        paint.dim(&escape::line(&format!("{}, {model}", status.workspace)))
    );
    for line in transcript::of(session) {
        text.push_str(&said(&line, paint));
        text.push('\n');
    }
    let masked: Vec<String> = masked(session)
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    if !masked.is_empty() {
        text.push_str(&paint.dim(&format!("(secrets masked: {})\n", masked.join(", "))));
    }
    if let Some(turn) = &status.turn {
        let state: &str = (&turn.state).into();
        text.push_str(&paint.dim(&format!("(the turn is {})\n", state.replace('_', " "))));
    }
    for awaited in &status.waiting {
        text.push_str(&paint.dim(&format!("(it {})\n", escape::line(&awaited.text))));
    }
    text
}

fn said(line: &Line, paint: Paint) -> String {
    match &line.said {
        Said::Person { text, .. } => format!("\n{}", paint.bold(&format!("> {}", escape::text(text)))),
        Said::Thinking { text } => paint.dim(&escape::text(text)),
        Said::Text { text, .. } => escape::text(text).into_owned(),
        Said::Call {
            name,
            arguments,
            judgement,
            result,
            is_error,
            ..
        } => {
            let mut text = show::call(name, arguments, paint);
            if let Some(judgement) = judgement {
                text.push_str(&format!("\n  {}", paint.dim(&escape::line(judgement))));
            }
            if let Some(result) = result {
                text.push_str(&format!("\n{}", show::excerpt(result, paint, false)));
            }
            if *is_error {
                text.push_str(&format!(
                    "\n{}",
                    paint.red("  (the model was told that it failed)")
                ));
            }
            text
        }
        Said::Compacted {
            text,
            tokens_before,
            tokens_after,
            ..
        } => format!(
            "\n{}\n{}",
            paint.bold(&format!(
                "— compacted: about {tokens_before} tokens before, {tokens_after} after —"
            )),
            paint.dim(&escape::text(text))
        ),
        Said::Notice { text, .. } => paint.dim(&format!("! {}", escape::text(text))),
        Said::Superseded { text, model, why, by } => {
            let head = format!("— {model} gave no answer ({why}); {by} was asked instead —");
            format!(
                "\n{}\n{}",
                paint.bold(&escape::line(&head)),
                paint.dim(&escape::text(text))
            )
        }
        Said::BranchLeft { text, .. } => format!(
            "\n{}\n{}",
            paint.bold("— another attempt was left —"),
            paint.dim(&escape::text(text))
        ),
        Said::Cancelled => paint.red("(cut off by a cancel)"),
    }
}
