//! What always holds. `check` looks at what a commit touched, `audit` at everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_agent_core::id::{CallId, EntryId, RequestId};
use glasswork_agent_core::mcp_server;
use glasswork_agent_core::session::State as SessionState;
use glasswork_agent_core::tool_call;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State as TurnState;
use serde::Serialize;

use crate::call::Call;
use crate::domain::Fact;
use crate::keys::KEYS;
use crate::mcp::SERVERS_CAP;
use crate::queue::LANE_CAP;
use crate::state::{AttemptWait, Session, Turn};
use crate::{compaction, model, tools};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// Session and turn disagree about whether a turn is open.
    #[error("the session is {session:?}, but its turn is {turn:?}")]
    SessionAndTurn {
        /// Where the session stands.
        session: SessionState,
        /// Where its turn stands.
        turn: Option<TurnState>,
    },
    /// The turn waits for nothing, or for the wrong thing.
    #[error("the turn is {turn:?}, but {missing}")]
    TurnWaits {
        /// Where the turn stands.
        turn: TurnState,
        /// What is wrong.
        missing: &'static str,
    },
    /// A call waits for nothing, or has an outcome too early or not at all.
    #[error("call {call} is {state:?}, but {missing}")]
    Call {
        /// The call.
        call: CallId,
        /// Where it stands.
        state: tool_call::State,
        /// What is wrong.
        missing: &'static str,
    },
    /// Two effects share a call, or a file is written twice at the same time.
    #[error("calls {0} and {1} write the same file at the same time")]
    TwoWriters(CallId, CallId),
    /// The tree is broken.
    #[error("entry {0} has no parent, or is missing")]
    Tree(EntryId),
    /// A call of an answer has no result, or more than one.
    #[error("call {call} of an answer has {results} results")]
    Results {
        /// The call.
        call: CallId,
        /// How many results there are.
        results: usize,
    },
    /// A compaction stands where none may.
    #[error("a compaction {0}")]
    Compaction(&'static str),
    /// The context is not what the branch to the leaf adds up to.
    #[error("the context is not what the branch to the leaf adds up to")]
    Context,
    /// A request refers to what is not there.
    #[error("request {0} keeps more than the request before it has, or refers to what is not there")]
    Request(RequestId),
    /// An MCP server starts without an effect or deadline, or does not and has a deadline.
    #[error("server `{server}` is {state:?}, but {missing}")]
    Server {
        /// The server.
        server: Arc<str>,
        /// Where it stands.
        state: mcp_server::State,
        /// What is wrong.
        missing: &'static str,
    },
    /// The agent's plan is none.
    #[error("the agent's plan {0}")]
    Plan(&'static str),
    /// Something holds more than it may.
    #[error("too many {0} are kept")]
    Cap(&'static str),
}

/// Checks what these facts touched.
pub(crate) fn check(session: &Session, facts: &[Fact]) -> Result<(), Breach> {
    caps(session)?;
    if let Some(leaf) = session.tree.leaf()
        && session.tree.get(leaf).is_none()
    {
        return Err(Breach::Tree(leaf));
    }
    // Pieces of an answer touch nothing but themselves.
    let pieces = |fact: &Fact| {
        matches!(
            fact,
            Fact::Model(model::Fact::Grew(..) | model::Fact::BlockBegan(..) | model::Fact::Counted(_))
                | Fact::Tools(tools::Fact::Progressed { .. })
        )
    };
    if facts.iter().all(pieces) {
        return Ok(());
    }
    if facts.iter().any(|fact| matches!(fact, Fact::Plan(_))) {
        plan(session)?;
    }
    let mut touched: Vec<CallId> = facts.iter().filter_map(call_of).collect();
    touched.extend(session.batch().map(|(id, _)| id));
    touched.sort_unstable();
    touched.dedup();
    for id in touched {
        if let Some(state) = session.calls.get(&id) {
            call(id, state)?;
        }
    }
    standing(session)
}

fn call_of(fact: &Fact) -> Option<CallId> {
    use tools::Fact as F;
    let Fact::Tools(fact) = fact else { return None };
    match fact {
        F::Moved { call, .. }
        | F::Begun { call, .. }
        | F::Asked { call, .. }
        | F::TimedOut { call }
        | F::Judged { call, .. }
        | F::Answered { call, .. }
        | F::Progressed { call, .. }
        | F::Placed { call, .. }
        | F::Settled { call, .. }
        | F::Told { call, .. } => Some(*call),
    }
}

/// Checks everything.
pub(crate) fn audit(session: &Session) -> Result<(), Breach> {
    caps(session)?;
    if let Some(entry) = session.tree.unsound() {
        return Err(Breach::Tree(entry));
    }
    for (id, state) in &session.calls {
        call(*id, state)?;
    }
    plan(session)?;
    standing(session)?;
    results(session)?;
    requests(session)
}

fn plan(session: &Session) -> Result<(), Breach> {
    let unsound = session.plan.as_ref().and_then(|plan| plan.unsound());
    unsound.map_or(Ok(()), |why| Err(Breach::Plan(why)))
}

fn caps(session: &Session) -> Result<(), Breach> {
    if session.keys.len() > KEYS {
        return Err(Breach::Cap("idempotency keys"));
    }
    let queue = &session.queue;
    if queue.steering.len() > LANE_CAP || queue.follow_ups.len() > LANE_CAP {
        return Err(Breach::Cap("waiting messages"));
    }
    servers(session)
}

/// One that starts has an effect and a deadline, and no other has a deadline.
fn servers(session: &Session) -> Result<(), Breach> {
    if session.mcp.len() > SERVERS_CAP {
        return Err(Breach::Cap("MCP servers"));
    }
    for (name, server) in &session.mcp {
        let starts = server.state == mcp_server::State::Starting;
        let missing = match (starts, server.launch.is_some(), server.deadline.is_some()) {
            (true, false, _) => "has no effect that starts it",
            (true, _, false) => "has no deadline",
            (false, _, true) => "has a deadline",
            (true, true, true) | (false, _, false) => continue,
        };
        return Err(Breach::Server {
            server: Arc::clone(name),
            state: server.state,
            missing,
        });
    }
    Ok(())
}

/// Session, turn and attempt fit together, and an open turn waits for something.
fn standing(session: &Session) -> Result<(), Breach> {
    if !compaction::is_charted(session) {
        return Err(Breach::Compaction("is not where the charts say that one is"));
    }
    if let Some(compacting) = &session.compactions.open {
        let attempt = &compacting.attempt;
        let waited = attempt.wait.as_ref().map(|wait| wait.on);
        if waited.is_none() || (waited == Some(AttemptWait::Backoff)) == attempt.effect.is_some() {
            return Err(Breach::Compaction("waits for nothing, or for the wrong thing"));
        }
    }
    let open = session.open_turn();
    let busy = matches!(session.state, SessionState::Busy | SessionState::Closing);
    if busy != open.is_some() {
        return Err(Breach::SessionAndTurn {
            session: session.state,
            turn: session.turn.as_ref().map(|turn| turn.state),
        });
    }
    match open {
        Some(turn) => waits(session, turn),
        None => rests(session),
    }
}

fn waits(session: &Session, turn: &Turn) -> Result<(), Breach> {
    let attempt = turn.attempt.as_ref();
    let called = attempt.is_some_and(|attempt| attempt.effect.is_some());
    let waited = attempt
        .and_then(|attempt| attempt.wait.as_ref())
        .map(|wait| wait.on);
    let any = |test: fn(tool_call::State) -> bool| session.batch().any(|(_, call)| test(call.state));
    let says = |holds: bool, missing: &'static str| {
        if holds {
            Ok(())
        } else {
            Err(Breach::TurnWaits {
                turn: turn.state,
                missing,
            })
        }
    };
    match turn.state {
        TurnState::Preparing => says(false, "nothing will prepare its step"),
        TurnState::Compacting => Ok(()),
        TurnState::Connecting => {
            says(called, "no request is on its way")?;
            says(
                waited == Some(AttemptWait::Connect),
                "there is no deadline to connect",
            )
        }
        TurnState::Streaming => {
            says(called, "no request is on its way")?;
            let streams = matches!(waited, Some(AttemptWait::FirstToken | AttemptWait::Stream));
            says(streams, "there is no deadline for the stream")
        }
        TurnState::BackingOff => {
            says(!called, "a request is on its way")?;
            says(
                waited == Some(AttemptWait::Backoff),
                "there is no deadline of backing off",
            )
        }
        TurnState::Gating => says(any(tool_call::State::is_undecided), "no call is undecided"),
        TurnState::Executing | TurnState::Cancelling => {
            says(any(tool_call::State::is_live), "no call runs")?;
            one_writer(session)
        }
        TurnState::Paused => says(!called && turn.batch.is_empty(), "something still works for it"),
        TurnState::Completed
        | TurnState::Interrupted
        | TurnState::Failed
        | TurnState::Cancelled
        | TurnState::Abandoned => Ok(()),
    }
}

fn rests(session: &Session) -> Result<(), Breach> {
    let Some(turn) = &session.turn else { return Ok(()) };
    let missing = match &turn.attempt {
        Some(attempt) if attempt.effect.is_some() => "a request is on its way",
        Some(attempt) if attempt.wait.is_some() => "a deadline runs",
        Some(attempt) if !attempt.answer.blocks.is_empty() => "an answer still arrives",
        _ if !turn.batch.is_empty() => "calls have no results",
        _ if !session.queue.steering.is_empty() => "steering waits for it",
        _ => return Ok(()),
    };
    Err(Breach::TurnWaits {
        turn: turn.state,
        missing,
    })
}

fn one_writer(session: &Session) -> Result<(), Breach> {
    let mut writers: BTreeMap<&Arc<str>, CallId> = BTreeMap::new();
    for (id, call) in session.batch().filter(|(_, call)| call.state.is_live()) {
        let writes = call.access().is_some_and(|access| access.is_write());
        if let Some(path) = call.path().filter(|_| writes)
            && let Some(other) = writers.insert(path, id)
        {
            return Err(Breach::TwoWriters(other, id));
        }
    }
    Ok(())
}

fn call(id: CallId, call: &Call) -> Result<(), Breach> {
    use tool_call::State as S;
    let state = call.state;
    let missing = match state {
        S::Proposed => Some("nothing looks into it"),
        S::Evidence | S::Running if call.effect.is_none() => Some("no effect works on it"),
        S::Evidence | S::Asked | S::Questioning | S::Running if call.deadline.is_none() => {
            Some("it has no deadline")
        }
        S::Cancelling if call.effect.is_none() => Some("no runner has the word"),
        S::Questioning if call.question().is_none() => Some("it asks nothing"),
        S::Allowed | S::Asked | S::Questioning if call.effect.is_some() => Some("an effect works on it"),
        _ if state.is_terminal() && call.effect.is_some() => Some("an effect works on it"),
        _ if state.is_terminal() && call.deadline.is_some() => Some("a deadline runs"),
        _ if state.is_terminal() != call.outcome.is_some() => Some("its outcome does not fit"),
        _ if call.result.is_some() && call.outcome.is_none() => Some("it has a result without an outcome"),
        _ => None,
    };
    match missing {
        None => Ok(()),
        Some(missing) => Err(Breach::Call {
            call: id,
            state,
            missing,
        }),
    }
}

/// Each call of an answer has one result, except those of the answer that is worked on, which have none.
fn results(session: &Session) -> Result<(), Breach> {
    let mut told: BTreeMap<CallId, usize> = BTreeMap::new();
    let mut proposed: Vec<CallId> = vec![];
    for (id, entry) in session.tree.entries() {
        match &entry.body {
            Body::Prompt { .. }
            | Body::Compaction(_)
            | Body::BranchSummary(_)
            | Body::Notice(_)
            | Body::Superseded(_) => {}
            Body::Assistant(answer) => {
                proposed.extend(answer.calls().map(|(block, _)| Call::id(id, block)));
            }
            Body::ToolResult { call, .. } => *told.entry(*call).or_default() += 1,
        }
    }
    let worked_on: Vec<CallId> = session.batch().map(|(id, _)| id).collect();
    for call in proposed {
        let results = told.remove(&call).unwrap_or(0);
        let expected = usize::from(!worked_on.contains(&call));
        let known = session.calls.get(&call);
        let linked = known.is_some_and(|call| call.result.is_some()) == (results == 1);
        if results != expected || !linked {
            return Err(Breach::Results { call, results });
        }
    }
    match told.into_iter().next() {
        Some((call, results)) => Err(Breach::Results { call, results }),
        None => Ok(()),
    }
}

fn requests(session: &Session) -> Result<(), Breach> {
    if !session.context.fits(&session.tree) {
        return Err(Breach::Context);
    }
    for (id, prepared) in &session.requests {
        let before = match prepared.plan.base {
            None => 0,
            Some(base) if base < *id => session.requests.get(&base).map_or(0, |base| base.parts()),
            Some(_) => 0,
        };
        let entries = prepared
            .plan
            .new
            .iter()
            .all(|part| session.tree.get(part.entry).is_some());
        let head = prepared.plan.head == 0 || session.context.head_by(prepared.plan.head).is_some();
        if prepared.plan.kept > before || !entries || !head {
            return Err(Breach::Request(*id));
        }
    }
    Ok(())
}
