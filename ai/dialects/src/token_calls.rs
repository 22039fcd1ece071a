//! Calls between tokens: one before the call, one between its name and its arguments (a JSON object), one behind it.

use crate::candidate::{Arguments, Found};
use crate::lenient::{Lenient, Syntax, shown};
use crate::repair::{Broken, Repair, RepairKind};

/// The tokens of a dialect.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) begin: &'static str,
    pub(crate) separator: &'static str,
    pub(crate) end: &'static str,
    /// What may stand around calls.
    pub(crate) around: &'static [&'static str],
    /// The name, from what stands before the separator and what behind it, and how much of the latter it takes.
    pub(crate) name: fn(&str, &str) -> Option<(String, usize)>,
    /// What may stand between the arguments and the end.
    pub(crate) tail: &'static str,
}

/// Reads all calls of a region.
pub(crate) fn calls(region: &str, tokens: &Tokens) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = region.get(at..) {
        let trimmed = rest.trim_start();
        let start = at + rest.len() - trimmed.len();
        if trimmed.is_empty() {
            break;
        }
        if let Some(token) = tokens.around.iter().find(|token| trimmed.starts_with(**token)) {
            at = start + token.len();
            continue;
        }
        let Some(inner) = trimmed.strip_prefix(tokens.begin) else {
            let reason = format!("`{}` stands where a call should begin", shown(trimmed));
            found.push(Found::broken(
                start..region.len(),
                None,
                Broken::new(start, reason),
            ));
            break;
        };
        let (name, end, arguments, repairs) = one(inner, start + tokens.begin.len(), tokens);
        at = match &arguments {
            Ok(_) => end,
            Err(_) => trimmed
                .find(tokens.end)
                .map_or(region.len(), |end| start + end + tokens.end.len()),
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

type One = (Option<String>, usize, Result<Arguments, Broken>, Vec<Repair>);

fn one(text: &str, start: usize, tokens: &Tokens) -> One {
    let head = text.split_once(tokens.separator);
    let named = head.and_then(|(before, behind)| {
        let (name, skip) = (tokens.name)(before.trim(), behind)?;
        Some((name, before.len() + tokens.separator.len() + skip))
    });
    let Some((name, skip)) = named else {
        return (
            None,
            start,
            Err(Broken::new(start, "the call names no tool")),
            Vec::new(),
        );
    };
    let body = text.get(skip..).unwrap_or_default();
    let start = start + skip;
    let result = arguments(body, body.len(), start, tokens).or_else(|broken| {
        // A bracket may be missing before the end of the call.
        let end = body.find(tokens.end).ok_or_else(|| broken.clone())?;
        let text = body.get(..end).unwrap_or_default().trim_end();
        let most = text.strip_suffix(tokens.tail).unwrap_or(text).len();
        arguments(body, most, start, tokens).map_err(|_| broken)
    });
    match result {
        Ok((arguments, end, repairs)) => (Some(name), end, Ok(arguments), repairs),
        Err(broken) => (Some(name), start, Err(broken), Vec::new()),
    }
}

/// Reads the arguments from the first `most` bytes, and the end of the call from what follows.
fn arguments(
    body: &str,
    most: usize,
    start: usize,
    tokens: &Tokens,
) -> Result<(Arguments, usize, Vec<Repair>), Broken> {
    let moved = |broken: Broken| Broken::new(start + broken.at, broken.reason);
    let text = body.get(..most).unwrap_or_default();
    let mut reader = Lenient::new(text, Syntax::Json);
    let value = reader.value().map_err(moved)?;
    reader.extra_closers();
    let mut repairs = std::mem::take(&mut reader.repairs);
    let behind = body.get(reader.at()..).unwrap_or_default();
    let rest = behind.strip_prefix(tokens.tail).unwrap_or(behind).trim_start();
    let at = body.len() - rest.len();
    let end = if rest.starts_with(tokens.end) {
        at + tokens.end.len()
    } else if rest.is_empty()
        || rest.starts_with(tokens.begin)
        || tokens.around.iter().any(|token| rest.starts_with(token))
    {
        repairs.push(Repair {
            kind: RepairKind::MissingMarker,
            at,
        });
        at
    } else {
        return Err(Broken::new(
            start + at,
            format!("`{}` stands behind the arguments", shown(rest)),
        ));
    };
    for repair in &mut repairs {
        repair.at += start;
    }
    Ok((Arguments::Json(value), start + end, repairs))
}
