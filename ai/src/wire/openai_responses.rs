//! OpenAI Responses: the [request](https://platform.openai.com/docs/api-reference/responses/create) and the
//! [stream](https://platform.openai.com/docs/api-reference/responses-streaming). Nothing is kept at the server: its
//! thinking comes encrypted and is carried from request to request.

mod decode;
mod encode;

pub(super) use decode::Decoder;
pub(super) use encode::encode;

/// The path below the base URL.
pub(super) const PATH: &str = "responses";
