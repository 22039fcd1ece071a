//! Gemma. Version 3 is seen to write Python in a `tool_code` fence (Google's page asks for a bare list of calls, which
//! is Llama 4's form); FunctionGemma and version 4 have tokens, bare keys, and a token in place of quotes.
//!
//! Format: <https://ai.google.dev/gemma/docs/capabilities/function-calling>,
//! <https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices>,
//! <https://ai.google.dev/gemma/docs/core/prompt-formatting-gemma4>.

use super::Dialect;
use crate::candidate::{Arguments, Found};
use crate::form::{Ending, Form, Literals, between, call_head, inside};
use crate::lenient::{Lenient, Syntax};
use crate::python_calls;
use crate::repair::Broken;
use crate::token::{Match, begins};

const FENCE_OPENER: &str = "```tool_code";
const FENCE_CLOSERS: &[&str] = &["```"];

pub(crate) const FENCE: Form = Form {
    dialect: Dialect::Gemma,
    opener: FENCE_OPENER,
    head: |text| match text.strip_prefix('\r').unwrap_or(text).strip_prefix('\n') {
        Some(rest) => call_head(rest),
        None if text.len() <= 8 && text.trim().is_empty() => Match::Perhaps,
        None => Match::No,
    },
    closers: FENCE_CLOSERS,
    literals: Literals::Python,
    ending: Ending::Marked,
    sniff: |region| {
        let body = region
            .strip_prefix(FENCE_OPENER)?
            .trim_start()
            .trim_start_matches('[');
        python_calls::name(body.strip_prefix("print(").unwrap_or(body))
    },
    read: |region, _| inside(region, FENCE_OPENER, FENCE_CLOSERS, python_calls::calls),
};

const FUNCTION: &str = "<start_function_call>";
const FUNCTION_END: &[&str] = &["<end_function_call>"];
const ESCAPE: &str = "<escape>";

pub(crate) const FUNCTION_GEMMA: Form = Form {
    dialect: Dialect::Gemma,
    opener: FUNCTION,
    head: |text| begins(text, CALL),
    closers: FUNCTION_END,
    literals: Literals::Delimited(ESCAPE),
    ending: Ending::Marked,
    sniff: |region| between(region, CALL, "{"),
    read: |region, _| inside(region, FUNCTION, FUNCTION_END, |body| vec![read(body, ESCAPE)]),
};

const TOOL_CALL: &str = "<|tool_call>";
const TOOL_CALL_END: &[&str] = &["<tool_call|>"];
const QUOTE: &str = "<|\"|>";

pub(crate) const GEMMA_4: Form = Form {
    dialect: Dialect::Gemma,
    opener: TOOL_CALL,
    head: |text| begins(text, CALL),
    closers: TOOL_CALL_END,
    literals: Literals::Delimited(QUOTE),
    ending: Ending::Marked,
    sniff: |region| between(region, CALL, "{"),
    read: |region, _| inside(region, TOOL_CALL, TOOL_CALL_END, |body| vec![read(body, QUOTE)]),
};

const CALL: &str = "call:";

fn read(body: &str, delimiter: &'static str) -> Found {
    let span = 0..body.len();
    let brace = body.find('{');
    let name = brace
        .and_then(|brace| body.get(..brace)?.trim().strip_prefix(CALL))
        .map(|name| name.trim().to_owned());
    let Some(start) = brace else {
        return Found::broken(span, name, Broken::new(0, "the call has no `{`"));
    };
    let mut reader = Lenient::starting_at(body, start, Syntax::Delimited(delimiter));
    let arguments = reader.whole().map(Arguments::Json);
    Found {
        span,
        name,
        arguments,
        repairs: reader.repairs,
    }
}
