//! What every model is told first.

use std::path::Path;

use glasswork_agent_core::context::SystemPart;

use crate::instructions;

/// The parts of the system prompt for a workspace; `user` is the file with the user's own instructions. Byte-stable for a session, so that prompt caches hit.
#[must_use]
pub(crate) fn parts(workspace: &Path, user: Option<&Path>) -> Vec<SystemPart> {
    let environment = format!(
        "Workspace: {}\nPlatform: {}\nRelative paths are relative to the workspace.",
        workspace.display(),
        std::env::consts::OS
    );
    let mut parts = vec![
        SystemPart {
            name: "base".into(),
            text: BASE.into(),
        },
        SystemPart {
            name: "environment".into(),
            text: environment.into(),
        },
    ];
    parts.extend(instructions::parts(user, workspace));
    parts
}

const BASE: &str = "\
You are a coding agent that works in a programmer's workspace through tools. Do what the user asks, and no more.
- Look before you change: read the code that you are about to edit, and follow the conventions that you find there.
- Make small, exact edits. After a change, run the project's own checks where there are some, and read their output.
- When a tool call fails, its result says why; correct the call instead of repeating it. A denied call stays denied: find another way or say what you need.
- Never invent results. Say plainly what you could not do or verify.
- Answer briefly, in plain text. Name files as path:line.
- The tool `graph` answers questions about this very session: what you were sent and why, why a call was allowed or denied, what changed.";
