//! Llama. Version 3 writes an object, alone or behind `<|python_tag|>`; versions 3.2 and 4 a list of Python calls,
//! alone or between `<|python_start|>` and `<|python_end|>` (which Meta's page does not have; vLLM's parser does).
//!
//! Format: <https://github.com/meta-llama/llama-models>, `models/llama3_3/prompt_format.md` (00cc216) and
//! `models/llama4/prompt_format.md` (47afb5c).

use super::Dialect;
use crate::candidate::Found;
use crate::form::{Ending, Form, Literals, call_head, inside, value_head};
use crate::json_calls;
use crate::python_calls;
use crate::token::Match;

const TAG: &str = "<|python_tag|>";
const TAG_ENDS: &[&str] = &["<|eom_id|>", "<|eot_id|>"];
const START: &str = "<|python_start|>";
const ENDS: &[&str] = &["<|python_end|>"];

pub(crate) const PYTHON_TAG: Form = Form {
    dialect: Dialect::Llama3,
    opener: TAG,
    head: either_head,
    closers: TAG_ENDS,
    literals: Literals::Python,
    ending: Ending::Message,
    sniff: |region| sniff(region.strip_prefix(TAG)?),
    read: |region, _| inside(region, TAG, TAG_ENDS, either),
};

pub(crate) const PYTHON_TOKENS: Form = Form {
    dialect: Dialect::Llama4,
    opener: START,
    head: either_head,
    closers: ENDS,
    literals: Literals::Python,
    ending: Ending::Marked,
    sniff: |region| sniff(region.strip_prefix(START)?),
    read: |region, _| inside(region, START, ENDS, either),
};

fn either_head(text: &str) -> Match {
    match value_head(text) {
        Match::Yes => Match::Yes,
        _ => call_head(text),
    }
}

fn sniff(body: &str) -> Option<&str> {
    python_calls::name(body.trim_start().trim_start_matches('[').trim_start())
        .or_else(|| json_calls::first_name(body))
}

/// Llama's built-in tools are called as `name.call(…)`.
fn either(body: &str) -> Vec<Found> {
    if call_head(body) != Match::Yes {
        return json_calls::calls(body);
    }
    let mut found = python_calls::calls(body);
    for call in &mut found {
        if let Some(name) = call.name.as_deref().and_then(|name| name.strip_suffix(".call")) {
            call.name = Some(name.to_owned());
        }
    }
    found
}
