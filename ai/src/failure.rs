//! How a request to a model can fail, and whether to try again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The class, which decides what happens next.
    pub class: FailureClass,
    /// What happened and what to do, for people.
    pub message: Arc<str>,
    /// The HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the server asks to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure that no HTTP response told.
    pub fn new(class: FailureClass, message: impl Into<Arc<str>>) -> Self {
        Self {
            class,
            message: message.into(),
            status: None,
            retry_after_ms: None,
        }
    }
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The key is missing or wrong (401, 403).
    Auth,
    /// Too many requests (429).
    RateLimit,
    /// The server is overloaded (529, 503 that says so).
    Overloaded,
    /// The server failed (5xx).
    Unavailable,
    /// Something took too long.
    Timeout,
    /// The connection failed or broke off.
    Transport,
    /// The server does not accept the request (4xx); the same request would fail again.
    Invalid,
    /// The conversation is too long for the model.
    ContextOverflow,
    /// Quota or credit is used up.
    Quota,
    /// The provider's filter refuses the conversation; the same one would be refused again.
    Refusal,
    /// The server sent what is not its protocol.
    Protocol,
    /// Nothing was sent: requests to the provider failed too often just now, and its circuit breaker is open.
    BreakerOpen,
}

impl FailureClass {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimit
            | Self::Overloaded
            | Self::Unavailable
            | Self::Timeout
            | Self::Transport
            | Self::BreakerOpen => true,
            Self::Auth
            | Self::Invalid
            | Self::ContextOverflow
            | Self::Quota
            | Self::Refusal
            | Self::Protocol => false,
        }
    }
}
