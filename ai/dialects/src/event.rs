//! What the recogniser says.

use crate::dialect::Dialect;
use crate::repair::Repair;

/// A step of an answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Text of the answer, as it was.
    Text(String),
    /// Thinking, as it was, without its tags.
    Thinking(String),
    /// All text so far was thinking: its end came, and its beginning stood in the prompt.
    TextWasThinking,
    /// A call of an offered tool begins. The next event is [`Call`](Self::Call) or [`Refused`](Self::Refused), or
    /// none if the answer breaks off.
    CallBegan {
        /// The tool.
        name: String,
    },
    /// A call that may run.
    Call(Call),
    /// What looks like a call and must not run.
    Refused(Refusal),
}

/// A call of an offered tool with arguments that its schema allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// The arguments: a JSON object, compact, every value as the model wrote it.
    pub arguments: String,
    /// What the model wrote, tokens included.
    pub raw: String,
    /// In which dialect.
    pub dialect: Dialect,
    /// What was mended.
    pub repairs: Vec<Repair>,
}

/// A region that must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The tool, where one can be told; it may not exist.
    pub name: Option<String>,
    /// What the model wrote, tokens included.
    pub raw: String,
    /// In which dialect.
    pub dialect: Dialect,
    /// Why, and what would be right, for the model.
    pub reason: String,
}
