//! A bisection as a field of a session: bounded, as everything in one answer is, and the same search as at a terminal.

use std::sync::Arc;

use async_graphql::{Context, Enum, SimpleObject};
use glasswork_app_runtime::bisecting::{Bisected, SearchError, Way};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use crate::asker::Asker;
use crate::bisect::{self, Asked, BisectError, Wanted};
use crate::dispatch::Dispatch;
use crate::error::{Answer, Code, coded, fail};
use crate::operation::Op;
use crate::scalar::Long;
use crate::session::View;

/// Longest value that is shown, in characters.
const VALUE: usize = 400;

/// What is looked for.
pub(crate) struct Sought {
    pub(crate) query: String,
    pub(crate) path: Option<String>,
    pub(crate) is: Option<String>,
    pub(crate) above: Option<f64>,
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
    pub(crate) monotone: bool,
}

/// How a search for a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum BisectionEnd {
    /// It holds after the commit, and not after the one before that was looked at.
    Found,
    /// It holds after the first commit that was looked at already.
    AtOnce,
    /// It holds after none that was looked at.
    Never,
}

/// The first commit after which something holds.
#[derive(SimpleObject)]
pub(crate) struct Bisection {
    /// How the search ended.
    end: BisectionEnd,
    /// The commit after which it holds; where it never does, the last one that was looked at.
    commit: Long,
    /// What made it so: the dispatch of that commit; null where it never holds.
    dispatch: Option<Dispatch>,
    /// The commit before it that was looked at; states of those between them are not there any more. Null where there
    /// is none.
    previous: Option<Long>,
    /// The value after that one, as JSON text, cut at 400 characters.
    before: Option<String>,
    /// The value after the commit, likewise.
    after: String,
    /// How many states were looked at.
    looked_at: Long,
}

impl Bisection {
    pub(crate) async fn of(context: &Context<'_>, view: &View, sought: Sought) -> Answer<Self> {
        // Neither the questions of a search have an asker, nor has what a subscription tells an answer it is part of.
        let (Some(op), Some(asker)) = (context.data_opt::<Op>(), context.data_opt::<Asker>()) else {
            let text = "a bisection is asked for by a query, and not within another bisection";
            return Err(fail(Code::Invalid, text));
        };
        let wanted = match (sought.is, sought.above) {
            (Some(_), Some(_)) => {
                return Err(fail(Code::Invalid, "only one of `is` and `above` can be said"));
            }
            (Some(typed), None) => Wanted::is(&typed),
            (None, Some(least)) => Wanted::Above(least),
            (None, None) => Wanted::True,
        };
        let to = sought.to.unwrap_or(view.at);
        let what = bisect::Bisection {
            session: view.id.to_string(),
            select: sought.query,
            path: sought.path,
            wanted,
            from: sought.from.unwrap_or(1),
            to: Some(to),
            way: match sought.monotone {
                true => Way::Monotone,
                false => Way::Fold,
            },
        };
        if to > view.at {
            let (from, last) = (what.from, view.at);
            return Err(told(op, view, SearchError::Empty { from, to, last }.into()));
        }
        let places = Arc::clone(asker.graph.bisections());
        let place = match timeout_at(op.until().into(), places.acquire_owned()).await {
            Ok(Ok(place)) => place,
            _ => {
                let text = "as many bisections as this host allows are under way; try again";
                return Err(fail(Code::TimedOut, text));
            }
        };
        let asked = Asked {
            graph: asker.graph.clone(),
            snapshot: op.snapshot().clone(),
            session: view.id,
            what,
            most: op.limits.states,
            until: Some(op.until()),
        };
        let runtime = Handle::current();
        // It goes on where nobody waits any more, until its time is up; so its place is kept as long.
        let work = tokio::task::spawn_blocking(move || {
            let found = asked.search(&runtime);
            drop(place);
            found
        });
        let found = work.await.unwrap_or(Err(BisectError::Broken));
        Self::shown(op, view, found.map_err(|error| told(op, view, error))?)
    }

    fn shown(op: &Op, view: &View, found: Bisected<Value>) -> Answer<Self> {
        let made = |commit| Some(Dispatch::commit(op, view.id, commit));
        let value = |value: &Value| op.text(bisect::cut(value, VALUE));
        Ok(match found {
            Bisected::Found {
                commit,
                previous,
                before,
                after,
                looked_at,
                ..
            } => Self {
                end: BisectionEnd::Found,
                commit: Long(commit),
                dispatch: made(commit),
                previous: Some(Long(previous)),
                before: Some(value(&before)?),
                after: value(&after)?,
                looked_at: Long(looked_at),
            },
            Bisected::AtOnce {
                commit,
                value: after,
                looked_at,
                ..
            } => Self {
                end: BisectionEnd::AtOnce,
                commit: Long(commit),
                dispatch: made(commit),
                previous: None,
                before: None,
                after: value(&after)?,
                looked_at: Long(looked_at),
            },
            Bisected::Never {
                commit,
                value: after,
                looked_at,
                ..
            } => Self {
                end: BisectionEnd::Never,
                commit: Long(commit),
                dispatch: None,
                previous: None,
                before: None,
                after: value(&after)?,
                looked_at: Long(looked_at),
            },
        })
    }
}

/// The words are those of the search, at a terminal too.
fn told(op: &Op, view: &View, error: BisectError) -> async_graphql::Error {
    let text = error.to_string();
    match error {
        BisectError::Refused(error) | BisectError::Failed { error, .. } => coded(&error.code, text),
        BisectError::Search(SearchError::Read(error)) => op.unread(view.id, None, &error),
        BisectError::Search(SearchError::Empty { to, last, .. }) if to > last => fail(Code::Future, text),
        BisectError::Search(SearchError::TooMany { .. }) => fail(Code::TooExpensive, text),
        BisectError::Search(SearchError::Late { .. }) => fail(Code::TimedOut, text),
        BisectError::Search(SearchError::Empty { .. } | SearchError::NotMonotone { .. })
        | BisectError::NotASelection
        | BisectError::NoOneValue { .. }
        | BisectError::NotJudged { .. } => fail(Code::Invalid, text),
        BisectError::Broken => fail(Code::Internal, text),
    }
}
