//! Granite 3: a list behind `<|tool_call|>` (3.1 and later) or between Hermes' tags (3.0); the 20b function-calling
//! model wrote `<function_call>` before each object. Granite 4 speaks Hermes.
//!
//! Format: <https://www.ibm.com/granite/docs/models/granite/>,
//! <https://docs.vllm.ai/en/latest/features/tool_calling.html>.

use super::Dialect;
use crate::form::{Ending, Form, Literals, behind_blanks, inside, value_head};
use crate::json_calls;
use crate::token::Match;

const TOKEN: &str = "<|tool_call|>";
const TAG: &str = "<tool_call>";
const TAG_END: &[&str] = &["</tool_call>"];
const FUNCTION: &str = "<function_call>";
const FUNCTION_END: &[&str] = &["</function_call>", "<|endoftext|>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Granite,
    opener: TOKEN,
    head: value_head,
    closers: &["<|end_of_text|>"],
    literals: Literals::Json,
    ending: Ending::Balanced,
    sniff: |region| json_calls::first_name(region.strip_prefix(TOKEN)?),
    read: |region, _| inside(region, TOKEN, &["<|end_of_text|>"], json_calls::calls),
};

pub(crate) const IN_HERMES_TAGS: Form = Form {
    dialect: Dialect::Granite,
    opener: TAG,
    head: |text| match behind_blanks(text) {
        Ok(rest) if rest.starts_with('[') => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    },
    closers: TAG_END,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(TAG)?),
    read: |region, _| inside(region, TAG, TAG_END, json_calls::calls),
};

pub(crate) const OLDER: Form = Form {
    dialect: Dialect::Granite,
    opener: FUNCTION,
    head: value_head,
    closers: FUNCTION_END,
    literals: Literals::Json,
    ending: Ending::Balanced,
    sniff: |region| json_calls::first_name(region.strip_prefix(FUNCTION)?),
    read: |region, _| inside(region, FUNCTION, FUNCTION_END, json_calls::calls),
};
