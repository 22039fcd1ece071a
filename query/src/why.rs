//! Why something is as it is: the chain of causes back to what came from outside, and who decided what.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, OneofObject, SimpleObject};
use glasswork_agent_core::id::CallId;
use glasswork_engine::DispatchId;
use glasswork_session_state::{Fact, tools};

use crate::call::{Approval, Call, Decision};
use crate::dispatch::Dispatch;
use crate::entry::Entry;
use crate::error::{Answer, Code, absent, fail};
use crate::id;
use crate::import::EntrySource;
use crate::operation::Op;
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
    /// A part of a request.
    RequestPart(RequestPartName),
}

/// Names a part of a request, by exactly one of the three places.
#[derive(Debug, InputObject)]
pub(crate) struct RequestPartName {
    /// The request: `session/r3`.
    request: ID,
    /// A message's place, from 0.
    message: Option<Long>,
    /// The place of a part of the system prompt, from 0.
    system: Option<Long>,
    /// A tool's place, from 0.
    tool: Option<Long>,
}

impl RequestPartName {
    /// Its name in the request, and the commit that put it there.
    fn find(&self, request: &Request) -> Answer<(String, Option<u64>)> {
        let place = |place: &Long| usize::try_from(place.0).unwrap_or(usize::MAX);
        match (&self.message, &self.system, &self.tool) {
            (Some(message), None, None) => Ok((
                message.0.to_string(),
                request.parts().get(place(message)).map(|sent| sent.part.by),
            )),
            (None, Some(system), None) => Ok((
                format!("system/{}", system.0),
                request.head().system.get(place(system)).map(|part| part.by),
            )),
            (None, None, Some(tool)) => Ok((
                format!("tool/{}", tool.0),
                request.tools_sent().get(place(tool)).map(|part| part.by),
            )),
            _ => Err(fail(
                Code::Invalid,
                "a part of a request is named by exactly one of `message`, `system` and `tool`",
            )),
        }
    }
}

/// Why something is as it is.
#[derive(SimpleObject)]
pub(crate) struct Why {
    /// What was asked about, by its whole name.
    subject: ID,
    /// The chain of causes, from the dispatch that made it back to the first. That of a tool call begins where the
    /// call was first judged, or proposed if it was not judged.
    chain: Vec<Link>,
    /// Why the chain ends where it does.
    end: ChainEnd,
    /// Where an entry was imported from; null for what was said here.
    source: Option<EntrySource>,
    /// The tool call, for one.
    call: Option<Call>,
    /// How the policy judged the call, as it was recorded then. Null where it was not judged.
    decision: Option<Decision>,
    /// The dispatch in which the policy judged the call so. Where the policy changed while a person was asked, it is
    /// the one that changed it.
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
                let why = Self::from(
                    op,
                    id::global(session, entry.id),
                    DispatchId::commit(session, entry.id.seq),
                )?;
                Ok(Self {
                    source: EntrySource::of(&view, entry.id),
                    ..why
                })
            }
            WhySubject::RequestPart(part) => {
                let (session, request) = id::parse_request(op, &part.request)?;
                let view = View::find(op, session, at)?;
                let request = Request::find(&view, request)?;
                let (name, by) = part.find(&request)?;
                let name = format!("{}/{name}", id::request(session, request.id).0);
                let by = by.ok_or_else(|| absent("part of a request", &name))?;
                Self::from(op, ID(name), DispatchId::commit(session, by))
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
            source: None,
            call: None,
            decision: None,
            decided_by: None,
            approval: None,
        })
    }

    fn of_call(view: &Arc<View>, id: CallId) -> Answer<Self> {
        let call = Call::find(view, id)?;
        let judged = match &call.call.judgement {
            Some(judgement) => judgings(view, id)?.map(|found| (found, Arc::clone(judgement))),
            None => None,
        };
        let first = judged.as_ref().map_or(id.seq, |(found, _)| found.first);
        let (chain, end) = chain(&view.op, DispatchId::commit(view.id, first))?;
        Ok(Self {
            subject: id::global(view.id, id),
            chain,
            end,
            source: EntrySource::of(view, call.call.entry),
            approval: Approval::of(view, &call.call),
            call: Some(call),
            decided_by: judged
                .as_ref()
                .map(|(found, _)| Dispatch::commit(&view.op, view.id, found.last)),
            decision: judged.map(|(_, judgement)| Decision {
                view: Arc::clone(view),
                judgement,
            }),
        })
    }
}

/// The commits that judged a call: the first one when it was found out what the call would touch; a later one where
/// the policy changed while a person was still asked.
struct Judgings {
    first: u64,
    last: u64,
}

/// Looks from the proposal on until the call is decided; what is decided is not judged again.
fn judgings(view: &View, wanted: CallId) -> Answer<Option<Judgings>> {
    let mut found: Option<Judgings> = None;
    view.op.walk(view.id, wanted.seq, view.scope.seq, |commit| {
        let mut decided = false;
        for fact in &commit.facts {
            match fact {
                Fact::Tools(tools::Fact::Judged { call, .. }) if *call == wanted => {
                    let last = commit.id.seq;
                    found = Some(Judgings {
                        first: found.as_ref().map_or(last, |found| found.first),
                        last,
                    });
                }
                Fact::Tools(tools::Fact::Moved { call, to, .. }) if *call == wanted => {
                    decided = !to.is_undecided()
                }
                _ => {}
            }
        }
        if decided {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
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
