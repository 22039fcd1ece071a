//! JSON lines, with everything that can be wrong with them told.

use std::borrow::Cow;

use serde_json::Value;

use super::draft::Tally;
use super::{MAX_LINE, Why};

/// How many lines are looked at to tell formats apart, and how much of the file.
const BEGINNING: usize = 64;
const BEGINNING_BYTES: usize = 8 << 20;

/// Calls `each` with every line that is a JSON object, and its number from 1.
pub(super) fn objects(bytes: &[u8], tally: &mut Tally, mut each: impl FnMut(u64, Value, &mut Tally)) {
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1u64..) {
        let whole = line.ends_with(b"\n");
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if text.len() > MAX_LINE {
            tally.left(Why::TooLong, "line", number);
            continue;
        }
        match value(text) {
            Ok((value @ Value::Object(_), mended)) => {
                if mended {
                    tally.left(Why::Mended, "line", number);
                }
                each(number, value, tally);
            }
            Ok(_) => tally.left(Why::Unknown, "JSON that is no object", number),
            Err(Unreadable::NoJson) if !whole => tally.left(Why::Torn, "line", number),
            Err(Unreadable::NoJson) => tally.left(Why::Unreadable, "line", number),
            Err(Unreadable::TooDeep) => tally.left(Why::Unreadable, "line of too many levels", number),
        }
    }
}

/// Why a text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no JSON.
    NoJson,
    /// It is nested deeper than is looked at: 127 levels.
    TooDeep,
}

/// A value of JSON, and whether something in it had to be mended: bytes that are no UTF-8, and the halves of signs
/// that JavaScript's strings may have, where it cuts them. Members stand in the order of their names, whatever the order in
/// which they were written: what is made of them goes into a journal.
pub(super) fn value(text: &[u8]) -> Result<(Value, bool), Unreadable> {
    let (mut value, mended) = read(text)?;
    value.sort_all_objects();
    Ok((value, mended))
}

fn read(text: &[u8]) -> Result<(Value, bool), Unreadable> {
    let told = |error: serde_json::Error| match error.to_string().contains("recursion limit") {
        true => Unreadable::TooDeep,
        false => Unreadable::NoJson,
    };
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Ok((value, false)),
        Err(error) => error,
    };
    let unicode = String::from_utf8_lossy(text);
    let whole = without_halves(&unicode);
    match (&unicode, &whole) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => Err(told(error)),
        _ => serde_json::from_str(&whole)
            .map(|value| (value, true))
            .map_err(told),
    }
}

/// A text of JSON in which U+FFFD stands for each escaped half of a sign that has no other half.
fn without_halves(text: &str) -> Cow<'_, str> {
    /// The unit of UTF-16 that an escape stands for, where the text begins with one.
    fn unit(text: &str) -> Option<u16> {
        u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
    }
    let mut mended = String::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = text
        .get(at..)
        .and_then(|rest| memchr::memchr(b'\\', rest.as_bytes()))
    {
        at += found;
        let rest = text.get(at..).unwrap_or_default();
        let other = rest.get(6..).unwrap_or_default();
        at += match (unit(rest), unit(other)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(text.get(done..at).unwrap_or_default());
                mended.push('\u{fffd}');
                done = at + 6;
                6
            }
            // The sign behind a backslash is none of another escape. A sign of several bytes is no escape at all.
            _ => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
        };
    }
    match done {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(mended + text.get(done..).unwrap_or_default()),
    }
}

/// The JSON lines at the beginning.
pub(super) fn beginning(bytes: &[u8]) -> Vec<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let end = bytes.len().min(BEGINNING_BYTES);
    let lines = bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
    let values = lines
        .take(BEGINNING)
        .filter_map(|line| value(line.trim_ascii()).ok());
    values.map(|(value, _)| value).filter(Value::is_object).collect()
}
