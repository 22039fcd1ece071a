//! What is waited for in the middle of a turn, since when and on whom: in one session, or in all of them.

use glasswork_agent_session::store::Owner;
use glasswork_engine::ScopeId;
use glasswork_session_state::waiting::What;
use serde::Serialize;

use crate::archive::{Filter, Listing, Status as RowStatus};
use crate::projection::status::{self, Awaited};
use crate::reading::{ReadError, SessionRow, Snapshot};

/// A session, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The session.
    pub session: ScopeId,
    /// Its title, or what was said first in it; empty where there is neither.
    pub name: String,
    /// The commit as of which this is so.
    pub commit: u64,
    /// What it waits for; never nothing.
    pub waiting: Vec<Awaited>,
    /// Whether any of that is in the middle of something: not for the next prompt, nor to be opened.
    pub stuck: bool,
    /// Whether no process has it open, so that nothing that it waits for can come before someone resumes it. Not known
    /// of the past.
    pub left_open: bool,
    /// Who has it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// What one session waits for: now, or as it was after a commit.
///
/// # Errors
/// [`ReadError`].
pub fn of(snapshot: &Snapshot, session: ScopeId, at: Option<u64>) -> Result<Stuck, ReadError> {
    let row = match at {
        None => snapshot.row(session)?,
        Some(_) => None,
    };
    stuck(snapshot, session, at, row.as_ref())
}

/// The sessions in which something is waited for in the middle of a turn, those first in which something happened last.
/// Those that cannot be read are left out; the list of sessions names them.
///
/// # Errors
/// [`ReadError::Store`] where the sessions cannot be listed.
pub fn all(snapshot: &Snapshot) -> Result<Vec<Stuck>, ReadError> {
    let all = Listing {
        filter: Filter {
            empty: true,
            ..Filter::default()
        },
        limit: usize::MAX,
        ..Listing::default()
    };
    let rows = snapshot.page(&all, None)?.rows;
    // Of the others the index knows that they rest.
    let open = rows.iter().filter(|row| {
        let row = &row.archived;
        row.owner.is_some()
            || row.status.is_working()
            || matches!(row.status, RowStatus::Paused | RowStatus::LeftOpen)
    });
    let found = open.filter_map(|row| stuck(snapshot, row.archived.id, None, Some(row)).ok());
    Ok(found.filter(|found| found.stuck).collect())
}

fn stuck(
    snapshot: &Snapshot,
    session: ScopeId,
    at: Option<u64>,
    row: Option<&SessionRow>,
) -> Result<Stuck, ReadError> {
    let seen = snapshot.session(session, at)?;
    let state = seen.session()?;
    let waiting = status::of(state).waiting;
    let stuck = waiting
        .iter()
        .any(|awaited| !matches!(awaited.waiting.what, What::Prompt | What::Opening));
    let owner = row.and_then(|row| row.archived.owner.clone());
    let title = state.meta.title.as_deref();
    Ok(Stuck {
        session,
        name: row
            .map(|row| row.archived.name())
            .or(title)
            .unwrap_or_default()
            .to_owned(),
        commit: seen.scope.seq,
        waiting,
        stuck,
        left_open: stuck && at.is_none() && owner.is_none() && !seen.mounted,
        owner,
    })
}
