//! Kimi K2: tokens around each call and around all; the name carries `functions.` before it and a number behind.
//!
//! Format: <https://github.com/MoonshotAI/Kimi-K2/blob/main/docs/tool_call_guidance.md>.

use super::Dialect;
use crate::form::{Ending, Form, Literals, any_head, behind_blanks};
use crate::token::begins;
use crate::token_calls::{self, Tokens};

const SECTION: &str = "<|tool_calls_section_begin|>";
const SECTION_END: &str = "<|tool_calls_section_end|>";
const CALL: &str = "<|tool_call_begin|>";
const CALL_END: &str = "<|tool_call_end|>";
const ARGUMENTS: &str = "<|tool_call_argument_begin|>";

const TOKENS: Tokens = Tokens {
    begin: CALL,
    separator: ARGUMENTS,
    end: CALL_END,
    around: &[SECTION, SECTION_END],
    name: |before, _| (!before.is_empty()).then(|| (plain(before).to_owned(), 0)),
    tail: "",
};

pub(crate) const FORM: Form = Form {
    dialect: Dialect::KimiK2,
    opener: SECTION,
    head: |text| match behind_blanks(text) {
        Ok(rest) => begins(rest, CALL),
        Err(answer) => answer,
    },
    closers: &[SECTION_END],
    literals: Literals::Json,
    ending: Ending::Marked,
    sniff: |region| Some(plain(region.split_once(CALL)?.1.split_once(ARGUMENTS)?.0.trim())),
    read: |region, _| token_calls::calls(region, &TOKENS),
};

pub(crate) const BARE: Form = Form {
    opener: CALL,
    head: any_head,
    closers: &[CALL_END],
    ..FORM
};

/// `functions.name:0` without what is not the name.
fn plain(id: &str) -> &str {
    let name = id.strip_prefix("functions.").unwrap_or(id);
    match name.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => name,
    }
}
