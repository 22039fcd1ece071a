//! What servers on this machine say of themselves, on the host's record.

use std::sync::Arc;

use glasswork_ai::local::{LocalModel, Server};
use glasswork_session_state::host;

use crate::runtime::{OperationError, Runtime};

/// A server that was asked what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The provider as which it is asked for answers.
    pub provider: Arc<str>,
    /// Its address.
    pub base_url: Arc<str>,
    /// Which server it is.
    pub kind: Server,
    /// What it has.
    pub models: Vec<LocalModel>,
}

impl Runtime {
    /// Has it on record what a server said, so that it can be asked later where a window came from. Of many models only
    /// some are kept: the one for whose sake the server was asked, and the first others.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn know_server(&self, asked: &Asked, sake: &str) -> Result<(), OperationError> {
        let (this, others): (Vec<_>, Vec<_>) = asked.models.iter().partition(|model| &*model.id == sake);
        let models = this.into_iter().chain(others);
        self.tell_host(host::Event::ServerAsked {
            provider: Arc::clone(&asked.provider),
            base_url: Arc::clone(&asked.base_url),
            kind: asked.kind,
            models: models.take(host::MODELS_CAP).cloned().collect(),
        })
        .await
    }
}
