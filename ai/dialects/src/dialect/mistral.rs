//! Mistral: behind `[TOOL_CALLS]` a list of objects (tokenizers up to version 7), or a name, `[ARGS]` and an object
//! (version 11 with `[CALL_ID]` and an id before `[ARGS]`, version 13 and later without), one `[TOOL_CALLS]` to a call.
//!
//! Format: <https://docs.mistral.ai/cookbooks/concept-deep-dive-tokenization-tool_calling>,
//! <https://github.com/mistralai/mistral-common> (0cb2e81).

use super::Dialect;
use crate::candidate::{Arguments, Found};
use crate::form::{Ending, Form, Literals, inside, name_length, value_head};
use crate::json_calls;
use crate::lenient::{Lenient, Syntax};
use crate::token::Match;

const OPENER: &str = "[TOOL_CALLS]";
const ARGS: &str = "[ARGS]";
const CALL_ID: &str = "[CALL_ID]";

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Mistral,
    opener: OPENER,
    head: value_head,
    closers: &["</s>"],
    literals: Literals::Json,
    ending: Ending::Balanced,
    sniff: |region| json_calls::first_name(region.strip_prefix(OPENER)?),
    read: |region, _| inside(region, OPENER, &["</s>"], json_calls::calls),
};

pub(crate) const NAMED: Form = Form {
    dialect: Dialect::Mistral,
    opener: OPENER,
    head: named_head,
    closers: &["</s>"],
    literals: Literals::Json,
    ending: Ending::Balanced,
    sniff: |region| name(region.strip_prefix(OPENER)?),
    read: |region, _| inside(region, OPENER, &["</s>"], |body| vec![named(body)]),
};

fn named_head(text: &str) -> Match {
    let end = match name_length(text, |c| {
        !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ' '))
    }) {
        Ok(end) => end,
        Err(answer) => return answer,
    };
    if text.get(..end).is_none_or(|name| name.trim().is_empty()) {
        return Match::No;
    }
    let rest = text.get(end..).unwrap_or_default();
    if rest.starts_with('{') {
        return Match::Yes;
    }
    match crate::token::begins_one(rest, &[ARGS, CALL_ID]) {
        Ok(_) => Match::Yes,
        Err(answer) => answer,
    }
}

fn name(body: &str) -> Option<&str> {
    let end = body.find(['[', '{'])?;
    Some(body.get(..end)?.trim())
}

fn named(body: &str) -> Found {
    let name = name(body).map(str::to_owned);
    let start = body
        .find(ARGS)
        .map(|at| at + ARGS.len())
        .or_else(|| body.find('{'))
        .unwrap_or(body.len());
    let mut reader = Lenient::starting_at(body, start, Syntax::Json);
    let arguments = reader.whole().map(Arguments::Json);
    Found {
        span: 0..body.len(),
        name,
        arguments,
        repairs: reader.repairs,
    }
}
