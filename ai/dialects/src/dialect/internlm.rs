//! InternLM 2 and 3: an object between tokens.
//!
//! Format: <https://github.com/InternLM/InternLM/blob/main/chat/chat_format.md>.

use super::Dialect;
use crate::form::{Ending, Form, Literals, inside, value_head};
use crate::json_calls;

const OPENER: &str = "<|action_start|><|plugin|>";
const CLOSERS: &[&str] = &["<|action_end|>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::InternLm,
    opener: OPENER,
    head: value_head,
    closers: CLOSERS,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(OPENER)?),
    read: |region, _| inside(region, OPENER, CLOSERS, json_calls::calls),
};
