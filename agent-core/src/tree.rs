//! The conversation: a tree of entries and the leaf at which it goes on.

use std::ops::Bound;
use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall, ToolResult};
use glasswork_ai::image::Image;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::Timestamp;
use im::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::branch_summary::{self, BranchSummary};
use crate::compaction::{self, Compaction};
use crate::context::tokens_of_chars;
use crate::id::{CallId, EntryId, RequestId};
use crate::loop_guard::Notice;
use crate::superseded::Superseded;
use crate::tail_map::TailMap;

/// The conversation tree. Entries are never changed, only added; labels and pins stand beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tree {
    entries: TailMap<EntryId, Arc<Entry>>,
    leaf: Option<EntryId>,
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    labels: OrdMap<EntryId, Arc<str>>,
    #[serde(default, skip_serializing_if = "OrdSet::is_empty")]
    pinned: OrdSet<EntryId>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry before it; `None` at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EntryId>,
    /// When it was added; of an imported one, when it was said.
    pub at: Timestamp,
    /// Its size, in uncalibrated tokens: counted once, however often a branch is left and entered again.
    #[serde(default)]
    pub tokens: u64,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A person's words.
    Prompt {
        /// The words.
        text: Arc<str>,
        /// How they came into the conversation.
        #[serde(default, skip_serializing_if = "Via::is_prompt")]
        via: Via,
        /// The images that come with them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// A model's answer.
    Assistant(Assistant),
    /// The result of one tool call.
    ToolResult {
        /// The call.
        call: CallId,
        /// What the model is told.
        result: ToolResult,
        /// The images that it is shown.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// A summary, which stands for what is old of the branch.
    Compaction(Arc<Compaction>),
    /// A summary of a branch that was left.
    BranchSummary(Arc<BranchSummary>),
    /// What the runtime itself tells the model.
    Notice(Arc<Notice>),
    /// An answer that was given up, because another model was asked instead. No model is ever sent it.
    Superseded(Arc<Superseded>),
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assistant {
    /// The blocks that were complete, in order.
    pub blocks: Vec<Block>,
    /// The model that was asked.
    pub model: ModelId,
    /// The request that it answers; `None` of an answer that was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Tokens, as far as the provider reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why the model stopped; `None` where it was not let finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// Whether it was cut off by a cancel: then only what was complete is here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

/// How words of a person came into the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// As the prompt that began a turn.
    #[default]
    Prompt,
    /// As steering, taken in before a step of a running turn.
    Steering,
    /// As a follow-up that waited for the turn before.
    FollowUp,
}

impl Via {
    fn is_prompt(&self) -> bool {
        *self == Self::Prompt
    }
}

impl Assistant {
    /// The tool calls among the blocks, each with the number of its block.
    pub fn calls(&self) -> impl Iterator<Item = (u16, &ToolCall)> {
        self.blocks
            .iter()
            .zip(0u16..)
            .filter_map(|(block, number)| match block {
                Block::ToolCall(call) => Some((number, call)),
                Block::Text(_) | Block::Thinking(_) | Block::Kept(_) => None,
            })
    }
}

impl Body {
    /// How many characters a model is sent of it.
    #[must_use]
    pub fn chars(&self) -> u64 {
        match self {
            Self::Prompt { text, .. } => chars(text),
            Self::Assistant(answer) => answer.blocks.iter().map(block_chars).sum(),
            Self::ToolResult { result, .. } => chars(&result.text),
            Self::Compaction(compaction) => compaction::message_chars(compaction),
            Self::BranchSummary(branch) => branch_summary::message_chars(branch),
            Self::Notice(notice) => chars(&notice.text),
            Self::Superseded(_) => 0,
        }
    }

    /// The images that a model is shown with it.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        match self {
            Self::Prompt { images, .. } | Self::ToolResult { images, .. } => images,
            Self::Assistant(_)
            | Self::Compaction(_)
            | Self::BranchSummary(_)
            | Self::Notice(_)
            | Self::Superseded(_) => &[],
        }
    }

    /// Its size, in uncalibrated tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let images = self.images().iter().map(Image::tokens);
        tokens_of_chars(self.chars()).saturating_add(images.sum())
    }
}

fn block_chars(block: &Block) -> u64 {
    match block {
        Block::Text(text) => chars(text),
        Block::Thinking(thought) => chars(&thought.text),
        Block::ToolCall(call) => chars(&call.name) + chars(&call.arguments),
        Block::Kept(_) => 0,
    }
}

/// Characters of a text.
#[must_use]
pub(crate) fn chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

