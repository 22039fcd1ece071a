//! The tool that stands for the result: a model that is made to call it says its result in the arguments.

use std::sync::Arc;

use crate::conversation::{Block, Request};
use crate::failure::Failure;
use crate::model::ToolSpec;
use crate::stream::{BlockKind, StopReason, StreamEvent};
use crate::structured::{Form, NAME, Output};
use crate::wire::{invalid_request, is_object};

/// The result that a request asks its server for with a schema, and whether the server shall hold the answer to it.
pub(super) fn native(request: &Request) -> Option<(&Output, bool)> {
    let output = request.output.as_ref()?;
    match output.means.form {
        Form::Strict => Some((output, true)),
        Form::Loose => Some((output, false)),
        Form::Tool | Form::Prompted => None,
    }
}

/// The tool that the model has to call, where its call is the result.
pub(super) fn tool(request: &Request) -> Option<ToolSpec> {
    let output = request.output.as_ref()?;
    (output.means.form == Form::Tool).then(|| ToolSpec {
        name: NAME.into(),
        description: "Gives the result of the work. Its arguments are the result.".into(),
        parameters: Arc::clone(&output.schema),
    })
}

/// A schema as it goes into a body.
pub(super) fn schema(output: &Output) -> Result<Box<serde_json::value::RawValue>, Failure> {
    if is_object(&output.schema)
        && let Ok(raw) = serde_json::value::RawValue::from_string(output.schema.to_string())
    {
        return Ok(raw);
    }
    Err(invalid_request(
        "the schema of the result is not a JSON object; write it as one".to_owned(),
    ))
}

/// Turns the call of that tool into the text that it stands for.
#[derive(Debug, Default)]
pub(super) struct ResultCall {
    /// The number of the call's block.
    block: Option<u32>,
    /// Whether another tool was called.
    calls: bool,
}

impl ResultCall {
    pub(super) fn read(&mut self, steps: Vec<StreamEvent>) -> Vec<StreamEvent> {
        steps.into_iter().map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: StreamEvent) -> StreamEvent {
        match step {
            StreamEvent::BlockStarted {
                index,
                kind: BlockKind::ToolCall { name, .. },
            } if &*name == NAME && self.block.is_none() => {
                self.block = Some(index);
                StreamEvent::BlockStarted {
                    index,
                    kind: BlockKind::Text,
                }
            }
            StreamEvent::BlockFinished {
                index,
                block: Block::ToolCall(call),
            } if self.block == Some(index) => StreamEvent::BlockFinished {
                index,
                block: Block::Text(call.arguments),
            },
            StreamEvent::BlockFinished {
                block: Block::ToolCall(_),
                ..
            } => {
                self.calls = true;
                step
            }
            StreamEvent::Finished(StopReason::ToolUse) if self.block.is_some() && !self.calls => {
                StreamEvent::Finished(StopReason::EndOfTurn)
            }
            other => other,
        }
    }
}
