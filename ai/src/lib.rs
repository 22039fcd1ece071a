//! Talking to language models.
//!
//! The vocabulary ([`conversation`], [`model`], [`stream`], [`failure`]), the wires that render it to bytes and back
//! ([`wire`], [`sse`]), and a model that plays a script ([`scripted`]) do no I/O. The feature `port` adds the one
//! asynchronous door to models (`port`), with scripted models behind it; the feature `http` adds real
//! providers (`http`).

pub mod abilities;
pub mod adjusted;
pub mod catalogue;
pub mod controls;
pub mod conversation;
pub mod decimal;
pub mod failure;
pub mod grammar;
#[cfg(feature = "http")]
pub mod http;
pub mod image;
pub mod local;
pub mod model;
#[cfg(feature = "port")]
pub mod port;
pub mod price;
pub mod rate_limit;
pub mod scripted;
pub mod sign_in;
pub mod sse;
pub mod stream;
pub mod structured;
pub mod takes;
mod text_calls;
pub mod wire;
