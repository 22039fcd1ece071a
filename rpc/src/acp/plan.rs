//! The agent's plan, as the protocol tells it: whole each time, and empty where there is none any more.

use agent_client_protocol::v1::schema::{Plan, PlanEntry, PlanEntryPriority, PlanEntryStatus, SessionUpdate};
use glasswork_agent_core::plan::{self, Priority, Status};
use glasswork_session_state::state::Session;

/// The plan, where it is another one than before.
pub(super) fn changed(before: &Session, now: &Session) -> Option<SessionUpdate> {
    (before.plan != now.plan).then(|| update(now.plan.as_deref()))
}

/// The plan, where there is one: for a client that sees the session for the first time.
pub(super) fn current(session: &Session) -> Option<SessionUpdate> {
    session.plan.as_deref().map(|plan| update(Some(plan)))
}

fn update(plan: Option<&plan::Plan>) -> SessionUpdate {
    let steps = plan.iter().flat_map(|plan| &plan.steps);
    SessionUpdate::Plan(Plan::new(steps.map(entry).collect()))
}

fn entry(step: &plan::Step) -> PlanEntry {
    let priority = match step.priority {
        Some(Priority::High) => PlanEntryPriority::High,
        // The protocol wants one.
        Some(Priority::Medium) | None => PlanEntryPriority::Medium,
        Some(Priority::Low) => PlanEntryPriority::Low,
    };
    let status = match step.status {
        Status::Pending => PlanEntryStatus::Pending,
        Status::InProgress => PlanEntryStatus::InProgress,
        Status::Completed => PlanEntryStatus::Completed,
    };
    PlanEntry::new(&*step.text, priority, status)
}
