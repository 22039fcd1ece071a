//! The graph over real sockets: what is answered, what is refused, and who is let in. Cases are numbered as in the list
//! of hostile inputs that this is held against.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod browser;
mod changes;
mod projections;
mod protocol;
mod queue;
mod served;
mod strangers;
mod subscriptions;
mod tokens;
