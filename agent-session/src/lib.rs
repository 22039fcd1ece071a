//! The hands of a session: effect runners, tools, stores.

pub mod blobs;
pub mod foreign;
pub mod index;
pub mod processes;
pub mod runners;
pub mod store;
pub mod tools;
