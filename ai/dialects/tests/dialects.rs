//! What the recogniser promises: each module holds one promise.

// Helpers outside of `#[test]` functions may fail a test as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    // The page of the docs is a file.
    clippy::disallowed_methods
)]

#[path = "dialects/kit.rs"]
mod kit;

#[path = "dialects/announcing.rs"]
mod announcing;
#[path = "dialects/defects.rs"]
mod defects;
#[path = "dialects/ends.rs"]
mod ends;
#[path = "dialects/mending.rs"]
mod mending;
#[path = "dialects/natives.rs"]
mod natives;
#[path = "dialects/properties.rs"]
mod properties;
#[path = "dialects/provenance.rs"]
mod provenance;
#[path = "dialects/sources.rs"]
mod sources;
#[path = "dialects/thoughts.rs"]
mod thoughts;
