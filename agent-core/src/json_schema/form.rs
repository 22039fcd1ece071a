//! Whether a document is a schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{SchemaError, below, ordered, pattern, pointer};

/// What the value of a keyword has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Schema,
    /// A list of schemas, not empty.
    Schemas,
    /// An object of schemas.
    Named,
    /// The same, by regular expressions.
    Matched,
    Types,
    /// A list of values, not empty.
    Values,
    Anything,
    Number,
    /// A number above zero.
    Step,
    /// A whole number, not negative.
    Count,
    Truth,
    Text,
    Pattern,
    /// A list of different texts.
    Names,
    /// An object of such lists.
    NamedNames,
    Reference,
    Draft,
    /// Only at the root.
    Id,
    /// It is known, and values cannot be held to it here.
    Refused(&'static str),
}

const ELSEWHERE: &str =
    "references that depend on where they are followed from are not taken; use `$ref` and `$defs`";
const UNEVALUATED: &str = "it is not taken; say `additionalProperties` or `items` in each part";
const OLD: &str = "it is of an older draft";

/// Every keyword that is known.
const KEYWORDS: &[(&str, Form)] = &[
    ("$schema", Form::Draft),
    ("$id", Form::Id),
    ("$ref", Form::Reference),
    ("$defs", Form::Named),
    ("definitions", Form::Named),
    ("$comment", Form::Text),
    ("title", Form::Text),
    ("description", Form::Text),
    ("default", Form::Anything),
    ("examples", Form::Anything),
    ("deprecated", Form::Truth),
    ("readOnly", Form::Truth),
    ("writeOnly", Form::Truth),
    ("format", Form::Text),
    ("contentEncoding", Form::Text),
    ("contentMediaType", Form::Text),
    ("contentSchema", Form::Schema),
    ("type", Form::Types),
    ("enum", Form::Values),
    ("const", Form::Anything),
    ("multipleOf", Form::Step),
    ("minimum", Form::Number),
    ("exclusiveMinimum", Form::Number),
    ("maximum", Form::Number),
    ("exclusiveMaximum", Form::Number),
    ("minLength", Form::Count),
    ("maxLength", Form::Count),
    ("pattern", Form::Pattern),
    ("items", Form::Schema),
    ("prefixItems", Form::Schemas),
    ("contains", Form::Schema),
    ("minContains", Form::Count),
    ("maxContains", Form::Count),
    ("minItems", Form::Count),
    ("maxItems", Form::Count),
    ("uniqueItems", Form::Truth),
    ("properties", Form::Named),
    ("patternProperties", Form::Matched),
    ("additionalProperties", Form::Schema),
    ("propertyNames", Form::Schema),
    ("required", Form::Names),
    ("dependentRequired", Form::NamedNames),
    ("dependentSchemas", Form::Named),
    ("minProperties", Form::Count),
    ("maxProperties", Form::Count),
    ("allOf", Form::Schemas),
    ("anyOf", Form::Schemas),
    ("oneOf", Form::Schemas),
    ("not", Form::Schema),
    ("if", Form::Schema),
    ("then", Form::Schema),
    ("else", Form::Schema),
    // A note of OpenAPI.
    ("discriminator", Form::Anything),
    (
        "$anchor",
        Form::Refused("anchors are not taken; use a pointer like `#/$defs/name`"),
    ),
    ("$dynamicAnchor", Form::Refused(ELSEWHERE)),
    ("$dynamicRef", Form::Refused(ELSEWHERE)),
    ("$recursiveAnchor", Form::Refused(ELSEWHERE)),
    ("$recursiveRef", Form::Refused(ELSEWHERE)),
    (
        "$vocabulary",
        Form::Refused("only the vocabularies of draft 2020-12 are taken"),
    ),
    ("unevaluatedProperties", Form::Refused(UNEVALUATED)),
    ("unevaluatedItems", Form::Refused(UNEVALUATED)),
    ("additionalItems", Form::Refused(OLD)),
    ("dependencies", Form::Refused(OLD)),
    (
        "nullable",
        Form::Refused("it is of OpenAPI; let `type` be a list with \"null\" in it"),
    ),
];

