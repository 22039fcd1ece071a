//! The Agent Client Protocol, version 1: an editor is the client, Glasswork is the agent, and both speak over any stream
//! of bytes.
//!
//! The types of the protocol stay in here. What it wants of the program is the port [`House`].

mod agent;
mod attached;
mod commands;
mod compaction;
mod connection;
mod content;
mod editor;
mod elsewhere;
mod exchange;
mod heard;
mod lines;
mod opening;
mod options;
mod permission;
mod plan;
mod prompting;
mod question;
mod servers;
mod stopping;
mod tool_calls;
mod updates;

pub(crate) use connection::serve_attached;
pub use connection::{Broken, serve};
pub use lines::{LINE_BYTES, UPDATES_WAITING};
pub use opening::{House, ModelChoice, NotReady, ProviderChoice};
