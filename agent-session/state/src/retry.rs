//! Whether and when a request that failed is sent again.

use glasswork_ai::failure::Failure;
use glasswork_engine::{DispatchId, Timestamp};

use crate::settings::Settings;
use crate::state::{Attempt, Session};

/// Whether the failed attempt may be followed by another. Where the server asks to wait for longer than the budget has
/// left, it may not: asking again earlier than that would be refused again, and is not what the server wants. Where
/// money has a budget that does not allow it, it may not either.
pub(crate) fn is_left(attempt: &Attempt, session: &Session, at: Timestamp) -> bool {
    let settings = &session.settings;
    let retryable = attempt
        .failure
        .as_ref()
        .is_some_and(|failure| failure.class.is_retryable());
    retryable
        && attempt.number < settings.retry_attempts.value
        && left_ms(attempt, settings, at) > 0
        && attempt
            .failure
            .as_ref()
            .is_none_or(|failure| is_patient(failure, attempt, settings, at))
        && session.next_exhausted(at).is_none()
}

/// What is left of the budget, in milliseconds.
fn left_ms(attempt: &Attempt, settings: &Settings, at: Timestamp) -> u64 {
    let spent = u64::try_from(at.since(attempt.first_at).as_millis()).unwrap_or(u64::MAX);
    settings.retry_budget_ms.value.saturating_sub(spent)
}

/// Whether what the server asks for fits into what is left of the budget.
fn is_patient(failure: &Failure, attempt: &Attempt, settings: &Settings, at: Timestamp) -> bool {
    let left = left_ms(attempt, settings, at);
    failure.retry_after_ms.is_none_or(|asked| asked <= left)
}

/// The failure, which says so if the server asks for more patience than there is.
pub(crate) fn explained(failure: Failure, attempt: &Attempt, settings: &Settings, at: Timestamp) -> Failure {
    match failure.retry_after_ms {
        Some(asked) if failure.class.is_retryable() && !is_patient(&failure, attempt, settings, at) => Failure {
            message: format!(
                "{}; the server asks to wait for {} s, and `retry_budget_ms` leaves {} s for that: say it again later, \
                 or raise the setting",
                failure.message,
                asked.div_ceil(1000),
                left_ms(attempt, settings, at) / 1000,
            )
            .into(),
            ..failure
        },
        _ => failure,
    }
}

/// How long to wait before the next attempt, in milliseconds: as long as the server asks, else doubling from the
/// base up to the cap, less up to a quarter that depends on the dispatch and never beyond the budget.
pub(crate) fn delay_ms(attempt: &Attempt, settings: &Settings, at: Timestamp, dispatch: DispatchId) -> u64 {
    let left = left_ms(attempt, settings, at);
    let asked = attempt
        .failure
        .as_ref()
        .and_then(|failure| failure.retry_after_ms);
    asked
        .unwrap_or_else(|| {
            let doublings = attempt.number.saturating_sub(1).min(32);
            let grown = settings.retry_base_ms.value.saturating_mul(1u64 << doublings);
            let full = grown.min(settings.retry_cap_ms.value);
            full - spread(dispatch) % (full / 4).saturating_add(1)
        })
        .min(left)
}

/// A number that looks random and is the same in every replay: FNV-1a over the dispatch's name.
fn spread(dispatch: DispatchId) -> u64 {
    dispatch
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
