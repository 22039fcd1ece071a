//! JSON Schema, [draft 2020-12](https://json-schema.org/draft/2020-12), for results that a turn is asked for.
//!
//! It is decided on the writer whether an answer fits, so that a replay can decide it again. Hence this one is total: a
//! schema that goes round in circles is refused, and a check that takes too long ends with a [`Misfit`]. What it cannot
//! hold a value to it refuses as well, rather than to pass it over: references to other documents, `unevaluated…`,
//! dynamic references, and words that no draft knows. `format` is a note, as the draft has it.

mod check;
mod form;

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// Longest schema, in bytes.
pub const SCHEMA_BYTES: usize = 32 << 10;
/// Most misfits that are named of one value.
pub const MOST_MISFITS: usize = 5;

/// A schema that can be held against values.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    root: Value,
    text: Arc<str>,
}

/// Why a text is no schema, or none that values can be held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {problem}", Place(at))]
pub struct SchemaError {
    /// Where: a JSON Pointer into the schema, or `line 3 column 7` where it is not even JSON.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

/// A place in a schema, as people are told it.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the schema" } else { self.0 })
    }
}

/// A part of a value that does not fit a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("`{path}`: expected {expected}, got {got}")]
pub struct Misfit {
    /// Which part, as `items[2].name`; `value` for the whole.
    pub path: String,
    /// What belongs there.
    pub expected: String,
    /// What is there.
    pub got: String,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// The first place at which it is none.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let fault = |at: String, problem: String| SchemaError { at, problem };
        if text.len() > SCHEMA_BYTES {
            let problem = format!("it has {} bytes; at most {SCHEMA_BYTES} are taken", text.len());
            return Err(fault(String::new(), problem));
        }
        let root = value(text).map_err(|error| {
            let at = format!("line {} column {}", error.line(), error.column());
            fault(at, format!("no JSON: {}", without_place(&error)))
        })?;
        form::sound(&root)?;
        Ok(Self {
            root,
            text: compact(text).into(),
        })
    }

    /// The schema as it was written, on one line and without needless blanks.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The schema as a value.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.root
    }

    /// Holds a value against the schema.
    ///
    /// # Errors
    /// What does not fit, at most [`MOST_MISFITS`], the first ones in the order of the schema.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Misfit>> {
        check::check(&self.root, value)
    }
}

/// Reads JSON in which no object has a member twice: which one counts would be a guess. Members stand in the order of
/// their names, whatever the order in which they were written: what is found wrong of them is on record in that order.
///
/// # Errors
/// What the parser says, with line and column.
pub fn value(text: &str) -> Result<Value, serde_json::Error> {
    let Strict(mut value) = serde_json::from_str(text)?;
    value.sort_all_objects();
    Ok(value)
}

/// What a parser says, without where.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message)
        .to_owned()
}

/// A JSON text without the blanks that mean nothing. It is on one line then, and each number and text as it was written.
#[must_use]
pub fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            let blank = !quoted && c.is_ascii_whitespace();
            if *c == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && *c == '\\' && !escaped;
            !blank
        })
        .collect()
}

/// A value in which nothing stands twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{key}` is given twice")));
            }
            let Strict(value) = map.next_value()?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// The members of an object in the order of their names, whatever order the parser keeps them in.
fn ordered(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

/// What a `$ref` points to: a JSON Pointer, decoded; `None` where it is none into this document.
fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    if !(fragment.is_empty() || fragment.starts_with('/')) {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok()
}

/// A step further in a JSON Pointer.
fn below(at: &str, step: impl fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{step}")
}

/// A regular expression of a schema, in linear time and bounded room.
fn pattern(text: &str) -> Result<regex::Regex, String> {
    const ROOM: usize = 1 << 18;
    let built = regex::RegexBuilder::new(text)
        .size_limit(ROOM)
        .dfa_size_limit(ROOM)
        .build();
    built.map_err(|error| {
        let message = error.to_string();
        let last = message.lines().next_back().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}
