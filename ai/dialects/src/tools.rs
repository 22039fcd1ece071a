//! The tools that were offered.

use std::collections::BTreeMap;

use crate::lenient::{Lenient, Syntax};
use crate::schema::Schema;
use crate::value::Value;

/// The tools that a model was offered, with the schemas of their arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools(BTreeMap<String, Value>);

impl Tools {
    /// Tools by name and JSON Schema of the arguments. A schema that is no JSON allows everything.
    pub fn new<'a>(tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let schema = |text: &str| Lenient::new(text, Syntax::Json).value().unwrap_or(Value::Null);
        Self(
            tools
                .into_iter()
                .map(|(name, text)| (name.to_owned(), schema(text)))
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
        self.0.get(name).map(Schema::new)
    }
}
