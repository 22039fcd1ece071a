//! One operation: a snapshot, what was read of it so far, and what may still be read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use glasswork_ai::catalogue::Catalogue;
use glasswork_app_runtime::archive::{self, Found, Listing, Search, StoreError};
use glasswork_app_runtime::projection::activity::{self, Active};
use glasswork_app_runtime::projection::family::{self, Relative};
use glasswork_app_runtime::reading::{ReadError, Seen, SessionRow, Snapshot};
use glasswork_engine::trace::{DispatchTrace, TraceRecord};
use glasswork_engine::{DispatchId, Domain as _, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state;

use crate::error::{Answer, Code, fail, no_session};
use crate::limits::Limits;
use crate::sessions;

/// An accepted dispatch of Glasswork.
pub(crate) type Commit = glasswork_engine::Commit<Glasswork>;

/// Shared by all objects of one answer.
pub(crate) type Op = Arc<Operation>;

/// Commits are read in windows of this many: fields of one answer ask for neighbours.
const WINDOW: u64 = 1_024;
/// States that one operation keeps. Past ones of one session share most of their structure.
const KEPT: usize = 16;

/// One operation. What it reads it reads once, and it stops reading when its time or its share is used up.
pub(crate) struct Operation {
    snapshot: Snapshot,
    pub(crate) limits: Arc<Limits>,
    pub(crate) catalogue: Arc<Catalogue>,
    until: Instant,
    text: AtomicUsize,
    commits: AtomicU64,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    window: Option<Window>,
    traces: BTreeMap<ScopeId, Traces>,
    states: Vec<((ScopeId, Option<u64>), Seen)>,
    rows: Option<Arc<Vec<SessionRow>>>,
}

#[derive(Clone)]
struct Window {
    scope: ScopeId,
    from: u64,
    to: u64,
    commits: Arc<Vec<Arc<Commit>>>,
}

/// The traces of a scope, with the newest of each dispatch.
#[derive(Clone)]
pub(crate) struct Traces {
    /// All of them, oldest first.
    pub(crate) all: Arc<Vec<Arc<TraceRecord>>>,
    newest: Arc<BTreeMap<DispatchId, usize>>,
}

impl Traces {
    /// The trace of a dispatch. Refusals are numbered anew in each epoch: the newest is meant.
    pub(crate) fn of(&self, id: DispatchId) -> Option<&DispatchTrace> {
        match self.all.get(*self.newest.get(&id)?).map(|record| &**record) {
            Some(TraceRecord::Dispatch(trace)) => Some(trace),
            _ => None,
        }
    }

    /// The refusals among them.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = DispatchId> {
        self.newest.keys().copied().filter(|id| id.refusal > 0)
    }
}

