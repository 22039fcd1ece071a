//! JSON lines, with everything that can be wrong with them told.

use serde_json::Value;

use super::arrange::Tally;
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
        match serde_json::from_slice::<Value>(text) {
            Ok(value @ Value::Object(_)) => each(number, value, tally),
            Ok(_) => tally.left(Why::Unknown, "JSON that is no object", number),
            Err(_) if !whole => tally.left(Why::Torn, "line", number),
            Err(_) => tally.left(Why::Unreadable, "line", number),
        }
    }
}

/// The JSON lines at the beginning, and how many lines were looked at.
pub(super) fn beginning(bytes: &[u8]) -> (Vec<Value>, usize) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let end = bytes.len().min(BEGINNING_BYTES);
    let lines = bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
    let mut seen = 0;
    let objects = lines.take(BEGINNING).inspect(|_| seen += 1).filter_map(|line| {
        let value = serde_json::from_slice::<Value>(line.trim_ascii()).ok()?;
        value.is_object().then_some(value)
    });
    (objects.collect(), seen)
}
