//! How what an older build wrote becomes what this one reads.
//!
//! Journals are never rewritten for it: a line is brought up to date each time it is read, step by step, from the schema
//! of the build that wrote it.

use serde_json::Value;

use crate::domain::Domain;

/// The step from one schema to the next. A step in which nothing has to change is left out.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade {
    /// The schema that it starts from.
    pub from: u32,
    /// Brings an event up to date.
    pub event: fn(&mut Value),
    /// Brings a fact up to date.
    pub fact: fn(&mut Value),
    /// Brings an effect up to date.
    pub effect: fn(&mut Value),
}

/// A part that stays as it is.
pub fn unchanged(_: &mut Value) {}

/// The line of a commit as this build would have written it, but for its checksum; `None` where it is that already, or
/// is no commit.
#[must_use]
pub fn upgraded<D: Domain>(line: &[u8], schema: u32) -> Option<Vec<u8>> {
    let mut steps = D::UPGRADES.iter().filter(|step| step.from >= schema).peekable();
    steps.peek()?;
    let mut commit: Value = serde_json::from_slice(line).ok()?;
    let fields = commit.as_object_mut()?;
    fields.get("seq")?;
    for step in steps {
        if let Some(event) = fields.get_mut("event") {
            (step.event)(event);
        }
        for (name, upgrade) in [("facts", step.fact), ("effects", step.effect)] {
            let all = fields.get_mut(name).and_then(Value::as_array_mut);
            all.into_iter().flatten().for_each(upgrade);
        }
    }
    serde_json::to_vec(&commit).ok()
}
