//! What a request carries beside the conversation: how the next token is chosen, when the answer ends, how fast it shall
//! come, and up to where the server is asked to keep the request in its cache.
//!
//! A [`Request`](crate::conversation::Request) has what is *sent*. What was asked for and does not fit the model is in
//! [`adjusted`](crate::adjusted).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::abilities::Thinking;
use crate::decimal::Decimal;

macro_rules! at_most {
    ($(#[$doc:meta])* $name:ident, $most:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Decimal<3>", into = "Decimal<3>")]
        pub struct $name(Decimal<3>);

        impl $name {
            /// The largest that there is.
            pub const MOST: Self = Self(Decimal($most * Decimal::<3>::ONE));

            /// The number.
            #[must_use]
            pub fn get(self) -> Decimal<3> {
                self.0
            }
        }

        impl TryFrom<Decimal<3>> for $name {
            type Error = String;
            fn try_from(number: Decimal<3>) -> Result<Self, String> {
                match number <= Self::MOST.0 {
                    true => Ok(Self(number)),
                    false => Err(format!("{} goes from 0 to {}, and {number} is more", $what, $most)),
                }
            }
        }

        impl From<$name> for Decimal<3> {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let number: Decimal<3> = text.parse().map_err(|error: crate::decimal::NotDecimal| error.to_string())?;
                number.try_into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

at_most!(
    /// How freely the next token is chosen: from 0 (always the likeliest) to 2.
    Temperature,
    2,
    "the temperature"
);
at_most!(
    /// Among which tokens the next one is chosen: the likeliest that have so much of the probability together.
    TopP,
    1,
    "`top_p`"
);

/// How much work an answer is worth, in the words of providers that ask for that apart from thinking.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Effort {
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
    /// As much as there is.
    Xhigh,
}

impl From<Effort> for Thinking {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Low => Self::Low,
            Effort::Medium => Self::Medium,
            Effort::High => Self::High,
            Effort::Xhigh => Self::Xhigh,
        }
    }
}

/// How fast an answer shall come, which is a matter of what it costs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Speed {
    /// As everybody has it, at the usual price.
    Standard,
    /// Sooner, for more.
    Fast,
    /// When there is time, for less.
    Economy,
}

impl Speed {
    /// Whether the usual prices hold.
    #[must_use]
    pub fn is_usual(self) -> bool {
        self == Self::Standard
    }
}

/// A place in a request up to which a server is asked to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// The last tool.
    Tools,
    /// The system prompt, which comes after the tools.
    System,
    /// A message, by its place from 0. In a request that is prepared and not rendered it is the place of a part.
    Message(u64),
}

/// How long a server is asked to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// As short as the provider has it: five minutes with Anthropic.
    #[default]
    Short,
    /// As long as it has it: an hour with Anthropic, a day with OpenAI.
    Long,
}

/// What a server is asked to keep in its cache.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    /// The breakpoints, in the order of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// How long.
    #[serde(skip_serializing_if = "is_default")]
    pub life: Life,
    /// What requests have in common that begin alike, for servers that look for their cache by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
}

/// What a request carries beside the conversation; what is `None` or empty is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Controls {
    /// How freely the next token is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// Among which tokens it is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<TopP>,
    /// Texts at which the answer ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<Arc<str>>,
    /// How much work the answer is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// How fast it shall come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// What the server is asked to keep.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: Cache,
}

impl Controls {
    /// Whether there are none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range_wherever_they_come_from() {
        let table = [
            ("0", true),
            ("0.7", true),
            ("2", true),
            ("2.001", false),
            ("-1", false),
            ("0.0001", false),
        ];
        for (text, fits) in table {
            assert_eq!(text.parse::<Temperature>().is_ok(), fits, "{text}");
            assert_eq!(serde_json::from_str::<Temperature>(text).is_ok(), fits, "{text}");
        }
        let error = "1.5".parse::<TopP>().unwrap_err();
        assert_eq!(error, "`top_p` goes from 0 to 1, and 1.50 is more");
        let whole: Controls = serde_json::from_str(r#"{"temperature": 0.7}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&whole).unwrap(),
            r#"{"temperature":"0.70"}"#
        );
        assert_eq!(serde_json::to_string(&Controls::default()).unwrap(), "{}");
    }
}
