//! What was mended, and what could not be.

use std::fmt;

/// One thing that was mended. Syntax only: no repair invents, drops or changes content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong.
    pub kind: RepairKind,
    /// Where: bytes from the start of the raw span.
    pub at: usize,
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepairKind {
    /// A comma was missing.
    MissingComma,
    /// A comma stood where nothing follows.
    ExtraComma,
    /// A string stood in single quotes.
    SingleQuotes,
    /// A key stood without quotes.
    BareKey,
    /// A bracket was not closed.
    MissingCloser,
    /// A bracket was closed that was not open.
    ExtraCloser,
    /// A bracket was closed by the wrong kind.
    WrongCloser,
    /// A control character (a line feed, say) stood in a string as it is.
    ControlCharacter,
    /// `True`, `False` or `None`.
    PythonLiteral,
    /// An escape that JSON does not know; its backslash was meant.
    Escape,
    /// `NaN` or an infinity, for which JSON has only `null`.
    NotANumber,
    /// A number as JSON does not write it: `+1`, `.5`, `1.`.
    NumberForm,
    /// A comment.
    Comment,
    /// A key came twice with the same value.
    RepeatedKey,
    /// The arguments were a string that holds an object.
    QuotedArguments,
    /// The token that ends the call, or a part of it, was missing.
    MissingMarker,
}

impl RepairKind {
    /// Its name, as a key for machines.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::MissingComma => "missing_comma",
            Self::ExtraComma => "extra_comma",
            Self::SingleQuotes => "single_quotes",
            Self::BareKey => "bare_key",
            Self::MissingCloser => "missing_closer",
            Self::ExtraCloser => "extra_closer",
            Self::WrongCloser => "wrong_closer",
            Self::ControlCharacter => "control_character",
            Self::PythonLiteral => "python_literal",
            Self::Escape => "escape",
            Self::NotANumber => "not_a_number",
            Self::NumberForm => "number_form",
            Self::Comment => "comment",
            Self::RepeatedKey => "repeated_key",
            Self::QuotedArguments => "quoted_arguments",
            Self::MissingMarker => "missing_marker",
        }
    }
}

/// Something that cannot be mended, or could be read in more than one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong and what would be right, for the model.
    pub reason: String,
    /// Where: bytes from the start of what was read.
    pub at: usize,
}

impl Broken {
    pub(crate) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            at,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.at)
    }
}

impl std::error::Error for Broken {}
