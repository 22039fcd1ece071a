//! `glasswork sessions`

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::projection::status;
use glasswork_app_runtime::projection::transcript::{self, Line, Said};
use glasswork_app_runtime::reading::SessionRow;
use glasswork_engine::Timestamp;
use glasswork_session_state::state::Session;
use serde_json::{Value, json};

use crate::commands::SessionsCommand;
use crate::compose::Place;
use crate::console::{Console, Layout, Paint};
use crate::problem::Problem;
use crate::{escape, import, show};

/// Lists sessions, or shows one.
pub(crate) fn sessions(command: &SessionsCommand, console: &Console) -> Result<ExitCode, Problem> {
    if let SessionsCommand::Import(arguments) = command {
        return import::import(arguments, console);
    }
    let snapshot = Place::find()?.sessions()?.snapshot();
    match command {
        SessionsCommand::Import(_) => {}
        SessionsCommand::List(format) => {
            let rows = snapshot.sessions()?;
            match format.json {
                true => console.json(&rows.iter().map(row_json).collect::<Vec<_>>(), Layout::Document)?,
                false if rows.is_empty() => {
                    console.note("There are no sessions yet; `glasswork demo` makes one.\n");
                }
                false => console.data(
                    &rows
                        .iter()
                        .map(|row| row_text(row, console.out))
                        .collect::<String>(),
                )?,
            }
        }
        SessionsCommand::Show { session, at, json } => {
            let seen = snapshot.session(snapshot.find(session)?, *at)?;
            let session = seen.session()?;
            match json.json {
                true => console.json(&shown_json(session, seen.scope.seq), Layout::Document)?,
                false => console.data(&shown_text(session, seen.scope.seq, console.out))?,
            }
        }
    }
    Ok(ExitCode::Done)
}

fn row_json(row: &SessionRow) -> Value {
    let session = &row.archived;
    json!({
        "id": session.id,
        "created": time(session.created),
        "updated": session.updated.map(time),
        "commits": session.seq,
        "bytes": session.bytes,
        "workspace": session.workspace,
        "first_words": session.first_words,
        "damage": session.damage,
    })
}

fn row_text(row: &SessionRow, paint: Paint) -> String {
    let session = &row.archived;
    if let Some(damage) = &session.damage {
        return format!("{}  {}\n", session.id, paint.red(&escape::line(damage)));
    }
    let when = time(session.updated.unwrap_or(session.created));
    let words = session.first_words.as_deref().unwrap_or("(nothing said yet)");
    let place = session.workspace.as_deref().unwrap_or_default();
    format!(
        "{}  {when}  {:>6} commits  {:>7} KiB\n    {}  {}\n",
        session.id,
        session.seq,
        session.bytes.div_ceil(1024),
        escape::line(words),
        paint.dim(&escape::line(place))
    )
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn shown_json(session: &Session, seq: u64) -> Value {
    json!({
        "id": session.id,
        "commit": seq,
        "status": status::of(session),
        "transcript": transcript::of(session),
    })
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
        Said::Cancelled => paint.red("(cut off by a cancel)"),
    }
}
