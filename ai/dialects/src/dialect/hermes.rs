//! Hermes: a JSON object between tags. Hermes 2 Pro brought it, Qwen 2.5, Qwen 3, Granite 4 and many others took it over.
//!
//! Format: <https://github.com/NousResearch/Hermes-Function-Calling>,
//! <https://qwen.readthedocs.io/en/latest/framework/function_call.html>.

use super::Dialect;
use crate::candidate::Found;
use crate::form::{Ending, Form, Literals, behind_blanks, inside};
use crate::json_calls;
use crate::token::Match;
use crate::tools::Tools;

const OPENER: &str = "<tool_call>";
const CLOSERS: &[&str] = &["</tool_call>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Hermes,
    opener: OPENER,
    head,
    closers: CLOSERS,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(OPENER)?),
    read,
};

fn head(text: &str) -> Match {
    match behind_blanks(text) {
        Ok(rest) if rest.starts_with('{') => Match::Yes,
        Ok(_) => Match::No,
        Err(answer) => answer,
    }
}

fn read(region: &str, _: &Tools) -> Vec<Found> {
    inside(region, OPENER, CLOSERS, json_calls::calls)
}
