//! Masking, and putting back, without a session.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod detection;
mod streams;
mod support;
mod table;
mod tools;
