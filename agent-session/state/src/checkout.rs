//! What is checked out in the workspace: branch and commit, as they were seen when the session was opened and before
//! each prompt. For people who look for a session; the model is not told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::session;
use crate::state::Session;

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Head {
    /// The branch; `None` where none is checked out, or there is no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Arc<str>>,
    /// The commit, in hexadecimal; `None` where there is none yet, or no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Arc<str>>,
}

impl Head {
    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What was seen in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// This is checked out.
    HeadSeen(Head),
}

/// What was decided of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// This is checked out.
    Head(Head),
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session) {
        match self {
            Self::Head(head) => Arc::make_mut(&mut session.meta).head = head.clone(),
        }
    }
}

/// Decides what was seen in the workspace.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    session::open(draft)?;
    match event {
        Event::HeadSeen(head) => {
            if draft.session.meta.head != *head {
                draft.fact(Fact::Head(head.clone()).into());
            }
        }
    }
    Ok(Reply::Done)
}
