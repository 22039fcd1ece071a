//! The calls of one answer, worked on together.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::tool_call::{State, Trigger};
use glasswork_agent_core::turn::Trigger as TurnTrigger;

use crate::draft::Draft;
use crate::evidence::Access;
use crate::judge::Verdict;
use crate::rejection::Rejection;
use crate::told;
use crate::tools::{Fact, advance, judge_call, known};
use crate::turn;

/// The calls of the batch whose state passes the test.
fn of_batch(draft: &Draft<'_>, test: impl Fn(State) -> bool) -> Vec<CallId> {
    let batch = draft.session.batch();
    batch
        .filter(|(_, call)| test(call.state))
        .map(|(id, _)| id)
        .collect()
}

/// Finds out what the calls of the batch would touch.
pub(crate) fn inspect(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for id in of_batch(draft, |state| state == State::Proposed) {
        advance(draft, id, Trigger::Inspect, None)?;
    }
    Ok(())
}

/// Settles the calls of an answer that was cut.
pub(crate) fn refuse_cut(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for id in of_batch(draft, |state| state == State::Proposed) {
        advance(draft, id, Trigger::Misfit, Some(told::cut()))?;
    }
    Ok(())
}

/// Judges the calls about which a person is asked anew, because the policy has changed.
pub(crate) fn judge_again(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let mut decided = false;
    for id in of_batch(draft, State::awaits_person) {
        let Some(evidence) = known(draft, id)?.evidence().cloned() else {
            continue;
        };
        decided |= judge_call(draft, id, &evidence)? != Some(Verdict::Ask);
    }
    if decided {
        turn::advance(draft, TurnTrigger::CallDecided)?;
    }
    Ok(())
}

/// Starts the calls that may run now: one after the other if so set; else all but those that write a file that an
/// earlier call of the batch has yet to write.
pub(crate) fn start(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let parallel = draft.session.settings.parallel_tools.value;
    let mut written: Vec<Arc<str>> = vec![];
    let mut busy = false;
    let mut ready = vec![];
    for (id, call) in draft.session.batch() {
        if !(call.state.is_live() || call.state == State::Allowed) {
            continue;
        }
        let path = match (call.access(), call.path()) {
            (Some(access), Some(path)) if access.is_write() => Some(path),
            _ => None,
        };
        let taken = path.is_some_and(|path| written.contains(path));
        if call.state == State::Allowed && !taken && (parallel || !busy) {
            ready.push(id);
        }
        busy = true;
        written.extend(path.cloned());
    }
    for id in ready {
        advance(draft, id, Trigger::Start, None)?;
    }
    Ok(())
}

/// Settles calls that have not begun as cancelled; says whether there was one.
pub(crate) fn withdraw(draft: &mut Draft<'_>, test: impl Fn(State) -> bool) -> Result<bool, Rejection> {
    let withdrawn = of_batch(draft, test);
    for id in &withdrawn {
        advance(draft, *id, Trigger::Withdraw, Some(told::withdrawn()))?;
    }
    Ok(!withdrawn.is_empty())
}

/// Asks the runners of running calls to stop.
pub(crate) fn stop(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for id in of_batch(draft, |state| state == State::Running) {
        advance(draft, id, Trigger::Stop, None)?;
    }
    Ok(())
}

/// Settles all calls as after the end of the process. Recovery itself closes their effects.
pub(crate) fn abandon(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    for id in of_batch(draft, |state| !state.is_terminal()) {
        let call = known(draft, id)?;
        let (live, repeatable) = (
            call.state.is_live(),
            call.access().is_some_and(Access::is_repeatable),
        );
        let trigger = if live { Trigger::Abandon } else { Trigger::Withdraw };
        let outcome = told::abandoned(live && !repeatable);
        advance(draft, id, trigger, Some(outcome))?;
    }
    Ok(())
}

/// Adds the results of the batch to the conversation, in the order of the calls.
pub(crate) fn tell(draft: &mut Draft<'_>) {
    for call in of_batch(draft, State::is_terminal) {
        let entry = draft.entries(1);
        draft.fact(Fact::Told { call, entry }.into());
    }
}
