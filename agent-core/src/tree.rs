//! The conversation: a tree of entries and the leaf at which it goes on.

use std::ops::Bound;
use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall, ToolResult};
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::{StopReason, Usage};
use glasswork_engine::Timestamp;
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::id::{CallId, EntryId, RequestId};

/// The conversation tree. Entries are never changed, only added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tree {
    entries: OrdMap<EntryId, Arc<Entry>>,
    leaf: Option<EntryId>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry before it; `None` at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EntryId>,
    /// When it was added.
    pub at: Timestamp,
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
    },
    /// A model's answer.
    Assistant(Assistant),
    /// The result of one tool call.
    ToolResult {
        /// The call.
        call: CallId,
        /// What the model is told.
        result: ToolResult,
    },
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assistant {
    /// The blocks that were complete, in order.
    pub blocks: Vec<Block>,
    /// The model that was asked.
    pub model: ModelId,
    /// The request that it answers.
    pub request: RequestId,
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
                Block::Text(_) | Block::Thinking(_) => None,
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
        }
    }
}

fn block_chars(block: &Block) -> u64 {
    match block {
        Block::Text(text) => chars(text),
        Block::Thinking(thought) => chars(&thought.text),
        Block::ToolCall(call) => chars(&call.name) + chars(&call.arguments),
    }
}

/// Characters of a text.
#[must_use]
pub(crate) fn chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

impl Tree {
    /// Adds an entry below the leaf and makes it the leaf.
    pub fn append(&mut self, id: EntryId, at: Timestamp, body: Body) {
        let parent = self.leaf;
        self.entries.insert(id, Arc::new(Entry { parent, at, body }));
        self.leaf = Some(id);
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

    /// The entries that were added after this one, in the order in which they were added; all of them after `None`.
    pub fn entries_after(&self, id: Option<EntryId>) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.range((from, Bound::Unbounded));
        entries.map(|(id, entry)| (*id, entry))
    }

    /// The branch to the leaf, from the leaf upwards.
    pub fn branch(&self) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        let mut next = self.leaf;
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
