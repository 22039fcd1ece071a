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
use crate::one_session::{self, Cancellable};
use crate::problem::Problem;
use crate::session_tree;
use crate::signals::Signals;
use crate::tree_commands::LeafOfSession;

/// Lets a conversation go on elsewhere, with a summary of the branch that is left.
pub(crate) fn leave(arguments: &LeafOfSession, console: &Console) -> Result<ExitCode, Problem> {
    let command = "sessions leaf";
    one_session::with(
        command,
        &arguments.session,
        console,
        async |runtime, session, signals| summarise(runtime, session, arguments, console, signals).await,
    )
}

async fn summarise(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &LeafOfSession,
    console: &Console,
    signals: &mut Signals,
) -> Result<ExitCode, Problem> {
    let to = session_tree::place_of(&arguments.entry)?;
    let mut work = Cancellable::watch(runtime, session, signals)?;
    if work.watch.session().tree.leaf() == to {
        return done(work.watch.session(), None, arguments, console);
    }
    runtime
        .move_leaf_with_summary(session, to, arguments.focus.as_deref(), None)
        .await?;
    let stays = "the conversation goes on where it did; without --summarise it moves at once\n";
    while let Some(updates) = work.next().await? {
        let has_summary = updates
            .iter()
            .any(|update| matches!(update, Update::BranchSummarised { .. }));
        for update in &updates {
            match update {
                Update::BranchSummaryBegan { model, messages, .. } => {
                    let model = escape::line(&model.to_string()).into_owned();
                    console.note(&format!("summarising {messages} messages with {model} …\n"));
                }
                Update::BranchSummarised { entry } => {
                    return done(work.watch.session(), Some(*entry), arguments, console);
                }
                // Nothing was left, so there is nothing to summarise.
                Update::LeafMoved { .. } if !has_summary => {
                    return done(work.watch.session(), None, arguments, console);
                }
                Update::CompactionFailed { message } => {
                    console.note(&format!("no summary: {}; {stays}", escape::line(message)));
                    return Ok(ExitCode::Failed);
                }
                Update::CompactionDropped => {
                    console.note(&format!("no summary; {stays}"));
                    return Ok(ExitCode::Interrupted);
                }
                Update::Gap { .. } if work.is_over() => {
                    let tree = &work.watch.session().tree;
                    let leaf = tree.leaf();
                    let summary = leaf.filter(|leaf| {
                        tree.get(*leaf)
                            .is_some_and(|entry| matches!(entry.body, Body::BranchSummary(_)))
                    });
                    if summary.is_none() && leaf != to {
                        console.note(&format!("no summary; {stays}"));
                        return Ok(ExitCode::Failed);
                    }
                    return done(work.watch.session(), summary, arguments, console);
                }
                Update::Ended => return Ok(ExitCode::Failed),
                _ => {}
            }
        }
    }
    Ok(ExitCode::Interrupted)
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
