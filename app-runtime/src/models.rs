//! Which model a session asks: by flag, session, setting, or the only provider with a key.

use glasswork_ai::model::ModelId;
use glasswork_session_state::settings::{Layer, Sourced};

/// A provider that can be used: what this build speaks, and whether there is a key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name, as in `provider/id`.
    pub name: &'static str,
    /// Where its key is looked for.
    pub key_variable: &'static str,
    /// Whether there is one.
    pub has_key: bool,
    /// The model that is asked where nobody chose one.
    pub default_model: &'static str,
}

/// No model was chosen, and none can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no model is chosen. Ways to get one:\n{ways}\n  or see what Glasswork does without any: `glasswork demo`"
)]
pub struct NoModel {
    ways: String,
}

/// Chooses the model for a session.
///
/// # Errors
/// [`NoModel`] with the ways to get one.
pub fn choose(
    set: &Sourced<Option<ModelId>>,
    providers: &[Provider],
) -> Result<Sourced<Option<ModelId>>, NoModel> {
    if set.value.is_some() {
        return Ok(set.clone());
    }
    let with_key: Vec<_> = providers.iter().filter(|provider| provider.has_key).collect();
    if let [only] = with_key.as_slice() {
        let model = ModelId { provider: only.name.into(), model: only.default_model.into() };
        return Ok(Sourced::from_layer(Some(model), Layer::Default));
    }
    let mut ways = vec!["  name one: `--model provider/id`, or `model: \"provider/id\"` in the settings".to_owned()];
    for provider in providers {
        let model = format!("{}/{}", provider.name, provider.default_model);
        ways.push(if provider.has_key {
            format!("  `--model {model}` (there is a key in {})", provider.key_variable)
        } else {
            format!("  set {} to a key, which makes {model} available", provider.key_variable)
        });
    }
    ways.push("  play a script: `--model scripted/FILE.ron`".to_owned());
    Err(NoModel { ways: ways.join("\n") })
}
