//! Names of things inside one session. An id that a handler mints names the commit that minted it.

use std::fmt;
use std::str::FromStr;

use glasswork_engine::NameError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! minted {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The commit that minted it.
            pub seq: u64,
            /// Its place among what that commit minted.
            pub ordinal: u16,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{}", self.seq, self.ordinal)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let wrong = || NameError { text: text.to_owned(), expected: $expected };
                let (seq, ordinal) = text.split_once('.').ok_or_else(wrong)?;
                Ok(Self {
                    seq: seq.parse().map_err(|_| wrong())?,
                    ordinal: ordinal.parse().map_err(|_| wrong())?,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

minted! {
    /// An entry of the conversation tree: `412.0`.
    EntryId, "an entry (`412.0`)"
}
minted! {
    /// A tool call: `412.1`. The provider's own id of the call is not unique over a session, so it is not used.
    CallId, "a tool call (`412.1`)"
}

minted! {
    /// A step of the agent's plan: `412.0`. It stays the same as long as the step is in the plan.
    StepId, "a step of a plan (`412.0`)"
}

/// A turn, by the commit that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TurnId(pub u64);

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A prepared request, by its number in the session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
