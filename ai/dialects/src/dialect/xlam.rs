//! xLAM: a message that is a list of objects, and nothing else; also in a fence.
//!
//! Format: <https://huggingface.co/Salesforce/Llama-xLAM-2-8b-fc-r>. Recognised where whole messages are.

use super::Dialect;
use crate::candidate::Found;
use crate::form::call_head;
use crate::json_calls;
use crate::python_calls;
use crate::token::Match;

/// Reads a message that is nothing but calls without a sentinel, in whichever dialect.
pub(crate) fn bare(text: &str) -> (Dialect, Vec<Found>) {
    if call_head(text) == Match::Yes {
        (Dialect::Llama4, python_calls::calls(text))
    } else if text.trim_start().starts_with('[') {
        (Dialect::Xlam, json_calls::calls(text))
    } else {
        (Dialect::Llama3, json_calls::calls(text))
    }
}
