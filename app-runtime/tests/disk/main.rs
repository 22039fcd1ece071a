//! Disks that are full, read-only, not ours, or hold something else where a file should be: a session says so, loses nothing that was told, and goes on once it can.
//!
//! Real file systems: each test mounts its own in a namespace that only its second process sees. Where the system lets
//! nobody make such a namespace, the test says so on standard error and is over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod full;
mod in_place;
mod permission;
mod read_only;
mod support;
