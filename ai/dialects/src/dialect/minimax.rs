//! MiniMax: M2 writes elements between tags of its own, M1 an object to a line.
//!
//! Format: <https://huggingface.co/MiniMaxAI/MiniMax-M2/blob/main/docs/tool_calling_guide.md>,
//! <https://huggingface.co/MiniMaxAI/MiniMax-M1-80k/blob/main/docs/function_call_guide.md>.

use super::Dialect;
use super::invoke::{LITERALS, SHAPE, invoke_head, name};
use crate::elements::calls;
use crate::form::{Ending, Form, Literals, inside, value_head};
use crate::json_calls;

const M2_OPENER: &str = "<minimax:tool_call>";
const M2_CLOSER: &str = "</minimax:tool_call>";
const M1_OPENER: &str = "<tool_calls>";
const M1_CLOSERS: &[&str] = &["</tool_calls>"];

pub(crate) const M2: Form = Form {
    dialect: Dialect::MiniMax,
    opener: M2_OPENER,
    head: invoke_head,
    closers: &[M2_CLOSER],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &[M2_OPENER, M2_CLOSER], tools),
};

pub(crate) const M1: Form = Form {
    dialect: Dialect::MiniMax,
    opener: M1_OPENER,
    head: value_head,
    closers: M1_CLOSERS,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(M1_OPENER)?),
    read: |region, _| inside(region, M1_OPENER, M1_CLOSERS, json_calls::calls),
};
