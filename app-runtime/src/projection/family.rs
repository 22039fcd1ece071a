//! The family of a session: the one from which it descends by forks, and all that descend from that one.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_engine::{ScopeId, Timestamp};
use serde::Serialize;

use crate::archive::Status;
use crate::reading::{ReadError, SessionRow, Snapshot};

/// Most sessions of a family that are shown.
pub const MOST: usize = 256;

/// A session in its family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relative {
    /// The session.
    pub session: ScopeId,
    /// The one that it was forked from; `None` for the first one, and where that is not there any more.
    pub parent: Option<ScopeId>,
    /// The commit of the parent at which it was forked; `None` where the parent cannot be read.
    pub at: Option<u64>,
    /// How many forks lie between it and the first one.
    pub depth: usize,
    /// Its title, or what was said first in it; empty where there is neither.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// Whether it is mounted here.
    pub mounted: bool,
    /// When its last commit was made.
    pub updated: Option<Timestamp>,
}

/// The family of a session as it is now: each session stands before those that were forked from it, and those in the
/// order of the commits at which they were. Of a family with more than [`MOST`] sessions the rest is left out.
///
/// # Errors
/// [`ReadError::Store`] where the sessions cannot be listed; [`ReadError::Unknown`].
pub fn of(snapshot: &Snapshot, session: ScopeId) -> Result<Vec<Relative>, ReadError> {
    let rows = snapshot.sessions()?;
    let rows: BTreeMap<ScopeId, &SessionRow> = rows.iter().map(|row| (row.archived.id, row)).collect();
    let parent_of = |id: ScopeId| {
        let parent = rows.get(&id)?.archived.parent?;
        rows.contains_key(&parent).then_some(parent)
    };
    if !rows.contains_key(&session) {
        return Err(ReadError::Unknown(session.to_string()));
    }
    // What a journal says of its parent is only read, so it could go in circles.
    let mut seen = BTreeSet::from([session]);
    let mut first = session;
    while let Some(parent) = parent_of(first).filter(|parent| seen.insert(*parent)) {
        first = parent;
    }
    let mut children: BTreeMap<ScopeId, Vec<ScopeId>> = BTreeMap::new();
    for id in rows.keys() {
        if let Some(parent) = parent_of(*id) {
            children.entry(parent).or_default().push(*id);
        }
    }
    let mut family = Vec::new();
    let mut known = BTreeSet::new();
    let mut next = vec![(first, None, None, 0)];
    while let Some((id, parent, at, depth)) = next.pop() {
        let Some(row) = rows.get(&id).filter(|_| family.len() < MOST && known.insert(id)) else {
            continue;
        };
        family.push(Relative {
            session: id,
            parent,
            at,
            depth,
            name: row.archived.name().to_owned(),
            status: row.archived.status,
            mounted: row.mounted,
            updated: row.archived.updated,
        });
        let Some(forks) = children.get(&id) else { continue };
        let seen = snapshot.session(id, None);
        let state = seen.as_ref().ok().and_then(|seen| seen.session().ok());
        let forked_at = |child: &ScopeId| Some(state?.children.get(child)?.at);
        let mut forks: Vec<_> = forks.iter().map(|child| (forked_at(child), *child)).collect();
        // The last one is taken first.
        forks.sort_by(|one, other| other.cmp(one));
        next.extend(
            forks
                .into_iter()
                .map(|(at, child)| (child, Some(id), at, depth + 1)),
        );
    }
    Ok(family)
}
