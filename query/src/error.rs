//! Why a query, or one field of it, could not be answered.

use async_graphql::{Error, ErrorExtensions};
use glasswork_app_runtime::reading::ReadError;

/// The result of a field.
pub(crate) type Answer<T> = async_graphql::Result<T>;

/// What is wrong, as `extensions.code` of an error has it. Names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The query is not GraphQL.
    Malformed,
    /// The query, or an argument of it, does not fit the schema.
    Invalid,
    /// The query is too long.
    QueryTooLarge,
    /// The query is nested too deep.
    TooDeep,
    /// The query has too many fields, fragments counted as often as they are used.
    TooManyFields,
    /// The query has too many aliases.
    TooManyAliases,
    /// The query could ask for too much, sizes of lists multiplied.
    TooExpensive,
    /// Too many elements of a list are asked for at once.
    PageTooLarge,
    /// The answer would be too long.
    AnswerTooLarge,
    /// The answer took too long.
    TimedOut,
    /// An id or a cursor is not one.
    BadId,
    /// There is no such thing, or the viewer may not see it.
    NotFound,
    /// More than one session begins like this.
    Ambiguous,
    /// The session has not come so far.
    Future,
    /// The record is damaged.
    Damaged,
    /// The system could not read the record.
    Unreadable,
    /// The viewer may read only, or there is no runtime that could change anything.
    ReadOnly,
    /// The gate denied the operation: who asks may not.
    Denied,
    /// The gate refused the operation; `extensions.reason` says why as data.
    Rejected,
    /// The operation was begun, and failed.
    NotDone,
    /// The session is not open here.
    NotOpen,
    /// The session's record cannot be written.
    JournalUnavailable,
    /// Too much waits already; try again.
    Overloaded,
    /// As many subscriptions as are allowed are open.
    TooManySubscriptions,
    /// The runtime has stopped.
    Stopped,
    /// The runtime itself failed. A defect.
    Internal,
}

impl Code {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "the query is not GraphQL",
            Self::Invalid => "the query, or an argument of it, does not fit the schema",
            Self::QueryTooLarge => "the query or its variables are too long",
            Self::TooDeep => "the query is nested too deep",
            Self::TooManyFields => {
                "the query has too many fields, fragments counted as often as they are used"
            }
            Self::TooManyAliases => "the query has too many aliases",
            Self::TooExpensive => "the query could ask for too much, sizes of lists multiplied",
            Self::PageTooLarge => "too many elements of a list are asked for at once",
            Self::AnswerTooLarge => "the answer would be too long",
            Self::TimedOut => "the answer took too long",
            Self::BadId => "an id or a cursor is not one",
            Self::NotFound => "there is no such thing, or the viewer may not see it",
            Self::Ambiguous => "more than one session begins like this",
            Self::Future => "the session has not come so far",
            Self::Damaged => "the record is damaged",
            Self::Unreadable => "the system could not read the record",
            Self::ReadOnly => "the viewer may read only, or there is no runtime that could change anything",
            Self::Denied => "the gate denied the operation: who asks may not",
            Self::Rejected => "the gate refused the operation; `extensions.reason` says why as data",
            Self::NotDone => "the operation was begun, and failed",
            Self::NotOpen => "the session is not open here",
            Self::JournalUnavailable => "the session's record cannot be written",
            Self::Overloaded => "too much waits already; try again",
            Self::TooManySubscriptions => "as many subscriptions as are allowed are open",
            Self::Stopped => "the runtime has stopped",
            Self::Internal => "the runtime itself failed; a defect",
        }
    }
}

/// An error with its code.
pub(crate) fn fail(code: Code, message: impl Into<String>) -> Error {
    coded(code.name(), message)
}

/// An error with the name of a code that another answer had.
pub(crate) fn coded(code: &str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// There is no such thing.
pub(crate) fn absent(what: &str, name: impl std::fmt::Display) -> Error {
    fail(Code::NotFound, format!("there is no {what} `{name}`"))
}

/// There is no such session, or the viewer may not see it: the two are worded alike.
pub(crate) fn no_session(name: impl std::fmt::Display) -> Error {
    fail(Code::NotFound, ReadError::Unknown(name.to_string()).to_string())
}
