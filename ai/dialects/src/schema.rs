//! As much of [JSON Schema](https://json-schema.org/draft/2020-12/json-schema-validation) as tells a call that may run
//! from one that may not: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `anyOf`,
//! `oneOf`, `allOf` and local `$ref`. What else a schema says is for the tool to check.

use crate::lenient::{DEPTH, Lenient, Syntax, shown};
use crate::repair::{Repair, RepairKind};
use crate::value::Value;

/// Most problems that one answer names.
const MOST_PROBLEMS: usize = 3;

/// A schema, and the document that its references point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'a> {
    root: &'a Value,
    here: &'a Value,
}

impl<'a> Schema<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root, here: root }.resolved()
    }

    fn at(self, here: &'a Value) -> Self {
        Self {
            root: self.root,
            here,
        }
        .resolved()
    }

    /// Follows local references, a few in a row at most.
    fn resolved(self) -> Self {
        let mut here = self.here;
        for _ in 0..8 {
            let Some(pointer) = here
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix("#/"))
            else {
                break;
            };
            let target = pointer.split('/').try_fold(self.root, |at, step| at.get(step));
            let Some(target) = target else { break };
            here = target;
        }
        Self {
            root: self.root,
            here,
        }
    }

    pub(crate) fn property(self, name: &str) -> Option<Self> {
        let found = self
            .here
            .get("properties")
            .and_then(|properties| properties.get(name));
        if let Some(found) = found {
            return Some(self.at(found));
        }
        ["allOf", "anyOf", "oneOf"]
            .into_iter()
            .find_map(|key| self.list(key).into_iter().find_map(|part| part.property(name)))
    }

    fn list(self, key: &str) -> Vec<Self> {
        let here: &'a Value = self.here;
        match here.get(key) {
            Some(Value::Array(items)) => items.iter().map(|item| self.at(item)).collect(),
            _ => Vec::new(),
        }
    }

    /// The types that it allows; empty where it says nothing.
    fn types(self) -> Vec<&'a str> {
        let mut types: Vec<&str> = match self.here.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if types.is_empty() {
            for key in ["anyOf", "oneOf"] {
                for part in self.list(key) {
                    types.extend(part.types());
                }
            }
        }
        if types.is_empty()
            && let Some(Value::Array(values)) = self.here.get("enum")
        {
            types.extend(values.iter().map(|value| -> &'a str { value.type_name() }));
        }
        types
    }

    /// What a value that came without quotes or brackets is, by its schema. Where a text is allowed it stays the text
    /// that it was, byte for byte; where the schema says nothing it is a text, too.
    pub(crate) fn coerce(schema: Option<Self>, text: &str, repairs: &mut Vec<Repair>, at: usize) -> Value {
        let types = schema.map(Self::types).unwrap_or_default();
        let as_text = || Value::String(text.to_owned());
        let trimmed = text.trim();
        let allows = |name: &str| types.contains(&name);
        if allows("null") && matches!(trimmed, "null" | "None") {
            return Value::Null;
        }
        if types.is_empty() || allows("string") {
            return as_text();
        }
        let mut reader = Lenient::new(trimmed, Syntax::Json);
        let Ok(value) = reader.value() else {
            return as_text();
        };
        reader.blanks();
        if !reader.rest().is_empty()
            || reader
                .repairs
                .iter()
                .any(|repair| repair.kind == RepairKind::MissingCloser)
        {
            return as_text();
        }
        let lead = text.len() - text.trim_start().len();
        // Qwen3-Coder's and Seed-OSS's templates write scalars as Python does: `True` is their own form, not a slip.
        let is_scalar = !matches!(value, Value::Array(_) | Value::Object(_));
        let is_slip = |repair: &&Repair| !(is_scalar && repair.kind == RepairKind::PythonLiteral);
        repairs.extend(reader.repairs.iter().filter(is_slip).map(|repair| Repair {
            at: at + lead + repair.at,
            ..*repair
        }));
        value
    }

    /// What is wrong with a value; empty where nothing is.
    pub(crate) fn problems(self, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        self.check(value, "", DEPTH, &mut problems);
        problems.truncate(MOST_PROBLEMS);
        problems
    }

    fn check(self, value: &Value, path: &str, depth: usize, problems: &mut Vec<String>) {
        if depth == 0 || problems.len() >= MOST_PROBLEMS {
            return;
        }
        let place = if path.is_empty() {
            "the arguments".to_owned()
        } else {
            format!("`{path}`")
        };
        match self.here {
            Value::Bool(false) => problems.push(format!("{place} must not be there")),
            Value::Object(_) => {}
            _ => return,
        }
        let own_types: Vec<&str> = match self.here.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !own_types.is_empty() && !own_types.iter().any(|name| is_a(value, name)) {
            problems.push(format!(
                "{place} must be {}, and is {} `{}`",
                own_types.join(" or "),
                value.type_name(),
                shown(&value.to_json())
            ));
            return;
        }
        if let Some(Value::Array(allowed)) = self.here.get("enum")
            && !allowed.iter().any(|one| same(one, value))
        {
            let allowed: Vec<String> = allowed.iter().take(16).map(|one| shown(&one.to_json())).collect();
            problems.push(format!(
                "{place} must be one of {}, and is {}",
                allowed.join(", "),
                shown(&value.to_json())
            ));
        }
        if let Some(only) = self.here.get("const")
            && !same(only, value)
        {
            problems.push(format!("{place} must be {}", shown(&only.to_json())));
        }
        match value {
            Value::Object(members) => self.check_members(members, path, depth, problems),
            Value::Array(items) => {
                if let Some(of_items) = self.here.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.at(of_items)
                            .check(item, &format!("{path}[{index}]"), depth - 1, problems);
                    }
                }
            }
            _ => {}
        }
        for part in self.list("allOf") {
            part.check(value, path, depth - 1, problems);
        }
        for key in ["anyOf", "oneOf"] {
            let parts = self.list(key);
            let fits = |part: &Self| {
                let mut found = Vec::new();
                part.check(value, path, depth - 1, &mut found);
                found.is_empty()
            };
            if !parts.is_empty() && !parts.iter().any(fits) {
                problems.push(format!("{place} fits none of the forms that it may have"));
            }
        }
    }

    fn check_members(
        self,
        members: &[(String, Value)],
        path: &str,
        depth: usize,
        problems: &mut Vec<String>,
    ) {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        if let Some(Value::Array(required)) = self.here.get("required") {
            for name in required.iter().filter_map(Value::as_str) {
                if !members.iter().any(|(key, _)| key == name) {
                    problems.push(format!("`{}` is missing", below(name)));
                }
            }
        }
        for (name, value) in members {
            let known = self
                .here
                .get("properties")
                .and_then(|properties| properties.get(name));
            match (known, self.here.get("additionalProperties")) {
                (Some(schema), _) => self.at(schema).check(value, &below(name), depth - 1, problems),
                (None, Some(Value::Bool(false))) => {
                    problems.push(format!("there is no argument `{}`", shown(&below(name))));
                }
                (None, Some(schema @ Value::Object(_))) => {
                    self.at(schema).check(value, &below(name), depth - 1, problems);
                }
                (None, _) => {}
            }
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    let found = value.type_name();
    found == name || (found == "integer" && name == "number")
}

/// Equality by JSON Schema, as far as it matters here: the order of keys does not count.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| {
                    right
                        .iter()
                        .any(|(name, other)| name == key && same(value, other))
                })
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}
