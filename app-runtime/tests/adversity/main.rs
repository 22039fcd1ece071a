//! What goes wrong in whole turns: bad calls, faults of the model, stopping in every state, processes that end. Scripted
//! model or loopback server, real tools, real files; the house replays every session strictly at its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod bad_calls;
mod faults;
mod provenance;
mod queues;
mod recovery;
mod sizes;
mod stopping;
mod support;
