//! Reading: one consistent snapshot of everything, now or as of a past commit, mounted or not.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use glasswork_agent_session::index::Key;
use glasswork_agent_session::store::StoreError;
use glasswork_engine::load::Loaded;
use glasswork_engine::replay::Replayed;
use glasswork_engine::trace::{DispatchTrace, TraceRecord};
use glasswork_engine::{Commit, DispatchId, Following, Root, Scope, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::{self, Kind, Session};

use crate::archive::{
    Archive, ArchivedSession, Filter, Found, KeptRecord, Listing, Page, Record, Search, SearchError, Sort,
    TrashedSession,
};
use crate::watching::Watch;

use crate::one_moment::OneMoment;

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
    /// The scope of this process. Those of past ones are mounted while something is left to be done for them.
    host: Option<ScopeId>,
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
        Self {
            live,
            archive,
            host: None,
        }
    }

    /// A reader of a live engine and of what is not mounted in it, which knows the scope of its process.
    pub(crate) fn of_host(
        host: ScopeId,
        live: glasswork_engine::Reader<Glasswork>,
        archive: Arc<dyn Archive>,
    ) -> Self {
        Self {
            live: Some(live),
            archive,
            host: Some(host),
        }
    }

    /// What the sessions that are not in `except` have spent on a day.
    pub(crate) fn spent_on(&self, day: u64, except: &BTreeSet<ScopeId>) -> Result<u64, StoreError> {
        self.archive.spent_on(day, except)
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

    /// A scope that is mounted here.
    pub(crate) fn live(&self, scope: ScopeId) -> Option<Arc<Scope<Glasswork>>> {
        self.live.as_ref()?.scope(scope)
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

    /// Watches a mounted session; `None` where it is not mounted here, or the viewer may not see it.
    #[must_use]
    pub fn watch(&self, viewer: &Viewer, session: ScopeId) -> Option<Watch> {
        if !viewer.sees(session) {
            return None;
        }
        Watch::begin(self.live.clone()?, session)
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
    /// What is known of it.
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
            let newest = Listing {
                filter: Filter {
                    empty: true,
                    ..Filter::default()
                },
                sort: Sort::Created,
                after: None,
                limit: 1,
            };
            let page = self.page(&newest, None)?;
            return page.rows.first().map(|row| row.archived.id).ok_or_else(unknown);
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
        let all = Listing {
            filter: Filter {
                empty: true,
                ..Filter::default()
            },
            sort: Sort::Created,
            after: None,
            limit: usize::MAX,
        };
        Ok(self.page(&all, None)?.rows)
    }

    /// The row of one session; `None` where there is no such session, or the viewer may not see it.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn row(&self, id: ScopeId) -> Result<Option<SessionRow>, ReadError> {
        let this = Listing {
            filter: Filter {
                empty: true,
                within: Some(BTreeSet::from([id])),
                ..Filter::default()
            },
            limit: 1,
            ..Listing::default()
        };
        Ok(self.page(&this, None)?.rows.pop())
    }

    /// The sessions that are mounted here, of those that the viewer may see.
    pub fn mounted(&self) -> impl Iterator<Item = ScopeId> {
        let sessions = self.sessions_of_root().map(|scope| scope.id);
        sessions.filter(|id| self.viewer.sees(*id))
    }

    /// A page of the sessions that the viewer may see: those that are mounted here as they are now, the others as the
    /// index has them. `loaded` asks for those that are mounted, or those that are not.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn page(&self, listing: &Listing, loaded: Option<bool>) -> Result<Page<SessionRow>, ReadError> {
        let listing = Listing {
            filter: Filter {
                within: self.visible(listing.filter.within.as_ref()),
                ..listing.filter.clone()
            },
            ..listing.clone()
        };
        let mounted: BTreeSet<ScopeId> = self.sessions_of_root().map(|scope| scope.id).collect();
        let within = listing.filter.within.as_ref();
        let archived = match loaded != Some(true) && !within.is_some_and(|ids| ids.is_subset(&mounted)) {
            true => self.reader.archive.page(&listing, &mounted)?,
            false => Page {
                rows: Vec::new(),
                more: false,
            },
        };
        let loaded = match loaded {
            Some(false) => Vec::new(),
            Some(true) | None => self.first_mounted(&listing),
        };
        // One page of each, and of those together the first page.
        let both = listing.of(archived.rows.into_iter().chain(loaded));
        Ok(Page {
            more: both.more || archived.more,
            rows: both
                .rows
                .into_iter()
                .map(|archived| SessionRow {
                    mounted: mounted.contains(&archived.id),
                    archived,
                })
                .collect(),
        })
    }

    fn sessions_of_root(&self) -> impl Iterator<Item = &Arc<Scope<Glasswork>>> {
        self.root.scopes().filter(|scope| scope.kind == Kind::Session)
    }

    /// Rows of mounted sessions: at least those that a page begins with, and one more. To make a row is to look at its
    /// files; to see when its session's last commit was is not, and by that they are listed unless somebody asks for another
    /// order.
    fn first_mounted(&self, listing: &Listing) -> Vec<ArchivedSession> {
        let mut scopes: Vec<_> = match &listing.filter.within {
            Some(ids) => ids.iter().filter_map(|id| self.root.scope(*id)).collect(),
            None => self.sessions_of_root().collect(),
        };
        let row = |scope: &Scope<Glasswork>| self.row_of(scope).filter(|row| listing.lists(row));
        if listing.sort != Sort::Updated {
            return scopes.into_iter().filter_map(|scope| row(scope)).collect();
        }
        scopes.sort_unstable_by_key(|scope| Reverse((scope.at, scope.id)));
        let (committed, unwritten): (Vec<_>, Vec<_>) = scopes.into_iter().partition(|scope| scope.seq > 0);
        let is_behind = |scope: &&Arc<Scope<Glasswork>>| {
            let after = listing.after.as_ref();
            after.is_none_or(|after| after.precedes_one(&Key::Number(scope.at.0), scope.id))
        };
        let committed = committed
            .into_iter()
            .filter(is_behind)
            .filter_map(|scope| row(scope));
        let first = committed.take(listing.limit.saturating_add(1));
        first
            .chain(unwritten.into_iter().filter_map(|scope| row(scope)))
            .collect()
    }

    /// The row of a mounted session as it is now; `None` for the host.
    fn row_of(&self, scope: &Scope<Glasswork>) -> Option<ArchivedSession> {
        let state::Scope::Session(session) = &scope.state else {
            return None;
        };
        let held = self.reader.archive.held(scope.id);
        let (created, bytes, owner) = held.map_or((session.meta.created, 0, None), |held| {
            (held.created, held.bytes, held.owner)
        });
        let row = ArchivedSession::of(scope, created, bytes)?;
        Some(ArchivedSession { owner, ..row })
    }

    /// Searches in what was said in the sessions that the viewer may see. Blocks, for some seconds at most.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search(&self, search: &Search) -> Result<Found, SearchError> {
        self.reader.archive.search(&Search {
            within: self.visible(search.within.as_ref()),
            ..search.clone()
        })
    }

    /// Those of the sessions that are asked for that the viewer may see; `None` for all.
    fn visible(&self, asked: Option<&BTreeSet<ScopeId>>) -> Option<BTreeSet<ScopeId>> {
        match (&self.viewer.sessions, asked) {
            (Visible::All, asked) => asked.cloned(),
            (Visible::Only(scopes), None) => Some(scopes.clone()),
            (Visible::Only(scopes), Some(asked)) => Some(scopes & asked),
        }
    }

    /// The sessions in the trash, latest first. Only their owner sees them.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn trash(&self) -> Result<Vec<TrashedSession>, ReadError> {
        match self.viewer.sessions {
            Visible::All => Ok(self.reader.archive.trash()?),
            Visible::Only(_) => Ok(Vec::new()),
        }
    }

    /// The session in the trash whose id is, or alone begins with, this text.
    ///
    /// # Errors
    /// [`ReadError::Unknown`], also where several begin so.
    pub fn find_in_trash(&self, text: &str) -> Result<ScopeId, ReadError> {
        let wanted = text.trim().to_ascii_lowercase();
        let trash = self.trash()?;
        let mut found = trash
            .iter()
            .map(|row| row.session.id)
            .filter(|id| !wanted.is_empty() && id.to_string().starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            _ => Err(ReadError::Unknown(format!("{text} in the trash"))),
        }
    }

    /// The host's own scope, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<Arc<Scope<Glasswork>>> {
        let own = |scope: &&Arc<Scope<Glasswork>>| self.reader.host.is_none_or(|host| host == scope.id);
        let mut hosts = self.root.scopes().filter(|scope| scope.kind == Kind::Host);
        let host = hosts.find(own);
        host.filter(|_| self.viewer.sessions == Visible::All).cloned()
    }

    /// The scopes of past processes for which something is being done at this moment, oldest first. Only the owner sees
    /// them.
    pub fn past_hosts(&self) -> impl Iterator<Item = &Arc<Scope<Glasswork>>> {
        let own = self.reader.host.filter(|_| self.viewer.sessions == Visible::All);
        let hosts = self.root.scopes().filter(|scope| scope.kind == Kind::Host);
        hosts.filter(move |scope| own.is_some_and(|own| own != scope.id))
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

    /// Gives the states of a session after the commits in a range to `each`, in order, until `each` has enough: each as
    /// a snapshot in which the session has come so far and no further. Blocks, and reads the record from its beginning.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn each_moment(
        &self,
        id: ScopeId,
        range: RangeInclusive<u64>,
        mut each: impl FnMut(u64, Self) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if !self.viewer.sees(id) {
            return Err(ReadError::Unknown(id.to_string()));
        }
        let archive = &self.reader.archive;
        archive.each_state(id, range, &mut |scope| each(scope.seq, self.of_moment(scope)))?;
        Ok(())
    }

    /// A snapshot in which a session has come so far and no further.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn moment(&self, id: ScopeId, at: u64) -> Result<Self, ReadError> {
        Ok(self.of_moment(&self.session(id, Some(at))?.scope))
    }

    fn of_moment(&self, scope: &Arc<Scope<Glasswork>>) -> Self {
        let moment = OneMoment::new(Arc::clone(&self.reader.archive), Arc::clone(scope));
        Self {
            viewer: self.viewer.clone(),
            root: Arc::default(),
            reader: Reader::new(None, Arc::new(moment)),
        }
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

    /// What is kept of a session on the disk; `None` where it lies elsewhere.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn kept(&self, id: ScopeId) -> Result<Option<KeptRecord>, ReadError> {
        if !self.viewer.sees(id) {
            return Err(ReadError::Unknown(id.to_string()));
        }
        Ok(self.reader.archive.kept(id)?)
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
