//! Names of things over all sessions: the session's id (or a beginning of it that is unique, or `last`), a slash, and
//! the name that the thing has in its session.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::ID;
use glasswork_agent_core::id::{CallId, EntryId, RequestId};
use glasswork_engine::{DispatchId, EffectKey, ScopeId};

use crate::error::{Answer, Code, fail};
use crate::operation::Operation;

/// A name inside a session, as a global one.
pub(crate) fn global(session: ScopeId, name: impl Display) -> ID {
    ID(format!("{session}/{name}"))
}

/// The global name of a commit.
pub(crate) fn commit(session: ScopeId, seq: u64) -> ID {
    ID(DispatchId::commit(session, seq).to_string())
}

/// The global name of a request.
pub(crate) fn request(session: ScopeId, request: RequestId) -> ID {
    global(session, format_args!("r{request}"))
}

fn wrong(text: &str, expected: &str) -> async_graphql::Error {
    fail(Code::BadId, format!("`{text}` is not {expected}"))
}

fn split<'a>(operation: &Operation, text: &'a str, expected: &str) -> Answer<(ScopeId, &'a str)> {
    let (session, name) = text.split_once('/').ok_or_else(|| wrong(text, expected))?;
    Ok((operation.find(session)?, name))
}

fn named<T: FromStr>(operation: &Operation, text: &str, expected: &str) -> Answer<(ScopeId, T)> {
    let (session, name) = split(operation, text, expected)?;
    Ok((session, name.parse().map_err(|_| wrong(text, expected))?))
}

/// A dispatch: `s1/412`, or `s1/412!1`.
pub(crate) fn parse_dispatch(operation: &Operation, text: &str) -> Answer<DispatchId> {
    const EXPECTED: &str = "a dispatch (`session/412`, or `session/412!1` for a refusal)";
    let (session, name) = split(operation, text, EXPECTED)?;
    format!("{session}/{name}")
        .parse()
        .map_err(|_| wrong(text, EXPECTED))
}

/// A tool call: `s1/412.1`.
pub(crate) fn parse_call(operation: &Operation, text: &str) -> Answer<(ScopeId, CallId)> {
    named(operation, text, "a tool call (`session/412.1`)")
}

/// An entry: `s1/412.0`.
pub(crate) fn parse_entry(operation: &Operation, text: &str) -> Answer<(ScopeId, EntryId)> {
    named(operation, text, "an entry (`session/412.0`)")
}

/// A request: `s1/r3`.
pub(crate) fn parse_request(operation: &Operation, text: &str) -> Answer<(ScopeId, RequestId)> {
    const EXPECTED: &str = "a request (`session/r3`)";
    let (session, name) = split(operation, text, EXPECTED)?;
    let number = name.strip_prefix('r').and_then(|number| number.parse().ok());
    Ok((session, RequestId(number.ok_or_else(|| wrong(text, EXPECTED))?)))
}

/// The global name of an effect: `s1/412/0`.
pub(crate) fn effect(session: ScopeId, key: EffectKey) -> ID {
    global(session, key)
}
