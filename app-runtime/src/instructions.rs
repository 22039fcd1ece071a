//! Files that tell an agent how to work: `AGENTS.md` of the user and of the workspace. They are parts of the system
//! prompt, so no compaction can lose them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use glasswork_agent_core::context::SystemPart;

/// The name of such a file.
pub const FILE: &str = "AGENTS.md";
/// The longest that is read of one, in bytes.
const MOST_BYTES: u64 = 32 * 1024;

/// The instructions that hold in a workspace, the user's own first. A workspace's file is text for the model and has
/// no other effect; one that leads out of the workspace is not read, because a model is sent what is in it.
#[must_use]
pub(crate) fn parts(user: Option<&Path>, workspace: &Path) -> Vec<SystemPart> {
    let own = user.and_then(|file| part(file, None));
    let shipped = part(&workspace.join(FILE), Some(workspace));
    own.into_iter().chain(shipped).collect()
}

fn part(file: &Path, within: Option<&Path>) -> Option<SystemPart> {
    let resolved = file.canonicalize().ok()?;
    if within.is_some_and(|within| !resolved.starts_with(within)) || !resolved.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(&resolved)
        .ok()?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    let cut = bytes.len() as u64 > MOST_BYTES;
    bytes.truncate(usize::try_from(MOST_BYTES).unwrap_or(usize::MAX));
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let name = file.to_string_lossy();
    let end = if cut {
        "\n[The rest of the file is not read: it is too long.]"
    } else {
        ""
    };
    Some(SystemPart {
        name: name.clone().into(),
        text: format!("Instructions from {name}:\n\n{text}{end}").into(),
    })
}
