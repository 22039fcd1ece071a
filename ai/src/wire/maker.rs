//! Whether what a model gave is of use to another.

use crate::model::ModelId;

/// Whether a model understands what `by` signed or encrypted: it is the same model of the same provider, whatever date
/// or alias its id ends with.
pub(super) fn understands(model: &ModelId, by: &ModelId) -> bool {
    model.provider == by.provider && undated(&model.model) == undated(&by.model)
}

/// An id without the date of its version: `claude-x-4-5-20250929`, `claude-x-4-5@20250929` and `claude-x-latest` are the
/// names of what is served as `claude-x-4-5` and `claude-x` too.
fn undated(id: &str) -> &str {
    let id = id.strip_suffix("-latest").unwrap_or(id);
    match id.rsplit_once(['-', '@']) {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => id,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_model_under_all_of_its_names() {
        let table = [
            ("a/m-4-5", "a/m-4-5", true),
            ("a/m-4-5", "a/m-4-5-20250929", true),
            ("a/m-4-5@20250929", "a/m-4-5-20251101", true),
            ("a/m-latest", "a/m", true),
            ("a/m-4-5", "b/m-4-5", false),
            ("a/m-4-5", "a/m-4-6", false),
            ("a/m-4-5", "a/m-4", false),
            ("a/m-2025092", "a/m", false),
            ("a/m-2025092x", "a/m", false),
        ];
        for (model, by, expected) in table {
            let (model, by) = (model.parse().unwrap(), by.parse().unwrap());
            assert_eq!(understands(&model, &by), expected, "{model} {by}");
        }
    }
}
