//! Projections: what people look at, computed from a session's state.

pub mod report;
pub mod status;
pub mod stuck;
pub mod transcript;
pub mod tree;
