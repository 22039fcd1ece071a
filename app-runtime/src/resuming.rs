//! Going on with a session of the past: which one, where it worked, whom it asked.

use std::path::{Path, PathBuf};

use glasswork_agent_core::turn;
use glasswork_ai::model::ModelId;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::Sourced;

use crate::reading::{ReadError, Snapshot};

/// A session of the past, as far as one needs to know it to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The session.
    pub id: ScopeId,
    /// The directory in which it works.
    pub workspace: PathBuf,
    /// The model that it asked last.
    pub model: Sourced<Option<ModelId>>,
    /// Whether its turn rests, and can go on without anything being said.
    pub rests: bool,
}

/// The session that `name` means: its id, the beginning of it, or `last`.
///
/// # Errors
/// [`ReadError`].
pub fn named(snapshot: &Snapshot, name: &str) -> Result<Past, ReadError> {
    past(snapshot, snapshot.find(name)?)
}

/// The newest session that works in `workspace`, a resolved path. Of the others only the beginning is read; damaged
/// ones are passed over.
///
/// # Errors
/// [`ReadError`] where there is none, or where it cannot be read.
pub fn last_in(snapshot: &Snapshot, workspace: &Path) -> Result<Past, ReadError> {
    let works_here = |id: &ScopeId| {
        let opened = snapshot.session(*id, Some(1));
        opened.is_ok_and(|seen| {
            seen.session()
                .is_ok_and(|session| Path::new(&*session.meta.workspace) == workspace)
        })
    };
    let mut ids = snapshot.sessions()?.into_iter().map(|row| row.archived.id);
    let found = ids.find(works_here);
    let unknown = || ReadError::Unknown(format!("last in {}", workspace.display()));
    past(snapshot, found.ok_or_else(unknown)?)
}

fn past(snapshot: &Snapshot, id: ScopeId) -> Result<Past, ReadError> {
    let seen = snapshot.session(id, None)?;
    let session = seen.session()?;
    Ok(Past {
        id,
        workspace: PathBuf::from(&*session.meta.workspace),
        model: session.settings.model.clone(),
        rests: session
            .open_turn()
            .is_some_and(|turn| turn.state == turn::State::Paused),
    })
}
