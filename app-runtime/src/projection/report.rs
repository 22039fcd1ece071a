//! How the last turn of a session ended: what a program that waited for it wants to know.

use std::sync::Arc;

use glasswork_agent_core::id::{CallId, TurnId};
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::{tool_call, turn};
use glasswork_ai::conversation::Block;
use glasswork_ai::model::ModelId;
use glasswork_ai::stream::Usage;
use glasswork_engine::ScopeId;
use glasswork_session_state::judge::Verdict;
use glasswork_session_state::state::{Session, TurnFailure};
use serde::Serialize;

use crate::ending::{self, ExitCode};
use crate::{explain, structured};

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The session.
    pub session: ScopeId,
    /// Its last commit.
    pub seq: u64,
    /// The model that is set.
    pub model: Option<ModelId>,
    /// The turn; `None` where there was none.
    pub turn: Option<TurnId>,
    /// Where the turn's chart stands.
    pub state: Option<turn::State>,
    /// The code with which a program ends that waited for the turn.
    pub exit_code: ExitCode,
    /// What the model said last in this turn, after its last tool call.
    pub answer: String,
    /// The result that the turn was asked for as a value of a schema, once it is here.
    #[serde(serialize_with = "structured::as_json")]
    pub result: Option<Arc<str>>,
    /// Why the turn failed, if it did.
    pub failure: Option<TurnFailure>,
    /// The same for people.
    pub failure_text: Option<String>,
    /// Requests of the turn.
    pub steps: u32,
    /// Calls of the turn that were not let run.
    pub denied: Vec<DeniedCall>,
    /// Tokens of the whole session, as the providers counted them.
    pub usage: Usage,
    /// What they cost, in billionths of a US dollar; `None` where that is not known of every request.
    pub cost: Option<u64>,
    /// What the requests of the turn cost, in billionths of a US dollar, as far as that is known.
    pub turn_spent: u64,
}

/// A call that was not let run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeniedCall {
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: Arc<str>,
    /// Why, for people.
    pub reason: String,
}

/// Reports on the last turn of a session that stands at commit `seq`.
#[must_use]
pub fn of_last_turn(session: &Session, seq: u64) -> Report {
    let turn = session.turn.as_deref();
    let failure = turn.and_then(|turn| turn.failure.clone());
    Report {
        session: session.id,
        seq,
        model: session.settings.model.value.clone(),
        turn: turn.map(|turn| turn.id),
        state: turn.map(|turn| turn.state),
        exit_code: ending::of_last_turn(session),
        answer: answer(session),
        result: turn.and_then(|turn| turn.result().cloned()),
        failure_text: failure.as_ref().map(explain::failure),
        failure,
        steps: turn.map_or(0, |turn| turn.steps),
        denied: denied(session),
        usage: session.usage.tokens(),
        cost: session.usage.cost().map(|cost| cost.0),
        turn_spent: turn.map_or(0, |turn| turn.spent.0),
    }
}

/// The text of the last answer of the last turn; empty where its last word was a call, or somebody else's.
fn answer(session: &Session) -> String {
    let Some((id, entry)) = session.tree.branch().next() else {
        return String::new();
    };
    let began = session.turn.as_ref().map_or(0, |turn| turn.id.0);
    match &entry.body {
        Body::Assistant(answer) if id.seq >= began => text_of(&answer.blocks),
        _ => String::new(),
    }
}

fn text_of(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(&**text),
        Block::Thinking(_) | Block::ToolCall(_) | Block::Kept(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn denied(session: &Session) -> Vec<DeniedCall> {
    let last = session.turn.as_ref().map(|turn| turn.id);
    let of_turn = session.calls.iter().filter(|(_, call)| Some(call.turn) == last);
    // A question that has no answer was denied nothing.
    let denied =
        of_turn.filter(|(_, call)| call.state == tool_call::State::Denied && call.question().is_none());
    denied
        .map(|(id, call)| DeniedCall {
            call: *id,
            tool: Arc::clone(&call.call.name),
            reason: match (&call.judgement, &call.answer) {
                (Some(judgement), _) if judgement.verdict == Verdict::Deny => explain::judgement(judgement),
                (_, Some(_)) => "a person said no".to_owned(),
                _ => "nobody answered in time".to_owned(),
            },
        })
        .collect()
}
