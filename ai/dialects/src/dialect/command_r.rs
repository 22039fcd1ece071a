//! Command R: a fenced list behind `Action:`, on that line or the next; R7B and Command A have tokens, and name the keys otherwise.
//!
//! Format: <https://docs.cohere.com/docs/prompting-command-r>,
//! <https://docs.cohere.com/docs/command-a-hf>, and the templates of Command R+ and R7B in llama.cpp.

use super::Dialect;
use crate::form::{Ending, Form, Literals, inside, value_head};
use crate::json_calls;

const ACTION_OPENER: &str = "Action:\n```json";
const ACTION_LINE_OPENER: &str = "Action: ```json";
const ACTION_CLOSERS: &[&str] = &["```"];
const START: &str = "<|START_ACTION|>";
const END: &[&str] = &["<|END_ACTION|>"];

pub(crate) const ACTION: Form = Form {
    dialect: Dialect::CommandR,
    opener: ACTION_OPENER,
    head: value_head,
    closers: ACTION_CLOSERS,
    literals: Literals::Json,
    ending: Ending::Marked,
    sniff: |region| json_calls::first_name(region.strip_prefix(ACTION_OPENER)?),
    read: |region, _| inside(region, ACTION_OPENER, ACTION_CLOSERS, json_calls::calls),
};

pub(crate) const ACTION_LINE: Form = Form {
    opener: ACTION_LINE_OPENER,
    sniff: |region| json_calls::first_name(region.strip_prefix(ACTION_LINE_OPENER)?),
    read: |region, _| inside(region, ACTION_LINE_OPENER, ACTION_CLOSERS, json_calls::calls),
    ..ACTION
};

pub(crate) const TOKENS: Form = Form {
    dialect: Dialect::CommandR,
    opener: START,
    head: value_head,
    closers: END,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(START)?),
    read: |region, _| inside(region, START, END, json_calls::calls),
};
