//! Whether, and how, calls are read from the text of a server's answers.

use std::fmt;

use glasswork_dialects::Dialect;
use serde::de::{EnumAccess, Error, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether calls are read from the text of a server's answers: `auto`, `off`, or the key of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadCalls {
    /// Of servers that speak Chat Completions and are not OpenAI, in whatever dialect. That is where they are left.
    #[default]
    Auto,
    /// Not at all: what looks like a call is text. (Native calls are calls.)
    Off,
    /// In this dialect and no other, whatever the server speaks.
    As(Dialect),
}

const AUTO: &str = "auto";
const OFF: &str = "off";

impl ReadCalls {
    fn key(self) -> &'static str {
        match self {
            Self::Auto => AUTO,
            Self::Off => OFF,
            Self::As(dialect) => dialect.key(),
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        match key {
            AUTO => Some(Self::Auto),
            OFF => Some(Self::Off),
            key => {
                let dialect = Dialect::ALL.iter().find(|dialect| dialect.key() == key);
                dialect.map(|dialect| Self::As(*dialect))
            }
        }
    }
}

const NAME: &str = "ReadCalls";

impl Serialize for ReadCalls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant(NAME, 0, self.key())
    }
}

impl<'de> Deserialize<'de> for ReadCalls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(NAME, &[AUTO, OFF], Variants)
    }
}

struct Variants;

impl<'de> Visitor<'de> for Variants {
    type Value = ReadCalls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto`, `off` or the key of a dialect")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<ReadCalls, A::Error> {
        let (setting, variant) = data.variant::<Key>()?;
        variant.unit_variant()?;
        Ok(setting.0)
    }
}

struct Key(ReadCalls);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Variants.expecting(f)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        ReadCalls::of_key(key).map(Key).ok_or_else(|| {
            let dialects: Vec<&str> = Dialect::ALL.iter().map(|dialect| dialect.key()).collect();
            E::custom(format!(
                "there is no dialect `{key}`: write `auto`, `off`, or one of {}",
                dialects.join(", ")
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_written_as_a_word_and_read_again() {
        let dialects = Dialect::ALL.iter().map(|dialect| ReadCalls::As(*dialect));
        for setting in [ReadCalls::Auto, ReadCalls::Off].into_iter().chain(dialects) {
            assert_eq!(ron::to_string(&setting).unwrap(), setting.key());
            assert_eq!(ron::from_str::<ReadCalls>(setting.key()).unwrap(), setting);
            let json = serde_json::to_string(&setting).unwrap();
            assert_eq!(serde_json::from_str::<ReadCalls>(&json).unwrap(), setting);
        }
        let wrong = ron::from_str::<ReadCalls>("hermes2").unwrap_err().to_string();
        assert!(
            wrong.contains("there is no dialect `hermes2`: write `auto`, `off`, or one of hermes, qwen_xml,"),
            "{wrong}"
        );
    }
}
