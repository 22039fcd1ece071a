//! Calls that are written as Python calls: `name(key=value, …)`, one, several in a row, or a list of them. Values are
//! literals; nothing is ever computed.

use crate::candidate::{Arguments, Found};
use crate::lenient::{Lenient, Syntax, shown};
use crate::repair::{Broken, Repair, RepairKind};
use crate::value::Value;

/// Reads all calls of a body.
pub(crate) fn calls(body: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut reader = Lenient::new(body, Syntax::Python);
    reader.blanks();
    let in_list = reader.eat("[");
    let mut is_closed = !in_list;
    loop {
        reader.blanks();
        let start = reader.at();
        match reader.peek() {
            None => break,
            Some(b',' | b';') => {
                reader.eat(",");
                reader.eat(";");
            }
            Some(b']') if !is_closed => {
                reader.eat("]");
                is_closed = true;
            }
            Some(b')' | b']') if !found.is_empty() => {
                let byte = reader.rest().get(..1).unwrap_or_default().to_owned();
                reader.eat(&byte);
                if let Some(Found { repairs, .. }) = found.last_mut() {
                    repairs.push(Repair {
                        kind: RepairKind::ExtraCloser,
                        at: start,
                    });
                }
            }
            Some(_) => {
                let call = one(&mut reader);
                let is_broken = call.arguments.is_err();
                found.push(call);
                if is_broken {
                    break;
                }
            }
        }
    }
    if !is_closed
        && let Some(Found {
            repairs,
            arguments: Ok(_),
            ..
        }) = found.last_mut()
    {
        repairs.push(Repair {
            kind: RepairKind::MissingCloser,
            at: body.len(),
        });
    }
    found
}

/// The name of a call at the start of a text, and how many bytes it has: `name(`, dots allowed.
pub(crate) fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-')))?;
    let name = text.get(..end)?;
    let starts_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (starts_well && text.get(end..)?.starts_with('(')).then_some(name)
}

fn one(reader: &mut Lenient<'_>) -> Found {
    let start = reader.at();
    reader.repairs.clear();
    let Some(written) = name(reader.rest()) else {
        let text = reader.rest();
        let broken = Broken::new(
            start,
            format!("`{}` is no call; write `name(key=value)`", shown(text)),
        );
        return Found::broken(start..start + text.len(), None, broken);
    };
    // Gemma and Llama wrap a call in `print`.
    if written == "print"
        && name(
            reader
                .rest()
                .get("print(".len()..)
                .unwrap_or_default()
                .trim_start(),
        )
        .is_some()
    {
        reader.eat("print(");
        reader.blanks();
        let mut call = one(reader);
        reader.blanks();
        if call.arguments.is_ok() {
            if !reader.eat(")") {
                call.repairs.push(Repair {
                    kind: RepairKind::MissingCloser,
                    at: reader.at(),
                });
            }
            call.span = start..reader.at();
        }
        return call;
    }
    let written = written.to_owned();
    reader.skip_to(start + written.len() + 1);
    match arguments(reader) {
        Ok(members) => Found {
            span: start..reader.at(),
            name: Some(written),
            arguments: Ok(Arguments::Json(Value::Object(members))),
            repairs: std::mem::take(&mut reader.repairs),
        },
        Err(broken) => {
            let end = start + reader.rest().len() + (reader.at() - start);
            Found::broken(start..end, Some(written), broken)
        }
    }
}

fn arguments(reader: &mut Lenient<'_>) -> Result<Vec<(String, Value)>, Broken> {
    let mut members: Vec<(String, Value)> = Vec::new();
    let mut comma = true;
    loop {
        reader.blanks();
        match reader.peek() {
            Some(b')') => {
                reader.eat(")");
                return Ok(members);
            }
            None => {
                reader.repairs.push(Repair {
                    kind: RepairKind::MissingCloser,
                    at: reader.at(),
                });
                return Ok(members);
            }
            Some(b',') if !comma => {
                reader.eat(",");
                comma = true;
                continue;
            }
            Some(_) if comma => {}
            Some(_) => {
                return Err(Broken::new(
                    reader.at(),
                    "a comma or `)` was expected; a quote inside of a string needs a backslash",
                ));
            }
        }
        comma = false;
        let rest = reader.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let key = rest.get(..end).unwrap_or_default().to_owned();
        let start = reader.at();
        reader.skip_to(start + end);
        reader.blanks();
        if key.is_empty() || !reader.eat("=") {
            return Err(Broken::new(
                start,
                "every argument needs its name: write `name(key=value)`",
            ));
        }
        let mut value = reader.value()?;
        // Python joins strings that stand side by side.
        loop {
            reader.blanks();
            match (&mut value, reader.peek()) {
                (Value::String(text), Some(b'"' | b'\'')) => text.push_str(&reader.string()?),
                _ => break,
            }
        }
        if members.iter().any(|(name, _)| *name == key) {
            return Err(Broken::new(
                start,
                format!("the argument `{}` comes twice", shown(&key)),
            ));
        }
        members.push((key, value));
    }
}
