//! The conversation: entries of the tree, and the blocks that models say.

use std::sync::Arc;

use async_graphql::{Enum, ID, Json, Object, SimpleObject, Union};
use glasswork_agent_core::branch_summary;
use glasswork_agent_core::compaction;
use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::loop_guard::{self, About};
use glasswork_agent_core::tree;
use glasswork_ai::conversation;
use serde_json::Value;

use crate::branch_summary::BranchSummaryBody;
use crate::call::Call;
use crate::compaction::CompactionBody;
use crate::dispatch::Dispatch;
use crate::error::{Answer, absent};
use crate::failover::SupersededBody;
use crate::id;
use crate::image::{self, Image};
use crate::import::EntrySource;
use crate::operation::Operation;
use crate::request::Request;
use crate::scalar::Time;
use crate::session::View;
use crate::structured::ResultTelling;
use crate::text;
use crate::tokens::Tokens;

/// Most entries that are named as those below another one.
const MOST_CHILDREN: usize = 1_000;

/// A node of the conversation tree.
pub(crate) struct Entry {
    pub(crate) view: Arc<View>,
    pub(crate) id: EntryId,
    pub(crate) entry: Arc<tree::Entry>,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum EntryKind {
    /// A person's words.
    Prompt,
    /// A model's answer.
    Assistant,
    /// The result of a tool call.
    ToolResult,
    /// A summary that stands for what is old of the branch.
    Compaction,
    /// A summary of a branch that was left.
    BranchSummary,
    /// What the runtime itself told the model.
    Notice,
    /// An answer that was given up, because another model was asked instead.
    Superseded,
}

impl EntryKind {
    pub(crate) fn of(body: &tree::Body) -> Self {
        match body {
            tree::Body::Prompt { .. } => Self::Prompt,
            tree::Body::Assistant(_) => Self::Assistant,
            tree::Body::ToolResult { .. } => Self::ToolResult,
            tree::Body::Compaction(_) => Self::Compaction,
            tree::Body::BranchSummary(_) => Self::BranchSummary,
            tree::Body::Notice(_) => Self::Notice,
            tree::Body::Superseded(_) => Self::Superseded,
        }
    }
}

/// How words of a person came into the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "tree::Via")]
pub(crate) enum Via {
    /// As the prompt that began a turn.
    Prompt,
    /// As steering, taken in before a step of a running turn.
    Steering,
    /// As a follow-up that waited for the turn before.
    FollowUp,
}

/// What an entry says.
#[derive(Union)]
pub(crate) enum EntryBody {
    Prompt(PromptBody),
    Assistant(AssistantBody),
    ToolResult(ToolResultBody),
    Compaction(CompactionBody),
    BranchSummary(BranchSummaryBody),
    Notice(NoticeBody),
    Superseded(SupersededBody),
}

/// A person's words.
#[derive(Debug, SimpleObject)]
pub(crate) struct PromptBody {
    /// The words.
    text: String,
    /// How they came into the conversation.
    via: Via,
    /// The images that came with them.
    images: Vec<Image>,
}

/// Ways in which an agent goes in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "loop_guard::Kind")]
pub(crate) enum LoopKind {
    /// Step after step the same calls, with the same results.
    SameCall,
    /// A round of several steps again and again, with the same results.
    Alternating,
    /// An answer that says nothing and calls nothing.
    EmptyAnswer,
    /// An answer that promises a call and has none.
    PromisedCall,
}

/// What the runtime itself told the model.
#[derive(Debug, SimpleObject)]
pub(crate) struct NoticeBody {
    /// What it was told.
    text: String,
    /// How the agent went in circles; null where it is about something else.
    kind: Option<LoopKind>,
    /// Why the model is told of the result that is wanted of the turn; null where it is about something else.
    result: Option<ResultTelling>,
}

/// A model's answer.
pub(crate) struct AssistantBody {
    view: Arc<View>,
    id: EntryId,
    entry: Arc<tree::Entry>,
}

/// The result of a tool call, as the model is told.
pub(crate) struct ToolResultBody {
    view: Arc<View>,
    entry: Arc<tree::Entry>,
}

/// Kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum BlockKind {
    /// An answer.
    Text,
    /// Thinking.
    Thinking,
    /// A call of a tool.
    ToolCall,
    /// What the provider wants back with the block before it, and nobody else can use.
    Kept,
}

/// A piece of what a model said.
#[derive(Debug, SimpleObject)]
pub(crate) struct Block {
    /// The kind.
    kind: BlockKind,
    /// Its text; of a tool call its arguments, exactly as received.
    text: String,
    /// The tool's name, of a call.
    tool: Option<String>,
    /// The call that it became.
    call: Option<ID>,
}