/// Those that look at the same value as the schema in which they stand.
const SAME_VALUE: [&str; 9] = [
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
];

const TYPES: [&str; 7] = [
    "null", "boolean", "object", "array", "number", "string", "integer",
];

const DRAFTS: [&str; 4] = [
    "draft/2020-12/schema",
    "draft/2019-09/schema",
    "draft-07/schema",
    "draft-06/schema",
];

/// What was found in a document.
#[derive(Default)]
struct Found {
    /// The places of all schemas.
    schemas: BTreeSet<String>,
    /// From the place of each `$ref` to that of what it points to.
    references: Vec<(String, String)>,
    /// From each schema to those that look at the same value.
    same: BTreeMap<String, Vec<String>>,
}

/// Whether the document is a schema that ends.
pub(super) fn sound(root: &Value) -> Result<(), SchemaError> {
    let mut found = Found::default();
    found.schema(root, "")?;
    for (at, to) in &found.references {
        if !found.schemas.contains(to) {
            return fault(at, "it points to nothing that is a schema of this document");
        }
    }
    let mut done = BTreeSet::new();
    for schema in &found.schemas {
        if found.circle(schema, &mut Vec::new(), &mut done) {
            return fault(
                schema,
                "it leads back to itself without a step into the value, and would never end",
            );
        }
    }
    Ok(())
}

fn fault<T>(at: &str, problem: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError {
        at: at.to_owned(),
        problem: problem.into(),
    })
}

impl Found {
    fn schema(&mut self, schema: &Value, at: &str) -> Result<(), SchemaError> {
        let members = match schema {
            Value::Bool(_) => {
                self.schemas.insert(at.to_owned());
                return Ok(());
            }
            Value::Object(members) => members,
            _ => return fault(at, "a schema is an object, `true` or `false`"),
        };
        self.schemas.insert(at.to_owned());
        for (keyword, value) in ordered(members) {
            let here = below(at, keyword);
            let known = KEYWORDS.iter().find(|(name, _)| name == keyword);
            match known {
                Some((_, form)) => self.keyword(*form, value, at, &here)?,
                None if keyword.starts_with("x-") => {}
                None => return fault(&here, unknown(keyword)),
            }
        }
        Ok(())
    }

