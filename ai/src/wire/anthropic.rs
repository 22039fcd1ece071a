//! Anthropic Messages: the [request](https://docs.anthropic.com/en/api/messages) and the
//! [stream](https://docs.anthropic.com/en/docs/build-with-claude/streaming).

mod decode;
mod encode;

pub(super) use decode::Decoder;
pub(super) use encode::{DEFAULT_MAX_TOKENS, encode};

/// The path below the base URL.
pub(super) const PATH: &str = "messages";
