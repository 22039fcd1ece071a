//! Talking to language models.
//!
//! The vocabulary ([`conversation`], [`model`], [`stream`], [`failure`]), the wires that render it to bytes and back
//! ([`wire`], [`sse`]), and a model that plays a script ([`scripted`]) do no I/O. The feature `port` adds the one
//! asynchronous door to models (`port`), with scripted models behind it; the feature `http` adds real
//! providers (`http`).

pub mod conversation;
pub mod failure;
pub mod grammar;
#[cfg(feature = "http")]
pub mod http;
pub mod model;
#[cfg(feature = "port")]
pub mod port;
pub mod scripted;
pub mod sign_in;
pub mod sse;
pub mod stream;
pub mod windows;
pub mod wire;
