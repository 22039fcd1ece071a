//! `glasswork sessions close`

use glasswork_app_runtime::closing::ClosedTree;
use glasswork_app_runtime::ending::ExitCode;
use serde_json::json;

use crate::compose::{Place, Sessions};
use crate::console::{Console, Layout};
use crate::escape;
use crate::problem::Problem;
use crate::session_tree;
use crate::tree_commands::CloseSession;

/// Closes a session, alone or with all that were forked from it.
pub(crate) fn close(
    arguments: &CloseSession,
    place: &Place,
    sessions: &Sessions,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let session = sessions.snapshot().find(&arguments.session)?;
    let ClosedTree { closed, stayed } = session_tree::started(place, sessions, async |runtime| {
        if arguments.tree {
            return Ok(runtime.close_tree(session).await?);
        }
        runtime.close(session).await?;
        Ok(ClosedTree {
            closed: vec![session],
            stayed: vec![],
        })
    })?;
    if arguments.json.json {
        console.json(&json!({ "closed": closed, "stayed": stayed }), Layout::Document)?;
    } else if arguments.tree {
        let lines = closed.iter().map(|session| format!("{session}\n"));
        console.data(&lines.collect::<String>())?;
        for stayed in &stayed {
            let why = escape::line(&stayed.why);
            console.note(&format!("{} stays open: {why}\n", stayed.session));
        }
    }
    Ok(match stayed.is_empty() {
        true => ExitCode::Done,
        false => ExitCode::Failed,
    })
}
