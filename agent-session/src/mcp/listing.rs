//! The tools of a server, as they are told to a session: every text masked, and cut where it would be too long.

use glasswork_session_state::mcp::{Arguments, NAME_BYTES, TOOL_BYTES, Told};
use rmcp::model::{JsonObject, Tool};
use serde_json::Value;

use crate::secrets::{Masking, Origin};

/// Most tools that are told of; those after them are not even counted.
pub(super) const MOST: usize = 512;
/// Most bytes of all that is told: what is too long for a line of a journal would be told to nobody.
const MOST_BYTES: usize = 256 << 10;

/// What a session is told of the tools of a server.
pub(super) fn told(tools: Vec<Tool>, masking: &Masking) -> Vec<Told> {
    let mut room = MOST_BYTES;
    tools
        .into_iter()
        .take(MOST)
        .map(|tool| {
            let told = one(tool, masking);
            let arguments = match &told.arguments {
                Arguments::Schema(schema) => schema.len(),
                Arguments::NoObject | Arguments::TooLong { .. } => 0,
            };
            let bytes = arguments + told.description.as_ref().map_or(0, |text| text.len());
            match room.checked_sub(bytes) {
                Some(left) => {
                    room = left;
                    told
                }
                None => too_long(told, bytes),
            }
        })
        .collect()
}

fn one(tool: Tool, masking: &Masking) -> Told {
    let masked = |text: &str| masking.text(text, &Origin::Elsewhere).into_owned();
    let description = tool.description.as_deref().or(tool.title.as_deref()).map(masked);
    let arguments = match schema(&tool.input_schema) {
        Some(schema) => Arguments::Schema(masked(&schema).into()),
        None => Arguments::NoObject,
    };
    let named = Told {
        // One byte more than is taken says that it is longer.
        name: beginning(&masked(&tool.name), NAME_BYTES + 1).into(),
        description: description.map(Into::into),
        arguments,
    };
    let bytes = match &named.arguments {
        Arguments::Schema(schema) => schema.len() + named.description.as_ref().map_or(0, |text| text.len()),
        Arguments::NoObject | Arguments::TooLong { .. } => 0,
    };
    match bytes > TOOL_BYTES {
        true => too_long(named, bytes),
        false => Told {
            description: match named.arguments {
                Arguments::Schema(_) => named.description,
                Arguments::NoObject | Arguments::TooLong { .. } => None,
            },
            ..named
        },
    }
}

fn too_long(told: Told, bytes: usize) -> Told {
    Told {
        description: None,
        arguments: Arguments::TooLong {
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        },
        ..told
    }
}

/// As canonical text; a schema that does not say of what is one of an object.
fn schema(schema: &JsonObject) -> Option<String> {
    let mut schema = schema.clone();
    match schema.get("type") {
        None => {
            schema.insert("type".to_owned(), Value::String("object".to_owned()));
        }
        Some(Value::String(kind)) if kind == "object" => {}
        Some(_) => return None,
    }
    serde_json::to_string(&schema).ok()
}

/// The beginning of a text, at most so many bytes.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let at = (0..=most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..at.unwrap_or(0)).unwrap_or_default()
}
