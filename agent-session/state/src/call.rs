//! A tool call as the session knows it.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, EntryId, TurnId};
use glasswork_agent_core::tool_call;
use glasswork_ai::conversation::ToolCall;
use glasswork_ai::image::Image;
use glasswork_engine::{Deadline, EffectKey, Origin, Timestamp};
use serde::{Deserialize, Serialize};

use crate::editor::EditorPlace;
use crate::evidence::{Access, Evidence};
use crate::judge::Judgement;
use crate::question::Replied;

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The turn in which it was proposed.
    pub turn: TurnId,
    /// The answer that proposed it. Its [`CallId`] has the same commit and the number of the block.
    pub entry: EntryId,
    /// The call as the model wrote it.
    pub call: ToolCall,
    /// Where it stands.
    pub state: tool_call::State,
    /// Since when it stands there.
    pub since: Timestamp,
    /// The effect that works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKey>,
    /// By when something must have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// What the policy said of what it would touch, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Arc<Judgement>>,
    /// What a person said, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What a person answered, where it asked them something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Arc<Replied>>,
    /// Whether it was asked to stop because it took too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// The end of its output while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Arc<str>>,
    /// The editor in which it works or has worked; `None` on the disk and in a shell of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub editor: Option<Arc<EditorPlace>>,
    /// How it ended, once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The entry with its result, once the batch is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<EntryId>,
}

impl Call {
    /// What it does; `None` before that is known.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        self.judgement
            .as_ref()
            .map(|judgement| judgement.explanation.access)
    }

    /// What it would touch; `None` before that is known, and of a call that cannot run.
    #[must_use]
    pub fn evidence(&self) -> Option<&Arc<Evidence>> {
        self.judgement
            .as_ref()
            .map(|judgement| &judgement.explanation.evidence)
    }

    /// The resolved path that it would touch, if it names one.
    #[must_use]
    pub fn path(&self) -> Option<&Arc<str>> {
        self.evidence().and_then(|evidence| evidence.path())
    }

    /// The id of the call that block `block` of the answer `entry` proposes.
    #[must_use]
    pub fn id(entry: EntryId, block: u16) -> CallId {
        CallId {
            seq: entry.seq,
            ordinal: block,
        }
    }
}

/// What a person said about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it may run.
    pub approved: bool,
    /// Who said so.
    pub by: Origin,
    /// The dispatch in which they did.
    pub dispatch: u64,
}

/// How a call ended, as the model is told and people see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the model is told; already within the tool's limits.
    pub text: Arc<str>,
    /// Whether the model is told that it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// The whole output, where `text` is only a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobRef>,
    /// What else there is to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

impl Outcome {
    /// What a call is told that did not run to its end.
    pub(crate) fn error(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            is_error: true,
            blob: None,
            detail: None,
        }
    }
}

/// A blob of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the content, in hexadecimal.
    pub digest: Arc<str>,
    /// Length in bytes.
    pub len: u64,
}

/// What a tool shows to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// What changed, as a unified diff.
    Diff(Arc<str>),
    /// An image, which the model is shown too; its bytes are a blob of the session.
    Image(Image),
    /// Several of them.
    Images(Vec<Image>),
    /// How a command ended.
    Exit {
        /// Its exit code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// The signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
}

impl Detail {
    /// That these images are shown, if there are any.
    #[must_use]
    pub fn of_images(mut images: Vec<Image>) -> Option<Self> {
        match images.len() {
            0 => None,
            1 => images.pop().map(Self::Image),
            _ => Some(Self::Images(images)),
        }
    }

    /// The images that it shows.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        match self {
            Self::Image(image) => std::slice::from_ref(image),
            Self::Images(images) => images,
            Self::Diff(_) | Self::Exit { .. } => &[],
        }
    }
}
