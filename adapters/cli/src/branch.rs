//! `glasswork sessions leaf --summarise`

use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::tree::Body;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;
use glasswork_session_state::state::Session;
use serde_json::json;

use crate::console::{Console, Layout};
use crate::escape;
use crate::one_session;
use crate::problem::Problem;
use crate::session_tree;
use crate::signals::Signals;
use crate::tree_commands::LeafOfSession;

/// Lets a conversation go on elsewhere, with a summary of the branch that is left.
pub(crate) fn leave(arguments: &LeafOfSession, console: &Console) -> Result<ExitCode, Problem> {
    one_session::with(&arguments.session, console, async |runtime, session, signals| {
        summarise(runtime, session, arguments, console, signals).await
    })
}

async fn summarise(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &LeafOfSession,
    console: &Console,
    signals: &mut Signals,
) -> Result<ExitCode, Problem> {
    let to = session_tree::place_of(&arguments.entry)?;
    let mut watch = runtime
        .watch(session)
        .ok_or_else(|| Problem::defect("the session is not open"))?;
    if watch.session().tree.leaf() == to {
        return done(watch.session(), None, arguments, console);
    }
    runtime
        .move_leaf_with_summary(session, to, arguments.focus.as_deref(), None)
        .await?;
    let stays = "the conversation goes on where it did; without --summarise it moves at once\n";
    let mut stopped = false;
    loop {
        let watched = tokio::select! {
            biased;
            _ = signals.next() => {
                if stopped {
                    return Ok(ExitCode::Interrupted);
                }
                stopped = true;
                // It may have ended meanwhile; that is no failure.
                let _ = runtime.cancel(session).await;
                continue;
            }
            watched = watch.next() => watched,
        };
        let has_summary = watched
            .updates
            .iter()
            .any(|update| matches!(update, Update::BranchSummarised { .. }));
        for update in &watched.updates {
            match update {
                Update::BranchSummaryBegan { model, messages, .. } => {
                    let model = escape::line(&model.to_string()).into_owned();
                    console.note(&format!("summarising {messages} messages with {model} …\n"));
                }
                Update::BranchSummarised { entry } => {
                    return done(watch.session(), Some(*entry), arguments, console);
                }
                // Nothing was left, so there is nothing to summarise.
                Update::LeafMoved { .. } if !has_summary => {
                    return done(watch.session(), None, arguments, console);
                }
                Update::CompactionFailed { message } => {
                    console.note(&format!("no summary: {}; {stays}", escape::line(message)));
                    return Ok(ExitCode::Failed);
                }
                Update::CompactionDropped => {
                    console.note(&format!("no summary; {stays}"));
                    return Ok(ExitCode::Interrupted);
                }
                Update::Ended => return Ok(ExitCode::Failed),
                Update::RecordingFailed { reason } => {
                    return Err(Problem::failed(format!(
                        "the journal cannot be written: {reason}"
                    )));
                }
                _ => {}
            }
        }
    }
}

/// Tells where the conversation goes on now, and which entry has the summary, where there is one.
fn done(
    session: &Session,
    summary: Option<EntryId>,
    arguments: &LeafOfSession,
    console: &Console,
) -> Result<ExitCode, Problem> {
    if arguments.json.json {
        let made = summary.and_then(|entry| session.tree.get(entry));
        let made = made.and_then(|entry| match &entry.body {
            Body::BranchSummary(made) => Some(made),
            _ => None,
        });
        let leaf = session.tree.leaf();
        let text = made.map(|made| &made.summary);
        let from = made.and_then(|made| made.from);
        let document = json!({ "id": session.id, "leaf": leaf, "from": from, "summary": text });
        console.json(&document, Layout::Document)?;
    } else if let Some(entry) = summary {
        console.data(&format!("{entry}\n"))?;
    }
    Ok(ExitCode::Done)
}
