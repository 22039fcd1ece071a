//! Talking to language models, without doing any I/O.

pub mod conversation;
pub mod failure;
pub mod model;
pub mod stream;
