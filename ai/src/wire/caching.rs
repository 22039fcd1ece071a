//! Up to where a server is asked to keep a request in its cache, where it wants to be asked.

use serde::{Deserialize, Serialize};

/// Where breakpoints are set. A server takes four; those of the messages give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caching {
    /// After the tools.
    pub tools: bool,
    /// After the system prompt, which comes after the tools.
    pub system: bool,
    /// After the last so many messages of the user, results of tools among them.
    pub messages: u8,
    /// How long it is kept since it was last used.
    pub keep: CacheLife,
}

/// How long a part of a request stays in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheLife {
    /// Five minutes.
    #[default]
    FiveMinutes,
    /// An hour. Writing costs more.
    OneHour,
}

/// Most breakpoints that a server takes.
const MOST: usize = 4;

impl Default for Caching {
    /// The system prompt, and the last two messages: the last so that the next request finds it, the one before it
    /// because more than twenty parts may lie between, which is how far back the server looks.
    fn default() -> Self {
        Self {
            tools: false,
            system: true,
            messages: 2,
            keep: CacheLife::FiveMinutes,
        }
    }
}

impl Caching {
    /// How many messages have a breakpoint, with so many others set.
    pub(super) fn messages(&self, others: usize) -> usize {
        usize::from(self.messages).min(MOST.saturating_sub(others))
    }
}

/// A breakpoint, as Anthropic has it and relays of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<CacheLife> for CacheControl {
    fn from(life: CacheLife) -> Self {
        Self {
            r#type: "ephemeral",
            ttl: match life {
                CacheLife::FiveMinutes => None,
                CacheLife::OneHour => Some("1h"),
            },
        }
    }
}
