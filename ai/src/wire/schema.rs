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

/// How deep an object may be nested that is sent as one. Servers stop reading at some depth, and one call that they
/// cannot read would make the whole conversation unsendable.
const DEPTH: usize = 64;

/// The arguments of a call where a wire wants an object. A model may write what is none, or one that is nested beyond
/// all reason; it then gets its own words back under a name that says so, since nothing else can be sent and mending
/// would put words into its mouth.
pub(super) fn arguments(text: &str) -> Option<Box<RawValue>> {
    let object = if text.trim().is_empty() {
        "{}".to_owned()
    } else if is_object(text) && depth(text) <= DEPTH {
        text.to_owned()
    } else {
        let quoted = serde_json::to_string(text).ok()?;
        format!("{{\"not_a_json_object\":{quoted}}}")
    };
    RawValue::from_string(object).ok()
}

/// How deep a valid JSON text is nested.
fn depth(text: &str) -> usize {
    let (mut now, mut deepest) = (0usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
