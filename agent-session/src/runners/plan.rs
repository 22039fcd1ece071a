//! The tool `update_plan`: the model writes its plan. Nothing of the world is touched, so all there is to do is to read
//! what it wrote; whether that is a plan, the session decides.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::plan::{Draft, TOOL};
use glasswork_ai::model::ToolSpec;
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::tools::Word;
use glasswork_session_state::{Event, plan};

use super::Work;
use super::tool::{failed, settle};

/// The tool as a model is told of it.
#[must_use]
pub fn spec() -> ToolSpec {
    ToolSpec {
        name: TOOL.into(),
        description: "Write down the steps of a task that takes several, and keep them up to date as you go; the \
            user sees them. Give the whole list each time, each step in a few words, at most one of them in progress. \
            A step whose text stays the same is the same step. An empty list takes the plan away."
            .into(),
        parameters: r#"{
  "type": "object",
  "properties": {
    "explanation": {"type": "string", "description": "Why the plan changes, where that is not plain"},
    "plan": {
      "type": "array",
      "description": "All steps, in order",
      "items": {
        "type": "object",
        "properties": {
          "step": {"type": "string", "description": "What is to be done"},
          "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
          "priority": {"type": "string", "enum": ["high", "medium", "low"]}
        },
        "required": ["step", "status"],
        "additionalProperties": false
      }
    }
  },
  "required": ["plan"],
  "additionalProperties": false
}"#
        .into(),
    }
}

fn written(arguments: &str) -> Result<Draft, String> {
    let draft: Draft =
        serde_json::from_str(arguments).map_err(|error| format!("the arguments do not fit: {error}"))?;
    // What is not even a plan is not worth a dispatch of its own.
    match draft.checked() {
        Ok(_) => Ok(draft),
        Err(unfit) => Err(format!("The plan stays as it was: {unfit}.")),
    }
}

pub(super) fn evidence(arguments: &str) -> Evidence {
    match written(arguments) {
        Ok(_) => Evidence::Plan,
        Err(message) => Evidence::Misfit {
            message: message.into(),
        },
    }
}

pub(super) fn run(work: Work, call: CallId, arguments: &Arc<str>) {
    match written(arguments) {
        Ok(plan) => work.port.finish(Event::Plan(plan::Event::Written { call, plan })),
        Err(message) => settle(work.port, call, Word::Failed, failed(message)),
    }
}
