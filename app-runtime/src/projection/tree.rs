//! The tree of a conversation, as people look at it: what was said where, and where the conversation stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::tree::{self, Body};
use glasswork_ai::conversation::Block;
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::state::Session;
use serde::Serialize;

/// Characters of what was said that a node shows.
const WORDS: usize = 80;

/// The tree of a session's conversation, with the sessions that were forked from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Where the conversation stands; `None` before its first entry.
    pub leaf: Option<EntryId>,
    /// The entries, oldest first.
    pub nodes: Vec<Node>,
    /// Of a fork: the session that was forked.
    pub parent: Option<ForkPoint>,
    /// The forks that were made of it.
    pub children: Vec<ForkPoint>,
}

/// An entry, as a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The entry.
    pub entry: EntryId,
    /// The entry before it.
    pub parent: Option<EntryId>,
    /// Those directly below it, oldest first: of more than one the conversation went on in as many ways.
    pub children: Vec<EntryId>,
    /// When it was added.
    pub at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The beginning of what it says, on one line.
    pub words: String,
    /// Its label.
    pub label: Option<Arc<str>>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it is on the branch to the leaf.
    pub active: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's words.
    Prompt,
    /// A model's answer.
    Answer,
    /// The result of a tool call.
    Result,
    /// A summary that stands for what is older.
    Compaction,
    /// A summary of a branch that was left.
    BranchSummary,
    /// What the runtime itself told the model.
    Notice,
    /// An answer that was given up, because another model was asked instead.
    Superseded,
}

/// A session and the commit at which it was, or was made, a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ForkPoint {
    /// The other session.
    pub session: ScopeId,
    /// The commit of the parent.
    pub at: u64,
}

/// The entries on the branch to the leaf. Costs that branch.
#[must_use]
pub fn active(tree: &tree::Tree) -> BTreeSet<EntryId> {
    tree.branch().map(|(id, _)| id).collect()
}

/// The entries directly below each one, and those at the beginning, oldest first. Costs all of them.
#[must_use]
pub fn below(tree: &tree::Tree) -> BTreeMap<Option<EntryId>, Vec<EntryId>> {
    let mut below = BTreeMap::<_, Vec<_>>::new();
    for (id, entry) in tree.entries() {
        below.entry(entry.parent).or_default().push(id);
    }
    below
}

/// The tree of a session.
#[must_use]
pub fn of(session: &Session) -> Tree {
    let tree = &session.tree;
    let (active, mut below) = (active(tree), below(tree));
    let nodes = tree.entries().map(|(id, entry)| {
        let (kind, words) = glance(&entry.body);
        Node {
            entry: id,
            parent: entry.parent,
            children: below.remove(&Some(id)).unwrap_or_default(),
            at: entry.at,
            kind,
            words,
            label: tree.label_of(id).cloned(),
            pinned: tree.is_pinned(id),
            active: active.contains(&id),
        }
    });
    let made = session
        .children
        .iter()
        .filter(|(_, child)| child.effect.is_none());
    Tree {
        leaf: tree.leaf(),
        nodes: nodes.collect(),
        parent: session.meta.parent.map(|parent| ForkPoint {
            session: parent.session,
            at: parent.at,
        }),
        children: made
            .map(|(id, child)| ForkPoint {
                session: *id,
                at: child.at,
            })
            .collect(),
    }
}

impl Tree {
    /// The forks by the entry that was the newest one when they were made; by `None` those made before the first entry.
    #[must_use]
    pub fn fork_points(&self) -> BTreeMap<Option<EntryId>, Vec<ForkPoint>> {
        let mut points = BTreeMap::<_, Vec<_>>::new();
        for fork in &self.children {
            let before = self.nodes.iter().rev().find(|node| node.entry.seq <= fork.at);
            let newest = before.map(|node| node.entry);
            points.entry(newest).or_default().push(*fork);
        }
        points
    }
}

/// What an entry is, and the beginning of what it says, on one line.
#[must_use]
pub fn glance(body: &Body) -> (Kind, String) {
    let (kind, words) = said(body);
    (kind, first_words(&words))
}

fn said(body: &Body) -> (Kind, String) {
    match body {
        Body::Prompt { text, .. } => (Kind::Prompt, text.to_string()),
        Body::Assistant(answer) => {
            let blocks = answer.blocks.iter().filter_map(|block| match block {
                Block::Text(text) => Some(text.to_string()),
                Block::ToolCall(call) => Some(format!("[{}]", call.name)),
                Block::Thinking(_) | Block::Kept(_) => None,
            });
            (Kind::Answer, blocks.collect::<Vec<_>>().join(" "))
        }
        Body::ToolResult { result, .. } => (Kind::Result, format!("{}: {}", result.name, result.text)),
        Body::Compaction(_) => (Kind::Compaction, String::new()),
        Body::Notice(notice) => (Kind::Notice, notice.text.to_string()),
        Body::BranchSummary(branch) => (Kind::BranchSummary, branch.summary.to_string()),
        Body::Superseded(gone) => {
            let words = match gone.said.is_empty() {
                true => &*gone.failure.message,
                false => &*gone.said,
            };
            (
                Kind::Superseded,
                format!("{}, superseded by {}: {words}", gone.model, gone.by),
            )
        }
    }
}

fn first_words(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.chars().count() > WORDS {
            return words.chars().take(WORDS).chain(['…']).collect();
        }
    }
    words
}
