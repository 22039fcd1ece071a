//! Closes sessions that rest, one for each effect.

use std::pin::Pin;
use std::sync::Arc;

use glasswork_engine::{DispatchId, EffectPort, ScopeId};
use glasswork_session_state::{Event, Glasswork, closing};

use super::World;

/// The sessions as things that can be opened and closed.
pub trait Sessions: Send + Sync + 'static {
    /// Closes a session in which nothing works, and gives it up; one that is closed already stays so. `cause` asked for
    /// it: a dispatch of this process, or of one that has ended.
    ///
    /// The error says for people why it stays open.
    fn close(
        &self,
        session: ScopeId,
        cause: DispatchId,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
}

pub(super) async fn run(world: Arc<World>, port: EffectPort<Glasswork>, session: ScopeId) {
    let cause = DispatchId::commit(port.scope(), port.key().seq);
    let event = match world.sessions.close(session, cause).await {
        Ok(()) => closing::Event::Closed { session },
        Err(message) => closing::Event::Stayed {
            session,
            message: message.into(),
        },
    };
    port.finish(Event::Closing(event));
}
