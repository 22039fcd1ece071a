//! The agent's plan, as every screen shows it.

use std::sync::Arc;

use glasswork_agent_core::id::StepId;
use glasswork_agent_core::plan::{Plan, Step};
use glasswork_session_state::state::Session;

/// The plan of a session; `None` where the agent has none.
#[must_use]
pub fn of(session: &Session) -> Option<Arc<Plan>> {
    session.plan.clone()
}

/// The steps of a plan that were not in the one before, or stood elsewhere there, in order.
#[must_use]
pub fn changed(before: Option<&Plan>, now: &Plan) -> Vec<StepId> {
    let is_same = |step: &Step| {
        let known = before.and_then(|before| before.steps.iter().find(|known| known.id == step.id));
        known.is_some_and(|known| (known.status, known.priority) == (step.status, step.priority))
    };
    let changed = now.steps.iter().filter(|step| !is_same(step));
    changed.map(|step| step.id).collect()
}
