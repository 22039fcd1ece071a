//! Calls that are written as elements, with the arguments as plain text between tags:
//! `<invoke name="…"><parameter name="…">…</parameter></invoke>` and its relatives. Values are taken as they stand:
//! there are no entities and no escapes.

use crate::candidate::{Arguments, Found, Text};
use crate::json_calls;
use crate::lenient::{Lenient, Syntax, shown};
use crate::repair::{Broken, Repair, RepairKind};
use crate::tools::Tools;
use crate::value::Value;

/// The tags of a dialect.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What stands before the name of the tool.
    pub(crate) call: &'static str,
    /// What ends a call.
    pub(crate) call_end: &'static str,
    /// What stands before the name of an argument.
    pub(crate) argument: &'static str,
    /// What ends an argument.
    pub(crate) argument_end: &'static str,
    /// Whether a value stands on lines of its own: the line feeds around it are not part of it.
    pub(crate) own_lines: bool,
}

/// Reads all calls of a body; what stands outside of calls must be blank or one of `around`.
pub(crate) fn calls(body: &str, shape: &Shape, around: &[&str], tools: &Tools) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = body.get(at..) {
        let trimmed = rest.trim_start();
        let start = at + rest.len() - trimmed.len();
        if trimmed.is_empty() {
            break;
        }
        if let Some(token) = around.iter().find(|token| trimmed.starts_with(**token)) {
            at = start + token.len();
            continue;
        }
        if !trimmed.starts_with(shape.call) {
            let broken = Broken::new(
                start,
                format!("`{}` stands where `{}` should", shown(trimmed), shape.call),
            );
            found.push(Found::broken(start..body.len(), None, broken));
            break;
        }
        let mut call = Call {
            body,
            at: start + shape.call.len(),
            shape,
            repairs: Vec::new(),
            name: None,
        };
        let arguments = call.read(tools);
        let (name, repairs) = (call.name.take(), std::mem::take(&mut call.repairs));
        at = match &arguments {
            Ok(_) => call.at,
            // What follows is the next call, if one can be seen.
            Err(_) => trimmed
                .find(shape.call_end)
                .map_or(body.len(), |end| start + end + shape.call_end.len()),
        };
        found.push(Found {
            span: start..at,
            name,
            arguments,
            repairs,
        });
    }
    found
}

struct Call<'a> {
    body: &'a str,
    at: usize,
    shape: &'a Shape,
    repairs: Vec<Repair>,
    name: Option<String>,
}

