//! DeepSeek. V3 and R1 fence the arguments, V3.1 does not; V3.2 writes elements with a marker in the tag, V4 the same
//! elements in another tag (`tool_calls`).
//!
//! Format: <https://huggingface.co/deepseek-ai/DeepSeek-V3-0324>,
//! <https://huggingface.co/deepseek-ai/DeepSeek-V3.1> (chat templates), and
//! <https://huggingface.co/deepseek-ai/DeepSeek-V3.2/tree/main/encoding>.

use super::Dialect;
use crate::elements::{Shape, calls};
use crate::form::{Ending, Form, Literals, any_head, behind_blanks, between, name_length};
use crate::token::{Match, begins};
use crate::token_calls::{self, Tokens};

const CALLS: &str = "<｜tool▁calls▁begin｜>";
const CALLS_END: &str = "<｜tool▁calls▁end｜>";
const CALL: &str = "<｜tool▁call▁begin｜>";
const CALL_END: &str = "<｜tool▁call▁end｜>";
const SEPARATOR: &str = "<｜tool▁sep｜>";
const TYPE: &str = "function<｜tool▁sep｜>";

const V3_TOKENS: Tokens = Tokens {
    begin: CALL,
    separator: SEPARATOR,
    end: CALL_END,
    around: &[CALLS, CALLS_END],
    // The name stands on a line of its own, and a fence begins behind it.
    name: |_, behind| {
        let fence = behind.find("```json").map(|at| (at, "```json".len()));
        let (at, length) = fence.or_else(|| Some((behind.find('{')?, 0)))?;
        let name = behind.get(..at)?.trim();
        (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| (name.to_owned(), at + length))
    },
    tail: "```",
};

const V31_TOKENS: Tokens = Tokens {
    name: |before, _| (!before.is_empty()).then(|| (before.to_owned(), 0)),
    tail: "",
    ..V3_TOKENS
};

pub(crate) const V3: Form = Form {
    dialect: Dialect::DeepSeekV3,
    opener: CALLS,
    head: |text| in_section(text, v3_head),
    closers: &[CALLS_END],
    literals: Literals::Json,
    ending: Ending::Marked,
    sniff: |region| between(region, SEPARATOR, "\n"),
    read: |region, _| token_calls::calls(region, &V3_TOKENS),
};

pub(crate) const V3_BARE: Form = Form {
    opener: CALL,
    head: v3_head,
    closers: &[CALL_END],
    ..V3
};

pub(crate) const V31: Form = Form {
    dialect: Dialect::DeepSeekV31,
    opener: CALLS,
    head: |text| in_section(text, v31_head),
    closers: &[CALLS_END],
    literals: Literals::Json,
    ending: Ending::Marked,
    sniff: |region| between(region, CALL, SEPARATOR),
    read: |region, _| token_calls::calls(region, &V31_TOKENS),
};

pub(crate) const V31_BARE: Form = Form {
    opener: CALL,
    head: v31_head,
    closers: &[CALL_END],
    ..V31
};

fn in_section(text: &str, head: fn(&str) -> Match) -> Match {
    match behind_blanks(text) {
        Ok(rest) => match begins(rest, CALL) {
            Match::Yes => head(rest.strip_prefix(CALL).unwrap_or_default()),
            answer => answer,
        },
        Err(answer) => answer,
    }
}

/// The type of the call, which is always `function`, and not its arguments behind it.
fn v3_head(text: &str) -> Match {
    match begins(text, TYPE) {
        Match::Yes => match text.strip_prefix(TYPE).and_then(|rest| rest.chars().next()) {
            None => Match::Perhaps,
            Some('{') => Match::No,
            Some(_) => Match::Yes,
        },
        answer => answer,
    }
}

fn v31_head(text: &str) -> Match {
    match v3_head(text) {
        Match::Yes => Match::No,
        Match::Perhaps => Match::Perhaps,
        Match::No => match name_length(text, |c| c == '<' || c == '\n') {
            Ok(end) if end > 0 => begins(text.get(end..).unwrap_or_default(), SEPARATOR),
            Ok(_) => Match::No,
            Err(answer) => answer,
        },
    }
}

const SHAPE: Shape = Shape {
    call: "<｜DSML｜invoke name=\"",
    call_end: "</｜DSML｜invoke>",
    argument: "<｜DSML｜parameter name=\"",
    argument_end: "</｜DSML｜parameter>",
    own_lines: false,
};
const DSML_OPENER: &str = "<｜DSML｜function_calls>";
const DSML_CLOSER: &str = "</｜DSML｜function_calls>";
const DSML_CALLS_OPENER: &str = "<｜DSML｜tool_calls>";
const DSML_CALLS_CLOSER: &str = "</｜DSML｜tool_calls>";

pub(crate) const DSML: Form = Form {
    dialect: Dialect::DeepSeekDsml,
    opener: DSML_OPENER,
    head: any_head,
    closers: &[DSML_CLOSER],
    literals: Literals::Elements(&["<｜DSML｜parameter"], "</｜DSML｜parameter>"),
    ending: Ending::Marked,
    sniff: |region| between(region, SHAPE.call, "\""),
    read: |region, tools| calls(region, &SHAPE, &[DSML_OPENER, DSML_CLOSER], tools),
};

pub(crate) const DSML_CALLS: Form = Form {
    opener: DSML_CALLS_OPENER,
    closers: &[DSML_CALLS_CLOSER],
    read: |region, tools| calls(region, &SHAPE, &[DSML_CALLS_OPENER, DSML_CALLS_CLOSER], tools),
    ..DSML
};

pub(crate) const DSML_BARE: Form = Form {
    opener: SHAPE.call,
    closers: &["</｜DSML｜invoke>"],
    read: |region, tools| calls(region, &SHAPE, &[], tools),
    ..DSML
};
