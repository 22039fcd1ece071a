//! Nemotron Nano 2 and Super 1.5: a list between tags. (Nemotron 3 speaks Qwen's elements.)
//!
//! Format: the chat templates at <https://huggingface.co/nvidia/NVIDIA-Nemotron-Nano-9B-v2> and
//! <https://huggingface.co/nvidia/Llama-3_3-Nemotron-Super-49B-v1_5>.

use super::Dialect;
use crate::form::{Ending, Form, Literals, inside, value_head};
use crate::json_calls;

const OPENER: &str = "<TOOLCALL>";
const CLOSERS: &[&str] = &["</TOOLCALL>"];

pub(crate) const FORM: Form = Form {
    dialect: Dialect::Nemotron,
    opener: OPENER,
    head: value_head,
    closers: CLOSERS,
    literals: Literals::Json,
    ending: Ending::MarkedValue,
    sniff: |region| json_calls::first_name(region.strip_prefix(OPENER)?),
    read: |region, _| inside(region, OPENER, CLOSERS, json_calls::calls),
};
