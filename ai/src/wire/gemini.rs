//! Gemini: the [request](https://ai.google.dev/api/generate-content), the
//! [stream](https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent), and
//! [thought signatures](https://ai.google.dev/gemini-api/docs/thought-signatures).

mod decode;
mod encode;
mod schema;

pub(super) use decode::Decoder;
pub(super) use encode::encode;

/// The end of the path below the base URL; before it stands the model.
pub(super) const PATH: &str = ":streamGenerateContent";
