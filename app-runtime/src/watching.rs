//! Watching a session: what happens in it, as screens show it. Derived from commits; nothing is decided here.

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_engine::{Commit, Cursor, Domain, FeedItem, Follower, Origin, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::state::{self, Session};

use crate::projection::invalidation::{self, Projection};

mod describing;
#[cfg(test)]
mod tests;
mod update;

use describing::describe;
pub use update::Update;

/// A session watched: its state, kept up to date by the facts of its commits, and what happened.
#[derive(Debug)]
pub struct Watch {
    scope: ScopeId,
    /// How often the session's journal had been opened for writing.
    epoch: u32,
    /// The last commit when the watching began.
    joined: u64,
    state: Arc<Session>,
    seq: u64,
    follower: Follower<Glasswork>,
    live: glasswork_engine::Reader<Glasswork>,
}

/// What one commit brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The commit; of a gap the last one missed; of an end the last one that came.
    pub seq: u64,
    /// Who asked for the commit; `None` where it is none.
    pub origin: Option<Origin>,
    /// What happened, in order.
    pub updates: Vec<Update>,
    /// What a client that shows it asks for anew.
    pub touches: BTreeSet<Projection>,
}

impl Watch {
    /// Watches a mounted session from now on; `None` where it is not mounted, or no session.
    #[must_use]
    pub fn begin(live: glasswork_engine::Reader<Glasswork>, scope: ScopeId) -> Option<Self> {
        let following = live.follow(scope, None)?;
        let state::Scope::Session(session) = &following.base.state else {
            return None;
        };
        let (state, seq) = (Arc::clone(session), following.base.seq);
        Some(Self {
            scope,
            epoch: following.base.epoch,
            joined: following.base.seq,
            state,
            seq,
            follower: following.follower,
            live,
        })
    }

    /// Watches a mounted session from a commit of this epoch on, as far as memory has it: from the last state before
    /// that was kept; where there is none, from now on.
    pub(crate) fn resume(
        live: glasswork_engine::Reader<Glasswork>,
        scope: ScopeId,
        seen: Cursor,
    ) -> Option<Self> {
        let Some(kept) = live.at(scope, seen.seq).filter(|kept| kept.epoch == seen.epoch) else {
            return Self::begin(live, scope);
        };
        let state::Scope::Session(session) = &kept.state else {
            return None;
        };
        let (state, seq) = (Arc::clone(session), kept.seq);
        let cursor = Cursor { seq, ..seen };
        let following = live.follow(scope, Some(cursor))?;
        if following.resync {
            return Self::begin(live, scope);
        }
        Some(Self {
            scope,
            epoch: kept.epoch,
            joined: following.base.seq,
            state,
            seq,
            follower: following.follower,
            live,
        })
    }

    /// The session as of what [`next`](Self::next) gave last.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.state
    }

    /// The commit as of which [`session`](Self::session) is.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How often the session's journal had been opened for writing.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The last commit when the watching began, which is none of what [`next`](Self::next) gives unless it was asked for.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// What happens next. Cancellation safe.
    pub async fn next(&mut self) -> Watched {
        loop {
            let item = self.follower.next().await;
            if let Some(watched) = self.take(item) {
                return watched;
            }
        }
    }

    fn take(&mut self, item: FeedItem<Glasswork>) -> Option<Watched> {
        match item {
            // After a gap the state was taken anew, and may be ahead of what still comes: the gap said so.
            FeedItem::Commit(commit) if commit.id.seq <= self.seq => None,
            FeedItem::Commit(commit) => Some(self.apply(&commit)),
            FeedItem::Gap { to, .. } if to <= self.seq => None,
            FeedItem::Gap { .. } => {
                // Where the session is not mounted any more, its end comes next and says up to where it was seen.
                let now = self
                    .live
                    .scope(self.scope)
                    .filter(|now| now.epoch == self.epoch)?;
                let state::Scope::Session(session) = &now.state else {
                    return None;
                };
                let (from, to) = (self.seq + 1, now.seq);
                self.state = Arc::clone(session);
                self.seq = to;
                Some(Watched {
                    seq: to,
                    origin: None,
                    updates: vec![Update::Gap { from, to }],
                    touches: invalidation::all(),
                })
            }
            FeedItem::JournalFailed(reason) => Some(Watched {
                seq: self.seq,
                origin: None,
                updates: vec![Update::RecordingFailed { reason }],
                touches: BTreeSet::from([Projection::Notifications]),
            }),
            FeedItem::Ended => Some(Watched {
                seq: self.seq,
                origin: None,
                updates: vec![Update::Ended],
                touches: BTreeSet::new(),
            }),
        }
    }

    fn apply(&mut self, commit: &Commit<Glasswork>) -> Watched {
        let mut scope = state::Scope::Session(Arc::clone(&self.state));
        let mut updates = Vec::new();
        for fact in &commit.facts {
            let before = Arc::clone(&self.state);
            Glasswork::evolve(&mut scope, fact, commit.moment());
            if let state::Scope::Session(after) = &scope {
                self.state = Arc::clone(after);
                describe(&before, after, fact, &mut updates);
            }
        }
        self.seq = commit.id.seq;
        Watched {
            seq: commit.id.seq,
            origin: Some(commit.origin.clone()),
            updates,
            touches: invalidation::touched(&commit.facts),
        }
    }
}
