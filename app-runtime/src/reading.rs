//! Reading: one consistent snapshot of everything, now or as of a past commit, mounted or not.

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_agent_session::store::StoreError;
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::{DispatchTrace, TraceRecord};
use glasswork_engine::{Commit, DispatchId, Following, Root, Scope, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::{self, Kind, Session};

use crate::archive::{Archive, ArchivedSession, Record};

/// Who reads, and what they may see. Checked here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The sessions that they may see.
    pub sessions: Visible,
}

/// Which sessions a viewer may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// All of them, and the host.
    All,
    /// These.
    Only(BTreeSet<ScopeId>),
}

impl Viewer {
    /// The owner of this process: sees everything.
    #[must_use]
    pub fn owner() -> Self {
        Self {
            sessions: Visible::All,
        }
    }

    /// A viewer who sees one session: the model in it, say.
    #[must_use]
    pub fn of(session: ScopeId) -> Self {
        Self {
            sessions: Visible::Only(BTreeSet::from([session])),
        }
    }

    fn sees(&self, scope: ScopeId) -> bool {
        match &self.sessions {
            Visible::All => true,
            Visible::Only(scopes) => scopes.contains(&scope),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The viewer may not see it, or it is not there: from outside the two look alike.
    #[error("there is no session `{0}`; `glasswork sessions list` shows those there are")]
    Unknown(String),
    /// The session has not come so far.
    #[error("session {session} has {last} commits; there is no commit {asked}")]
    Future {
        /// The session.
        session: ScopeId,
        /// What was asked for.
        asked: u64,
        /// Its last commit.
        last: u64,
    },
    /// There is no such dispatch, or its trace is no longer kept.
    #[error("there is no dispatch {0}, or its trace is no longer kept")]
    NoDispatch(DispatchId),
    /// The scope is no session.
    #[error("{0} is not a session")]
    NotASession(ScopeId),
    /// The record could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The way to everything that can be read. Clones share it.
#[derive(Clone)]
pub struct Reader {
    live: Option<glasswork_engine::Reader<Glasswork>>,
    archive: Arc<dyn Archive>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// A reader of a live engine and of what is not mounted in it; without an engine, of the archive alone.
    #[must_use]
    pub fn new(live: Option<glasswork_engine::Reader<Glasswork>>, archive: Arc<dyn Archive>) -> Self {
        Self { live, archive }
    }

    /// One consistent snapshot for one viewer. Everything read through it is of the same moment.
    #[must_use]
    pub fn snapshot(&self, viewer: Viewer) -> Snapshot {
        let root = self
            .live
            .as_ref()
            .map(glasswork_engine::Reader::root)
            .unwrap_or_default();
        Snapshot {
            viewer,
            root,
            reader: self.clone(),
        }
    }

    /// Follows a mounted session; `None` where it is not mounted here.
    #[must_use]
    pub fn follow(
        &self,
        viewer: &Viewer,
        session: ScopeId,
        cursor: Option<glasswork_engine::Cursor>,
    ) -> Option<Following<Glasswork>> {
        if !viewer.sees(session) {
            return None;
        }
        self.live.as_ref()?.follow(session, cursor)
    }
}

/// Everything at one moment, as one viewer may see it. Methods may read files, and so may block.
#[derive(Debug, Clone)]
pub struct Snapshot {
    viewer: Viewer,
    root: Arc<Root<Glasswork>>,
    reader: Reader,
}

/// A session at one commit.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The scope; [`Scope::seq`] is the commit as of which it is seen.
    pub scope: Arc<Scope<Glasswork>>,
    /// Whether it is mounted here.
    pub mounted: bool,
}

impl Seen {
    /// The session.
    ///
    /// # Errors
    /// [`ReadError::NotASession`] for the host's scope.
    pub fn session(&self) -> Result<&Arc<Session>, ReadError> {
        match &self.scope.state {
            state::Scope::Session(session) => Ok(session),
            state::Scope::Host(_) => Err(ReadError::NotASession(self.scope.id)),
        }
    }
}

/// A row of the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// What the archive knows of it.
    pub archived: ArchivedSession,
    /// Whether it is mounted here.
    pub mounted: bool,
}

/// What is known of one dispatch.
#[derive(Debug, Clone)]
pub struct Dispatched {
    /// Its name.
    pub id: DispatchId,
    /// The commit; `None` for a refusal.
    pub commit: Option<Arc<Commit<Glasswork>>>,
    /// Its trace, if it is still kept.
    pub trace: Option<DispatchTrace>,
}

impl Snapshot {
    /// The id of a session by its text: the whole id, the beginning of one, or `last` for the newest.
    ///
    /// # Errors
    /// [`ReadError::Unknown`], or that several begin so.
    pub fn find(&self, text: &str) -> Result<ScopeId, ReadError> {
        let unknown = || ReadError::Unknown(text.to_owned());
        if text == "last" {
            return self
                .sessions()?
                .first()
                .map(|row| row.archived.id)
                .ok_or_else(unknown);
        }
        let Visible::Only(scopes) = &self.viewer.sessions else {
            return Ok(self.reader.archive.find(text)?);
        };
        // Among those alone: what is ambiguous in the archive would tell of sessions that this viewer may not see.
        let plain = |text: &str| text.trim().replace('-', "").to_ascii_lowercase();
        let wanted = plain(text);
        let mut found = scopes
            .iter()
            .filter(|id| !wanted.is_empty() && plain(&id.to_string()).starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(*id),
            _ => Err(unknown()),
        }
    }

