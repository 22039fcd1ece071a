//! Makes forks of records, and moves them into the trash and out of it.

use std::sync::Arc;

use glasswork_engine::{EffectPort, ScopeId};
use glasswork_session_state::trash::Way;
use glasswork_session_state::{Event, Glasswork, fork, trash};

use super::World;

/// The records of sessions as things that can be copied and moved. All functions block.
///
/// Each is idempotent: what is as it was asked for already is left as it is. Errors are for people.
pub trait Records: Send + Sync + 'static {
    /// Makes `child` a fork of `of` at its commit `at`.
    ///
    /// # Errors
    /// Why there is none.
    fn fork(&self, of: ScopeId, at: u64, child: ScopeId) -> Result<(), String>;

    /// Moves a session into the trash, or out of it.
    ///
    /// # Errors
    /// Why it stays where it is.
    fn move_session(&self, session: ScopeId, way: Way) -> Result<(), String>;
}

pub(super) async fn fork(
    world: Arc<World>,
    port: EffectPort<Glasswork>,
    of: ScopeId,
    at: u64,
    child: ScopeId,
) {
    let made = tokio::task::spawn_blocking(move || world.records.fork(of, at, child)).await;
    let event = match made.unwrap_or_else(|broken| Err(broken.to_string())) {
        Ok(()) => fork::Event::Made { child },
        Err(message) => fork::Event::Failed {
            child,
            message: message.into(),
        },
    };
    port.finish(Event::Fork(event));
}

pub(super) async fn move_session(world: Arc<World>, port: EffectPort<Glasswork>, session: ScopeId, way: Way) {
    let moved = tokio::task::spawn_blocking(move || world.records.move_session(session, way)).await;
    let event = match moved.unwrap_or_else(|broken| Err(broken.to_string())) {
        Ok(()) => trash::Event::Moved { session },
        Err(message) => trash::Event::Failed {
            session,
            message: message.into(),
        },
    };
    port.finish(Event::Trash(event));
}
