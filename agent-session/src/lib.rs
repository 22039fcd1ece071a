//! The hands of a session: effect runners, tools, stores.

pub mod blobs;
pub mod editors;
pub mod foreign;
pub mod git_head;
pub mod images;
pub mod index;
pub mod mcp;
pub mod processes;
pub mod runners;
pub mod secrets;
pub mod store;
pub mod tools;
