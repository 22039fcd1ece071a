//! What a model is told of calls that did not run to their end.

use std::sync::Arc;

use glasswork_agent_core::tool_call::State;

use crate::call::Outcome;
use crate::evidence::Access;
use crate::judge::Explanation;

pub(crate) fn refused(reason: Option<&str>) -> Outcome {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => Outcome::error(format!("Not run: the user refused this call, saying: {reason}")),
        None => Outcome::error("Not run: the user refused this call."),
    }
}

/// What is told of a question that the user does not want to answer.
pub(crate) fn declined(reason: Option<&str>) -> Outcome {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => Outcome::error(format!("The user did not answer this, saying: {reason}")),
        None => {
            Outcome::error("The user did not want to answer this: decide yourself, and say what you decided.")
        }
    }
}

pub(crate) fn denied(explanation: &Explanation) -> Outcome {
    if explanation.access == Access::Question {
        return Outcome::error(
            "Nobody is there to answer. Go on with what you think best, and say what you assumed.",
        );
    }
    let mode: &str = explanation.mode.into();
    let rule = &explanation.rule;
    Outcome::error(if explanation.unattended {
        format!(
            "Not run: in mode `{mode}` this call needs a person's consent (rule `{rule}`), and nobody is there."
        )
    } else {
        format!("Not run: mode `{mode}` does not allow this call (rule `{rule}`).")
    })
}

pub(crate) fn unjudged() -> Outcome {
    Outcome::error("Not run: no rule of the policy covers this call.")
}

pub(crate) fn withdrawn() -> Outcome {
    Outcome::error("Not run: the user stopped the turn before this call began.")
}

pub(crate) fn cut() -> Outcome {
    Outcome::error(
        "Not run: the answer reached its limit of output tokens, so this call may not be what was meant. \
         Say it again, in smaller pieces.",
    )
}

pub(crate) fn stopped(timed_out: bool, outcome: &Outcome) -> Outcome {
    let why = if timed_out {
        "Stopped because it took too long."
    } else {
        "Stopped by the user."
    };
    let text: Arc<str> = if outcome.text.is_empty() {
        why.into()
    } else {
        format!("{why} What it wrote until then:\n{}", outcome.text).into()
    };
    Outcome {
        text,
        is_error: true,
        blob: outcome.blob.clone(),
        detail: outcome.detail.clone(),
    }
}

pub(crate) fn lost(message: &str) -> Outcome {
    Outcome::error(format!("It is not known how this call ended: {message}"))
}

pub(crate) fn too_late(state: State, after_ms: u64) -> Outcome {
    Outcome::error(match state {
        State::Questioning => format!("Nobody answered within {after_ms} ms."),
        State::Asked => format!("Not run: nobody consented to this call within {after_ms} ms."),
        _ => format!("Not run: it took more than {after_ms} ms to find out what this call would touch."),
    })
}

pub(crate) fn abandoned(unknown: bool) -> Outcome {
    Outcome::error(if unknown {
        "The program ended while this call ran: look whether it took effect before doing it again."
    } else {
        "Not run to its end: the program ended before. It had no effect and can be done again."
    })
}
