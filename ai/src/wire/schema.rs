//! Texts that are JSON already, put into a body as they are.

use serde_json::value::RawValue;

use super::{blocks::is_object, invalid_request};
use crate::failure::Failure;
use crate::model::ToolSpec;

/// The schema of a tool's arguments.
pub(super) fn parameters(tool: &ToolSpec) -> Result<Box<RawValue>, Failure> {
    let text = &*tool.parameters;
    if is_object(text)
        && let Ok(raw) = RawValue::from_string(text.to_owned())
    {
        return Ok(raw);
    }
    Err(invalid_request(format!(
        "the schema of the tool `{}` is not a JSON object; mend the tool or leave it out",
        tool.name
    )))
}

/// The arguments of a call where a wire wants an object. A model may write what is none; it then gets its own words
/// back under a name that says so, since nothing else can be sent and mending would put words into its mouth.
pub(super) fn arguments(text: &str) -> Option<Box<RawValue>> {
    let object = if text.trim().is_empty() {
        "{}".to_owned()
    } else if is_object(text) {
        text.to_owned()
    } else {
        let quoted = serde_json::to_string(text).ok()?;
        format!("{{\"not_a_json_object\":{quoted}}}")
    };
    RawValue::from_string(object).ok()
}
