//! What a server allows within a time, as its headers tell.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most limits that are kept of one response: no provider names more, and a header costs nothing to send.
pub const MOST: usize = 16;

/// One limit of a provider: of requests, tokens, input tokens …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// What is limited, as the server names it.
    pub name: Arc<str>,
    /// How much is allowed within the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much of that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// How long after the response it is whole again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_ms: Option<u64>,
}
