//! Qwen3-Coder's elements: the tool's name and the arguments' names in the tags, the values between them on lines of
//! their own, scalars as Python's `str` writes them (`True`, `None`). Nemotron 3 and Step write the same, some models
//! without the outer tag, and some (Llama 3.1's own functions) an object in place of the elements.
//!
//! Format: the chat template at <https://huggingface.co/Qwen/Qwen3-Coder-30B-A3B-Instruct>,
//! <https://docs.vllm.ai/en/latest/features/tool_calling.html>.

use super::Dialect;
use crate::elements::{Shape, calls};
use crate::form::{Ending, Form, Literals, behind_blanks, between, name_length};
use crate::token::{Match, begins};

pub(super) const SHAPE: Shape = Shape {
    call: "<function=",
    call_end: "</function>",
    argument: "<parameter=",
    argument_end: "</parameter>",
    own_lines: true,
};
pub(super) const LITERALS: Literals = Literals::Elements(&["<parameter="], "</parameter>");

pub(crate) const IN_TAGS: Form = Form {
    dialect: Dialect::QwenXml,
    opener: "<tool_call>",
    head: function_head,
    closers: &["</tool_call>"],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &["<tool_call>", "</tool_call>"], tools),
};

pub(crate) const BARE: Form = Form {
    dialect: Dialect::QwenXml,
    opener: "<function=",
    head: name_head,
    closers: &["</function>"],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &[], tools),
};

pub(super) fn function_head(text: &str) -> Match {
    match behind_blanks(text) {
        Ok(rest) => begins(rest, SHAPE.call),
        Err(answer) => answer,
    }
}

/// A name and `>`, and behind it an argument, an object or the end.
fn name_head(text: &str) -> Match {
    let end = match name_length(text, |c| c == '>' || c.is_whitespace()) {
        Ok(end) => end,
        Err(answer) => return answer,
    };
    let Some(rest) = text
        .get(end..)
        .and_then(|rest| rest.strip_prefix('>'))
        .filter(|_| end > 0)
    else {
        return Match::No;
    };
    match behind_blanks(rest) {
        Ok(rest) if rest.starts_with('{') => Match::Yes,
        Ok(rest) => match begins(rest, SHAPE.argument) {
            Match::No => begins(rest, SHAPE.call_end),
            answer => answer,
        },
        Err(answer) => answer,
    }
}

pub(super) fn name(region: &str) -> Option<&str> {
    between(region, SHAPE.call, ">")
}
