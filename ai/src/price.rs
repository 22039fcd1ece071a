//! What tokens cost, and what a request has cost, in integers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decimal::{Money, PerMillion};
use crate::stream::Usage;

/// Prices for a million tokens of each kind, in US dollars; `None` where one is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Input that is neither read from a cache nor written to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<PerMillion>,
    /// Output, thinking included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PerMillion>,
    /// Input that is read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<PerMillion>,
    /// Input that is written to a cache for as short a time as the provider has (five minutes with Anthropic).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PerMillion>,
    /// Input that is written to a cache for an hour or longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<PerMillion>,
}

/// Other prices for long requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// They hold for the whole of a request with more input tokens than this, cached ones among them.
    pub above: u64,
    /// The prices.
    pub rates: Rates,
}

/// What a model costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Where these prices come from, and of which day: so that an amount can be checked later.
    pub version: Arc<str>,
    /// The prices.
    pub rates: Rates,
    /// Other ones for long requests, by rising limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

impl Rates {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and of what is not known here the others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            input: self.input.or(others.input),
            output: self.output.or(others.output),
            cache_read: self.cache_read.or(others.cache_read),
            cache_write: self.cache_write.or(others.cache_write),
            cache_write_1h: self.cache_write_1h.or(others.cache_write_1h),
        }
    }
}

impl Prices {
    fn rates(&self, input: u64) -> &Rates {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// What a request costs that used so much, rounded up to a billionth of a dollar; `None` where the price of any of
    /// these tokens is not known.
    #[must_use]
    pub fn cost(&self, used: &Usage) -> Option<Money> {
        let rates = self.rates(used.input_total());
        let long = used.cache_write_1h.min(used.cache_write);
        let parts = [
            (used.input, rates.input),
            (used.output, rates.output),
            (used.cache_read, rates.cache_read),
            (used.cache_write - long, rates.cache_write),
            (long, rates.cache_write_1h),
        ];
        let mut sum: u128 = 0;
        for (tokens, price) in parts {
            if tokens > 0 {
                sum = sum.saturating_add(u128::from(tokens) * u128::from(price?.0));
            }
        }
        Some(rounded_up(sum))
    }

    /// What a request with so many input tokens costs at the very least: all of them read from the cache, and no
    /// answer. `None` where that is not known.
    #[must_use]
    pub fn least(&self, input: u64) -> Option<Money> {
        let rates = self.rates(input);
        let price = [
            rates.input,
            rates.cache_read,
            rates.cache_write,
            rates.cache_write_1h,
        ];
        let cheapest = price.into_iter().flatten().min()?;
        // Without a price of output nothing is known of the answer, which is never empty.
        rates.output?;
        Some(rounded_up(u128::from(input) * u128::from(cheapest.0)))
    }
}

/// From millionths of millionths of a dollar.
fn rounded_up(sum: u128) -> Money {
    Money::from_units(sum.div_ceil(1000))
}

impl Money {
    fn from_units(units: u128) -> Self {
        Self(u64::try_from(units).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::Decimal;

    fn prices() -> Prices {
        let price = |text: &str| Some(text.parse().unwrap());
        let rates = Rates {
            input: price("3"),
            output: price("15"),
            cache_read: price("0.3"),
            cache_write: price("3.75"),
            cache_write_1h: price("6"),
        };
        let long = Rates {
            input: price("6"),
            output: price("22.5"),
            cache_read: None,
            ..rates
        };
        Prices {
            version: "test".into(),
            rates,
            tiers: vec![Tier {
                above: 200_000,
                rates: long,
            }],
        }
    }

    fn used(input: u64, output: u64, cache_read: u64, cache_write: u64) -> Usage {
        Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h: 0,
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price_and_long_requests_have_theirs() {
        let cost = |used: &Usage| prices().cost(used).map(|cost| cost.to_string());
        let table = [
            (used(0, 0, 0, 0), Some("0.00")),
            (used(1_000_000, 0, 0, 0), Some("6.00")),
            (used(1_000, 100, 10_000, 2_000), Some("0.015")),
            // The limit itself is not above the limit.
            (used(200_000, 0, 0, 0), Some("0.60")),
            (used(1, 0, 0, 200_000), Some("0.750006")),
            // Above it the price of what is read from the cache is not known.
            (used(200_001, 0, 1, 0), None),
            (used(0, 0, 1, 0), Some("0.0000003")),
        ];
        for (used, expected) in table {
            assert_eq!(cost(&used).as_deref(), expected, "{used:?}");
        }
        let written = |long: u64| Usage {
            cache_write_1h: long,
            ..used(0, 0, 0, 100_000)
        };
        // $3.75 for five minutes, $6 for an hour; and what is said to be more than all is all.
        let table = [
            (0, "0.375"),
            (40_000, "0.465"),
            (100_000, "0.60"),
            (u64::MAX, "0.60"),
        ];
        for (long, expected) in table {
            assert_eq!(cost(&written(long)).as_deref(), Some(expected), "{long}");
        }
        let mut unknown = prices();
        unknown.rates.cache_write_1h = None;
        assert_eq!(unknown.cost(&written(1)), None);
        let finest = Prices {
            rates: Rates {
                input: Some(Decimal(1)),
                ..Rates::default()
            },
            ..prices()
        };
        assert_eq!(finest.cost(&used(1, 0, 0, 0)), Some(Decimal(1)), "rounded up");
    }

    proptest! {
        #[test]
        fn nothing_costs_less_than_the_least(input in 0_u64..500_000, output in 0_u64..9_000, part in 0_u64..100) {
            let read = input * part / 100;
            let prices = prices();
            if let (Some(least), Some(cost)) = (prices.least(input), prices.cost(&used(input - read, output, read, 0))) {
                prop_assert!(least <= cost);
            }
        }
    }
}