impl Tree {
    /// Adds an entry below the leaf and makes it the leaf. Returns its size, in uncalibrated tokens.
    pub fn append(&mut self, id: EntryId, at: Timestamp, body: Body) -> u64 {
        let tokens = body.tokens();
        let parent = self.leaf;
        let entry = Entry {
            parent,
            at,
            tokens,
            body,
        };
        self.entries.insert(id, Arc::new(entry));
        self.leaf = Some(id);
        tokens
    }

    /// Adds an entry below another one, wherever the conversation goes on.
    pub fn graft(&mut self, id: EntryId, parent: Option<EntryId>, at: Timestamp, body: Body) {
        let tokens = body.tokens();
        let entry = Entry {
            parent,
            at,
            tokens,
            body,
        };
        self.entries.insert(id, Arc::new(entry));
    }

    /// Lets the conversation go on below another entry, or before all of them. An entry that is not there changes
    /// nothing.
    pub fn move_to(&mut self, leaf: Option<EntryId>) {
        if leaf.is_none_or(|leaf| self.entries.contains_key(&leaf)) {
            self.leaf = leaf;
        }
    }

    /// Gives an entry a label, or takes the one that it has away. An entry that is not there gets none.
    pub fn label(&mut self, id: EntryId, label: Option<Arc<str>>) {
        match label.filter(|_| self.entries.contains_key(&id)) {
            Some(label) => self.labels.insert(id, label),
            None => self.labels.remove(&id),
        };
    }

    /// The label of an entry.
    #[must_use]
    pub fn label_of(&self, id: EntryId) -> Option<&Arc<str>> {
        self.labels.get(&id)
    }

    /// The labels, on all branches.
    #[must_use]
    pub fn labels(&self) -> &OrdMap<EntryId, Arc<str>> {
        &self.labels
    }

    /// Pins an entry, or does so no more. One that is not there is not pinned.
    pub fn pin(&mut self, id: EntryId, pinned: bool) {
        match pinned && self.entries.contains_key(&id) {
            true => self.pinned.insert(id),
            false => self.pinned.remove(&id),
        };
    }

    /// Whether an entry is pinned.
    #[must_use]
    pub fn is_pinned(&self, id: EntryId) -> bool {
        self.pinned.contains(&id)
    }

    /// The pinned entries, on all branches.
    #[must_use]
    pub fn pinned(&self) -> &OrdSet<EntryId> {
        &self.pinned
    }

    /// The entry with this id.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<&Arc<Entry>> {
        self.entries.get(&id)
    }

    /// The entry at which the conversation goes on.
    #[must_use]
    pub fn leaf(&self) -> Option<EntryId> {
        self.leaf
    }

    /// How many entries there are, on all branches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in the order in which they were added.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (EntryId, &Arc<Entry>)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The entries in which this tree differs from an earlier state of it, with what they are now; costs what has
    /// changed.
    pub fn changed_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (EntryId, Option<&'a Arc<Entry>>)> {
        let changed = self.entries.changed_since(&before.entries);
        changed.into_iter().map(|(id, entry)| (*id, entry))
    }

    /// All but the entries: leaf, labels, pins.
    #[must_use]
    pub fn without_entries(&self) -> Self {
        Self {
            entries: TailMap::new(),
            ..self.clone()
        }
    }

    /// The entries that were added after this one, in the order in which they were added; all of them after `None`.
    pub fn entries_after(&self, id: Option<EntryId>) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.range((from, Bound::Unbounded));
        entries.map(|(id, entry)| (*id, entry))
    }

    /// The branch to the leaf, from the leaf upwards.
    pub fn branch(&self) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        self.branch_to(self.leaf)
    }

    /// The branch to an entry, from that entry upwards.
    pub fn branch_to(&self, leaf: Option<EntryId>) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        let mut next = leaf;
        std::iter::from_fn(move || {
            let id = next?;
            let entry = self.entries.get(&id)?;
            // A parent is always older: without this a damaged tree could be walked forever.
            next = entry.parent.filter(|parent| *parent < id);
            Some((id, entry))
        })
    }

    /// The first entry whose parent is missing or not older, or the leaf if it is missing.
    #[must_use]
    pub fn unsound(&self) -> Option<EntryId> {
        let broken = self.entries.iter().find(|(id, entry)| {
            entry
                .parent
                .is_some_and(|parent| parent >= **id || !self.entries.contains_key(&parent))
        });
        match broken {
            Some((id, _)) => Some(*id),
            None => self.leaf.filter(|leaf| !self.entries.contains_key(leaf)),
        }
    }
}