impl Block {
    /// A complete block. `call` is the id of the call that it is, where it became one.
    pub(crate) fn of(op: &Operation, block: &conversation::Block, call: Option<ID>) -> Answer<Self> {
        Ok(match block {
            conversation::Block::Text(text) => Self {
                kind: BlockKind::Text,
                text: op.text(&**text)?,
                tool: None,
                call: None,
            },
            conversation::Block::Thinking(thought) => Self {
                kind: BlockKind::Thinking,
                text: op.text(&*thought.text)?,
                tool: None,
                call: None,
            },
            conversation::Block::ToolCall(made) => Self {
                kind: BlockKind::ToolCall,
                text: op.text(&*made.arguments)?,
                tool: Some(made.name.to_string()),
                call,
            },
            conversation::Block::Kept(_) => Self {
                kind: BlockKind::Kept,
                text: String::new(),
                tool: None,
                call: None,
            },
        })
    }

    pub(crate) fn growing(kind: BlockKind, text: String, tool: Option<String>) -> Self {
        Self {
            kind,
            text,
            tool,
            call: None,
        }
    }
}

/// Arguments of a tool call as JSON; text where they are not JSON.
pub(crate) fn arguments(op: &Operation, arguments: &str) -> Answer<Json<Value>> {
    let text = op.text(arguments)?;
    Ok(Json(serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// The blocks of an answer, each call with its id.
pub(crate) fn blocks(view: &View, id: EntryId, answer: &tree::Assistant) -> Answer<Vec<Block>> {
    let numbered = answer.blocks.iter().zip(0u16..);
    let block = |(block, number): (&conversation::Block, u16)| {
        let call = glasswork_session_state::call::Call::id(id, number);
        let known = view.session.call(call).is_some();
        Block::of(&view.op, block, known.then(|| id::global(view.id, call)))
    };
    numbered.map(block).collect()
}

/// What is said in an entry, without thinking and calls.
pub(crate) fn said(body: &tree::Body) -> String {
    match body {
        tree::Body::Prompt { text, .. } => text.to_string(),
        tree::Body::Assistant(answer) => {
            let texts = answer.blocks.iter().filter_map(|block| match block {
                conversation::Block::Text(text) => Some(&**text),
                conversation::Block::Thinking(_)
                | conversation::Block::ToolCall(_)
                | conversation::Block::Kept(_) => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        tree::Body::ToolResult { result, .. } => result.text.to_string(),
        tree::Body::Compaction(body) => compaction::message(body),
        tree::Body::BranchSummary(body) => branch_summary::message(body),
        tree::Body::Notice(notice) => notice.text.to_string(),
        tree::Body::Superseded(gone) => gone.said.to_string(),
    }
}

impl Entry {
    pub(crate) fn find(view: &Arc<View>, id: EntryId) -> Answer<Self> {
        let entry = view
            .session
            .tree
            .get(id)
            .ok_or_else(|| absent("entry", id::global(view.id, id).0))?;
        Ok(Self {
            view: Arc::clone(view),
            id,
            entry: Arc::clone(entry),
        })
    }
}

/// A node of the conversation tree. Entries are only added, never changed.
#[Object]
impl Entry {
    /// Its name: the session, the commit that added it, and its place there.
    async fn id(&self) -> ID {
        id::global(self.view.id, self.id)
    }

    /// The entry before it; null at the root.
    async fn parent(&self) -> Option<ID> {
        self.entry.parent.map(|parent| id::global(self.view.id, parent))
    }

    /// The entries directly below it, oldest first, at most 1000. Where there are several, the conversation went on in as
    /// many ways.
    async fn children(&self) -> Vec<ID> {
        let below = self.view.below(self.id).iter().take(MOST_CHILDREN);
        below.map(|child| id::global(self.view.id, *child)).collect()
    }

    /// Whether it is on the branch to the leaf: part of the conversation as it goes on.
    async fn active(&self) -> bool {
        self.view.is_active(self.id)
    }

    /// When it was added.
    async fn at(&self) -> Time {
        Time(self.entry.at)
    }

    /// The kind of its body.
    async fn kind(&self) -> EntryKind {
        EntryKind::of(&self.entry.body)
    }

    /// What is said in it, without thinking and calls. Null where the answer as a whole has no room for it.
    async fn text(&self) -> Answer<Option<String>> {
        self.view.op.text(said(&self.entry.body)).map(Some)
    }

    /// The beginning of that on one line, at most so many characters.
    async fn preview(&self, #[graphql(default = 80)] characters: u16) -> String {
        text::first_words(&said(&self.entry.body), usize::from(characters.min(1_000)))
    }

    /// The dispatch that added it.
    async fn by(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.id.seq)
    }

    /// Its label; null where it has none.
    async fn label(&self) -> Option<String> {
        let label = self.view.session.tree.label_of(self.id);
        label.map(|label| label.to_string())
    }

    /// Whether it is pinned: a compaction carries it over.
    async fn pinned(&self) -> bool {
        self.view.session.tree.is_pinned(self.id)
    }

    /// Where it was imported from; null for what was said here.
    async fn source(&self) -> Option<EntrySource> {
        EntrySource::of(&self.view, self.id)
    }

    /// What it says.
    async fn body(&self) -> Answer<Option<EntryBody>> {
        Ok(Some(match &self.entry.body {
            tree::Body::Prompt { text, via, images } => EntryBody::Prompt(PromptBody {
                text: self.view.op.text(&**text)?,
                via: (*via).into(),
                images: image::all(images),
            }),
            tree::Body::Assistant(_) => EntryBody::Assistant(AssistantBody {
                view: Arc::clone(&self.view),
                id: self.id,
                entry: Arc::clone(&self.entry),
            }),
            tree::Body::ToolResult { .. } => EntryBody::ToolResult(ToolResultBody {
                view: Arc::clone(&self.view),
                entry: Arc::clone(&self.entry),
            }),
            tree::Body::Compaction(compaction) => EntryBody::Compaction(CompactionBody {
                view: Arc::clone(&self.view),
                compaction: Arc::clone(compaction),
            }),
            tree::Body::Notice(notice) => EntryBody::Notice(NoticeBody {
                text: self.view.op.text(&*notice.text)?,
                kind: match notice.kind {
                    About::Loop(kind) => Some(kind.into()),
                    About::Result(_) => None,
                },
                result: match notice.kind {
                    About::Loop(_) => None,
                    About::Result(telling) => Some(telling.into()),
                },
            }),
            tree::Body::Superseded(gone) => EntryBody::Superseded(SupersededBody::of(&self.view.op, gone)?),
            tree::Body::BranchSummary(branch) => EntryBody::BranchSummary(BranchSummaryBody {
                view: Arc::clone(&self.view),
                branch: Arc::clone(branch),
            }),
        }))
    }
}

impl AssistantBody {
    fn answer(&self) -> Answer<&tree::Assistant> {
        match &self.entry.body {
            tree::Body::Assistant(answer) => Ok(answer),
            tree::Body::Prompt { .. }
            | tree::Body::ToolResult { .. }
            | tree::Body::Compaction(_)
            | tree::Body::BranchSummary(_)
            | tree::Body::Notice(_)
            | tree::Body::Superseded(_) => Err(absent("answer", self.id)),
        }
    }
}

/// A model's answer.
#[Object]
impl AssistantBody {
    /// Its complete blocks, in order.
    #[graphql(complexity = "8 * child_complexity")]
    async fn blocks(&self) -> Answer<Option<Vec<Block>>> {
        blocks(&self.view, self.id, self.answer()?).map(Some)
    }

    /// The model that was asked, as `provider/id`.
    async fn model(&self) -> Answer<Option<String>> {
        Ok(Some(self.answer()?.model.to_string()))
    }

    /// The request that it answers; null where the answer was imported.
    async fn request(&self) -> Answer<Option<Request>> {
        let request = self.answer()?.request;
        request
            .map(|request| Request::find(&self.view, request))
            .transpose()
    }

    /// Tokens of that request; null where the provider reported none.
    async fn usage(&self) -> Answer<Option<Tokens>> {
        Ok(self.answer()?.usage.as_ref().map(Tokens::from))
    }

    /// Why the model stopped; null where it was not let finish.
    async fn stop(&self) -> Answer<Option<String>> {
        Ok(self.answer()?.stop.as_ref().map(stop))
    }

    /// Whether it was cut off by a cancel; then only what was complete is here.
    async fn cancelled(&self) -> Answer<Option<bool>> {
        Ok(Some(self.answer()?.cancelled))
    }
}

/// Why a model stopped, as text: the name that Glasswork has for it, else the server's own.
pub(crate) fn stop(reason: &glasswork_ai::stream::StopReason) -> String {
    match reason {
        glasswork_ai::stream::StopReason::Other(text) => text.to_string(),
        known => text::variant_name(known),
    }
}

/// The result of a tool call, as the model is told.
#[Object]
impl ToolResultBody {
    /// The call; null where the session does not know it any more.
    async fn call(&self) -> Answer<Option<Call>> {
        match &self.entry.body {
            tree::Body::ToolResult { call, .. } => Call::find(&self.view, *call).map(Some),
            _ => Ok(None),
        }
    }

    /// The tool's name.
    async fn tool(&self) -> Option<String> {
        match &self.entry.body {
            tree::Body::ToolResult { result, .. } => Some(result.name.to_string()),
            _ => None,
        }
    }

    /// The images that the model is shown.
    async fn images(&self) -> Vec<Image> {
        image::all(self.entry.body.images())
    }

    /// Whether the model is told that the call failed.
    async fn is_error(&self) -> Option<bool> {
        match &self.entry.body {
            tree::Body::ToolResult { result, .. } => Some(result.is_error),
            _ => None,
        }
    }
}
