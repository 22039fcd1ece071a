//! The tree of the conversation: where it goes on, what its entries are called, which of them are pinned.

use std::sync::Arc;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::tree::Body;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::{compaction, session};

/// Longest label of an entry, in bytes.
pub const LABEL_BYTES: usize = 256;

/// What people do with the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The conversation shall go on elsewhere.
    LeafMoved {
        /// Below this entry; `None` for before all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<EntryId>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// The conversation shall go on elsewhere, with a summary of the branch that is left: once that is there.
    BranchLeft {
        /// Below this entry; `None` for before all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<EntryId>,
        /// What the summary shall not miss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<Arc<str>>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// A prompt is taken back, to be said in other words: the conversation goes on before it.
    TakenBack {
        /// The prompt.
        entry: EntryId,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// An entry gets a label, or loses it.
    Labelled {
        /// The entry.
        entry: EntryId,
        /// The label; `None` takes the one it has away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Arc<str>>,
    },
    /// An entry is pinned, or not any more.
    Pinned {
        /// The entry.
        entry: EntryId,
        /// Whether it is.
        pinned: bool,
    },
}

/// What was decided of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The conversation goes on below this entry, or before all of them.
    LeafMoved {
        /// The entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<EntryId>,
    },
    /// An entry has this label, or none.
    Labelled {
        /// The entry.
        entry: EntryId,
        /// The label.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Arc<str>>,
    },
    /// An entry is pinned, or not.
    Pinned {
        /// The entry.
        entry: EntryId,
        /// Whether it is.
        pinned: bool,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session) {
        match self {
            Self::LeafMoved { to } => {
                session.tree.move_to(*to);
                session.context.follow(&session.tree, session.tree.leaf());
                session.compactions.guard = None;
            }
            Self::Labelled { entry, label } => session.tree.label(*entry, label.clone()),
            Self::Pinned { entry, pinned } => session.tree.pin(*entry, *pinned),
        }
    }
}

/// Decides what people do with the tree.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    session::begun(draft)?;
    match event {
        Event::LeafMoved { to, key } => {
            draft.once(key.as_ref())?;
            go_to(draft, *to)?;
        }
        Event::BranchLeft { to, focus, key } => {
            draft.once(key.as_ref())?;
            compaction::leave(draft, *to, focus.as_ref())?;
        }
        Event::TakenBack { entry, key } => {
            draft.once(key.as_ref())?;
            let prompt = draft
                .session
                .tree
                .get(*entry)
                .ok_or(Rejection::UnknownEntry(*entry))?;
            let Body::Prompt { text, .. } = &prompt.body else {
                return Err(Rejection::NotAPrompt(*entry));
            };
            let (text, parent) = (Arc::clone(text), prompt.parent);
            go_to(draft, parent)?;
            return Ok(Reply::TakenBack { text });
        }
        Event::Labelled { entry, label } => {
            exists(draft, *entry)?;
            let label = label
                .as_ref()
                .map(|label| label.trim())
                .filter(|label| !label.is_empty());
            if label.is_some_and(|label| label.len() > LABEL_BYTES) {
                return Err(Rejection::LabelTooLong);
            }
            if draft.session.tree.label_of(*entry).map(|label| &**label) != label {
                let (entry, label) = (*entry, label.map(Arc::from));
                draft.fact(Fact::Labelled { entry, label }.into());
            }
        }
        Event::Pinned { entry, pinned } => {
            exists(draft, *entry)?;
            if draft.session.tree.is_pinned(*entry) != *pinned {
                let (entry, pinned) = (*entry, *pinned);
                draft.fact(Fact::Pinned { entry, pinned }.into());
            }
        }
    }
    Ok(Reply::Done)
}

fn exists(draft: &Draft<'_>, entry: EntryId) -> Result<(), Rejection> {
    match draft.session.tree.get(entry) {
        Some(_) => Ok(()),
        None => Err(Rejection::UnknownEntry(entry)),
    }
}

/// Lets the conversation go on below an entry, or before all of them.
pub(crate) fn go_to(draft: &mut Draft<'_>, to: Option<EntryId>) -> Result<(), Rejection> {
    can_go_to(draft, to)?;
    if draft.session.tree.leaf() != to {
        draft.fact(Fact::LeafMoved { to }.into());
    }
    Ok(())
}

/// Whether the conversation can go on there now.
pub(crate) fn can_go_to(draft: &Draft<'_>, to: Option<EntryId>) -> Result<(), Rejection> {
    if draft.session.open_turn().is_some() {
        return Err(Rejection::Busy);
    }
    if draft.session.compactions.open.is_some() {
        return Err(Rejection::Compacting);
    }
    if let Some(to) = to {
        after_results(&draft.session, to)?;
    }
    Ok(())
}

/// A model is sent calls with all their results, or not at all.
fn after_results(session: &Session, to: EntryId) -> Result<(), Rejection> {
    let entry = session.tree.get(to).ok_or(Rejection::UnknownEntry(to))?;
    let answer = match &entry.body {
        Body::Assistant(_) => to,
        Body::ToolResult { call, .. } => session.call(*call).map_or(to, |call| call.entry),
        Body::Prompt { .. }
        | Body::Compaction(_)
        | Body::BranchSummary(_)
        | Body::Notice(_)
        | Body::Superseded(_) => return Ok(()),
    };
    let Some(proposer) = session.tree.get(answer) else {
        return Err(Rejection::UnknownEntry(answer));
    };
    let Body::Assistant(said) = &proposer.body else {
        return Ok(());
    };
    let Some((block, _)) = said.calls().last() else {
        return Ok(());
    };
    let last = session.call(Call::id(answer, block)).and_then(|call| call.result);
    match last == Some(to) {
        true => Ok(()),
        false => Err(Rejection::InsideCalls {
            entry: to,
            before: proposer.parent,
            after: last,
        }),
    }
}
