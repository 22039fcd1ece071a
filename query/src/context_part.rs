//! What fills the window of a session, part by part.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_app_runtime::projection::context;

use crate::dispatch::Dispatch;
use crate::entry::Entry;
use crate::error::Answer;
use crate::id;
use crate::scalar::Long;
use crate::session::View;

/// Where a part of what would be sent comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "context::Source")]
pub(crate) enum ContextSource {
    /// The system prompt.
    System,
    /// The description of a tool.
    Tool,
    /// People's words.
    Prompt,
    /// The model's answers.
    Answer,
    /// Results of tools.
    Result,
    /// Summaries of what is old, or of a branch that was left.
    Summary,
    /// What the runtime itself tells the model.
    Notice,
}

/// The parts of one group together.
#[derive(Debug, SimpleObject)]
pub(crate) struct ContextGroup {
    /// The group.
    of: ContextSource,
    /// How many parts it has.
    parts: Long,
    /// Their size, in tokens: four characters to a token.
    tokens: Long,
}

impl ContextGroup {
    pub(crate) fn shown(group: &context::Group) -> Self {
        Self {
            of: group.of.into(),
            parts: Long(group.parts),
            tokens: Long(group.tokens),
        }
    }
}

/// A part of what would be sent.
pub(crate) struct ContextPart {
    pub(crate) view: Arc<View>,
    pub(crate) part: context::Part,
}

/// A part of what would be sent.
#[Object]
impl ContextPart {
    /// Where it comes from.
    async fn of(&self) -> ContextSource {
        self.part.of.into()
    }

    /// Of a part of the system prompt, or of a tool, its name; else the beginning of what it says.
    async fn name(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.part.name).map(Some)
    }

    /// Its size, in tokens: four characters to a token.
    async fn tokens(&self) -> Long {
        Long(self.part.tokens)
    }

    /// The dispatch that put it there.
    async fn by(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.part.by)
    }

    /// Of a message, the name of its entry; null for all else.
    async fn entry_id(&self) -> Option<ID> {
        self.part.entry.map(|entry| id::global(self.view.id, entry))
    }

    /// Of a message, its entry; null for all else.
    async fn entry(&self) -> Answer<Option<Entry>> {
        self.part
            .entry
            .map(|entry| Entry::find(&self.view, entry))
            .transpose()
    }
}
