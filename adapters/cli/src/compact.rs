//! `glasswork sessions compact`

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::projection::transcript::{self, Line, Said};
use glasswork_app_runtime::runtime::Runtime;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;
use glasswork_session_state::state::Session;
use serde_json::json;

use crate::console::{Console, Layout};
use crate::escape;
use crate::one_session::{self, Cancellable};
use crate::problem::Problem;
use crate::session_commands::CompactSession;
use crate::show::{Screen, To};
use crate::signals::Signals;

/// Makes a conversation shorter, or undoes that.
pub(crate) fn compact(arguments: &CompactSession, console: &Console) -> Result<ExitCode, Problem> {
    one_session::with(
        "sessions compact",
        &arguments.session,
        console,
        async |runtime, session, signals| match arguments.undo {
            true => undo(runtime, session, arguments, console).await,
            false => summarise(runtime, session, arguments, console, signals).await,
        },
    )
}

async fn undo(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &CompactSession,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let done = runtime.undo_compaction(session, None).await?;
    match arguments.json.json {
        true => console.json(&json!({ "id": session, "commit": done.id.seq }), Layout::Document)?,
        false => console.data("the conversation is whole again\n")?,
    }
    Ok(ExitCode::Done)
}

async fn summarise(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &CompactSession,
    console: &Console,
    signals: &mut Signals,
) -> Result<ExitCode, Problem> {
    let mut work = Cancellable::watch(runtime, session, signals)?;
    let mut screen = Screen::new(*console, To::Notes, To::Notes);
    runtime.compact(session, arguments.focus.as_deref(), None).await?;
    while let Some(updates) = work.next().await? {
        for update in &updates {
            screen.show(update)?;
            match update {
                Update::Compacted { .. } => {
                    told(work.watch.session(), arguments, console)?;
                    return Ok(ExitCode::Done);
                }
                Update::CompactionFailed { .. } | Update::Ended => return Ok(ExitCode::Failed),
                Update::CompactionDropped => return Ok(ExitCode::Interrupted),
                Update::Gap { .. } if work.is_over() => {
                    let compacted = transcript::of(work.watch.session()).pop();
                    if !matches!(
                        compacted,
                        Some(Line {
                            said: Said::Compacted { .. },
                            ..
                        })
                    ) {
                        return Ok(ExitCode::Failed);
                    }
                    told(work.watch.session(), arguments, console)?;
                    return Ok(ExitCode::Done);
                }
                _ => {}
            }
        }
    }
    Ok(ExitCode::Interrupted)
}

/// Tells what the model is sent from now on instead of what was said.
fn told(session: &Session, arguments: &CompactSession, console: &Console) -> Result<(), Problem> {
    let Some(Line {
        entry,
        said:
            Said::Compacted {
                text,
                first_kept,
                tokens_before,
                tokens_after,
            },
        ..
    }) = transcript::of(session).pop()
    else {
        return Err(Problem::defect(
            "the conversation does not stand at its compaction",
        ));
    };
    match arguments.json.json {
        true => console.json(
            &json!({
                "id": session.id,
                "entry": entry,
                "first_kept": first_kept,
                "tokens_before": tokens_before,
                "tokens_after": tokens_after,
                "text": text,
            }),
            Layout::Document,
        ),
        false => console.data(&format!("{}\n", escape::text(&text))),
    }
}
