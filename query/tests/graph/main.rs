//! The graph from outside: whole questions, whole answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod bisect;
mod branches;
mod carried;
mod charts;
mod choices;
mod compactions;
mod differences;
mod dispatches;
mod failing_over;
mod footprint;
mod images;
mod limits;
mod mcp;
mod models;
mod parity;
mod plan;
mod questions;
mod readings;
mod requests;
mod sdl;
mod sessions;
mod shown;
mod sign_ins;
mod structured;
mod viewers;
mod why;
mod world;
