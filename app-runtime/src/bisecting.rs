//! Which commit made something so: the search through the states of a session, in order or by halving.
//!
//! What is looked for is the caller's affair: they judge a state. Here is decided which states are looked at, in which
//! order, how many at most and until when, and what the end of a search means. Nothing is guessed: a state that cannot
//! be judged ends the search there.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Instant;

use glasswork_engine::ScopeId;
use serde::Serialize;

use crate::reading::{ReadError, Snapshot};

/// Where is looked, how, and how long at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The session.
    pub session: ScopeId,
    /// The first commit that is looked at, from 1.
    pub from: u64,
    /// The last one; that of the session where it is not said.
    pub to: Option<u64>,
    /// How the commit is found.
    pub way: Way,
    /// Most states that are looked at.
    pub most: u64,
    /// When it has to be done.
    pub until: Option<Instant>,
}

/// How the commit is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every state is looked at, in order.
    Fold,
    /// By halving: the caller knows that it holds on once it holds. Where they are wrong, that shows in most cases:
    /// [`PROBES`] states all along are looked at.
    Monotone,
}

/// How many states between the first and the last are looked at to see whether something really holds on once it holds.
pub const PROBES: u64 = 8;

/// A state as it was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged<V> {
    /// The value that was looked at.
    pub value: V,
    /// Whether what is looked for holds.
    pub holds: bool,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum Bisected<V> {
    /// It holds after this commit, and not after the one before that was looked at.
    Found {
        /// The session.
        session: ScopeId,
        /// The commit.
        commit: u64,
        /// The last commit before it that has a state; others between them were folded away.
        previous: u64,
        /// The value after that one.
        before: V,
        /// The value after the commit.
        after: V,
        /// How many states were looked at.
        looked_at: u64,
    },
    /// It holds after the first commit that was looked at already.
    AtOnce {
        /// The session.
        session: ScopeId,
        /// That commit.
        commit: u64,
        /// The value.
        value: V,
        /// How many states were looked at.
        looked_at: u64,
    },
    /// It holds after none of the commits that were looked at.
    Never {
        /// The session.
        session: ScopeId,
        /// The last commit that was looked at.
        commit: u64,
        /// The value after it.
        value: V,
        /// How many states were looked at.
        looked_at: u64,
    },
}

/// Why a search ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// There are no commits in the range.
    #[error("there is no commit from {from} to {to}: the session has {last}")]
    Empty {
        /// The first commit that was asked for.
        from: u64,
        /// The last one.
        to: u64,
        /// The last one of the session.
        last: u64,
    },
    /// There are too many states in the range.
    #[error(
        "more than {most} states would be looked at; narrow it by the first and the last commit, or let it be found by \
         halving, where it holds on once it holds"
    )]
    TooMany {
        /// How many may be.
        most: u64,
    },
    /// There was no more time.
    #[error(
        "the search took too long: {looked_at} states were looked at, the last one after commit {commit}"
    )]
    Late {
        /// The last commit that was looked at.
        commit: u64,
        /// How many states were looked at.
        looked_at: u64,
    },
    /// It was to be found by halving, and does not hold on.
    #[error(
        "it does not hold on once it holds, so halving cannot find it: it holds after commit {holds}, and no more \
         after commit {not}; look in order"
    )]
    NotMonotone {
        /// A commit after which it holds.
        holds: u64,
        /// A later one after which it does not.
        not: u64,
    },
    /// The record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Looks for the first commit after which something holds, by the word of `judge` on the state after a commit. Blocks.
///
/// # Errors
/// [`SearchError`], and what `judge` says.
pub fn search<V, E: From<SearchError>>(
    snapshot: &Snapshot,
    what: &Search,
    judge: impl FnMut(u64, Snapshot) -> Result<Judged<V>, E>,
) -> Result<Bisected<V>, E> {
    let seen = snapshot.session(what.session, None).map_err(SearchError::Read)?;
    let end = seen.scope.seq;
    let last = what.to.unwrap_or(end);
    if last > end || what.from > last {
        return Err(SearchError::Empty {
            from: what.from,
            to: last,
            last: end,
        }
        .into());
    }
    let searching = Searching {
        snapshot,
        what,
        last,
        judge,
        looked: 0,
        reached: what.from,
    };
    match what.way {
        Way::Fold => searching.fold(),
        Way::Monotone => searching.halve(),
    }
}

struct Searching<'a, J> {
    snapshot: &'a Snapshot,
    what: &'a Search,
    last: u64,
    judge: J,
    looked: u64,
    reached: u64,
}

/// A state that was looked at.
struct Looked<V> {
    commit: u64,
    judged: Judged<V>,
}

