//! The agent's plan.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};
use glasswork_agent_core::plan;

use crate::call::Call;
use crate::error::Answer;
use crate::id;
use crate::scalar::{Long, Time};
use crate::session::View;

/// How far the agent is with a step of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "plan::Status")]
pub(crate) enum StepStatus {
    /// It has not begun.
    Pending,
    /// It is at it.
    InProgress,
    /// It is done.
    Completed,
}

/// How much a step matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "plan::Priority")]
pub(crate) enum StepPriority {
    /// More than others.
    High,
    /// As others do.
    Medium,
    /// Less than others.
    Low,
}

/// The agent's plan: the steps that the model means to take, and how far it is with them.
pub(crate) struct Plan {
    view: Arc<View>,
    plan: Arc<plan::Plan>,
}

impl Plan {
    pub(crate) fn of(view: &Arc<View>) -> Option<Self> {
        let plan = view.session.plan.clone()?;
        Some(Self {
            view: Arc::clone(view),
            plan,
        })
    }
}

/// The agent's plan: the steps that the model means to take, and how far it is with them.
#[Object]
impl Plan {
    /// The call that wrote it last.
    async fn call(&self) -> Answer<Option<Call>> {
        Call::find(&self.view, self.plan.call).map(Some)
    }

    /// When it was written last.
    async fn at(&self) -> Time {
        Time(self.plan.at)
    }

    /// What the model said of it as a whole; null where it said nothing.
    async fn explanation(&self) -> Answer<Option<String>> {
        let explanation = self.plan.explanation.as_deref();
        explanation.map(|text| self.view.op.text(text)).transpose()
    }

    /// How many steps are done.
    async fn completed(&self) -> Long {
        Long::of(self.plan.completed())
    }

    /// The step that the agent is at; null where it is at none.
    async fn current(&self) -> Option<PlanStep> {
        self.plan.current().map(|step| PlanStep::of(&self.view, step))
    }

    /// The steps, in order; at most 64.
    #[graphql(complexity = "16 * child_complexity")]
    async fn steps(&self) -> Vec<PlanStep> {
        let steps = self.plan.steps.iter();
        steps.map(|step| PlanStep::of(&self.view, step)).collect()
    }
}

/// A step of the agent's plan.
pub(crate) struct PlanStep {
    view: Arc<View>,
    step: plan::Step,
}

impl PlanStep {
    fn of(view: &Arc<View>, step: &plan::Step) -> Self {
        Self {
            view: Arc::clone(view),
            step: step.clone(),
        }
    }
}

/// A step of the agent's plan. It stays the same step as long as its text is the same.
#[Object]
impl PlanStep {
    /// Its name: the session, the commit with which it came into the plan, and its place there.
    async fn id(&self) -> ID {
        id::global(self.view.id, self.step.id)
    }

    /// What is to be done.
    async fn text(&self) -> Answer<Option<String>> {
        self.view.op.text(&*self.step.text).map(Some)
    }

    /// How far the agent is with it.
    async fn status(&self) -> StepStatus {
        self.step.status.into()
    }

    /// How much it matters; null where the model did not say so.
    async fn priority(&self) -> Option<StepPriority> {
        self.step.priority.map(Into::into)
    }

    /// Since when the agent is as far with it.
    async fn since(&self) -> Time {
        Time(self.step.since)
    }
}
