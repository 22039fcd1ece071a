//! The arguments of tool calls, parsed as they stand. Nothing is coerced: what does not fit the schema is an error
//! that names the field, what belongs there and what came.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::Tool;
use super::path::Unresolvable;

/// Why a call cannot be run as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// There is no such tool.
    #[error("there is no tool `{name}`{}; there are: {}", did_you_mean(nearest.as_deref()), Tool::names())]
    UnknownTool {
        /// What was called.
        name: String,
        /// The tool that was probably meant.
        nearest: Option<String>,
    },
    /// The arguments are not JSON.
    #[error("the arguments are not valid JSON, line {line} column {column}: {message}")]
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of it, from 1; 0 where the text ended too early at the start of a line.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value does not fit.
    #[error("`{field}`: expected {expected}, got {got}")]
    Misfit {
        /// The field, as `edits[0].old_text`; `arguments` for the whole.
        field: String,
        /// What belongs there.
        expected: String,
        /// What came.
        got: String,
    },
    /// A field is missing.
    #[error("`{field}` is missing: expected {expected}")]
    Missing {
        /// The field.
        field: String,
        /// What belongs there.
        expected: String,
    },
    /// A field that the tool does not have.
    #[error("there is no field `{field}`{}; the fields are: {}", did_you_mean(nearest.as_deref()), known.join(", "))]
    UnknownField {
        /// The field.
        field: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
    /// A field that came twice; which one counts would be a guess.
    #[error("`{field}` is given twice; give it once")]
    Twice {
        /// The field.
        field: String,
    },
    /// A path leads nowhere.
    #[error("`{requested}`: {why}")]
    Path {
        /// The path as it came.
        requested: String,
        /// Why not.
        why: Unresolvable,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"))
}

/// Checked arguments; which ones they are says which tool is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// Of `read`.
    Read(super::read::ReadArguments),
    /// Of `edit`.
    Edit(super::edit::EditArguments),
    /// Of `write`.
    Write(super::write::WriteArguments),
    /// Of `bash`.
    Bash(super::bash::BashArguments),
    /// Of `ls`.
    Ls(super::ls::LsArguments),
    /// Of `grep`.
    Grep(super::grep::GrepArguments),
    /// Of `find`.
    Find(super::find::FindArguments),
}

impl Arguments {
    /// Parses the arguments of a call exactly as received.
    ///
    /// # Errors
    /// When they are not JSON or do not fit the tool's schema.
    pub fn parse(tool: Tool, text: &str) -> Result<Self, Unfit> {
        let mut fields = Fields::of(text, "")?;
        let arguments = match tool {
            Tool::Read => Self::Read(super::read::ReadArguments::take(&mut fields)?),
            Tool::Edit => Self::Edit(super::edit::EditArguments::take(&mut fields)?),
            Tool::Write => Self::Write(super::write::WriteArguments::take(&mut fields)?),
            Tool::Bash => Self::Bash(super::bash::BashArguments::take(&mut fields)?),
            Tool::Ls => Self::Ls(super::ls::LsArguments::take(&mut fields)?),
            Tool::Grep => Self::Grep(super::grep::GrepArguments::take(&mut fields)?),
            Tool::Find => Self::Find(super::find::FindArguments::take(&mut fields)?),
        };
        fields.done()?;
        Ok(arguments)
    }

    /// Whose arguments they are.
    #[must_use]
    pub fn tool(&self) -> Tool {
        match self {
            Self::Read(_) => Tool::Read,
            Self::Edit(_) => Tool::Edit,
            Self::Write(_) => Tool::Write,
            Self::Bash(_) => Tool::Bash,
            Self::Ls(_) => Tool::Ls,
            Self::Grep(_) => Tool::Grep,
            Self::Find(_) => Tool::Find,
        }
    }

    /// The path that the call is about, as the model wrote it. A command has none: it runs in the workspace.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Read(arguments) => &arguments.path,
            Self::Edit(arguments) => &arguments.path,
            Self::Write(arguments) => &arguments.path,
            Self::Bash(_) => ".",
            Self::Ls(arguments) => arguments.path.as_deref().unwrap_or("."),
            Self::Grep(arguments) => arguments.path.as_deref().unwrap_or("."),
            Self::Find(arguments) => arguments.path.as_deref().unwrap_or("."),
        }
    }
}

/// The fields of one JSON object, taken out one by one; what is left over at the end is unknown.
pub(crate) struct Fields {
    prefix: String,
    given: Vec<(String, Box<RawValue>)>,
    known: Vec<&'static str>,
}

