//! What models and tools were used, as integers that only grow.

use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::model::ModelId;
use glasswork_ai::price::{Prices, Rate};
use glasswork_ai::stream::Usage;
use im::OrdMap;
use serde::{Deserialize, Serialize};

use crate::budget::{Elsewhere, plus};
use crate::charge::{Charge, DAYS};

/// Counters of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Ledger {
    /// Tokens and requests by model.
    pub models: OrdMap<ModelId, ModelUsage>,
    /// Tool calls that were settled.
    pub calls: u64,
    /// Of those, the ones whose model was told of an error.
    pub calls_failed: u64,
    /// What was spent on each day, as far as it is known, by the number of the day (UTC) since the first of 1970; the
    /// newest [`DAYS`] of them.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub days: OrdMap<u64, Money>,
    /// What the other sessions spent on a day, as the host told it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
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
    /// What those tokens cost whose price was known.
    #[serde(default, skip_serializing_if = "is_free")]
    pub spent: Money,
    /// Those tokens.
    #[serde(default, skip_serializing_if = "is_unused")]
    pub priced: Usage,
    /// Attempts in which the server began to answer and did not say what it counted.
    #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
    pub unreported: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) fn is_free(money: &Money) -> bool {
    money.0 == 0
}

fn is_unused(usage: &Usage) -> bool {
    *usage == Usage::default()
}

impl ModelUsage {
    /// Adds what was used elsewhere.
    pub fn add(&mut self, more: &Self) {
        self.attempts = self.attempts.saturating_add(more.attempts);
        self.failed = self.failed.saturating_add(more.failed);
        add(&mut self.tokens, &more.tokens);
        add(&mut self.priced, &more.priced);
        self.spent = plus(self.spent, more.spent);
        self.unreported = self.unreported.saturating_add(more.unreported);
    }

    /// What it cost; `None` where the price of any of its tokens was not known, or was not said what they are.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        (self.priced == self.tokens && self.unreported == 0).then_some(self.spent)
    }
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

    /// What all models cost; `None` where that is not known of each.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        let mut sum = Decimal(0);
        for model in self.models.values() {
            sum = plus(sum, model.cost()?);
        }
        Some(sum)
    }

    /// What was spent, as far as it is known.
    #[must_use]
    pub fn spent(&self) -> Money {
        self.models
            .values()
            .fold(Decimal(0), |sum, model| plus(sum, model.spent))
    }

    /// The kind of token that this model has counted without a price, and that has none in these prices either: what such
    /// a model has cost is not known, however often it is asked.
    pub(crate) fn unpriced(&self, model: &ModelId, prices: &Prices) -> Option<Rate> {
        let used = self.models.get(model)?;
        prices.missing(&since(&used.tokens, &used.priced))
    }

    pub(crate) fn charge(&mut self, model: &ModelId, charge: &Charge, day: u64) {
        let entry = self.model(model);
        entry.unreported += u64::from(charge.usage.is_none());
        let (Some(usage), Some(cost)) = (&charge.usage, charge.cost) else {
            return;
        };
        add(&mut entry.priced, usage);
        entry.spent = plus(entry.spent, cost);
        let spent = self.days.entry(day).or_default();
        *spent = plus(*spent, cost);
        while self.days.len() > DAYS {
            let Some((oldest, _)) = self.days.get_min().cloned() else {
                break;
            };
            self.days.remove(&oldest);
        }
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
        let days = self.days.iter().filter_map(|(day, spent)| {
            let before = before.days.get(day).map_or(0, |spent| spent.0);
            let more = spent.0.saturating_sub(before);
            (more > 0).then_some((*day, Decimal(more)))
        });
        Self {
            models: models.collect(),
            calls: self.calls.saturating_sub(before.calls),
            calls_failed: self.calls_failed.saturating_sub(before.calls_failed),
            days: days.collect(),
            elsewhere: None,
        }
    }

    pub(crate) fn model(&mut self, model: &ModelId) -> &mut ModelUsage {
        self.models.entry(model.clone()).or_default()
    }
}

impl ModelUsage {
    fn since(&self, before: &Self) -> Self {
        Self {
            attempts: self.attempts.saturating_sub(before.attempts),
            failed: self.failed.saturating_sub(before.failed),
            tokens: since(&self.tokens, &before.tokens),
            spent: Decimal(self.spent.0.saturating_sub(before.spent.0)),
            priced: since(&self.priced, &before.priced),
            unreported: self.unreported.saturating_sub(before.unreported),
        }
    }
}

fn since(now: &Usage, before: &Usage) -> Usage {
    Usage {
        input: now.input.saturating_sub(before.input),
        output: now.output.saturating_sub(before.output),
        cache_read: now.cache_read.saturating_sub(before.cache_read),
        cache_write: now.cache_write.saturating_sub(before.cache_write),
        cache_write_1h: now.cache_write_1h.saturating_sub(before.cache_write_1h),
    }
}

pub(crate) fn add(sum: &mut Usage, more: &Usage) {
    sum.input = sum.input.saturating_add(more.input);
    sum.output = sum.output.saturating_add(more.output);
    sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
    sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
    sum.cache_write_1h = sum.cache_write_1h.saturating_add(more.cache_write_1h);
}
