//! Comparing what is with what was kept, where what was added since may stand beside it.

use serde_json::Value;

/// The first place at which `value` lacks what `kept` has, with both values.
#[must_use]
pub fn lacks(kept: &Value, value: &Value) -> Option<String> {
    lacks_at(kept, value, "")
}

fn lacks_at(kept: &Value, value: &Value, path: &str) -> Option<String> {
    match (kept, value) {
        (Value::Object(kept), Value::Object(object)) => kept.iter().find_map(|(key, kept)| {
            let path = format!("{path}/{key}");
            match object.get(key) {
                Some(value) => lacks_at(kept, value, &path),
                None => Some(format!("{path} is gone")),
            }
        }),
        (Value::Array(kept), Value::Array(array)) if kept.len() == array.len() => {
            let pairs = (0..).zip(kept.iter().zip(array));
            let mut found =
                pairs.filter_map(|(index, (kept, value))| lacks_at(kept, value, &format!("{path}/{index}")));
            found.next()
        }
        _ if kept == value => None,
        _ => Some(format!("{path} was {kept}, is {value}")),
    }
}
