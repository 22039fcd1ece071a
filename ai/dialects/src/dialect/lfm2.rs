//! LFM2: a list of Python calls between tokens; told to, it writes JSON there.
//!
//! Format: <https://docs.liquid.ai/lfm/key-concepts/tool-use>.

use super::Dialect;
use crate::form::{Ending, Form, Literals, call_head, inside, value_head};
use crate::json_calls;
use crate::python_calls;
use crate::token::Match;

const OPENER: &str = "<|tool_call_start|>";
const CLOSERS: &[&str] = &["<|tool_call_end|>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Lfm2,
    opener: OPENER,
    head: |text| match call_head(text) {
        Match::No => value_head(text),
        answer => answer,
    },
    closers: CLOSERS,
    literals: Literals::Python,
    ending: Ending::Marked,
    sniff: |region| {
        let body = region.strip_prefix(OPENER)?;
        python_calls::name(body.trim_start().trim_start_matches('[').trim_start())
            .or_else(|| json_calls::first_name(body))
    },
    read: |region, _| {
        inside(region, OPENER, CLOSERS, |body| match call_head(body) {
            Match::Yes => python_calls::calls(body),
            Match::Perhaps | Match::No => json_calls::calls(body),
        })
    },
};
