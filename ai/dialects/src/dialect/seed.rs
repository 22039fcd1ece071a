//! Seed-OSS: Qwen's elements between tags of its own, the values on the line of their tags.
//!
//! Format: the chat template at <https://huggingface.co/ByteDance-Seed/Seed-OSS-36B-Instruct>.

use super::Dialect;
use super::qwen::{LITERALS, SHAPE, function_head, name};
use crate::elements::calls;
use crate::form::{Ending, Form};

const OPENER: &str = "<seed:tool_call>";
const CLOSER: &str = "</seed:tool_call>";

pub(crate) const FORM: Form = Form {
    dialect: Dialect::SeedOss,
    opener: OPENER,
    head: function_head,
    closers: &[CLOSER],
    literals: LITERALS,
    ending: Ending::Marked,
    sniff: name,
    read: |region, tools| calls(region, &SHAPE, &[OPENER, CLOSER], tools),
};
