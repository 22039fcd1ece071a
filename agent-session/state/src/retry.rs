//! Whether and when a request that failed is sent again.

use std::time::Duration;

use glasswork_engine::{DispatchId, Timestamp};

use crate::settings::Settings;
use crate::state::Attempt;

/// Whether the failed attempt may be followed by another.
pub(crate) fn is_left(attempt: &Attempt, settings: &Settings, at: Timestamp) -> bool {
    let retryable = attempt
        .failure
        .as_ref()
        .is_some_and(|failure| failure.class.is_retryable());
    retryable
        && attempt.number < settings.retry_attempts.value
        && at.since(attempt.first_at) < Duration::from_millis(settings.retry_budget_ms.value)
}

/// How long to wait before the next attempt, in milliseconds: as long as the server asks, else doubling from the
/// base up to the cap, less up to a quarter that depends on the dispatch; never beyond the budget.
pub(crate) fn delay_ms(attempt: &Attempt, settings: &Settings, at: Timestamp, dispatch: DispatchId) -> u64 {
    let spent = u64::try_from(at.since(attempt.first_at).as_millis()).unwrap_or(u64::MAX);
    let left = settings.retry_budget_ms.value.saturating_sub(spent);
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
