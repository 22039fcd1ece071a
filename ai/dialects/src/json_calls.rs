//! Calls that are JSON objects: `{"name": …, "arguments": {…}}`, one, several in a row, or a list of them. Most dialects
//! only differ in the tokens around these, and in what they call the two keys.

use crate::candidate::{Arguments, Found};
use crate::lenient::{Lenient, Syntax, shown};
use crate::repair::{Broken, Repair, RepairKind};
use crate::value::Value;

const NAMES: &[&str] = &["name", "tool_name", "function", "tool"];
const ARGUMENTS: &[&str] = &["arguments", "parameters", "args", "input"];

/// Reads all calls of a body. `unclosed`: the region ended without its token, so a bracket that is missing at the end
/// may mean that more is.
pub(crate) fn calls(body: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut reader = Lenient::new(body, Syntax::Json);
    let mut in_list = false;
    loop {
        reader.blanks();
        let start = reader.at();
        match reader.peek() {
            None => break,
            Some(b',' | b';') => {
                reader.eat(",");
                reader.eat(";");
            }
            Some(b'[') if !in_list => {
                reader.eat("[");
                in_list = true;
            }
            Some(b']') if in_list => {
                reader.eat("]");
                in_list = false;
            }
            Some(b'}' | b']') if !found.is_empty() => {
                let byte = reader.rest().get(..1).unwrap_or_default().to_owned();
                reader.eat(&byte);
                if let Some(Found { repairs, .. }) = found.last_mut() {
                    repairs.push(Repair {
                        kind: RepairKind::ExtraCloser,
                        at: start,
                    });
                }
            }
            Some(b'{') => {
                let call = one(&mut reader, in_list);
                let is_broken = call.arguments.is_err() && reader.at() == start;
                found.push(call);
                if is_broken {
                    break;
                }
            }
            Some(_) => {
                let rest = body.get(start..).unwrap_or_default().trim_end();
                let broken = Broken::new(
                    start,
                    format!("`{}` is no call; a call is a JSON object", shown(rest)),
                );
                found.push(Found::broken(start..body.len(), None, broken));
                return found;
            }
        }
    }
    if in_list
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

/// Reads one call. Where it is broken the reader stands where it stood, or behind it where its end is known.
fn one(reader: &mut Lenient<'_>, in_list: bool) -> Found {
    let start = reader.at();
    let text = reader.rest();
    reader.repairs.clear();
    // In a list a closing bracket that is missing would swallow the list's: it is read apart.
    let mut own = Lenient::new(text, Syntax::Json);
    let value = if in_list { own.value_in_list() } else { own.value() };
    let own_end = own.at();
    let mut repairs: Vec<Repair> = own
        .repairs
        .iter()
        .map(|repair| Repair {
            at: start + repair.at,
            ..*repair
        })
        .collect();
    match value {
        Err(broken) => {
            let name = first_name(text).map(str::to_owned);
            let end = start + end_of_object(text);
            if end < start + text.len() {
                reader.skip_to(end);
            }
            let broken = Broken::new(start + broken.at, broken.reason);
            Found::broken(start..end, name, broken)
        }
        Ok(value) => {
            let end = start + own_end;
            reader.skip_to(end);
            let (name, arguments) = split(value, start, &mut repairs);
            Found {
                span: start..end,
                name,
                arguments,
                repairs,
            }
        }
    }
}

/// Where an object ends that could not be read: behind its last bracket, as far as strings can be told.
fn end_of_object(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// The name, where the object begins with it.
pub(crate) fn first_name(text: &str) -> Option<&str> {
    let text = text
        .trim_start()
        .trim_start_matches('[')
        .trim_start()
        .strip_prefix('{')?
        .trim_start();
    for key in NAMES {
        for quote in ['"', '\''] {
            let rest = text.strip_prefix(quote).and_then(|rest| rest.strip_prefix(key));
            let Some(rest) = rest.and_then(|rest| rest.strip_prefix(quote)) else {
                continue;
            };
            let rest = rest.trim_start().strip_prefix(':')?.trim_start();
            let (name, _) = rest.strip_prefix(quote)?.split_once(quote)?;
            return (!name.contains('\\')).then_some(name);
        }
    }
    None
}

/// Takes a call apart into its name and its arguments.
pub(crate) fn split(
    value: Value,
    at: usize,
    repairs: &mut Vec<Repair>,
) -> (Option<String>, Result<Arguments, Broken>) {
    let Value::Object(mut members) = value else {
        return (
            None,
            Err(Broken::new(
                at,
                "a call must be a JSON object with `name` and `arguments`",
            )),
        );
    };
    // OpenAI's form: {"type": "function", "function": {"name": …, "arguments": …}}
    if let Some((_, Value::Object(inner))) = members.iter().find(|(key, _)| key == "function") {
        members = inner.clone();
    }
    let mut name = None;
    let mut arguments = None;
    for (key, value) in members {
        if NAMES.contains(&key.as_str()) && matches!(value, Value::String(_)) {
            if name.is_some() {
                return (
                    None,
                    Err(Broken::new(at, "the call has two names; write one `name`")),
                );
            }
            name = value.as_str().map(str::to_owned);
        } else if ARGUMENTS.contains(&key.as_str()) {
            if arguments.is_some() {
                return (
                    name,
                    Err(Broken::new(
                        at,
                        "the call has its arguments twice; write one `arguments`",
                    )),
                );
            }
            arguments = Some(value);
        } else if !matches!(key.as_str(), "id" | "type" | "tool_call_id" | "index") {
            let reason = format!("a call has `name` and `arguments`, and not `{}`", shown(&key));
            return (name, Err(Broken::new(at, reason)));
        }
    }
    if name.is_none() {
        return (None, Err(Broken::new(at, "the call names no tool; write `name`")));
    }
    let arguments = match arguments {
        None | Some(Value::Null) => Value::Object(Vec::new()),
        Some(Value::String(text)) => {
            let mut reader = Lenient::new(&text, Syntax::Json);
            let inner = reader.value();
            reader.blanks();
            match inner {
                Ok(inner @ Value::Object(_)) if reader.rest().is_empty() => {
                    repairs.push(Repair {
                        kind: RepairKind::QuotedArguments,
                        at,
                    });
                    repairs.extend(reader.repairs.iter().map(|repair| Repair { at, ..*repair }));
                    inner
                }
                _ => {
                    return (
                        name,
                        Err(Broken::new(
                            at,
                            "`arguments` must be a JSON object, and is a string",
                        )),
                    );
                }
            }
        }
        Some(value) => value,
    };
    (name, Ok(Arguments::Json(arguments)))
}
