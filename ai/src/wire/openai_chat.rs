//! OpenAI Chat Completions: the [request](https://platform.openai.com/docs/api-reference/chat/create) and the
//! [stream](https://platform.openai.com/docs/api-reference/chat-streaming), and what other servers that speak it do
//! differently.

mod arguments;
mod cumulative;
mod decode;
mod details;
mod encode;

pub(super) use decode::Decoder;
pub(super) use encode::encode;

/// The path below the base URL.
pub(super) const PATH: &str = "chat/completions";
