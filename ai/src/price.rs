//! What tokens cost, and what a request has cost, in integers.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, Money, PerMillion};
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

/// A kind of price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Of input.
    Input,
    /// Of output.
    Output,
    /// Of input that is read from a cache.
    CacheRead,
    /// Of input that is written to a cache.
    CacheWrite,
    /// Of input that is written to a cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
        })
    }
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

    /// The price of each of these tokens. Where input costs nothing, it costs nothing by way of a cache either: nobody
    /// takes money for keeping what is free.
    fn of(&self, used: &Usage) -> [(Rate, u64, Option<PerMillion>); 5] {
        let free = self.input.filter(|price| price.0 == 0);
        let long = used.cache_write_1h.min(used.cache_write);
        [
            (Rate::Input, used.input, self.input),
            (Rate::Output, used.output, self.output),
            (Rate::CacheRead, used.cache_read, self.cache_read.or(free)),
            (
                Rate::CacheWrite,
                used.cache_write - long,
                self.cache_write.or(free),
            ),
            (Rate::CacheWrite1h, long, self.cache_write_1h.or(free)),
        ]
    }
}

impl Prices {
    fn rates(&self, input: u64) -> &Rates {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// That nothing is known of what a model costs.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            version: "not known".into(),
            rates: Rates::default(),
            tiers: Vec::new(),
        }
    }

    /// That a model costs nothing; `why` is told with each amount.
    #[must_use]
    pub fn nothing(why: &str) -> Self {
        Self {
            version: why.into(),
            rates: Rates {
                input: Some(Decimal(0)),
                output: Some(Decimal(0)),
                ..Rates::default()
            },
            tiers: Vec::new(),
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.rates.is_empty() && self.tiers.is_empty()
    }

    /// The first kind of these tokens, whose requests may have been of any length, of which a price is not known.
    #[must_use]
    pub fn missing(&self, used: &Usage) -> Option<Rate> {
        let all = std::iter::once(&self.rates).chain(self.tiers.iter().map(|tier| &tier.rates));
        all.flat_map(|rates| rates.of(used))
            .find_map(|(rate, tokens, price)| (tokens > 0 && price.is_none()).then_some(rate))
    }

    /// What a request costs that used so much, rounded up to a billionth of a dollar; `None` where the price of any of
    /// these tokens is not known.
    #[must_use]
    pub fn cost(&self, used: &Usage) -> Option<Money> {
        let mut sum: u128 = 0;
        for (_, tokens, price) in self.rates(used.input_total()).of(used) {
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

    #[test]
    fn the_least_is_known_where_prices_are_and_the_highest_limit_below_counts() {
        let price = |text: &str| Some(text.parse().unwrap());
        let least = |prices: &Prices, input| prices.least(input).map(|cost| cost.to_string());
        let mut known = prices();
        assert_eq!(
            least(&known, 100_000).as_deref(),
            Some("0.03"),
            "all from the cache"
        );
        // Above the limit that price is not known, and the cheapest of the others counts.
        assert_eq!(least(&known, 1_000_000).as_deref(), Some("3.75"));
        known.tiers.push(Tier {
            above: 500_000,
            rates: Rates {
                input: price("10"),
                ..known.rates
            },
        });
        let cost = |input| known.cost(&used(input, 0, 0, 0)).map(|cost| cost.to_string());
        assert_eq!(cost(500_000).as_deref(), Some("3.00"));
        assert_eq!(cost(1_000_000).as_deref(), Some("10.00"));
        assert_eq!(least(&known, 1_000_000).as_deref(), Some("0.30"));
        // Of an answer whose price is not known nothing can be said.
        known.rates.output = None;
        assert_eq!(least(&known, 100), None);
    }

    #[test]
    fn the_longest_limit_that_is_passed_holds() {
        let tier = |above, input| Tier {
            above,
            rates: Rates {
                input: Some(Decimal(input)),
                ..Rates::default()
            },
        };
        let prices = Prices {
            tiers: vec![tier(10, 2_000_000), tier(20, 3_000_000)],
            ..prices()
        };
        let costs = [10, 11, 20, 21].map(|input| prices.cost(&used(input, 0, 0, 0)).unwrap().to_string());
        assert_eq!(costs, ["0.00003", "0.000022", "0.00004", "0.000063"]);
    }

    #[test]
    fn the_least_is_that_of_the_cheapest_way_in_and_nothing_without_a_price_of_the_way_out() {
        let least = |rates: Rates| {
            let prices = Prices {
                rates,
                ..Prices::unknown()
            };
            prices.least(1_000_000).map(|cost| cost.to_string())
        };
        let all = prices().rates;
        assert_eq!(least(all).as_deref(), Some("0.30"));
        let write = Some(Decimal(100_000));
        let cheap = Rates {
            cache_write: write,
            ..all
        };
        assert_eq!(least(cheap).as_deref(), Some("0.10"));
        let only_in = Rates { output: None, ..all };
        assert_eq!(least(only_in), None);
        assert_eq!(least(Rates::default()), None);
    }

    #[test]
    fn what_is_known_stands_before_the_others_and_what_is_missing_is_named() {
        let one = prices().rates;
        let other = Rates {
            input: Some(Decimal(1)),
            output: Some(Decimal(2)),
            cache_read: Some(Decimal(3)),
            cache_write: Some(Decimal(4)),
            cache_write_1h: Some(Decimal(5)),
        };
        assert_eq!((one.or(other), Rates::default().or(other)), (one, other));
        let missing = |prices: &Prices, used| prices.missing(&used).map(|rate| rate.to_string());
        let prices = prices();
        // Long requests have no price for what is read from the cache, and one of these may have been long.
        assert_eq!(missing(&prices, used(1, 1, 1, 1)).as_deref(), Some("cache_read"));
        assert_eq!(missing(&prices, used(1, 1, 0, 1)), None);
        let unknown = Prices::unknown();
        assert!(unknown.is_unknown() && !prices.is_unknown());
        let names = [
            used(1, 1, 1, 1),
            used(0, 1, 1, 1),
            used(0, 0, 0, 1),
            used(0, 0, 0, 0),
        ];
        let names = names.map(|used| missing(&unknown, used).unwrap_or_default());
        assert_eq!(names, ["input", "output", "cache_write", ""]);
    }

    #[test]
    fn what_costs_nothing_costs_nothing_by_way_of_a_cache_either_and_nothing_else_is_guessed() {
        let all = used(5, 5, 5, 5);
        let free = Prices::nothing("a gift");
        assert_eq!((free.cost(&all), free.missing(&all)), (Some(Decimal(0)), None));
        assert_eq!((free.least(9), &*free.version), (Some(Decimal(0)), "a gift"));
        let cheap = Prices {
            rates: Rates {
                input: Some(Decimal(1)),
                ..free.rates
            },
            ..free
        };
        assert_eq!(cheap.cost(&all), None);
        assert_eq!(Prices::unknown().cost(&all), None);
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
