//! Thinking as OpenRouter passes it on:
//! [reasoning details](https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning). An array of objects in
//! the form of whoever made the model, streamed in pieces, and wanted back whole.

use std::collections::BTreeMap;

use serde_json::Value;

/// The details so far.
#[derive(Debug, Default)]
pub(super) struct Details(Vec<BTreeMap<String, Value>>);

/// Fields that grow from piece to piece.
const GROWING: [&str; 3] = ["text", "summary", "data"];

impl Details {
    /// The words of a detail, for people.
    pub(super) fn text(detail: &Value) -> Option<&str> {
        ["text", "summary"]
            .iter()
            .find_map(|field| detail.get(field)?.as_str())
    }

    /// Adds a piece, and tells how many bytes it takes.
    pub(super) fn add(&mut self, mut piece: Value) -> usize {
        // They are sent back in every request after this one: as the same bytes, however the server wrote them.
        piece.sort_all_objects();
        let Value::Object(piece) = piece else { return 0 };
        let bytes = |value: &Value| value.as_str().map_or(16, str::len);
        let size = piece.iter().map(|(key, value)| key.len() + bytes(value)).sum();
        let same = |last: &BTreeMap<String, Value>, field: &str| last.get(field) == piece.get(field);
        match self.0.last_mut() {
            Some(last) if piece.contains_key("index") && same(last, "type") && same(last, "index") => {
                for (key, value) in piece {
                    match (last.get_mut(&key), value) {
                        (Some(Value::String(before)), Value::String(more)) if GROWING.contains(&&*key) => {
                            before.push_str(&more);
                        }
                        (_, Value::Null) => {}
                        (_, value) => {
                            last.insert(key, value);
                        }
                    }
                }
            }
            _ => self.0.push(piece.into_iter().collect()),
        }
        size
    }

    /// All of them as JSON, if there are any.
    pub(super) fn take(&mut self) -> Option<String> {
        let details = std::mem::take(&mut self.0);
        (!details.is_empty())
            .then(|| serde_json::to_string(&details).ok())
            .flatten()
    }
}
