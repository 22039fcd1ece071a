//! A coding session as pure state: events, facts, decide, evolve, invariants.
//!
//! [`Glasswork`] implements the engine's `Domain`. A family of events is a file: its events, its facts, how they are
//! decided and applied. Nothing here waits, reads a clock or touches the world.

pub mod call;
pub mod domain;
pub mod effect;
pub mod evidence;
pub mod host;
pub mod judge;
pub mod keys;
pub mod model;
pub mod permission;
pub mod prompt;
pub mod queue;
pub mod recovery;
pub mod rejection;
pub mod session;
pub mod settings;
pub mod state;
pub mod tools;
pub mod turn;
pub mod usage;

pub use domain::{DeadlineKey, Event, Fact, Glasswork, Reply};
