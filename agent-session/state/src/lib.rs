//! A coding session as pure state: events, facts, decide, evolve, invariants.
//!
//! [`Glasswork`] implements the engine's `Domain`. A family of events is a file: its events, its facts, how they are
//! decided and applied. Nothing here waits, reads a clock or touches the world.

mod batch;
pub mod breaker;
pub mod budget;
pub mod cache_policy;
pub mod call;
mod carried;
pub mod charge;
pub mod checkout;
pub mod clients;
pub mod closing;
pub mod compaction;
pub mod domain;
mod draft;
pub mod editor;
pub mod effect;
mod entities;
pub mod evidence;
mod evolve;
pub mod failover;
pub mod fork;
pub mod host;
mod host_recovery;
pub mod host_settings;
pub mod import;
pub mod invariant;
pub mod judge;
pub mod keys;
pub mod mcp;
pub mod model;
pub mod permission;
pub mod pieces;
pub mod plan;
pub mod prompt;
pub mod question;
pub mod queue;
pub mod recovery;
pub mod rejection;
mod retry;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod sign_in;
pub mod state;
pub mod structured;
mod told;
pub mod tools;
pub mod trash;
pub mod tree;
pub mod turn;
mod unwritten;
mod upgrade;
pub mod usage;
pub mod waiting;

pub use domain::{DeadlineKey, Event, Fact, Glasswork, Reply};
