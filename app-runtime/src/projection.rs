//! Projections: what people look at, computed from a session's state.

pub mod activity;
pub mod context;
pub mod dialogs;
pub mod family;
pub mod footer;
pub mod invalidation;
pub mod notifications;
pub mod plan;
pub mod report;
pub mod status;
pub mod stuck;
pub mod transcript;
pub mod tree;
