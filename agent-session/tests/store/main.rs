//! The store at its doors: real files, a real engine, real second processes.
// A test says what went wrong by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod checkpoints;
mod copy;
mod crash;
mod damage;
mod digests;
mod holes;
mod home;
mod lease;
mod listing;
mod pack;
mod packed_damage;
mod parts;
mod repair;
mod run;
mod second;
mod tally;
mod traces;
mod trash;
