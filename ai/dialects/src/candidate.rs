//! What a grammar finds in a region, before anyone has judged it.

use std::ops::Range;

use crate::repair::{Broken, Repair};
use crate::value::Value;

/// A call that was found, or what stands in its place. Places are bytes from the start of the region's body.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// Its name, also where the rest is broken.
    pub(crate) name: Option<String>,
    /// What it says.
    pub(crate) arguments: Result<Arguments, Broken>,
    /// What was mended.
    pub(crate) repairs: Vec<Repair>,
}

/// The arguments of a call.
#[derive(Debug)]
pub(crate) enum Arguments {
    /// A value.
    Json(Value),
    /// Texts by name, whose types the tool's schema knows.
    Texts(Vec<Text>),
}

/// An argument that is written as plain text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether the model says that it is a string.
    pub(crate) is_string: Option<bool>,
    /// Where it stands.
    pub(crate) at: usize,
}

impl Found {
    pub(crate) fn broken(span: Range<usize>, name: Option<String>, broken: Broken) -> Self {
        Self {
            span,
            name,
            arguments: Err(broken),
            repairs: Vec::new(),
        }
    }
}