/// A JSON object with its fields in order, those included that came twice.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    if fields.len() >= 1024 {
                        return Err(A::Error::custom("more than 1024 fields"));
                    }
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Fields {
    /// Reads an object. `prefix` is what its fields' names are told with, as `edits[0].`.
    pub(crate) fn of(text: &str, prefix: &str) -> Result<Self, Unfit> {
        // Once through the whole, so that a fault deep inside has its position and what follows can only be a misfit.
        let whole: Box<RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let Object(given) = serde_json::from_str(whole.get()).map_err(|_| Unfit::Misfit {
            field: if prefix.is_empty() {
                "arguments".to_owned()
            } else {
                prefix.trim_end_matches('.').to_owned()
            },
            expected: "an object".to_owned(),
            got: described(whole.get()),
        })?;
        for (at, (field, _)) in given.iter().enumerate() {
            if given.iter().take(at).any(|(earlier, _)| earlier == field) {
                return Err(Unfit::Twice {
                    field: format!("{prefix}{field}"),
                });
            }
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            given,
            known: Vec::new(),
        })
    }

    fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    fn take(&mut self, field: &'static str) -> Option<Box<RawValue>> {
        self.known.push(field);
        let at = self.given.iter().position(|(given, _)| given == field)?;
        Some(self.given.remove(at).1)
    }

    fn optional<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
        expected: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Unfit> {
        let Some(raw) = self.take(field) else {
            return Ok(None);
        };
        match serde_json::from_str::<T>(raw.get()) {
            Ok(value) if fits(&value) => Ok(Some(value)),
            _ => Err(Unfit::Misfit {
                field: self.name(field),
                expected: expected.to_owned(),
                got: described(raw.get()),
            }),
        }
    }

    /// Something that must be there. A misspelt name of it is told as such, rather than as missing.
    fn required<T>(
        &self,
        field: &'static str,
        expected: &str,
        value: Option<T>,
        all: &[&'static str],
    ) -> Result<T, Unfit> {
        if let Some(value) = value {
            return Ok(value);
        }
        for (given, _) in &self.given {
            if !all.contains(&given.as_str()) && nearest(given, [field]).is_some() {
                return Err(self.unknown(given, all));
            }
        }
        Err(Unfit::Missing {
            field: self.name(field),
            expected: expected.to_owned(),
        })
    }

    /// A text that may be left out.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, Unfit> {
        self.optional(field, "a string", |_| true)
    }

    /// A text that must be there; `all` are the object's fields.
    pub(crate) fn needed_text(&mut self, field: &'static str, all: &[&'static str]) -> Result<String, Unfit> {
        let value = self.text(field)?;
        self.required(field, "a string", value, all)
    }

    /// A whole number that may be left out.
    pub(crate) fn number(&mut self, field: &'static str, from: u64, to: u64) -> Result<Option<u64>, Unfit> {
        let expected = match to {
            u64::MAX => format!("a whole number from {from}"),
            _ => format!("a whole number from {from} to {to}"),
        };
        self.optional(field, &expected, |value: &u64| (from..=to).contains(value))
    }

    /// A truth value; left out it is false.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Unfit> {
        Ok(self
            .optional(field, "true or false", |_: &bool| true)?
            .unwrap_or(false))
    }

    /// A list of objects that must be there and must not be empty.
    pub(crate) fn needed_objects(
        &mut self,
        field: &'static str,
        all: &[&'static str],
    ) -> Result<Vec<Self>, Unfit> {
        const EXPECTED: &str = "a list of at least one object";
        let value = self.optional(field, EXPECTED, |list: &Vec<Box<RawValue>>| !list.is_empty())?;
        let list = self.required(field, EXPECTED, value, all)?;
        let name = self.name(field);
        list.iter()
            .enumerate()
            .map(|(at, raw)| Self::of(raw.get(), &format!("{name}[{at}].")))
            .collect()
    }

    /// Everything must have been taken.
    pub(crate) fn done(self) -> Result<(), Unfit> {
        match self.given.first() {
            Some((field, _)) => Err(self.unknown(field, &self.known)),
            None => Ok(()),
        }
    }

    fn unknown(&self, field: &str, all: &[&'static str]) -> Unfit {
        Unfit::UnknownField {
            field: self.name(&shortened(field)),
            nearest: nearest(field, all.iter().copied()).map(str::to_owned),
            known: all.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}

fn not_json(error: &serde_json::Error) -> Unfit {
    let message = error.to_string();
    // The position stands in fields of its own.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message)
        .to_owned();
    Unfit::NotJson {
        line: error.line(),
        column: error.column(),
        message,
    }
}

/// A JSON value in words: its type, and itself where it is short.
fn described(raw: &str) -> String {
    let kind = match raw.trim_start().as_bytes().first() {
        Some(b'"') => "the string",
        Some(b'{') => "the object",
        Some(b'[') => "the list",
        Some(b'n') => return "null".to_owned(),
        Some(b't' | b'f') => return raw.trim().to_owned(),
        _ => "the number",
    };
    format!("{kind} {}", shortened(raw.trim()))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The name that was probably meant: the one with the fewest changes, if that is at most a third of its length.
/// Case and the difference of `oldText` and `old_text` do not count.
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| -> String {
        let letters = name.chars().take(64).filter(|c| !matches!(c, '_' | '-'));
        letters.flat_map(char::to_lowercase).collect()
    };
    let given = plain(given);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&given, &plain(name)), name))
        .filter(|(distance, name)| distance * 3 <= name.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
