//! A session driven through its public door, without engine, files or time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it did not expect shall stop there"
)]

mod breakers;
mod carried;
mod clients;
mod closing_on_a_budget;
mod compacting;
mod coverage;
mod damage;
mod failing_over;
mod fixtures;
mod handing_over;
mod histories;
mod host_affairs;
mod images;
mod import;
mod inherited;
#[allow(unreachable_pub, reason = "it is public where it comes from")]
#[path = "../../../../testkit/src/kept.rs"]
mod kept;
mod leaving;
mod mcp;
mod merging;
mod plan;
mod policy;
mod properties;
mod questions;
mod retries;
mod scenarios;
mod secrets;
mod sessions;
mod sign_ins;
mod size;
mod spending;
mod state_version;
mod structured;
mod table;
mod tree;
mod world;
