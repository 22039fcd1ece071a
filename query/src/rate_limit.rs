//! What providers allow within a time, as they said last.

use async_graphql::SimpleObject;
use glasswork_ai::rate_limit;
use glasswork_session_state::state;
use glasswork_session_state::waiting::Allowed;

use crate::scalar::{Long, Time};

/// A limit of a provider, as its headers told it.
#[derive(Debug, SimpleObject)]
pub(crate) struct RateLimit {
    /// The provider.
    provider: String,
    /// What is limited, as the server names it.
    name: String,
    /// How much is allowed within the time.
    limit: Option<Long>,
    /// How much of that was left.
    remaining: Option<Long>,
    /// When it is whole again.
    reset: Option<Time>,
    /// When the server said so.
    at: Time,
}

impl RateLimit {
    pub(crate) fn all(session: &state::Session) -> Vec<Self> {
        let said = session.limits.iter();
        said.flat_map(|(provider, said)| said.limits.iter().map(|limit| Self::of(provider, said, limit)))
            .collect()
    }

    /// Those of one provider.
    pub(crate) fn of_provider(allowed: &Allowed) -> Vec<Self> {
        let Allowed { provider, said } = allowed;
        let limits = said.limits.iter();
        limits.map(|limit| Self::of(provider, said, limit)).collect()
    }

    fn of(provider: &str, said: &state::Limits, limit: &rate_limit::RateLimit) -> Self {
        Self {
            provider: provider.to_owned(),
            name: limit.name.to_string(),
            limit: limit.limit.map(Long),
            remaining: limit.remaining.map(Long),
            reset: limit
                .reset_ms
                .map(|ms| Time(said.at.after(std::time::Duration::from_millis(ms)))),
            at: Time(said.at),
        }
    }
}
