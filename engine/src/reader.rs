//! Reading: the published root, its recent past, the log, the feed. Readers never wait for the writer.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::commit::Commit;
use crate::domain::Domain;
use crate::envelope::ScopeId;
use crate::feed::{Feed, FeedItem, Follower};
use crate::log::{Log, lock};
use crate::retained::Retained;
use crate::root::{Root, Scope};
use crate::trace::TraceRecord;

/// What readers and writer share.
pub(crate) struct Shelf<D: Domain> {
    pub(crate) root: ArcSwap<Root<D>>,
    pub(crate) ring: Mutex<Retained<Arc<Scope<D>>>>,
    pub(crate) log: Log<D>,
    pub(crate) feed: Feed<D>,
    pub(crate) feed_bytes: usize,
}

/// A reader of everything published. Clones share it.
///
/// It gives whole roots; who may see which scope is decided above the engine, in one place.
pub struct Reader<D: Domain> {
    pub(crate) shelf: Arc<Shelf<D>>,
}

impl<D: Domain> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
        }
    }
}

impl<D: Domain> std::fmt::Debug for Reader<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// A cursor on the feed of a scope: what its holder has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch in which it was given.
    pub epoch: u32,
    /// The last commit that its holder has seen.
    pub seq: u64,
}

/// Following begins: the state now, and what comes after it.
#[derive(Debug)]
pub struct Following<D: Domain> {
    /// The scope at the moment of joining.
    pub base: Arc<Scope<D>>,
    /// What comes after the cursor, or after the base where none was given.
    pub follower: Follower<D>,
    /// The cursor was not of this record (a later epoch, or ahead of it): its holder must start from the base.
    pub resync: bool,
}

impl<D: Domain> Reader<D> {
    /// The published root: one consistent snapshot.
    #[must_use]
    pub fn root(&self) -> Arc<Root<D>> {
        self.shelf.root.load_full()
    }

    /// A mounted scope as it is now.
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> Option<Arc<Scope<D>>> {
        self.shelf.root.load().scope(id).cloned()
    }

    /// A mounted scope as it was after commit `seq`, if memory still has it. Where that commit was a delta, the
    /// nearest earlier state that was kept; [`Scope::seq`] says which.
    #[must_use]
    pub fn at(&self, id: ScopeId, seq: u64) -> Option<Arc<Scope<D>>> {
        let now = self.scope(id)?;
        if seq >= now.seq {
            return (seq == now.seq).then_some(now);
        }
        lock(&self.shelf.ring)
            .at_or_before(id, seq)
            .map(|(_, scope)| Arc::clone(scope))
    }

    /// The recent commits of a scope, oldest first.
    #[must_use]
    pub fn commits(&self, id: ScopeId) -> Vec<Arc<Commit<D>>> {
        self.shelf.log.commits(id)
    }

    /// The recent traces of a scope, oldest first.
    #[must_use]
    pub fn traces(&self, id: ScopeId) -> Vec<Arc<TraceRecord>> {
        self.shelf.log.traces(id)
    }

    /// How many follow a scope.
    #[must_use]
    pub fn followers(&self, id: ScopeId) -> usize {
        self.shelf.feed.followers(id)
    }

    /// Follows a scope: from `cursor`, or from now on. Every commit comes once and in order, or within a marked gap.
    #[must_use]
    pub fn follow(&self, id: ScopeId, cursor: Option<Cursor>) -> Option<Following<D>> {
        let shelf = &self.shelf;
        let ((base, resync), follower) = shelf.feed.join(id, shelf.feed_bytes, || {
            let base = self.scope(id)?;
            let known = match cursor {
                Some(cursor) if cursor.epoch == base.epoch && cursor.seq <= base.seq => cursor.seq,
                Some(_) => return Some(((base, true), Vec::new())),
                None => base.seq,
            };
            let (from, to) = (known + 1, base.seq);
            let first = if from > to {
                Vec::new()
            } else {
                match shelf.log.range(id, from, to) {
                    Some(commits) => commits.into_iter().map(FeedItem::Commit).collect(),
                    None => vec![FeedItem::Gap { from, to }],
                }
            };
            Some(((base, false), first))
        })?;
        Some(Following {
            base,
            follower,
            resync,
        })
    }
}