impl<J> Searching<'_, J> {
    fn fold<V, E: From<SearchError>>(mut self) -> Result<Bisected<V>, E>
    where
        J: FnMut(u64, Snapshot) -> Result<Judged<V>, E>,
    {
        let (from, last, most) = (self.what.from, self.last, self.what.most);
        if last - from >= most {
            return Err(SearchError::TooMany { most }.into());
        }
        let mut before: Option<Looked<V>> = None;
        let mut ended: Option<Result<Bisected<V>, E>> = None;
        let (snapshot, session) = (self.snapshot, self.what.session);
        let each = |commit, moment| {
            match self.look(commit, moment) {
                Err(error) => ended = Some(Err(error)),
                Ok(looked) if looked.judged.holds => ended = Some(Ok(self.found(before.take(), looked))),
                Ok(looked) => {
                    before = Some(looked);
                    return ControlFlow::Continue(());
                }
            }
            ControlFlow::Break(())
        };
        snapshot
            .each_moment(session, from..=last, each)
            .map_err(SearchError::Read)?;
        match (ended, before) {
            (Some(ended), _) => ended,
            (None, Some(looked)) => Ok(self.never(looked)),
            (None, None) => Err(self.empty().into()),
        }
    }

    /// Looks at a few states all along first: so it shows where the caller is wrong, and between which two of them it
    /// begins to hold. What lies between those is halved.
    fn halve<V, E: From<SearchError>>(mut self) -> Result<Bisected<V>, E>
    where
        J: FnMut(u64, Snapshot) -> Result<Judged<V>, E>,
    {
        let (mut before, mut from) = (None, None);
        for commit in self.probes() {
            let looked = self.look_at(commit)?;
            match (looked.judged.holds, &from) {
                (true, None) => from = Some(looked),
                (true, Some(_)) => {}
                (false, None) => before = Some(looked),
                (false, Some(holding)) => {
                    return Err(SearchError::NotMonotone {
                        holds: holding.commit,
                        not: commit,
                    }
                    .into());
                }
            }
        }
        let (mut low, mut high) = match (before, from) {
            (Some(low), Some(high)) => (low, high),
            (before, Some(high)) => return Ok(self.found(before, high)),
            (Some(low), None) => return Ok(self.never(low)),
            (None, None) => return Err(self.empty().into()),
        };
        while high.commit - low.commit > 1 {
            let asked = low.commit + (high.commit - low.commit) / 2;
            let middle = self.look_at(asked)?;
            match middle.judged.holds {
                true => high = middle,
                false => low = middle,
            }
        }
        Ok(self.found(Some(low), high))
    }

    /// The first commit, the last one, and those that lie evenly between them.
    fn probes(&self) -> BTreeSet<u64> {
        let (from, last) = (self.what.from, self.last);
        let between = u128::from(last - from);
        let place = |probe: u64| between * u128::from(probe) / u128::from(PROBES + 1);
        let probes = (0..=PROBES + 1).map(|probe| from + u64::try_from(place(probe)).unwrap_or_default());
        probes.collect()
    }

    fn look_at<V, E: From<SearchError>>(&mut self, commit: u64) -> Result<Looked<V>, E>
    where
        J: FnMut(u64, Snapshot) -> Result<Judged<V>, E>,
    {
        let moment = self.snapshot.moment(self.what.session, commit);
        self.look(commit, moment.map_err(SearchError::Read)?)
    }

    fn look<V, E: From<SearchError>>(&mut self, commit: u64, moment: Snapshot) -> Result<Looked<V>, E>
    where
        J: FnMut(u64, Snapshot) -> Result<Judged<V>, E>,
    {
        if self.what.until.is_some_and(|until| Instant::now() >= until) {
            return Err(SearchError::Late {
                commit: self.reached,
                looked_at: self.looked,
            }
            .into());
        }
        if self.looked >= self.what.most {
            return Err(SearchError::TooMany { most: self.what.most }.into());
        }
        self.looked += 1;
        self.reached = commit;
        let judged = (self.judge)(commit, moment)?;
        Ok(Looked { commit, judged })
    }

    fn empty(&self) -> SearchError {
        SearchError::Empty {
            from: self.what.from,
            to: self.last,
            last: self.last,
        }
    }

    fn found<V>(&self, before: Option<Looked<V>>, after: Looked<V>) -> Bisected<V> {
        let (session, looked_at) = (self.what.session, self.looked);
        match before {
            None => Bisected::AtOnce {
                session,
                commit: after.commit,
                value: after.judged.value,
                looked_at,
            },
            Some(before) => Bisected::Found {
                session,
                commit: after.commit,
                previous: before.commit,
                before: before.judged.value,
                after: after.judged.value,
                looked_at,
            },
        }
    }

    fn never<V>(&self, looked: Looked<V>) -> Bisected<V> {
        Bisected::Never {
            session: self.what.session,
            commit: looked.commit,
            value: looked.judged.value,
            looked_at: self.looked,
        }
    }
}
