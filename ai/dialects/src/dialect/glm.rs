//! GLM 4.5 and later: the name, then keys and values in tags of their own. Strings stand as they are, all else is JSON.
//!
//! Format: the chat template at <https://huggingface.co/zai-org/GLM-4.5>,
//! <https://docs.vllm.ai/en/latest/features/tool_calling.html>.

use super::Dialect;
use crate::candidate::{Arguments, Found, Text};
use crate::form::{Ending, Form, Literals, behind_blanks, inside, name_length};
use crate::lenient::shown;
use crate::repair::{Broken, Repair, RepairKind};
use crate::token::{Match, begins_one};

const OPENER: &str = "<tool_call>";
const CLOSERS: &[&str] = &["</tool_call>"];
const KEY: &str = "<arg_key>";
const KEY_END: &str = "</arg_key>";
const VALUE: &str = "<arg_value>";
const VALUE_END: &str = "</arg_value>";

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Glm,
    opener: OPENER,
    head,
    closers: CLOSERS,
    literals: Literals::Elements(&[VALUE], VALUE_END),
    ending: Ending::Marked,
    sniff: |region| {
        let body = region.strip_prefix(OPENER)?.trim_start();
        body.get(..body.find(|c: char| !is_name(c))?)
    },
    read: |region, _| inside(region, OPENER, CLOSERS, |body| vec![read(body)]),
};

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// A name, and behind it an argument or the end.
fn head(text: &str) -> Match {
    let rest = match behind_blanks(text) {
        Ok(rest) => rest,
        Err(answer) => return answer,
    };
    let end = match name_length(rest, |c| !is_name(c)) {
        Ok(end) if end > 0 => end,
        Ok(_) => return Match::No,
        Err(answer) => return answer,
    };
    match behind_blanks(rest.get(end..).unwrap_or_default()) {
        Ok(rest) => match begins_one(rest, &[KEY, "</tool_call>"]) {
            Ok(_) => Match::Yes,
            Err(answer) => answer,
        },
        Err(answer) => answer,
    }
}

fn read(body: &str) -> Found {
    let start = body.len() - body.trim_start().len();
    let rest = body.trim_start();
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let name = rest.get(..end).map(str::to_owned);
    let mut repairs = Vec::new();
    let arguments = texts(body, start + end, &mut repairs);
    Found {
        span: 0..body.len(),
        name,
        arguments: arguments.map(Arguments::Texts),
        repairs,
    }
}

fn texts(body: &str, mut at: usize, repairs: &mut Vec<Repair>) -> Result<Vec<Text>, Broken> {
    let mut texts: Vec<Text> = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        let start = at + rest.len() - trimmed.len();
        if trimmed.is_empty() {
            return Ok(texts);
        }
        let pair = trimmed
            .strip_prefix(KEY)
            .and_then(|rest| rest.split_once(KEY_END));
        let Some((key, behind)) = pair else {
            return Err(Broken::new(
                start,
                format!("`{}` stands where `{KEY}` should", shown(trimmed)),
            ));
        };
        let Some(value) = behind.trim_start().strip_prefix(VALUE) else {
            return Err(Broken::new(
                start,
                format!("the key `{}` has no `{VALUE}`", shown(key)),
            ));
        };
        let value_at = body.len() - value.len();
        let (text, end) = match value.find(VALUE_END) {
            Some(end) => (value.get(..end), value_at + end + VALUE_END.len()),
            None => {
                repairs.push(Repair {
                    kind: RepairKind::MissingMarker,
                    at: body.len(),
                });
                (Some(value.trim_end_matches('\n')), body.len())
            }
        };
        let text = text.unwrap_or_default();
        if text.contains(KEY) && text.contains(VALUE) {
            return Err(Broken::new(
                value_at,
                format!("a value holds another argument; end each with `{VALUE_END}`"),
            ));
        }
        let key = key.trim();
        if texts.iter().any(|text| text.name == key) {
            return Err(Broken::new(
                start,
                format!("the argument `{}` comes twice", shown(key)),
            ));
        }
        texts.push(Text {
            name: key.to_owned(),
            text: text.to_owned(),
            is_string: None,
            at: value_at,
        });
        at = end;
    }
}
