//! Exact decimal numbers with a fixed number of places: money and prices are never floating.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A number that is not negative, as a count of units of which 10 to the power of `PLACES` make one. Written as
/// decimal text (`"0.30"`); read from text or from a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const PLACES: u32>(pub u64);

/// US dollars, counted in billionths.
pub type Money = Decimal<9>;

/// US dollars for a million tokens, counted in millionths: so one unit is a millionth of a millionth for each token.
pub type PerMillion = Decimal<6>;

/// A text that is no such number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no amount: write it like `0.50`, with at most {places} decimals")]
pub struct NotDecimal {
    text: String,
    places: u32,
}

impl<const PLACES: u32> Decimal<PLACES> {
    /// How many units make one.
    pub const ONE: u64 = 10_u64.pow(PLACES);

    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let places = u32::try_from(fraction.len()).ok()?;
        if !digits(whole) || !digits(fraction) || places > PLACES {
            return None;
        }
        let whole = whole.parse::<u64>().ok()?.checked_mul(Self::ONE)?;
        let fraction = match fraction {
            "" => 0,
            fraction => fraction.parse::<u64>().ok()? * 10_u64.pow(PLACES - places),
        };
        whole.checked_add(fraction).map(Self)
    }
}

impl<const PLACES: u32> FromStr for Decimal<PLACES> {
    type Err = NotDecimal;
    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        Self::parse(text.trim()).ok_or_else(|| NotDecimal {
            text: text.to_owned(),
            places: PLACES,
        })
    }
}

/// With as many decimals as it has, but at least two.
impl<const PLACES: u32> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::try_from(PLACES).unwrap_or(0);
        let fraction = format!("{:0width$}", self.0 % Self::ONE);
        let shown = fraction.trim_end_matches('0');
        write!(f, "{}.{shown:0<2}", self.0 / Self::ONE)
    }
}

impl<const PLACES: u32> Serialize for Decimal<PLACES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const PLACES: u32> Deserialize<'de> for Decimal<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount<const PLACES: u32>;
        impl<const PLACES: u32> Visitor<'_> for Amount<PLACES> {
            type Value = Decimal<PLACES>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount (`0.50`)")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }
            // The shortest text that means this number is the one that was written.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        let table: [(&str, Option<u64>, &str); 15] = [
            ("0.50", Some(500_000_000), "0.50"),
            ("20", Some(20_000_000_000), "20.00"),
            ("0.000000001", Some(1), "0.000000001"),
            ("3.125", Some(3_125_000_000), "3.125"),
            ("0.0000000001", None, ""),
            ("-1", None, ""),
            ("1e3", None, ""),
            (".5", None, ""),
            ("99999999999999", None, ""),
            ("nothing", None, ""),
            (" 1.5\n", Some(1_500_000_000), "1.50"),
            ("", None, ""),
            ("1.", Some(1_000_000_000), "1.00"),
            ("1.2.3", None, ""),
            ("+1", None, ""),
        ];
        for (text, units, shown) in table {
            let read = text.parse::<Money>().ok();
            assert_eq!(read.map(|money| money.0), units, "{text}");
            if let Some(money) = read {
                assert_eq!(money.to_string(), shown);
            }
        }
        let read = |json: &str| serde_json::from_str::<PerMillion>(json).ok();
        assert_eq!(read("0.1"), Some(Decimal(100_000)));
        assert_eq!(read("15"), Some(Decimal(15_000_000)));
        assert_eq!(read("\"0.075\""), Some(Decimal(75_000)));
        assert_eq!(read("-0.5"), None);
        assert_eq!(read("1e-7"), None, "finer than prices are");
    }
}
