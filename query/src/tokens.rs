//! What models and tools were used.

use async_graphql::SimpleObject;
use glasswork_ai::stream;
use glasswork_session_state::usage;

use crate::scalar::Long;

/// Tokens as the provider counts them. The four counts do not overlap.
#[derive(Debug, SimpleObject)]
pub(crate) struct Tokens {
    /// Input tokens that were neither read from nor written to a cache.
    input: Long,
    /// Output tokens, thinking included.
    output: Long,
    /// Input tokens read from a cache.
    cache_read: Long,
    /// Input tokens written to a cache.
    cache_write: Long,
    /// Of those, the ones that stay there for an hour or longer.
    cache_write_hour: Long,
}

impl From<&stream::Usage> for Tokens {
    fn from(usage: &stream::Usage) -> Self {
        Self {
            input: Long(usage.input),
            output: Long(usage.output),
            cache_read: Long(usage.cache_read),
            cache_write: Long(usage.cache_write),
            cache_write_hour: Long(usage.cache_write_1h),
        }
    }
}

/// What was used, from the facts of a session's journal.
#[derive(Debug, SimpleObject)]
pub(crate) struct Usage {
    /// By model.
    models: Vec<ModelUsage>,
    /// The tokens of all models.
    tokens: Tokens,
    /// What they cost, in billionths of a US dollar; null where that is not known of every request.
    cost: Option<Long>,
    /// Of that, what is known, in billionths of a US dollar.
    spent: Long,
    /// Tool calls that were settled.
    calls: Long,
    /// Of those, the ones whose model was told of an error.
    calls_failed: Long,
}

/// What was used of one model.
#[derive(Debug, SimpleObject)]
pub(crate) struct ModelUsage {
    /// The model, as `provider/id`.
    model: String,
    /// Attempts to get an answer.
    attempts: Long,
    /// Of those, the ones that failed.
    failed: Long,
    /// Tokens.
    tokens: Tokens,
    /// What they cost, in billionths of a US dollar; null where that is not known of every request.
    cost: Option<Long>,
    /// Of that, what is known, in billionths of a US dollar.
    spent: Long,
    /// Attempts in which the server began to answer and did not say what it counted.
    unreported: Long,
}

impl From<&usage::Ledger> for Usage {
    fn from(ledger: &usage::Ledger) -> Self {
        let model = |(id, used): (&glasswork_ai::model::ModelId, &usage::ModelUsage)| ModelUsage {
            model: id.to_string(),
            attempts: Long(used.attempts),
            failed: Long(used.failed),
            tokens: Tokens::from(&used.tokens),
            cost: used.cost().map(|cost| Long(cost.0)),
            spent: Long(used.spent.0),
            unreported: Long(used.unreported),
        };
        Self {
            models: ledger.models.iter().map(model).collect(),
            tokens: Tokens::from(&ledger.tokens()),
            cost: ledger.cost().map(|cost| Long(cost.0)),
            spent: Long(ledger.spent().0),
            calls: Long(ledger.calls),
            calls_failed: Long(ledger.calls_failed),
        }
    }
}
