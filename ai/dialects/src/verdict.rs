//! Which calls may run, and what the model is told of the others.

use crate::candidate::{Arguments, Found};
use crate::dialect::Dialect;
use crate::event::{Call, Event, Refusal};
use crate::lenient::shown;
use crate::repair::{Repair, RepairKind};
use crate::schema::Schema;
use crate::tools::Tools;
use crate::value::Value;

/// How the region of a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// As it should.
    Marked,
    /// By the end of the message, as the dialect may.
    Natural,
    /// Without its closing token, but the message went on or ended.
    Unmarked,
    /// By the limit of output tokens: what is there is a part.
    Cut,
}

/// Judges what a grammar found in a region.
pub(crate) fn judge(
    region: &str,
    found: Vec<Found>,
    dialect: Dialect,
    closing: Closing,
    tools: &Tools,
) -> Vec<Event> {
    if found.is_empty() {
        let reason = "there is nothing between the tokens of a call".to_owned();
        return vec![Event::Refused(Refusal {
            name: None,
            raw: region.to_owned(),
            dialect,
            reason,
        })];
    }
    let (last, is_single) = (found.len() - 1, found.len() == 1);
    let judged = found.into_iter().enumerate().map(|(place, mut found)| {
        let raw = if is_single {
            region
        } else {
            // Places count from the start of the raw text.
            let start = found.span.start;
            for repair in &mut found.repairs {
                repair.at = repair.at.saturating_sub(start);
            }
            let raw = region.get(found.span.clone()).unwrap_or(region);
            found.span = 0..found.span.len();
            raw
        };
        // What a region lacks at its end, only its last call can lack. Where the answer was cut nothing of it counts.
        let closing = if place == last || closing == Closing::Cut {
            closing
        } else {
            Closing::Marked
        };
        match verdict(&mut found, closing, tools) {
            Ok(arguments) => Event::Call(Call {
                name: found.name.unwrap_or_default(),
                arguments: arguments.to_json(),
                raw: raw.to_owned(),
                dialect,
                repairs: found.repairs,
            }),
            Err(reason) => Event::Refused(Refusal {
                name: found.name,
                raw: raw.to_owned(),
                dialect,
                reason,
            }),
        }
    });
    judged.collect()
}

fn verdict(found: &mut Found, closing: Closing, tools: &Tools) -> Result<Value, String> {
    if closing == Closing::Cut {
        return Err("the answer reached its limit inside of the call; write a shorter one".to_owned());
    }
    if let Some(name) = &mut found.name
        && !tools.has(name)
        && let Some(plain) = ["functions.", "default_api."]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
    {
        *name = plain.to_owned();
    }
    let arguments = match &found.arguments {
        Ok(arguments) => arguments,
        Err(broken) => return Err(format!("the call cannot be read: {broken}")),
    };
    let Some(name) = &found.name else {
        return Err("the call names no tool".to_owned());
    };
    let Some(schema) = tools.schema(name) else {
        let known: Vec<&str> = tools.names().take(32).collect();
        return Err(format!(
            "there is no tool `{}`; the tools are {}",
            shown(name),
            known.join(", ")
        ));
    };
    if matches!(closing, Closing::Unmarked | Closing::Natural) {
        let cut = [RepairKind::MissingCloser, RepairKind::MissingMarker];
        if found.repairs.iter().any(|repair| cut.contains(&repair.kind)) {
            return Err(
                "the call is not complete: a bracket or tag is not closed, and the message ends".to_owned(),
            );
        }
        if closing == Closing::Unmarked {
            found.repairs.push(Repair {
                kind: RepairKind::MissingMarker,
                at: found.span.end,
            });
        }
    }
    let arguments = match arguments {
        Arguments::Json(value @ Value::Object(_)) => value.clone(),
        Arguments::Json(other) => {
            return Err(format!(
                "the arguments must be a JSON object, and are {}",
                shown(&other.to_json())
            ));
        }
        Arguments::Texts(texts) => {
            let mut members = Vec::with_capacity(texts.len());
            for text in texts {
                let value = match text.is_string {
                    Some(true) => Value::String(text.text.clone()),
                    _ => Schema::coerce(
                        schema.property(&text.name),
                        &text.text,
                        &mut found.repairs,
                        text.at,
                    ),
                };
                members.push((text.name.clone(), value));
            }
            Value::Object(members)
        }
    };
    let problems = schema.problems(&arguments);
    if problems.is_empty() {
        Ok(arguments)
    } else {
        Err(problems.join("; "))
    }
}
