//! What models and tools were used, as integers that only grow.

use glasswork_ai::model::ModelId;
use glasswork_ai::stream::Usage;
use im::OrdMap;
use serde::{Deserialize, Serialize};

/// Counters of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Ledger {
    /// Tokens and requests by model.
    pub models: OrdMap<ModelId, ModelUsage>,
    /// Tool calls that were settled.
    pub calls: u64,
    /// Of those, the ones whose model was told of an error.
    pub calls_failed: u64,
}

/// Counters of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ModelUsage {
    /// Attempts to get an answer.
    pub attempts: u64,
    /// Of those, the ones that failed.
    pub failed: u64,
    /// Tokens, as the provider counted them.
    pub tokens: Usage,
}

impl Ledger {
    /// The tokens of all models.
    #[must_use]
    pub fn tokens(&self) -> Usage {
        let mut sum = Usage::default();
        for model in self.models.values() {
            add(&mut sum, &model.tokens);
        }
        sum
    }

    /// Whether nothing was used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was used since it stood so.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let models = self.models.iter().filter_map(|(model, used)| {
            let more = match before.models.get(model) {
                Some(before) => used.since(before),
                None => *used,
            };
            (more != ModelUsage::default()).then(|| (model.clone(), more))
        });
        Self {
            models: models.collect(),
            calls: self.calls.saturating_sub(before.calls),
            calls_failed: self.calls_failed.saturating_sub(before.calls_failed),
        }
    }

    pub(crate) fn model(&mut self, model: &ModelId) -> &mut ModelUsage {
        self.models.entry(model.clone()).or_default()
    }
}

impl ModelUsage {
    fn since(&self, before: &Self) -> Self {
        let (now, then) = (&self.tokens, &before.tokens);
        Self {
            attempts: self.attempts.saturating_sub(before.attempts),
            failed: self.failed.saturating_sub(before.failed),
            tokens: Usage {
                input: now.input.saturating_sub(then.input),
                output: now.output.saturating_sub(then.output),
                cache_read: now.cache_read.saturating_sub(then.cache_read),
                cache_write: now.cache_write.saturating_sub(then.cache_write),
            },
        }
    }
}

pub(crate) fn add(sum: &mut Usage, more: &Usage) {
    sum.input = sum.input.saturating_add(more.input);
    sum.output = sum.output.saturating_add(more.output);
    sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
    sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
}