    /// Decides every event of a record again, and compares.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn replay(&self, record: &Record, until: Option<u64>) -> Result<Replayed<Glasswork>, ReadError> {
        let visible = match record {
            Record::Session(session) => self.viewer.sees(*session),
            Record::File(_) => self.viewer.sessions == Visible::All,
        };
        if !visible {
            return Err(ReadError::Unknown(format!("{record:?}")));
        }
        Ok(self.reader.archive.replay(record, until)?)
    }

    /// All sessions that the viewer may see, newest first.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn sessions(&self) -> Result<Vec<SessionRow>, ReadError> {
        let rows = self.reader.archive.list()?;
        let visible = rows.into_iter().filter(|row| self.viewer.sees(row.id));
        Ok(visible
            .map(|mut archived| {
                let scope = self.root.scope(archived.id);
                if let Some(scope) = scope {
                    archived.seq = scope.seq;
                    archived.updated = (scope.seq > 0).then_some(scope.at);
                }
                SessionRow {
                    archived,
                    mounted: scope.is_some(),
                }
            })
            .collect())
    }

    /// The host's own scope, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<Arc<Scope<Glasswork>>> {
        let host = self.root.scopes().find(|scope| scope.kind == Kind::Host);
        host.filter(|_| self.viewer.sessions == Visible::All).cloned()
    }

    /// A session, now or as of a past commit.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn session(&self, id: ScopeId, at: Option<u64>) -> Result<Seen, ReadError> {
        if !self.viewer.sees(id) {
            return Err(ReadError::Unknown(id.to_string()));
        }
        let Some(now) = self.root.scope(id) else {
            let Loaded { scope, reached, .. } = self.reader.archive.load(id, at)?;
            return match at {
                Some(asked) if asked > reached => Err(ReadError::Future {
                    session: id,
                    asked,
                    last: reached,
                }),
                _ => Ok(Seen {
                    scope,
                    mounted: false,
                }),
            };
        };
        let Some(asked) = at.filter(|asked| *asked != now.seq) else {
            return Ok(Seen {
                scope: Arc::clone(now),
                mounted: true,
            });
        };
        if asked > now.seq {
            return Err(ReadError::Future {
                session: id,
                asked,
                last: now.seq,
            });
        }
        let kept = self.reader.live.as_ref().and_then(|live| live.at(id, asked));
        let scope = match kept {
            Some(scope) => scope,
            None => self.reader.archive.load(id, Some(asked))?.scope,
        };
        Ok(Seen { scope, mounted: true })
    }

    /// The commits of a session in a range of sequence numbers.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn commits(&self, id: ScopeId, from: u64, to: u64) -> Result<Vec<Arc<Commit<Glasswork>>>, ReadError> {
        if !self.viewer.sees(id) {
            return Err(ReadError::Unknown(id.to_string()));
        }
        let to = self.root.scope(id).map_or(to, |now| to.min(now.seq));
        if from > to {
            return Ok(Vec::new());
        }
        let kept: Vec<_> = match &self.reader.live {
            Some(live) if self.root.scope(id).is_some() => live.commits(id),
            _ => Vec::new(),
        };
        if kept.first().is_some_and(|first| first.id.seq <= from) {
            return Ok(kept
                .into_iter()
                .filter(|commit| (from..=to).contains(&commit.id.seq))
                .collect());
        }
        Ok(self.reader.archive.commits(id, from..=to)?)
    }

    /// The traces of a session that are still kept, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn traces(&self, id: ScopeId) -> Result<Vec<Arc<TraceRecord>>, ReadError> {
        if !self.viewer.sees(id) {
            return Err(ReadError::Unknown(id.to_string()));
        }
        match &self.reader.live {
            Some(live) if self.root.scope(id).is_some() => Ok(live.traces(id)),
            _ => Ok(self.reader.archive.traces(id)?),
        }
    }

    /// One dispatch: its commit, or the refusal, and its trace.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn dispatch(&self, id: DispatchId) -> Result<Dispatched, ReadError> {
        let commit = match id.refusal {
            0 => self.commits(id.scope, id.seq, id.seq)?.pop(),
            _ => None,
        };
        let traces = self.traces(id.scope)?;
        // Refusals are numbered anew in each epoch: the newest is meant.
        let trace = traces.iter().rev().find_map(|record| match &**record {
            TraceRecord::Dispatch(trace) if trace.id == id => Some((**trace).clone()),
            _ => None,
        });
        if commit.is_none() && trace.is_none() {
            return Err(ReadError::NoDispatch(id));
        }
        Ok(Dispatched { id, commit, trace })
    }
}
