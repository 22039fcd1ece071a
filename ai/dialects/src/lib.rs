//! Tool calls that a language model writes as text: for models without native ones, and for servers that leave them
//! in the text. And thinking that stands between tags.
//!
//! A [`Recogniser`] takes an answer in pieces, cut anywhere, and says what it is made of: text, thinking, calls that
//! may run, and regions that must not, with the reason. Which dialect it is, it tells from tokens in the answer. What
//! is broken is mended where it can be read in one way only ([`RepairKind`]), and refused where there are two; text
//! outside of calls comes out byte for byte. A call may run only if
//!
//! - it stands in the answer, outside of fences, inline code and quotations; in a fence, or in the thinking channel, it
//!   must be the whole message;
//! - its region is closed, or complete when the message ends, and the answer was not cut;
//! - its tool was offered, and its arguments fit the tool's schema.
//!
//! No I/O, no clock, no dependencies.

mod candidate;
mod dialect;
mod elements;
mod event;
mod expected;
mod form;
mod json_calls;
mod lenient;
mod page;
mod python_calls;
mod recogniser;
mod region;
mod repair;
mod schema;
mod thinking;
mod token;
mod token_calls;
mod tools;
mod value;
mod verdict;
mod whole;

pub use dialect::Dialect;
pub use event::{Call, Event, Refusal};
pub use expected::Expected;
pub use recogniser::{Ending, Recogniser};
pub use region::REGION_LIMIT;
pub use repair::{Broken, Repair, RepairKind};
pub use tools::Tools;

/// Reads JSON that may be broken, as the arguments of a native call are: the value as compact JSON, and what was
/// mended. A bracket that is missing at the end is not: more may have been meant to come.
///
/// # Errors
/// What is wrong, where it cannot be mended in one way.
pub fn mend(text: &str) -> Result<(String, Vec<Repair>), Broken> {
    let mut reader = lenient::Lenient::new(text, lenient::Syntax::Json);
    let value = reader.whole()?;
    let end = text.trim_end().len();
    match reader
        .repairs
        .iter()
        .find(|repair| repair.kind == RepairKind::MissingCloser && repair.at >= end)
    {
        Some(open) => Err(Broken::new(
            open.at,
            "a bracket is not closed: the rest may be missing",
        )),
        None => Ok((value.to_json(), reader.repairs)),
    }
}

/// Takes apart arbitrary bytes, as for an answer of a model that was offered two tools: what fuzzers and properties
/// feed.
pub fn recognise(bytes: &[u8]) -> Vec<Event> {
    let tools = Tools::new([
        (
            "bash",
            r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#,
        ),
        (
            "read",
            r#"{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}"#,
        ),
    ]);
    let mut recogniser = Recogniser::new(tools);
    let mut events = recogniser.feed(&String::from_utf8_lossy(bytes));
    events.extend(recogniser.finish(Ending::Complete));
    events
}
