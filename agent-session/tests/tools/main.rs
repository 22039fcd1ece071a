//! The tools as a session uses them: evidence first, then the call on the path that the evidence named.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod calls;
mod commands;
mod in_editor;
mod properties;
mod reading;
mod searching;
mod support;
mod writing;
