//! Going on with a session of the past: which one, where it worked, whom it asked.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use glasswork_agent_core::turn;
use glasswork_ai::model::{ModelId, Thinking};
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::{Layer, Resuming, Settings, Sourced};

use crate::archive::{ArchivedSession, Filter, Listing, Search, SearchError, StoreError};
use crate::models::{self, NoModel, Provider};
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
    /// How much that was to think.
    pub thinking: Sourced<Thinking>,
    /// Whether its turn rests and can go on.
    pub rests: bool,
}

/// Why it cannot be told which session is meant, or why it cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It cannot be read, or there is none.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The search failed.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// It could be several.
    #[error("`{wanted}` could be any of these; give an id, or more words:\n{}", lines(.sessions))]
    Several {
        /// What was asked for.
        wanted: String,
        /// Those that it could be, at most [`CANDIDATES`].
        sessions: Vec<ArchivedSession>,
    },
}

/// How many sessions are named where several could be meant.
pub const CANDIDATES: usize = 8;

/// Where something was said that is searched for, at most: one session may hold many of these places.
const HITS: usize = 200;

fn lines(sessions: &[ArchivedSession]) -> String {
    let mut lines = String::new();
    for session in sessions {
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "  {}  {}",
            session.id,
            session.name().replace(char::is_control, " ")
        );
    }
    lines
}

/// The session that `wanted` means: its id, the beginning of it, or `last`; else the only one whose title or first
/// words have these words, else the only one in which they were said.
///
/// # Errors
/// [`ResumeError`].
pub fn named(snapshot: &Snapshot, wanted: &str) -> Result<Past, ResumeError> {
    let unknown = match snapshot.find(wanted) {
        Ok(id) => return Ok(past(snapshot, id)?),
        Err(ReadError::Store(StoreError::Ambiguous { candidates, .. })) => {
            return several(wanted, of(snapshot, candidates.into_iter().collect())?);
        }
        Err(
            error @ (ReadError::Unknown(_)
            | ReadError::Store(StoreError::Unknown { .. } | StoreError::NotAName(_))),
        ) if wanted != "last" => error,
        Err(error) => return Err(error.into()),
    };
    let by_name = Listing {
        filter: Filter {
            named: Some(wanted.trim().to_owned()),
            ..Filter::default()
        },
        limit: CANDIDATES,
        ..Listing::default()
    };
    let mut found: Vec<_> = match wanted.trim().is_empty() {
        true => Vec::new(),
        false => rows(snapshot, &by_name)?,
    };
    if found.is_empty() {
        let said = snapshot.search(&Search {
            query: wanted.to_owned(),
            limit: HITS,
            ..Search::default()
        });
        let ids = match said {
            Ok(said) => said.hits.iter().map(|hit| hit.session).collect(),
            Err(SearchError::Query(_)) => BTreeSet::new(),
            Err(error) => return Err(error.into()),
        };
        found = of(snapshot, ids)?;
    }
    match found.as_slice() {
        [] => Err(unknown.into()),
        [one] => Ok(past(snapshot, one.id)?),
        _ => several(wanted, found),
    }
}

fn several(wanted: &str, sessions: Vec<ArchivedSession>) -> Result<Past, ResumeError> {
    Err(ResumeError::Several {
        wanted: wanted.to_owned(),
        sessions,
    })
}

fn of(snapshot: &Snapshot, ids: BTreeSet<ScopeId>) -> Result<Vec<ArchivedSession>, ReadError> {
    let these = Listing {
        filter: Filter {
            empty: true,
            within: Some(ids),
            ..Filter::default()
        },
        limit: CANDIDATES,
        ..Listing::default()
    };
    rows(snapshot, &these)
}

fn rows(snapshot: &Snapshot, listing: &Listing) -> Result<Vec<ArchivedSession>, ReadError> {
    let page = snapshot.page(listing, None)?;
    Ok(page.rows.into_iter().map(|row| row.archived).collect())
}

/// The session that works in `workspace`, a resolved path, and in which something happened last. Damaged ones and
/// those in which nothing was said are passed over.
///
/// # Errors
/// [`ReadError`] where there is none, or where it cannot be read.
pub fn last_in(snapshot: &Snapshot, workspace: &Path) -> Result<Past, ReadError> {
    let newest = Listing {
        filter: Filter {
            workspace: Some(workspace.to_string_lossy().into_owned()),
            damaged: Some(false),
            ..Filter::default()
        },
        limit: 1,
        ..Listing::default()
    };
    match rows(snapshot, &newest)?.first() {
        Some(row) => past(snapshot, row.id),
        None => Err(ReadError::Unknown(format!("last in {}", workspace.display()))),
    }
}

/// A session of the past.
///
/// # Errors
/// [`ReadError`] where there is none, or where it cannot be read.
pub fn past(snapshot: &Snapshot, id: ScopeId) -> Result<Past, ReadError> {
    let seen = snapshot.session(id, None)?;
    let session = seen.session()?;
    Ok(Past {
        id,
        workspace: PathBuf::from(&*session.meta.workspace),
        model: session.settings.model.clone(),
        thinking: session.settings.thinking.clone(),
        rests: session
            .open_turn()
            .is_some_and(|turn| turn.state == turn::State::Paused),
    })
}

/// What is set for a session that goes on: the present settings, with its own model and thinking where
/// [`Resuming::Restore`] is set and no flag says otherwise.
///
/// # Errors
/// [`NoModel`] with the ways to get one.
pub fn settings(present: Settings, past: &Past, providers: &[Provider]) -> Result<Settings, NoModel> {
    let mut settings = present;
    match settings.resume.value {
        Resuming::Restore => {
            settings.model = models::choose_again(&settings.model, &past.model, providers)?;
            if settings.thinking.from.layer < Layer::Flag {
                settings.thinking = past.thinking.clone();
            }
        }
        // Without any model at present it is still the old one that is meant.
        Resuming::KeepPresent => {
            settings.model = match models::choose(&settings.model, providers) {
                Err(_) if past.model.value.is_some() => past.model.clone(),
                chosen => chosen?,
            };
        }
    }
    Ok(settings)
}
