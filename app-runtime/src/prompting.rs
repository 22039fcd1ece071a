//! What is said to the agent to begin a turn: words, images with them, and the result that is wanted.

use std::borrow::Cow;
use std::sync::Arc;

use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_session::images::{self, Picture};
use glasswork_agent_session::secrets::Origin;
use glasswork_ai::image::Image;
use glasswork_engine::ScopeId;
use glasswork_session_state::structured::Wanted;
use glasswork_session_state::{Event, prompt};

use crate::runtime::{Done, OperationError, Runtime};

/// What begins a turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompt {
    /// The words.
    pub text: String,
    /// Images, which were [taken in](crate::pictures::read) before.
    pub pictures: Vec<Picture>,
    /// The schema of which the turn's last answer shall be a value.
    pub result: Option<Schema>,
}

impl Prompt {
    /// Words alone.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

impl Runtime {
    /// Says something to the agent: begins a turn.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn prompt(&self, session: ScopeId, text: &str, key: Option<&str>) -> Done {
        self.prompt_with(session, Prompt::new(text), key).await
    }

    /// The same, with all that may come with words. Images are kept among the blobs of the session before the prompt names
    /// them.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn prompt_with(&self, session: ScopeId, prompt: Prompt, key: Option<&str>) -> Done {
        self.servers_ready(session).await?;
        let event = self.prompted(session, prompt, key).await?;
        self.note_checkout(session).await;
        self.tell_spending(session).await?;
        self.tell_candidates(session).await?;
        self.ask(session, event).await
    }

    /// The event of a prompt. Its images are kept when this returns.
    pub(crate) async fn prompted(
        &self,
        session: ScopeId,
        prompt: Prompt,
        key: Option<&str>,
    ) -> Result<Event, OperationError> {
        let result = match &prompt.result {
            Some(schema) => {
                if self.mounted(session).is_none() {
                    self.mounts.demand(session).await?;
                }
                Some(self.wanted(session, schema)?)
            }
            None => None,
        };
        let images = self.keep(session, prompt.pictures).await?;
        Ok(Event::Prompt(prompt::Event::Prompted {
            text: prompt.text.into(),
            max_steps: None,
            result,
            images,
            key: key.map(Into::into),
        }))
    }

    /// What is wanted of a turn, with the best means for the models that a session may ask.
    fn wanted(&self, session: ScopeId, schema: &Schema) -> Result<Arc<Wanted>, OperationError> {
        let state = self.mounted(session);
        let masking = match &state {
            Some(state) => self.secrets.of(state),
            None => self.secrets.masking(session, true),
        };
        let text = schema.text();
        if matches!(masking.text(text, &Origin::Elsewhere), Cow::Owned(_)) {
            return Err(OperationError::NotDone(
                "the schema of the result holds what looks like a secret; a masked schema would be another one: take it \
                 out, or set `mask_secrets: false`"
                    .to_owned(),
            ));
        }
        let models = state.iter().flat_map(|state| {
            let settings = &state.settings;
            settings
                .model
                .value
                .iter()
                .chain(&settings.fallback_models.value)
                .cloned()
        });
        Ok(Arc::new(Wanted {
            schema: Arc::clone(text),
            digest: blake3::hash(text.as_bytes()).to_hex().as_str().into(),
            means: models
                .map(|model| {
                    let means = self.models.means(&model, schema.document());
                    (model, means)
                })
                .collect(),
        }))
    }

    async fn keep(&self, session: ScopeId, pictures: Vec<Picture>) -> Result<Vec<Image>, OperationError> {
        let images = pictures.iter().map(|picture| picture.image.clone()).collect();
        if pictures.is_empty() {
            return Ok(images);
        }
        let blobs = (self.blobs)(session);
        let kept = tokio::task::spawn_blocking(move || {
            pictures
                .iter()
                .try_for_each(|picture| images::keep(&blobs, picture))
        });
        match kept.await {
            Ok(kept) => kept.map(|()| images).map_err(OperationError::Image),
            Err(broken) => Err(OperationError::NotDone(broken.to_string())),
        }
    }
}