    fn keyword(&mut self, form: Form, value: &Value, schema: &str, at: &str) -> Result<(), SchemaError> {
        let is_same = SAME_VALUE.iter().any(|keyword| at == below(schema, keyword));
        let mut inner: Vec<(String, &Value)> = Vec::new();
        let holds = match (form, value) {
            (Form::Anything, _) => true,
            (Form::Refused(why), _) => return fault(at, why),
            (Form::Schema, value) => {
                inner.push((at.to_owned(), value));
                true
            }
            (Form::Schemas, Value::Array(items)) => {
                inner.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(place, item)| (below(at, place), item)),
                );
                !items.is_empty()
            }
            (Form::Named | Form::Matched, Value::Object(members)) => {
                for (name, value) in ordered(members) {
                    let here = below(at, name);
                    if form == Form::Matched
                        && let Err(problem) = pattern(name)
                    {
                        return fault(&here, no_pattern(&problem));
                    }
                    inner.push((here, value));
                }
                true
            }
            (Form::Types, Value::String(name)) => is_type(name),
            (Form::Types, Value::Array(names)) => {
                let known = |name: &Value| name.as_str().is_some_and(is_type);
                !names.is_empty() && names.iter().all(known) && all_differ(names)
            }
            (Form::Values, Value::Array(values)) => !values.is_empty(),
            (Form::Number, Value::Number(_))
            | (Form::Truth, Value::Bool(_))
            | (Form::Text, Value::String(_)) => true,
            (Form::Step, Value::Number(step)) => step.as_f64().is_some_and(|step| step > 0.0),
            (Form::Count, Value::Number(count)) => super::check::count(count).is_some(),
            (Form::Pattern, Value::String(text)) => match pattern(text) {
                Ok(_) => true,
                Err(problem) => return fault(at, no_pattern(&problem)),
            },
            (Form::Names, names) => are_names(names),
            (Form::NamedNames, Value::Object(members)) => members.values().all(are_names),
            (Form::Reference, Value::String(reference)) => {
                let Some(to) = pointer(reference) else {
                    return fault(
                        at,
                        "only references into this document are followed; write them like `#/$defs/name`",
                    );
                };
                self.references.push((at.to_owned(), to.clone()));
                self.same.entry(schema.to_owned()).or_default().push(to);
                true
            }
            (Form::Draft, Value::String(draft)) => {
                let name = draft.trim_end_matches('#');
                if !DRAFTS
                    .iter()
                    .any(|known| name.ends_with(&format!("json-schema.org/{known}")))
                {
                    return fault(
                        at,
                        format!(
                            "`{draft}` is not taken; draft 2020-12 is, and 6 to 2019-09 as far as they agree with it"
                        ),
                    );
                }
                true
            }
            (Form::Id, Value::String(_)) => {
                if !schema.is_empty() {
                    return fault(
                        at,
                        "a schema within a schema has no name of its own here; use `$defs`",
                    );
                }
                true
            }
            _ => false,
        };
        if !holds {
            return fault(at, format!("expected {}", expected(form)));
        }
        for (here, schema_within) in inner {
            self.schema(schema_within, &here)?;
            if is_same {
                self.same.entry(schema.to_owned()).or_default().push(here);
            }
        }
        Ok(())
    }

    /// Whether a schema leads back to itself.
    fn circle(&self, at: &str, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if done.contains(at) {
            return false;
        }
        if way.iter().any(|before| before == at) {
            return true;
        }
        way.push(at.to_owned());
        let found = self
            .same
            .get(at)
            .is_some_and(|next| next.iter().any(|next| self.circle(next, way, done)));
        way.pop();
        done.insert(at.to_owned());
        found
    }
}

fn unknown(keyword: &str) -> String {
    let close = |name: &&str| {
        let (name, keyword) = (name.to_ascii_lowercase(), keyword.to_ascii_lowercase());
        let same = |pairs: usize, length: usize| length > 3 && pairs + 2 >= length;
        let ahead = name
            .bytes()
            .zip(keyword.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let behind = name
            .bytes()
            .rev()
            .zip(keyword.bytes().rev())
            .take_while(|(a, b)| a == b)
            .count();
        same(ahead + behind, name.len().max(keyword.len()))
    };
    let meant = KEYWORDS.iter().map(|(name, _)| *name).find(close);
    let meant = meant.map_or(String::new(), |name| format!(", did you mean `{name}`?"));
    format!("there is no keyword `{keyword}`{meant}; a note of your own begins with `x-`")
}

fn no_pattern(problem: &str) -> String {
    format!("no regular expression that is taken here ({problem}); look-around and back-references are not")
}

fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

fn all_differ(values: &[Value]) -> bool {
    let repeated = |(place, value): (usize, &Value)| values.iter().take(place).any(|before| before == value);
    !values.iter().enumerate().any(repeated)
}

fn are_names(names: &Value) -> bool {
    names
        .as_array()
        .is_some_and(|names| names.iter().all(Value::is_string) && all_differ(names))
}

fn expected(form: Form) -> &'static str {
    match form {
        Form::Schema => "a schema",
        Form::Schemas => "a list of at least one schema",
        Form::Named | Form::Matched => "an object of schemas",
        Form::Types => {
            "a type, or a list of different ones; there are null, boolean, object, array, number, string, integer"
        }
        Form::Values => "a list of at least one value",
        Form::Anything => "a value",
        Form::Number => "a number",
        Form::Step => "a number above 0",
        Form::Count => "a whole number from 0",
        Form::Truth => "true or false",
        Form::Text | Form::Pattern | Form::Reference | Form::Draft | Form::Id => "a string",
        Form::Names => "a list of different strings",
        Form::NamedNames => "an object of lists of different strings",
        Form::Refused(why) => why,
    }
}
