//! Why a prompt is over, in the protocol's words. One table.

use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::StopReason;
use glasswork_agent_core::tree::Body;
use glasswork_agent_core::turn::State;
use glasswork_ai::failure::FailureClass;
use glasswork_ai::stream;
use glasswork_app_runtime::explain;
use glasswork_session_state::state::{Session, TurnFailure};

/// How a prompt ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// For one of the protocol's reasons.
    Stopped(StopReason),
    /// It failed, which the protocol tells as an error of the request.
    Failed(Error),
}

impl Ending {
    pub(super) fn into_result(self) -> Result<StopReason, Error> {
        match self {
            Self::Stopped(reason) => Ok(reason),
            Self::Failed(error) => Err(error),
        }
    }
}

/// How the last turn of a session ended that stands in `state`, for `failure` where it failed.
pub(super) fn of(state: State, failure: Option<&TurnFailure>, session: &Session) -> Ending {
    match reason(state, last_stop(session)) {
        Some(reason) => Ending::Stopped(reason),
        None => failure.map_or_else(
            || Ending::Failed(Error::internal_error().data("the turn failed, and nobody said why")),
            of_failure,
        ),
    }
}

/// `None` where it failed.
fn reason(state: State, last: Option<&stream::StopReason>) -> Option<StopReason> {
    match state {
        State::Completed => Some(last.map_or(StopReason::EndTurn, of_model)),
        // A turn that rests has nothing to say until somebody lets it go on: the next prompt does.
        State::Paused => Some(StopReason::EndTurn),
        State::Interrupted | State::Cancelled | State::Abandoned => Some(StopReason::Cancelled),
        State::Failed => None,
        // None of these ends a prompt; whoever asks all the same is told that it goes on no further.
        State::Preparing
        | State::Compacting
        | State::Connecting
        | State::Streaming
        | State::BackingOff
        | State::Gating
        | State::Executing
        | State::Cancelling => Some(StopReason::Cancelled),
    }
}

fn of_model(stop: &stream::StopReason) -> StopReason {
    match stop {
        stream::StopReason::EndOfTurn
        | stream::StopReason::ToolUse
        | stream::StopReason::StopSequence
        | stream::StopReason::Paused
        | stream::StopReason::Other(_) => StopReason::EndTurn,
        stream::StopReason::Length => StopReason::MaxTokens,
        stream::StopReason::Refusal => StopReason::Refusal,
    }
}

fn of_failure(failure: &TurnFailure) -> Ending {
    let told = || explain::failure(failure);
    match failure {
        TurnFailure::Limit { .. } | TurnFailure::Budget(_) => Ending::Stopped(StopReason::MaxTurnRequests),
        TurnFailure::Model(model) if model.class == FailureClass::Auth => {
            Ending::Failed(Error::new(Error::auth_required().code, told()))
        }
        TurnFailure::Model(_)
        | TurnFailure::NobodyAnswered { .. }
        | TurnFailure::TooLong { .. }
        | TurnFailure::Loop { .. }
        | TurnFailure::NoResult { .. }
        | TurnFailure::Paused { .. } => Ending::Failed(Error::new(Error::internal_error().code, told())),
    }
}

/// Why the model stopped in the answer with which the conversation ends.
fn last_stop(session: &Session) -> Option<&stream::StopReason> {
    let (_, entry) = session.tree.branch().next()?;
    match &entry.body {
        Body::Assistant(answer) => answer.stop.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn every_state_in_which_a_turn_ends_has_its_reason() {
        for state in State::VARIANTS {
            let expected = match state {
                State::Completed | State::Paused => Some(StopReason::EndTurn),
                State::Failed => None,
                State::Preparing
                | State::Compacting
                | State::Connecting
                | State::Streaming
                | State::BackingOff
                | State::Gating
                | State::Executing
                | State::Cancelling
                | State::Interrupted
                | State::Cancelled
                | State::Abandoned => Some(StopReason::Cancelled),
            };
            assert_eq!(reason(*state, None), expected, "{state:?}");
        }
    }

    #[test]
    fn what_the_model_stopped_for_is_told_of_a_turn_that_completed_alone() {
        let table = [
            (stream::StopReason::EndOfTurn, StopReason::EndTurn),
            (stream::StopReason::ToolUse, StopReason::EndTurn),
            (stream::StopReason::Length, StopReason::MaxTokens),
            (stream::StopReason::StopSequence, StopReason::EndTurn),
            (stream::StopReason::Paused, StopReason::EndTurn),
            (stream::StopReason::Refusal, StopReason::Refusal),
            (stream::StopReason::Other("new".into()), StopReason::EndTurn),
        ];
        for (stop, expected) in table {
            assert_eq!(reason(State::Completed, Some(&stop)), Some(expected), "{stop:?}");
            assert_eq!(
                reason(State::Cancelled, Some(&stop)),
                Some(StopReason::Cancelled),
                "{stop:?}"
            );
        }
    }

    #[test]
    fn a_limit_is_a_reason_and_a_failure_is_an_error() {
        let limit = of_failure(&TurnFailure::Limit { max_steps: 3 });
        assert!(
            matches!(limit, Ending::Stopped(StopReason::MaxTurnRequests)),
            "{limit:?}"
        );
        let paused = of_failure(&TurnFailure::Paused { times: 3 });
        assert!(matches!(paused, Ending::Failed(_)), "{paused:?}");
    }
}