impl Operation {
    pub(crate) fn new(
        snapshot: Snapshot,
        limits: Arc<Limits>,
        catalogue: Arc<Catalogue>,
        until: Instant,
    ) -> Self {
        Self {
            snapshot,
            limits,
            catalogue,
            until,
            text: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            read: Mutex::default(),
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        // What is in there is only ever replaced as a whole.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the answer has to be there.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// What is read.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Goes on only while there is time.
    pub(crate) fn in_time(&self) -> Answer<()> {
        if Instant::now() < self.until {
            return Ok(());
        }
        let seconds = self.limits.time.as_secs_f32();
        Err(fail(
            Code::TimedOut,
            format!("the answer took longer than {seconds} s; ask for less"),
        ))
    }

    /// Text for the answer, as long as there is room for it.
    pub(crate) fn text(&self, text: impl Into<String>) -> Answer<String> {
        let text = text.into();
        let before = self.text.fetch_add(text.len(), Ordering::Relaxed);
        if before.saturating_add(text.len()) > self.limits.answer_bytes {
            self.text.fetch_sub(text.len(), Ordering::Relaxed);
            let most = self.limits.answer_bytes;
            let message =
                format!("the answer would have more than {most} bytes of text; ask for less at once");
            return Err(fail(Code::AnswerTooLarge, message));
        }
        Ok(text)
    }

    /// A session by its id, the beginning of one, or `last`. Whether a whole id is that of a session shows when it is
    /// read.
    pub(crate) fn find(&self, text: &str) -> Answer<ScopeId> {
        self.in_time()?;
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        match self.snapshot.find(text) {
            Ok(id) => return Ok(id),
            Err(ReadError::Store(StoreError::Unknown { .. } | StoreError::NotAName(_))) => {
                return Err(no_session(text));
            }
            Err(_) => {}
        }
        // Of several sessions that begin like this the viewer may see one, or none.
        let rows = self.rows()?;
        let mut seen = rows
            .iter()
            .filter(|row| !text.is_empty() && row.archived.id.to_string().starts_with(text));
        match (seen.next(), seen.next()) {
            (None, _) => Err(no_session(text)),
            (Some(one), None) => Ok(one.archived.id),
            (Some(_), Some(_)) => {
                let message = format!("`{text}` could be several sessions; give more of the id");
                Err(fail(Code::Ambiguous, message))
            }
        }
    }

    /// What an error of reading a session means, by what the list says of that session. The list holds what the
    /// viewer may see, so what they may not see looks like what is not there.
    pub(crate) fn unread(
        &self,
        session: ScopeId,
        asked: Option<u64>,
        error: &ReadError,
    ) -> async_graphql::Error {
        let code = match error {
            ReadError::Unknown(_) => return no_session(session),
            ReadError::NoDispatch(_) | ReadError::NotASession(_) => Code::NotFound,
            ReadError::Future { .. } => Code::Future,
            ReadError::Store(_) => match self.snapshot.row(session) {
                Err(error) => return fail(Code::Unreadable, error.to_string()),
                Ok(None) => return no_session(session),
                Ok(Some(row)) if row.archived.damage.is_some() => Code::Damaged,
                Ok(Some(row)) if asked.is_some_and(|asked| asked > row.archived.seq) => Code::Future,
                Ok(Some(_)) => Code::Unreadable,
            },
        };
        fail(code, error.to_string())
    }

    /// The rows of the list of sessions.
    fn rows(&self) -> Answer<Arc<Vec<SessionRow>>> {
        self.in_time()?;
        if let Some(rows) = &self.read().rows {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(
            self.snapshot
                .sessions()
                .map_err(|error| fail(Code::Unreadable, error.to_string()))?,
        );
        self.read().rows = Some(Arc::clone(&rows));
        Ok(rows)
    }

    /// A page of the list of sessions.
    pub(crate) fn list(&self, listing: &Listing, loaded: Option<bool>) -> Answer<archive::Page<SessionRow>> {
        self.in_time()?;
        self.snapshot
            .page(listing, loaded)
            .map_err(|error| fail(Code::Unreadable, error.to_string()))
    }

    /// What was found in what was said.
    pub(crate) fn search(&self, search: &Search) -> Answer<Found> {
        self.in_time()?;
        self.snapshot
            .search(search)
            .map_err(|error| sessions::unsearched(&error))
    }

    /// The sessions that are mounted here.
    pub(crate) fn mounted(&self) -> impl Iterator<Item = ScopeId> {
        self.snapshot.mounted()
    }

    /// What the sessions do that are mounted here, without one of them.
    pub(crate) fn activity(&self, without: Option<ScopeId>) -> Vec<Active> {
        activity::of_others(&self.snapshot, without)
    }

    /// The family of a session, as it is now.
    pub(crate) fn family(&self, id: ScopeId) -> Answer<Vec<Relative>> {
        self.in_time()?;
        family::of(&self.snapshot, id).map_err(|error| self.unread(id, None, &error))
    }

    /// The host's scope, for a viewer who may see it.
    pub(crate) fn host(&self) -> Option<Arc<glasswork_engine::Scope<Glasswork>>> {
        self.snapshot.host()
    }

    /// The scopes of past hosts for which something is being done now, for a viewer who may see them.
    pub(crate) fn past_hosts(&self) -> impl Iterator<Item = &Arc<glasswork_engine::Scope<Glasswork>>> {
        self.snapshot.past_hosts()
    }

    /// What is kept of a session on the disk.
    pub(crate) fn kept(&self, id: ScopeId) -> Answer<Option<archive::KeptRecord>> {
        self.in_time()?;
        self.snapshot
            .kept(id)
            .map_err(|error| self.unread(id, None, &error))
    }

    /// A session, now or as of a commit.
    pub(crate) fn session(&self, id: ScopeId, at: Option<u64>) -> Answer<Seen> {
        self.in_time()?;
        let known = self
            .read()
            .states
            .iter()
            .find(|(key, _)| *key == (id, at))
            .map(|(_, seen)| seen.clone());
        if let Some(seen) = known {
            return Ok(seen);
        }
        let seen = self
            .snapshot
            .session(id, at)
            .map_err(|error| self.unread(id, at, &error))?;
        let mut read = self.read();
        if read.states.len() >= KEPT {
            read.states.remove(0);
        }
        read.states.push(((id, at), seen.clone()));
        Ok(seen)
    }

    /// The state after exactly this commit, also where memory keeps only an earlier one: the facts in between are
    /// applied, as loading does it. 0 is the empty scope.
    pub(crate) fn exactly(&self, id: ScopeId, seq: u64) -> Answer<state::Scope> {
        if seq == 0 {
            // Whether there is such a session is still to be said.
            let kind = self.session(id, None)?.scope.kind;
            return Ok(Glasswork::vacant(kind, id));
        }
        let seen = self.session(id, Some(seq))?;
        let mut state = seen.scope.state.clone();
        let mut next = seen.scope.seq.saturating_add(1);
        while next <= seq {
            let commit = self.commit(DispatchId::commit(id, next))?;
            for fact in &commit.facts {
                Glasswork::evolve(&mut state, fact, commit.moment());
            }
            next += 1;
        }
        Ok(state)
    }

    /// One commit.
    pub(crate) fn commit(&self, id: DispatchId) -> Answer<Arc<Commit>> {
        let missing = || fail(Code::NotFound, format!("there is no commit {id}"));
        let window = self.window(id.scope, id.seq)?;
        let place = id
            .seq
            .checked_sub(window.from)
            .and_then(|place| usize::try_from(place).ok());
        let found = place
            .and_then(|place| window.commits.get(place))
            .filter(|commit| commit.id == id);
        found.cloned().ok_or_else(missing)
    }

    /// The window in which a commit lies.
    fn window(&self, scope: ScopeId, seq: u64) -> Answer<Window> {
        self.in_time()?;
        let known = self.read().window.clone();
        if let Some(window) =
            known.filter(|known| known.scope == scope && (known.from..=known.to).contains(&seq))
        {
            return Ok(window);
        }
        let from = seq.saturating_sub(1) / WINDOW * WINDOW + 1;
        let to = from + WINDOW - 1;
        let commits = self
            .snapshot
            .commits(scope, from, to)
            .map_err(|error| self.unread(scope, None, &error))?;
        let count = u64::try_from(commits.len()).unwrap_or(u64::MAX);
        let before = self.commits.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) > self.limits.commits {
            let most = self.limits.commits;
            return Err(fail(
                Code::AnswerTooLarge,
                format!("the answer needs more than {most} commits; ask for less"),
            ));
        }
        let window = Window {
            scope,
            from,
            to,
            commits: Arc::new(commits),
        };
        self.read().window = Some(window.clone());
        Ok(window)
    }

    /// Looks at the commits `from..=to`, in order, until `each` has enough.
    pub(crate) fn walk(
        &self,
        scope: ScopeId,
        from: u64,
        to: u64,
        mut each: impl FnMut(&Arc<Commit>) -> std::ops::ControlFlow<()>,
    ) -> Answer<()> {
        let mut next = from.max(1);
        while next <= to {
            let window = self.window(scope, next)?;
            let skip = usize::try_from(next - window.from).unwrap_or(usize::MAX);
            for commit in window
                .commits
                .iter()
                .skip(skip)
                .take_while(|commit| commit.id.seq <= to)
            {
                if each(commit).is_break() {
                    return Ok(());
                }
            }
            let whole = usize::try_from(WINDOW).is_ok_and(|whole| window.commits.len() == whole);
            if !whole {
                break;
            }
            next = window.to + 1;
        }
        Ok(())
    }

    /// The traces of a scope that are still kept.
    pub(crate) fn traces(&self, scope: ScopeId) -> Answer<Traces> {
        self.in_time()?;
        if let Some(traces) = self.read().traces.get(&scope) {
            return Ok(traces.clone());
        }
        let all = self
            .snapshot
            .traces(scope)
            .map_err(|error| self.unread(scope, None, &error))?;
        let newest = all
            .iter()
            .enumerate()
            .filter_map(|(place, record)| match &**record {
                TraceRecord::Dispatch(trace) => Some((trace.id, place)),
                _ => None,
            });
        let traces = Traces {
            newest: Arc::new(newest.collect()),
            all: Arc::new(all),
        };
        self.read().traces.insert(scope, traces.clone());
        Ok(traces)
    }
}
