//! xLAM: a message that is a list of objects, and nothing else; also in a fence.
//!
//! Format: <https://huggingface.co/Salesforce/Llama-xLAM-2-8b-fc-r>. Recognised where whole messages are.

use super::Dialect;
use crate::candidate::Found;
use crate::expected::Expected;
use crate::form::call_head;
use crate::json_calls;
use crate::python_calls;
use crate::token::Match;

/// Reads a message that is nothing but calls without a sentinel. Several dialects have the same between their tokens, and
/// servers drop tokens: which of them it was, only what is expected can tell. `None`: none that is looked for.
pub(crate) fn bare(text: &str, expected: Expected) -> Option<(Dialect, Vec<Found>)> {
    type Read = fn(&str) -> Vec<Found>;
    let (fitting, read): (&[Dialect], Read) = if call_head(text) == Match::Yes {
        (&[Dialect::Llama4, Dialect::Lfm2], python_calls::calls)
    } else if text.trim_start().starts_with('[') {
        (
            &[
                Dialect::Xlam,
                Dialect::Mistral,
                Dialect::Granite,
                Dialect::CommandR,
                Dialect::Nemotron,
            ],
            json_calls::calls,
        )
    } else {
        (
            &[Dialect::Llama3, Dialect::Hermes, Dialect::InternLm],
            json_calls::calls,
        )
    };
    Some((expected.choose(fitting)?, read(text)))
}
