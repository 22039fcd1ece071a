//! The tool `ask_user`: the model asks the user something. There is nothing to run: the user's answer settles the call.

use std::sync::Arc;

use glasswork_agent_core::question::{Question, TOOL};
use glasswork_ai::model::ToolSpec;
use glasswork_session_state::evidence::Evidence;

/// The tool as a model is told of it.
#[must_use]
pub fn spec() -> ToolSpec {
    ToolSpec {
        name: TOOL.into(),
        description: "Ask the user one question, and wait for the answer. For what only they can decide and you cannot \
            find out; not for permission to call tools, which is asked for by itself. Offer options where you can name \
            them: the user may always answer in other words."
            .into(),
        parameters: r#"{
  "type": "object",
  "properties": {
    "question": {"type": "string", "description": "The question, complete in itself"},
    "options": {
      "type": "array",
      "description": "Answers to choose from, the one that you advise first",
      "items": {
        "type": "object",
        "properties": {
          "label": {"type": "string", "description": "The answer, in a few words"},
          "description": {"type": "string", "description": "What choosing it means"}
        },
        "required": ["label"],
        "additionalProperties": false
      }
    },
    "multi_select": {"type": "boolean", "description": "Whether several options may be chosen"}
  },
  "required": ["question"],
  "additionalProperties": false
}"#
        .into(),
    }
}

pub(super) fn evidence(arguments: &str) -> Evidence {
    let asked = serde_json::from_str::<Question>(arguments)
        .map_err(|error| error.to_string())
        .and_then(|question| question.checked().map_err(|unfit| unfit.to_string()));
    match asked {
        Ok(question) => Evidence::Question(Arc::new(question)),
        Err(why) => Evidence::Misfit {
            message: format!("Nothing was asked: {why}.").into(),
        },
    }
}
