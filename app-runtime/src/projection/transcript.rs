//! The conversation from its beginning to its leaf, as people read it.

use std::sync::Arc;

use glasswork_agent_core::branch_summary;
use glasswork_agent_core::compaction;
use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_agent_core::loop_guard;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::{Body, Entry, Via};
use glasswork_ai::conversation::Block;
use glasswork_ai::image::Image;
use glasswork_ai::model::ModelId;
use glasswork_engine::Timestamp;
use glasswork_session_state::call::Call;
use glasswork_session_state::state::Session;
use serde::Serialize;

use crate::explain;

/// One thing that stands in a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The entry that holds it.
    pub entry: EntryId,
    /// When the entry was added.
    pub at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub said: Said,
}

/// What can stand in a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said {
    /// Someone's words.
    Person {
        /// The words.
        text: Arc<str>,
        /// How they came there.
        via: Via,
        /// The images that came with them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// What the model thought.
    Thinking {
        /// The text; empty where its provider keeps it to itself.
        text: Arc<str>,
    },
    /// What the model said.
    Text {
        /// The text.
        text: Arc<str>,
        /// The model.
        model: ModelId,
    },
    /// A tool call and, once it has one, its result.
    Call {
        /// The call.
        call: CallId,
        /// The tool.
        name: Arc<str>,
        /// The arguments as the model wrote them.
        arguments: Arc<str>,
        /// Where its chart stands.
        state: Option<tool_call::State>,
        /// Why it was allowed or not, for people.
        judgement: Option<String>,
        /// What the model was told.
        result: Option<Arc<str>>,
        /// Whether it was told that the call failed.
        is_error: bool,
    },
    /// The answer was cut off by a cancel.
    Cancelled,
    /// From here on the model is sent a summary of what stands above, and what was kept of it.
    Compacted {
        /// What the model is sent instead.
        text: Arc<str>,
        /// The first entry above that is sent as it is.
        first_kept: EntryId,
        /// Size of what is sent before, in tokens, estimated.
        tokens_before: u64,
        /// The same after.
        tokens_after: u64,
    },
    /// The runtime itself told the model this.
    Notice {
        /// What it was told.
        text: Arc<str>,
        /// What the runtime had found.
        kind: loop_guard::About,
    },
    /// An answer that was given up, because another model was asked instead. No model is sent it.
    Superseded {
        /// The text that had arrived.
        text: Arc<str>,
        /// The model that gave no answer.
        model: ModelId,
        /// Why.
        why: Arc<str>,
        /// The model that was asked instead.
        by: ModelId,
    },
    /// The conversation was elsewhere, and the model is told this of it.
    BranchLeft {
        /// What the model is told.
        text: Arc<str>,
        /// The end of the branch that was left; `None` where that is not known.
        from: Option<EntryId>,
    },
}

/// The conversation of a session.
#[must_use]
pub fn of(session: &Session) -> Vec<Line> {
    let mut branch: Vec<_> = session.tree.branch().collect();
    branch.reverse();
    branch
        .into_iter()
        .flat_map(|(id, entry)| lines(session, id, entry))
        .collect()
}

fn lines(session: &Session, id: EntryId, entry: &Entry) -> Vec<Line> {
    let line = |said| Line {
        entry: id,
        at: entry.at,
        said,
    };
    match &entry.body {
        Body::Prompt { text, via, images } => vec![line(Said::Person {
            text: Arc::clone(text),
            via: *via,
            images: images.clone(),
        })],
        Body::Assistant(answer) => {
            let blocks = answer.blocks.iter().zip(0u16..).filter_map(|(block, number)| {
                Some(match block {
                    Block::Text(text) => Said::Text {
                        text: Arc::clone(text),
                        model: answer.model.clone(),
                    },
                    Block::Thinking(thought) => Said::Thinking {
                        text: Arc::clone(&thought.text),
                    },
                    Block::ToolCall(call) => {
                        let id = Call::id(id, number);
                        let known = session.call(id);
                        let outcome = known.and_then(|known| known.outcome.as_ref());
                        Said::Call {
                            call: id,
                            name: Arc::clone(&call.name),
                            arguments: Arc::clone(&call.arguments),
                            state: known.map(|known| known.state),
                            judgement: known
                                .and_then(|known| known.judgement.as_deref())
                                .map(explain::judgement),
                            result: outcome.map(|outcome| Arc::clone(&outcome.text)),
                            is_error: outcome.is_some_and(|outcome| outcome.is_error),
                        }
                    }
                    Block::Kept(_) => return None,
                })
            });
            let cut = answer.cancelled.then_some(Said::Cancelled);
            blocks.chain(cut).map(line).collect()
        }
        Body::Compaction(compaction) => vec![line(Said::Compacted {
            text: compaction::message(compaction).into(),
            first_kept: compaction.first_kept,
            tokens_before: compaction.tokens_before,
            tokens_after: compaction.tokens_after,
        })],
        Body::BranchSummary(branch) => vec![line(Said::BranchLeft {
            text: branch_summary::message(branch).into(),
            from: branch.from,
        })],
        Body::Notice(notice) => vec![line(Said::Notice {
            text: Arc::clone(&notice.text),
            kind: notice.kind,
        })],
        Body::Superseded(gone) => vec![line(Said::Superseded {
            text: Arc::clone(&gone.said),
            model: gone.model.clone(),
            why: Arc::clone(&gone.failure.message),
            by: gone.by.clone(),
        })],
        // Shown with its call.
        Body::ToolResult { .. } => Vec::new(),
    }
}