impl<'a> Call<'a> {
    fn rest(&self) -> &'a str {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn read(&mut self, tools: &Tools) -> Result<Arguments, Broken> {
        let start = self.at;
        let (name, _) = self.tag()?;
        if name.is_empty() {
            return Err(Broken::new(start, "the call names no tool"));
        }
        self.name = Some(name.clone());
        let mut texts: Vec<Text> = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            let rest = self.rest();
            if rest.starts_with(self.shape.call_end) {
                self.at += self.shape.call_end.len();
                return Ok(Arguments::Texts(texts));
            }
            if rest.is_empty() || rest.starts_with(self.shape.call) {
                self.repairs.push(Repair {
                    kind: RepairKind::MissingMarker,
                    at: start,
                });
                return Ok(Arguments::Texts(texts));
            }
            if rest.starts_with('{') && texts.is_empty() {
                return self.json();
            }
            if !rest.starts_with(self.shape.argument) {
                return Err(Broken::new(
                    start,
                    format!(
                        "`{}` stands between arguments; write each as its own element",
                        shown(rest)
                    ),
                ));
            }
            self.at += self.shape.argument.len();
            let (key, is_string) = self.tag()?;
            let at = self.at;
            let text = self.text(&name, tools)?;
            if texts.iter().any(|text| text.name == key) {
                return Err(Broken::new(
                    start,
                    format!("the argument `{}` comes twice", shown(&key)),
                ));
            }
            texts.push(Text {
                name: key,
                text,
                is_string,
                at,
            });
        }
    }

    /// The rest of a tag: a name, in quotes where the tag's beginning has one, perhaps `string="…"`, and `>`.
    fn tag(&mut self) -> Result<(String, Option<bool>), Broken> {
        let Some((head, _)) = self
            .rest()
            .split_once('>')
            .filter(|(head, _)| !head.contains('\n'))
        else {
            return Err(Broken::new(self.at, "a tag is not closed"));
        };
        self.at += head.len() + 1;
        let head = head.trim();
        let Some((name, rest)) = head.split_once('"') else {
            return Ok((head.to_owned(), None));
        };
        let is_string = match rest
            .split_once("string=\"")
            .and_then(|(_, value)| value.split_once('"'))
        {
            Some(("true", _)) => Some(true),
            Some(("false", _)) => Some(false),
            _ => None,
        };
        Ok((name.to_owned(), is_string))
    }

    /// The text of an argument.
    fn text(&mut self, tool: &str, tools: &Tools) -> Result<String, Broken> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(self.shape.argument_end);
        // A value in which the next argument begins: its own end is missing, if the tool has such an argument.
        let scope = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
        let mut next = scope
            .match_indices(self.shape.argument)
            .filter_map(|(at, token)| {
                let head = rest.get(at + token.len()..)?.split_once('>')?.0;
                let name = head.split_once('"').map_or(head, |(name, _)| name);
                tools.schema(tool)?.property(name).map(|_| at)
            });
        let next = next.next();
        let (text, skip) = match (end, next) {
            (Some(end), None) => (rest.get(..end), end + self.shape.argument_end.len()),
            (Some(end), Some(next)) if end < next => (rest.get(..end), end + self.shape.argument_end.len()),
            (_, Some(next))
                if rest
                    .get(..next)
                    .is_some_and(|text| text.trim_end_matches(' ').ends_with('\n')) =>
            {
                self.repairs.push(Repair {
                    kind: RepairKind::MissingMarker,
                    at: start + next,
                });
                (rest.get(..next), next)
            }
            (_, Some(_)) => return Err(Broken::new(start, "an argument begins inside of another")),
            (None, None) => {
                let end = rest.find(self.shape.call_end).unwrap_or(rest.len());
                self.repairs.push(Repair {
                    kind: RepairKind::MissingMarker,
                    at: start + end,
                });
                (rest.get(..end), end)
            }
        };
        self.at += skip;
        let text = text.unwrap_or_default();
        if !self.shape.own_lines {
            return Ok(text.to_owned());
        }
        let text = text.strip_prefix('\n').unwrap_or(text);
        Ok(text.strip_suffix('\n').unwrap_or(text).to_owned())
    }

    /// An object in place of the elements, which some models of the family write.
    fn json(&mut self) -> Result<Arguments, Broken> {
        let start = self.at;
        let rest = self.rest();
        let inner = rest
            .find(self.shape.call_end)
            .and_then(|end| rest.get(..end))
            .unwrap_or(rest);
        let mut reader = Lenient::new(rest, Syntax::Json);
        let value = match reader.value() {
            Ok(value) if reader.at() <= rest.len() => value,
            Ok(_) => Value::Null,
            Err(broken) => {
                // A bracket that is missing before the end of the call.
                reader = Lenient::new(inner, Syntax::Json);
                reader
                    .value()
                    .map_err(|_| Broken::new(start + broken.at, broken.reason))?
            }
        };
        self.at = start + reader.at();
        self.repairs.extend(reader.repairs.iter().map(|repair| Repair {
            at: start + repair.at,
            ..*repair
        }));
        self.blanks();
        if self.rest().starts_with(self.shape.call_end) {
            self.at += self.shape.call_end.len();
        } else if self.rest().is_empty() {
            self.repairs.push(Repair {
                kind: RepairKind::MissingMarker,
                at: self.at,
            });
        } else {
            return Err(Broken::new(self.at, "something stands behind the arguments"));
        }
        // The whole call may stand inside of the element.
        if let Value::Object(members) = &value
            && members
                .iter()
                .any(|(key, inner)| key == "arguments" && matches!(inner, Value::Object(_)))
            && members
                .iter()
                .any(|(key, inner)| key == "name" && inner.as_str() == self.name.as_deref())
        {
            return json_calls::split(value, start, &mut self.repairs).1;
        }
        Ok(Arguments::Json(value))
    }
}
