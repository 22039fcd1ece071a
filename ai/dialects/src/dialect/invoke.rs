//! `<function_calls><invoke name="…">`: what Anthropic's models were told to write before they had native calls, and
//! what models that learned from their answers write still.
//!
//! Format: as prompts quote it. The documentation of the maker no longer shows it
//! (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>).

use super::Dialect;
use crate::elements::{Shape, calls};
use crate::form::{Ending, Form, Literals, behind_blanks, between, name_length};
use crate::token::{Match, begins};

pub(super) const SHAPE: Shape = Shape {
    call: "<invoke name=\"",
    call_end: "</invoke>",
    argument: "<parameter name=\"",
    argument_end: "</parameter>",
    own_lines: false,
};
pub(super) const LITERALS: Literals = Literals::Elements(&["<parameter name=\""], "</parameter>");
const OPENER: &str = "<function_calls>";
const CLOSER: &str = "</function_calls>";

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Invoke,
    opener: OPENER,
    head: invoke_head,
    closers: &[CLOSER],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &[OPENER, CLOSER], tools),
};

pub(crate) const BARE: Form = Form {
    dialect: Dialect::Invoke,
    opener: SHAPE.call,
    head: |text| match name_length(text, |c| matches!(c, '"' | '\n')) {
        Ok(end) if end > 0 => begins(text.get(end..).unwrap_or_default(), "\">"),
        Ok(_) => Match::No,
        Err(answer) => answer,
    },
    closers: &["</invoke>"],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &[], tools),
};

pub(super) fn invoke_head(text: &str) -> Match {
    match behind_blanks(text) {
        Ok(rest) => begins(rest, SHAPE.call),
        Err(answer) => answer,
    }
}

pub(super) fn name(region: &str) -> Option<&str> {
    between(region, SHAPE.call, "\"")
}
