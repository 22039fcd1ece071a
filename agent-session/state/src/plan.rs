//! The agent's plan: what a call of the tool `update_plan` comes to.
//!
//! The plan is the session's: a fork has it as of its commit, and moving about in the tree leaves it as it is. No request
//! is made to carry it, which would cost the provider's cache each time that a step is done: the model has it in its own
//! calls. Only a compaction puts those away, and it carries the plan over.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_agent_core::plan::{Draft as Written, Named, Plan};
use glasswork_agent_core::tool_call::Trigger;
use glasswork_agent_core::turn::Trigger as TurnTrigger;
use glasswork_engine::Moment;
use serde::{Deserialize, Serialize};

use crate::call::Outcome;
use crate::domain::Reply;
use crate::draft::Draft;
use crate::rejection::Rejection;
use crate::state::Session;
use crate::{tools, turn};

/// What the agent does to its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Result: a call writes the plan anew.
    Written {
        /// The call.
        call: CallId,
        /// The plan as the model wrote it.
        plan: Written,
    },
}

/// What was decided of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The plan is this one.
    Set {
        /// The call that wrote it.
        call: CallId,
        /// What the model said of it as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<Arc<str>>,
        /// The steps; none where there is no plan any more.
        steps: Vec<Named>,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        let Self::Set {
            call,
            explanation,
            steps,
        } = self;
        let before = session.plan.as_deref();
        let plan = Plan::written(before, *call, explanation.clone(), steps, moment);
        session.plan = plan.map(Arc::new);
    }
}

impl Session {
    /// The plan, and the answer that has the call that wrote it.
    pub(crate) fn plan_told(&self) -> Option<(&Arc<Plan>, EntryId)> {
        let plan = self.plan.as_ref()?;
        Some((plan, self.calls.get(&plan.call)?.entry))
    }
}

/// Decides what a call that writes the plan comes to. What is no plan is a failed call, of which the model is told why.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    let Event::Written { call, plan } = event;
    tools::own(draft, *call)?;
    let (trigger, outcome) = match plan.checked() {
        Ok(plan) => {
            let steps = plan.named(draft.session.plan.as_deref(), draft.context.id.seq);
            let (call, explanation) = (*call, plan.explanation);
            let set = Fact::Set {
                call,
                explanation,
                steps,
            };
            draft.fact(set.into());
            (Trigger::Succeed, told(draft.session.plan.as_deref()))
        }
        Err(unfit) => {
            let text = format!("The plan stays as it was: {unfit}.");
            (Trigger::Fail, Outcome::error(text))
        }
    };
    tools::advance(draft, *call, trigger, Some(outcome))?;
    turn::advance(draft, TurnTrigger::CallSettled)?;
    Ok(Reply::Done)
}

/// What the model is told of a plan that it wrote: no more than it did not know, since it knows the plan.
fn told(plan: Option<&Plan>) -> Outcome {
    let text = match plan {
        None => "There is no plan any more.".to_owned(),
        Some(plan) => format!(
            "The plan was updated: {} of {} steps are done.",
            plan.completed(),
            plan.steps.len()
        ),
    };
    Outcome {
        text: text.into(),
        is_error: false,
        blob: None,
        detail: None,
    }
}
