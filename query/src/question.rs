//! Questions of the model to the user, and their answers.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject};
use glasswork_agent_core::question;
use glasswork_session_state::call;
use glasswork_session_state::question::Replied;

use crate::dispatch::Dispatch;
use crate::error::Answer;
use crate::operation::Operation;
use crate::origin::Origin;
use crate::session::View;

/// What the model wants to know.
#[derive(Debug, SimpleObject)]
pub(crate) struct Question {
    /// The question.
    text: String,
    /// Answers that it offers, in order; people may answer in other words.
    options: Vec<QuestionOption>,
    /// Whether several of them may be chosen.
    several: bool,
}

/// An answer that a question offers.
#[derive(Debug, SimpleObject)]
pub(crate) struct QuestionOption {
    /// Its name; no other one has the same.
    label: String,
    /// What choosing it means; null where nothing is said of that.
    description: Option<String>,
}

impl Question {
    pub(crate) fn of(op: &Operation, question: &question::Question) -> Answer<Self> {
        let option = |option: &question::Choice| {
            Ok(QuestionOption {
                label: op.text(&*option.label)?,
                description: option
                    .description
                    .as_deref()
                    .map(|text| op.text(text))
                    .transpose()?,
            })
        };
        Ok(Self {
            text: op.text(&*question.question)?,
            options: question.options.iter().map(option).collect::<Answer<_>>()?,
            several: question.multi_select,
        })
    }
}

/// What a person answered to a call that asked something.
pub(crate) struct Reply {
    view: Arc<View>,
    replied: Arc<Replied>,
}

impl Reply {
    pub(crate) fn of(view: &Arc<View>, call: &call::Call) -> Option<Self> {
        let replied = call.reply.clone()?;
        Some(Self {
            view: Arc::clone(view),
            replied,
        })
    }
}

/// What a person answered to a call that asked something.
#[Object]
impl Reply {
    /// The labels of what they chose, in the order in which it was offered.
    async fn chosen(&self) -> Answer<Option<Vec<String>>> {
        let chosen = self.replied.answer.chosen.iter();
        chosen
            .map(|label| self.view.op.text(&**label))
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// Their own words; null where there are none.
    async fn words(&self) -> Answer<Option<String>> {
        let words = self.replied.answer.words.as_deref();
        words.map(|words| self.view.op.text(words)).transpose()
    }

    /// Whose answer it is.
    async fn by(&self) -> Origin {
        Origin::of(self.view.id, &self.replied.by)
    }

    /// The dispatch in which they gave it.
    async fn dispatch(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.replied.dispatch)
    }
}
