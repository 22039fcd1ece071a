//! The agent's plan, as lines: how far it is as a whole, and the steps that are new or stand elsewhere than before.

use glasswork_agent_core::id::StepId;
use glasswork_agent_core::plan::{Plan, Status, Step, TOOL};

use crate::console::Paint;
use crate::escape;

/// Most characters of a step's text on its line.
const CHARS: usize = 120;

/// Whether a tool of this name writes the plan: then the plan is shown, and not what the call says.
pub(crate) fn is_written_by(tool: &str) -> bool {
    tool == TOOL
}

/// The plan, with the steps that are to be shown.
pub(crate) fn lines(plan: Option<&Plan>, shows: impl Fn(StepId) -> bool, paint: Paint) -> String {
    let Some(plan) = plan else {
        return paint.dim("the agent has no plan any more");
    };
    let mut text = paint.cyan(&format!(
        "plan: {} of {} done",
        plan.completed(),
        plan.steps.len()
    ));
    for step in plan.steps.iter().filter(|step| shows(step.id)) {
        text.push_str("\n  ");
        text.push_str(&line(step, paint));
    }
    text
}

fn line(step: &Step, paint: Paint) -> String {
    let text = escape::line(&step.text);
    let text = match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    };
    match step.status {
        Status::Pending => format!("[ ] {text}"),
        Status::InProgress => paint.bold(&format!("[>] {text}")),
        Status::Completed => paint.dim(&format!("[x] {text}")),
    }
}
