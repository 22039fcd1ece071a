//! Granite 3: a list behind the token `<|tool_call|>` (3.0) or behind the tag `<tool_call>` (3.1), which nothing need
//! close; the 20b function-calling model wrote `<function_call>` before each object. Granite 4 speaks Hermes. Phi 4 mini
//! shares the token, with an object behind it and a token that closes it.
//!
//! Format: <https://www.ibm.com/granite/docs/models/granite/>,
//! <https://docs.vllm.ai/en/latest/features/tool_calling.html>, and vLLM's parser for Granite (037ed06), which tells 3.0
//! from 3.1.

use super::Dialect;
use crate::form::{Ending, Form, Literals, behind_blanks, inside, value_head};
use crate::json_calls;
use crate::token::Match;

const TOKEN: &str = "<|tool_call|>";
const TOKEN_END: &[&str] = &["<|/tool_call|>", "<|end_of_text|>"];
const TAG: &str = "<tool_call>";
const TAG_END: &[&str] = &["</tool_call>"];
const FUNCTION: &str = "<function_call>";
const FUNCTION_END: &[&str] = &["</function_call>", "<|endoftext|>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Granite,
    opener: TOKEN,
    head: value_head,
    closers: TOKEN_END,
    literals: Literals::Json,
    ending: Ending::Balanced,
    sniff: |region| json_calls::first_name(region.strip_prefix(TOKEN)?),
    read: |region, _| inside(region, TOKEN, TOKEN_END, json_calls::calls),
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
    ending: Ending::Optional,
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
