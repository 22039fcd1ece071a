//! Names of things that pass through the gate: scopes, dispatches, effects, origins, time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The unit that owns a journal and a sequence. A UUIDv7, minted before the first event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(Uuid);

impl ScopeId {
    /// Mints a new id from the system clock and randomness. Never called by a handler.
    #[must_use]
    pub fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it was minted, to the millisecond; `None` of an id that was not.
    #[must_use]
    pub fn minted_at(self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        let seconds = i64::try_from(seconds).ok()?;
        Some(Timestamp(
            seconds
                .checked_mul(1_000_000)?
                .checked_add(i64::from(nanoseconds) / 1_000)?,
        ))
    }

    /// The id with these 128 bits, for tests and for ids that come from elsewhere.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl FromStr for ScopeId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Uuid::parse_str(text).map(Self).map_err(|_| NameError {
            text: text.to_owned(),
            expected: "a scope's id (a UUID)",
        })
    }
}

/// Time of the wall clock, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero where the clock has jumped back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// One passage of an envelope through the pipeline: `scope/412`, or `scope/412!1` where it was refused after 412.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DispatchId {
    /// The scope in which it happened.
    pub scope: ScopeId,
    /// The commit, or the commit after which it was refused. 0 is the empty scope.
    pub seq: u64,
    /// 0 for a commit; else the number of the refusal after `seq`, from 1.
    pub refusal: u32,
}

impl DispatchId {
    /// The commit `seq` of `scope`.
    #[must_use]
    pub const fn commit(scope: ScopeId, seq: u64) -> Self {
        Self {
            scope,
            seq,
            refusal: 0,
        }
    }
}

impl fmt::Display for DispatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.seq)?;
        if self.refusal > 0 {
            write!(f, "!{}", self.refusal)?;
        }
        Ok(())
    }
}

impl FromStr for DispatchId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            text: text.to_owned(),
            expected: "a dispatch (`scope/412` or `scope/412!1`)",
        };
        let (scope, rest) = text.rsplit_once('/').ok_or_else(wrong)?;
        let (seq, refusal) = match rest.split_once('!') {
            None => (rest, 0),
            Some((seq, refusal)) => (
                seq,
                refusal
                    .parse()
                    .ok()
                    .filter(|number| *number > 0)
                    .ok_or_else(wrong)?,
            ),
        };
        Ok(Self {
            scope: scope.parse()?,
            seq: seq.parse().map_err(|_| wrong())?,
            refusal,
        })
    }
}

impl Serialize for DispatchId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DispatchId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

fn parse_text<'de, D: Deserializer<'de>, T: FromStr<Err = NameError>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(std::marker::PhantomData<T>);
    impl<T: FromStr<Err = NameError>> serde::de::Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name as text")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

/// An effect inside its scope: the commit that released it and its place among that commit's effects. `412/0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectKey {
    /// The commit that released it.
    pub seq: u64,
    /// Its place among the effects of that commit.
    pub ordinal: u16,
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.seq, self.ordinal)
    }
}

impl FromStr for EffectKey {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            text: text.to_owned(),
            expected: "an effect (`412/0`)",
        };
        let (seq, ordinal) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| wrong())?,
            ordinal: ordinal.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for EffectKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EffectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

/// Who asks for a change. Bound to the handle through which the event came; callers cannot choose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The person at this process, or the program that runs it on their behalf.
    User,
    /// An attached client, by the number of its connection.
    Client(u64),
    /// An extension, by name.
    Extension(String),
    /// An agent outside this process, by name.
    Agent(String),
    /// The runner of an effect.
    Effect(EffectKey),
    /// The watcher of deadlines.
    Deadline,
    /// Recovery, after a scope was loaded.
    Recovery,
}

/// What a handler is told about the dispatch it decides.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The commit that this will be if it is accepted.
    pub id: DispatchId,
    /// When the writer received it.
    pub at: Timestamp,
    /// Who asks.
    pub origin: &'a Origin,
}

/// Where and when a fact was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The commit that carries the fact.
    pub seq: u64,
    /// That commit's time.
    pub at: Timestamp,
}

/// A moment by which something must have happened, as a value in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The commit that set it; the cause of the event that reports it.
    pub set_by: u64,
    /// When it was set.
    pub set_at: Timestamp,
    /// How long it runs, in milliseconds.
    pub after_ms: u64,
}

impl Deadline {
    /// How long it runs.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }
}
