//! Why something is as it is: the chain of causes back to what came from outside, and who decided what.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, OneofObject, SimpleObject};
use glasswork_agent_core::id::CallId;
use glasswork_engine::{DispatchId, ScopeId};
use glasswork_session_state::{Fact, tools};

use crate::call::{Approval, Call, Decision};
use crate::dispatch::Dispatch;
use crate::entry::Entry;
use crate::error::{Answer, absent};
use crate::id;
use crate::operation::{Op, Operation};
use crate::request::Request;
use crate::scalar::Long;
use crate::session::View;

/// Longest chain that is followed.
const LINKS: usize = 1_000;

/// What is asked about. Exactly one of the fields.
#[derive(Debug, OneofObject)]
pub(crate) enum WhySubject {
    /// A tool call: `session/412.1`.
    ToolCall(ID),
    /// A dispatch: `session/412`, or `session/412!1` for a refusal.
    Dispatch(ID),
    /// An entry of the conversation: `session/412.0`.
    Entry(ID),
    /// A message of a request.
    RequestPart(RequestPartName),
}

/// Names a message of a request.
#[derive(Debug, InputObject)]
pub(crate) struct RequestPartName {
    /// The request: `session/r3`.
    request: ID,
    /// The message's place, from 0.
    message: Long,
}

/// Why something is as it is.
#[derive(SimpleObject)]
pub(crate) struct Why {
    /// What was asked about, by its whole name.
    subject: ID,
    /// The chain of causes, from the dispatch that made or decided it back to the first.
    chain: Vec<Link>,
    /// Why the chain ends where it does.
    end: ChainEnd,
    /// The tool call, for one.
    call: Option<Call>,
    /// How the policy judged the call, as it was recorded then. Null where it was not judged.
    decision: Option<Decision>,
    /// The dispatch in which the policy judged the call.
    decided_by: Option<Dispatch>,
    /// What a person said about the call, where one was asked.
    approval: Option<Approval>,
}

/// A link of a chain of causes.
#[derive(SimpleObject)]
pub(crate) struct Link {
    /// The dispatch: what it was, and who asked.
    dispatch: Dispatch,
    /// Its event in a line; null for a refusal, whose payload is not kept.
    text: Option<String>,
}

/// Why a chain of causes ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ChainEnd {
    /// Its last link came from outside.
    Outside,
    /// The cause of its last link cannot be read: it lies in a scope that the viewer may not see, or its trace is no
    /// longer kept.
    Unreadable,
    /// It is longer than is followed.
    TooLong,
}

impl Why {
    pub(crate) fn of(op: &Op, subject: WhySubject, at: Option<u64>) -> Answer<Self> {
        match subject {
            WhySubject::Dispatch(name) => {
                let dispatch = id::parse_dispatch(op, &name)?;
                Self::from(op, ID(dispatch.to_string()), dispatch)
            }
            WhySubject::Entry(name) => {
                let (session, entry) = id::parse_entry(op, &name)?;
                let view = View::find(op, session, at)?;
                let entry = Entry::find(&view, entry)?;
                Self::from(
                    op,
                    id::global(session, entry.id),
                    DispatchId::commit(session, entry.id.seq),
                )
            }
            WhySubject::RequestPart(part) => {
                let (session, request) = id::parse_request(op, &part.request)?;
                let view = View::find(op, session, at)?;
                let request = Request::find(&view, request)?;
                let place = usize::try_from(part.message.0).unwrap_or(usize::MAX);
                let name = format!("{}/{}", id::request(session, request.id).0, part.message.0);
                let found = request
                    .parts()
                    .get(place)
                    .ok_or_else(|| absent("message", &name))?;
                Self::from(op, ID(name), DispatchId::commit(session, found.part.by))
            }
            WhySubject::ToolCall(name) => {
                let (session, call) = id::parse_call(op, &name)?;
                let view = View::find(op, session, at)?;
                Self::of_call(&view, call)
            }
        }
    }

    fn from(op: &Op, subject: ID, first: DispatchId) -> Answer<Self> {
        let (chain, end) = chain(op, first)?;
        Ok(Self {
            subject,
            chain,
            end,
            call: None,
            decision: None,
            decided_by: None,
            approval: None,
        })
    }

    fn of_call(view: &Arc<View>, id: CallId) -> Answer<Self> {
        let call = Call::find(view, id)?;
        let judged = match &call.call.judgement {
            Some(judgement) => {
                judged_in(&view.op, view.id, id, view.at)?.map(|seq| (seq, Arc::clone(judgement)))
            }
            None => None,
        };
        // The chain of the dispatch that decided goes through the one that proposed.
        let first = judged.as_ref().map_or(id.seq, |(seq, _)| *seq);
        let (chain, end) = chain(&view.op, DispatchId::commit(view.id, first))?;
        Ok(Self {
            subject: id::global(view.id, id),
            chain,
            end,
            approval: Approval::of(view, &call.call),
            call: Some(call),
            decided_by: judged
                .as_ref()
                .map(|(seq, _)| Dispatch::commit(&view.op, view.id, *seq)),
            decision: judged.map(|(_, judgement)| Decision {
                view: Arc::clone(view),
                judgement,
            }),
        })
    }
}

/// The commit that judged a call.
fn judged_in(op: &Operation, session: ScopeId, wanted: CallId, to: u64) -> Answer<Option<u64>> {
    let mut found = None;
    op.walk(session, wanted.seq, to, |commit| {
        let judges =
            |fact: &Fact| matches!(fact, Fact::Tools(tools::Fact::Judged { call, .. }) if *call == wanted);
        if commit.facts.iter().any(judges) {
            found = Some(commit.id.seq);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The chain of causes. Its first link must be there; where a later one cannot be read, the chain says so and ends.
fn chain(op: &Op, first: DispatchId) -> Answer<(Vec<Link>, ChainEnd)> {
    let mut links = Vec::new();
    let mut next = Some(first);
    while let Some(id) = next {
        if links.len() >= LINKS {
            return Ok((links, ChainEnd::TooLong));
        }
        op.in_time()?;
        let dispatch = Dispatch::new(op, id);
        let read = dispatch
            .cause_id()
            .and_then(|cause| Ok((cause, dispatch.line()?)));
        let (cause, text) = match read {
            Ok(read) => read,
            Err(error) if links.is_empty() => return Err(error),
            Err(_) => return Ok((links, ChainEnd::Unreadable)),
        };
        links.push(Link { dispatch, text });
        next = cause;
    }
    Ok((links, ChainEnd::Outside))
}
