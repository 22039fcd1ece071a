//! `glasswork sessions leaf --summarise`

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;

use crate::commands::LeafOfSession;
use crate::console::Console;
use crate::escape;
use crate::one_session::{self, Cancellable};
use crate::problem::Problem;
use crate::session_tree;
use crate::signals::Signals;

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
    let mut work = Cancellable::watch(runtime, session, signals)?;
    if work.watch.session().tree.leaf() == to {
        return Ok(ExitCode::Done);
    }
    runtime
        .move_leaf_with_summary(session, to, arguments.focus.as_deref(), None)
        .await?;
    let stays = "the conversation goes on where it did; without --summarise it moves at once\n";
    while let Some(updates) = work.next().await? {
        let begins = updates
            .iter()
            .any(|update| matches!(update, Update::BranchSummarised { .. }));
        for update in &updates {
            match update {
                Update::BranchSummaryBegan { model, messages, .. } => {
                    let model = escape::line(&model.to_string()).into_owned();
                    console.note(&format!("summarising {messages} messages with {model} …\n"));
                }
                Update::BranchSummarised { entry } => {
                    console.data(&format!("{entry}\n"))?;
                    return Ok(ExitCode::Done);
                }
                // Nothing was left, so there is nothing to summarise.
                Update::LeafMoved { .. } if !begins => return Ok(ExitCode::Done),
                Update::CompactionFailed { message } => {
                    console.note(&format!("no summary: {}; {stays}", escape::line(message)));
                    return Ok(ExitCode::Failed);
                }
                Update::CompactionDropped => {
                    console.note(&format!("no summary; {stays}"));
                    return Ok(ExitCode::Interrupted);
                }
                Update::Ended => return Ok(ExitCode::Failed),
                _ => {}
            }
        }
    }
    Ok(ExitCode::Interrupted)
}
