//! The socket of a host, and those who connect to it.
//!
//! A line is a message of JSON-RPC 2.0. [`methods`] is the table of what can be asked; the pages of the documentation and
//! the dispatch of requests come from it alike. What goes over it, and where it lies, is in the crate of its clients.

mod calls;
pub(crate) mod fault;
pub mod host;
pub(crate) mod message;
pub mod methods;
pub mod page;
pub(crate) mod talk;
mod welcome;

pub(crate) use glasswork_client::{Client, directory, is_own, line, wire};
