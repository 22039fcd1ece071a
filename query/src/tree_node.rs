//! The tree of a conversation with its fork points, and the family of sessions that forks make.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use glasswork_agent_core::id::EntryId;
use glasswork_app_runtime::projection::{family, tree};

use crate::entry::{Entry, EntryKind};
use crate::error::Answer;
use crate::id;
use crate::page::{self, Page};
use crate::scalar::{Long, Time};
use crate::session::{ForkPoint, View};
use crate::sessions::SessionStatus;

/// The tree of a session's conversation: every entry on every branch, and where other sessions begin.
pub(crate) struct Tree {
    view: Arc<View>,
    tree: tree::Tree,
}

impl Tree {
    pub(crate) fn of(view: &Arc<View>) -> Self {
        Self {
            view: Arc::clone(view),
            tree: tree::of(&view.session),
        }
    }
}

/// The tree of a session's conversation: every entry on every branch, and where other sessions begin.
#[Object]
impl Tree {
    /// The entry at which the conversation goes on; null before its first one.
    async fn leaf(&self) -> Option<ID> {
        self.tree.leaf.map(|leaf| id::global(self.view.id, leaf))
    }

    /// The entries as rows, oldest first, so that each stands behind the one before it.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn nodes(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<TreeNode>>> {
        let length = page::length(&self.view.op, first)?;
        let after = page::after::<EntryId>(after.as_deref())?;
        let forks = self.tree.fork_points();
        let nodes = self.tree.nodes.iter();
        let shown = nodes
            .filter(|node| after.is_none_or(|after| node.entry > after))
            .map(|node| {
                let forks = forks.get(&Some(node.entry));
                let node = TreeNode {
                    view: Arc::clone(&self.view),
                    node: node.clone(),
                    forks: forks.map_or_else(Vec::new, |forks| forks.iter().map(point).collect()),
                };
                (node.node.entry.to_string(), node)
            });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// The sessions that were forked before anything was said.
    async fn forks_at_start(&self) -> Vec<ForkPoint> {
        let forks = self.tree.fork_points();
        forks
            .get(&None)
            .map_or_else(Vec::new, |forks| forks.iter().map(point).collect())
    }
}

fn point(point: &tree::ForkPoint) -> ForkPoint {
    ForkPoint::of(point.session, point.at)
}

/// An entry as a row of its tree.
pub(crate) struct TreeNode {
    view: Arc<View>,
    node: tree::Node,
    forks: Vec<ForkPoint>,
}

/// An entry as a row of its tree.
#[Object]
impl TreeNode {
    /// The name of the entry.
    async fn id(&self) -> ID {
        id::global(self.view.id, self.node.entry)
    }

    /// The name of the entry as commands have it: `412.0`.
    async fn name(&self) -> String {
        self.node.entry.to_string()
    }

    /// The entry before it; null for one at the beginning.
    async fn parent(&self) -> Option<ID> {
        self.node.parent.map(|parent| id::global(self.view.id, parent))
    }

    /// Those directly below it, oldest first: of more than one the conversation went on in as many ways.
    async fn children(&self) -> Vec<ID> {
        let children = self.node.children.iter();
        children.map(|child| id::global(self.view.id, *child)).collect()
    }

    /// What it is.
    async fn kind(&self) -> Answer<Option<EntryKind>> {
        let entry = self.view.session.tree.get(self.node.entry);
        Ok(entry.map(|entry| EntryKind::of(&entry.body)))
    }

    /// The beginning of what it says, on one line.
    async fn words(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.node.words).map(Some)
    }

    /// When it was added.
    async fn at(&self) -> Time {
        Time(self.node.at)
    }

    /// Its label; null where it has none.
    async fn label(&self) -> Option<&str> {
        self.node.label.as_deref()
    }

    /// Whether compactions carry it over.
    async fn pinned(&self) -> bool {
        self.node.pinned
    }

    /// Whether it is on the branch to the leaf.
    async fn active(&self) -> bool {
        self.node.active
    }

    /// The sessions that were forked while it was the newest entry.
    async fn forks(&self) -> Vec<&ForkPoint> {
        self.forks.iter().collect()
    }

    /// The entry itself.
    async fn entry(&self) -> Answer<Option<Entry>> {
        Entry::find(&self.view, self.node.entry).map(Some)
    }
}

/// A session in the family that forks make, as a row.
#[derive(Debug, SimpleObject)]
pub(crate) struct Relative {
    /// The session.
    session: ID,
    /// The one that it was forked from; null for the first one.
    parent: Option<ID>,
    /// The commit of the parent at which it was forked; null for the first one, and where the parent cannot be read.
    at: Option<Long>,
    /// How many forks lie between it and the first one.
    depth: Long,
    /// Its title, or what was said first in it; empty where there is neither.
    name: String,
    /// Where it stands.
    status: SessionStatus,
    /// Whether it is mounted here.
    loaded: bool,
    /// When its last commit was made; null where it has none.
    updated: Option<Time>,
}

impl Relative {
    pub(crate) fn of(relative: &family::Relative) -> Self {
        Self {
            session: ID(relative.session.to_string()),
            parent: relative.parent.map(|parent| ID(parent.to_string())),
            at: relative.at.map(Long),
            depth: Long::of(relative.depth),
            name: relative.name.clone(),
            status: relative.status.into(),
            loaded: relative.mounted,
            updated: relative.updated.map(Time),
        }
    }
}
