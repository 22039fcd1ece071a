//! What a door of the protocol needs of the program behind it: how sessions are opened there.

use std::path::Path;

use glasswork_ai::model::ModelId;
use glasswork_app_runtime::runtime::Opening;
use glasswork_engine::ScopeId;

/// How sessions are opened, whom they may ask, and how somebody signs in. The program that serves answers it.
/// Methods may read files, and so may block.
pub trait House: Send + Sync + 'static {
    /// How a new session is opened in a directory.
    ///
    /// # Errors
    /// [`NotReady`].
    fn new_session(&self, workspace: &Path) -> Result<Opening, NotReady>;

    /// How a session of the past is opened again.
    ///
    /// # Errors
    /// [`NotReady`].
    fn again(&self, session: ScopeId) -> Result<Opening, NotReady>;

    /// The models that can be asked, by name.
    fn models(&self) -> Vec<ModelChoice>;

    /// The providers of models, and whether they can be asked.
    fn providers(&self) -> Vec<ProviderChoice>;
}

/// The models of a house that may be missing.
pub(super) fn models(house: Option<&dyn House>) -> Vec<ModelChoice> {
    house.map(House::models).unwrap_or_default()
}

/// Why a session cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No model can be asked: there is no key, and nobody is signed in.
    #[error("{0}")]
    NoModel(String),
    /// Something that was asked for is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// A model that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// The model.
    pub id: ModelId,
    /// What it is called.
    pub name: String,
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderChoice {
    /// Its name, as in `provider/id`.
    pub name: String,
    /// The variable in which its key is looked for, where there is one.
    pub key_variable: Option<String>,
    /// Whether it can be asked.
    pub usable: bool,
}
