//! Tools, as a model is told of them.

use std::sync::Arc;

use async_graphql::{Json, SimpleObject};
use glasswork_agent_core::context::HeadPart;
use glasswork_ai::model::ToolSpec;
use serde_json::Value;

use crate::dispatch::Dispatch;
use crate::scalar::Long;
use crate::session::View;

/// A tool, as a model is told of it.
#[derive(SimpleObject)]
pub(crate) struct Tool {
    /// The name that the model calls.
    name: String,
    /// What it does, for the model.
    description: String,
    /// JSON Schema of the arguments.
    parameters: Json<Value>,
    /// Estimated size in tokens, before calibration.
    tokens: Long,
    /// The dispatch that put it there.
    by: Dispatch,
}

impl Tool {
    pub(crate) fn of(view: &View, part: &HeadPart<ToolSpec>) -> Self {
        let parameters = &part.part.parameters;
        Self {
            name: part.part.name.to_string(),
            description: part.part.description.to_string(),
            parameters: Json(
                serde_json::from_str(parameters).unwrap_or_else(|_| Value::String(parameters.to_string())),
            ),
            tokens: Long(part.tokens),
            by: Dispatch::commit(&view.op, view.id, part.by),
        }
    }

    pub(crate) fn all(view: &Arc<View>) -> Vec<Self> {
        view.session
            .context
            .head()
            .tools
            .iter()
            .map(|part| Self::of(view, part))
            .collect()
    }
}
