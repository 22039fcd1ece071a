//! The hands of a session: effect runners, tools, stores.

pub mod store;
