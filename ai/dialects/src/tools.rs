//! The tools that were offered.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::lenient::{Lenient, Syntax};
use crate::schema::Schema;
use crate::value::Value;

/// The tools that a model was offered, with the schemas of their arguments.
#[derive(Debug, Clone, Default)]
pub struct Tools(BTreeMap<String, Arguments>);

/// The schema of a tool's arguments, as text until it is needed: a model that calls tools natively leaves no call in its
/// text, so most answers need none of them, and every answer would wait for all.
#[derive(Debug, Clone)]
struct Arguments {
    text: String,
    schema: OnceLock<Value>,
}

impl Arguments {
    fn schema(&self) -> &Value {
        let read = || Lenient::new(&self.text, Syntax::Json).value();
        self.schema.get_or_init(|| read().unwrap_or(Value::Null))
    }
}

impl Tools {
    /// Tools by name and JSON Schema of the arguments. A schema that is no JSON allows everything.
    pub fn new<'a>(tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let arguments = |text: &str| Arguments {
            text: text.to_owned(),
            schema: OnceLock::new(),
        };
        Self(
            tools
                .into_iter()
                .map(|(name, text)| (name.to_owned(), arguments(text)))
                .collect(),
        )
    }

    /// Whether nothing was offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a tool of this name was offered.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn schema(&self, name: &str) -> Option<Schema<'_>> {
        let tool = self.0.get(name)?;
        Some(Schema::new(tool.schema()))
    }
}
