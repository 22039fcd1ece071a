//! What the model asks the user, and what comes of it.
//!
//! A question is a call of the tool `ask_user`. No runner works on it: the user does, and the call is settled with what they
//! say. While it waits it is a dialog, as the question about permission is: the first answer counts, whoever stops the turn
//! withdraws it, a process that ends ends it, and where nobody is there to answer the model is told so at once.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::question::{Answer, Question, Said};
use glasswork_agent_core::tool_call::Trigger;
use glasswork_agent_core::turn::Trigger as TurnTrigger;
use glasswork_engine::{Moment, Origin};
use serde::{Deserialize, Serialize};

use crate::call::{Call, Outcome};
use crate::domain::Reply;
use crate::draft::Draft;
use crate::evidence::Evidence;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::{tools, turn};

/// What people say to questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person answers. That they do not want to is [`tools::Event::Refused`].
    Answered {
        /// The call that asks.
        call: CallId,
        /// What they say.
        said: Said,
    },
}

/// What was decided of questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A question has this answer.
    Answered {
        /// The call that asked.
        call: CallId,
        /// The answer.
        answer: Answer,
        /// Whose it is.
        by: Origin,
    },
}

/// An answer, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replied {
    /// The answer.
    pub answer: Answer,
    /// Whose it is.
    pub by: Origin,
    /// The dispatch in which they gave it.
    pub dispatch: u64,
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        let Self::Answered { call, answer, by } = self;
        session.change_call(*call, |call| {
            call.reply = Some(Arc::new(Replied {
                answer: answer.clone(),
                by: by.clone(),
                dispatch: moment.seq,
            }));
        });
    }
}

impl Call {
    /// What it asks, of a call that asks something.
    #[must_use]
    pub fn question(&self) -> Option<&Arc<Question>> {
        match self.evidence().map(|evidence| &**evidence) {
            Some(Evidence::Question(question)) => Some(question),
            _ => None,
        }
    }
}

/// Decides what an answer comes to.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let Event::Answered { call, said } = event;
    let question = tools::known(draft, *call)?.question().cloned();
    let question = question.ok_or(Rejection::NoQuestion(*call))?;
    let answer = question.answered(said).map_err(Rejection::NoAnswer)?;
    let outcome = Outcome {
        text: answer.told().into(),
        is_error: false,
        blob: None,
        detail: None,
    };
    let by = draft.context.origin.clone();
    let (call, trigger) = (*call, Trigger::Reply);
    draft.fact(Fact::Answered { call, answer, by }.into());
    tools::advance(draft, call, trigger, Some(outcome))?;
    turn::advance(draft, TurnTrigger::CallDecided)?;
    Ok(Reply::Done)
}
