//! The result that a turn is asked for as a value of a schema: whether an answer is it, and what a model is told that
//! has not given it.

use std::fmt;
use std::sync::Arc;

use glasswork_ai::stream::StopReason;
use glasswork_ai::structured::{Form, Means};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::IntoStaticStr;

use crate::json_schema::{self, Misfit, Schema};

/// Longest result, in bytes.
pub const RESULT_BYTES: usize = 128 << 10;

/// What came of an answer that should be the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is the result.
    Fits {
        /// The result as JSON on one line: the model's own, without blanks that mean nothing.
        value: Arc<str>,
        /// What stood around it, where the model was only asked in words.
        #[serde(default, skip_serializing_if = "Around::is_nothing")]
        around: Around,
    },
    /// It is not.
    Unfit(Unfit),
}

/// What stood around a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Around {
    /// Nothing but blanks.
    #[default]
    Nothing,
    /// A fence, and perhaps words around that.
    Fence,
    /// Words.
    Words,
}

impl Around {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// Why an answer is not the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It has no text.
    Empty,
    /// It is not JSON.
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of it, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It has several values, and nobody says which one counts.
    Several,
    /// It is JSON, and not of the schema.
    Misfit(Vec<Misfit>),
    /// It reached the limit of output tokens.
    Cut,
    /// It is longer than [`RESULT_BYTES`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The model, or its provider, refused to answer. It is not asked again.
    Refused,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the answer is empty"),
            Self::NotJson {
                line,
                column,
                message,
            } => {
                write!(
                    f,
                    "the answer is not valid JSON, line {line} column {column}: {message}"
                )
            }
            Self::Several => f.write_str("the answer has several JSON values"),
            Self::Misfit(misfits) => {
                for (place, misfit) in misfits.iter().enumerate() {
                    let between = if place == 0 { "" } else { "; " };
                    write!(f, "{between}{misfit}")?;
                }
                Ok(())
            }
            Self::Cut => f.write_str("the answer reached its limit of output tokens before it was complete"),
            Self::TooLong { bytes } => {
                write!(
                    f,
                    "the answer has {bytes} bytes; a result has at most {RESULT_BYTES}"
                )
            }
            Self::Refused => f.write_str("the model refused to answer"),
        }
    }
}

/// Why a model is told of the result that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Telling {
    /// It is asked for the result in words: what its last answer has to be.
    Wanted,
    /// It has done its work, and is asked for the result by itself.
    Due,
    /// Its answer was not the result.
    Unfit,
}

/// Judges an answer that should be the result.
#[must_use]
pub fn judge(text: &str, stop: &StopReason, means: Means, schema: &Schema) -> Outcome {
    match read(text, stop, means) {
        Err(unfit) => Outcome::Unfit(unfit),
        Ok(found) => match schema.check(&found.value) {
            Err(misfits) => Outcome::Unfit(Unfit::Misfit(misfits)),
            Ok(()) => Outcome::Fits {
                value: json_schema::compact(found.text).into(),
                around: found.around,
            },
        },
    }
}

/// What the model is told.
#[must_use]
pub fn words(telling: Telling, unfit: Option<&Unfit>, means: Means, schema: &Schema) -> Arc<str> {
    const RUNTIME: &str = "[Notice of the runtime, not of the user]";
    // Where the server is given the schema, the model need not be told it once more.
    let in_words = match means.form {
        Form::Prompted => format!("\n\nThe JSON Schema:\n{}", schema.text()),
        Form::Strict | Form::Loose | Form::Tool => String::new(),
    };
    let said = match (telling, unfit) {
        (Telling::Wanted, _) => {
            "Your last answer in this turn must be one JSON value that is valid by the schema below, and nothing else: no \
             words around it and no fence. Use tools before that as you need them."
                .to_owned()
        }
        (Telling::Due, _) => {
            "Now give the result of your work as one JSON value that is valid by the schema that was given, and nothing \
             else."
                .to_owned()
        }
        (Telling::Unfit, unfit) => {
            let problem = unfit.map_or(String::new(), |unfit| format!(": {unfit}"));
            format!(
                "Your answer is not the result that was asked for{problem}. Give the whole result once more as one JSON \
                 value that is valid by the schema, and nothing else."
            )
        }
    };
    format!("{RUNTIME} {said}{in_words}").into()
}

struct Found<'a> {
    value: Value,
    text: &'a str,
    around: Around,
}

fn read<'a>(text: &'a str, stop: &StopReason, means: Means) -> Result<Found<'a>, Unfit> {
    match stop {
        StopReason::Refusal => return Err(Unfit::Refused),
        StopReason::Length => return Err(Unfit::Cut),
        _ => {}
    }
    if text.trim().is_empty() {
        return Err(Unfit::Empty);
    }
    if text.len() > RESULT_BYTES {
        return Err(Unfit::TooLong { bytes: text.len() });
    }
    let whole = match json_schema::value(text) {
        Ok(value) => {
            return Ok(Found {
                value,
                text,
                around: Around::Nothing,
            });
        }
        Err(error) => Unfit::NotJson {
            line: error.line(),
            column: error.column(),
            message: json_schema::without_place(&error),
        },
    };
    if means.form != Form::Prompted {
        return Err(whole);
    }
    // A model that was only asked may dress it up.
    for (candidates, around) in [(fenced(text), Around::Fence), (embedded(text), Around::Words)] {
        let mut values = candidates
            .into_iter()
            .filter_map(|text| json_schema::value(text).ok().map(|value| (value, text)));
        match (values.next(), values.next()) {
            (None, _) => {}
            (Some((value, text)), None) => return Ok(Found { value, text, around }),
            (Some(_), Some(_)) => return Err(Unfit::Several),
        }
    }
    Err(whole)
}

/// What stands in fences.
fn fenced(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            match open.take() {
                None => open = Some(at + line.len()),
                Some(start) => found.extend(text.get(start..at)),
            }
        }
        at += line.len();
    }
    found
}

/// The objects and lists that stand in a text, the outermost ones.
fn embedded(text: &str) -> Vec<&str> {
    /// As many beginnings are looked at, and then no more: a text of brackets would take for ever.
    const BEGINNINGS: usize = 16;
    let mut found = Vec::new();
    let mut from = 0;
    for _ in 0..BEGINNINGS {
        let Some(start) = text.get(from..).and_then(|rest| rest.find(['{', '['])) else {
            break;
        };
        let start = from + start;
        let rest = text.get(start..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        from = match values.next() {
            Some(Ok(_)) => {
                let end = start + values.byte_offset();
                found.extend(text.get(start..end));
                end
            }
            _ => start + 1,
        };
    }
    found
}
