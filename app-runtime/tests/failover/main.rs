//! Failover and circuit breakers: whole turns, files, and several processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

mod candidates;
mod files;
mod passages;
mod processes;
mod turns;
