//! The hands of a session: effect runners, tools, stores.

pub mod blobs;
pub mod processes;
pub mod runners;
pub mod tools;
pub mod store;
