//! Which model a session asks: by flag, session, setting, or the only provider with a key.

use glasswork_ai::model::ModelId;
use glasswork_session_state::settings::{Layer, Sourced};

/// A provider that can be used: what this build speaks, and whether there is a key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name, as in `provider/id`.
    pub name: &'static str,
    /// The variable in which its key is looked for.
    pub key_variable: &'static str,
    /// Whether it can be asked: with a key, or because its server wants none.
    pub has_key: bool,
    /// Where its key comes from, if there is one.
    pub key_from: Option<String>,
    /// The model that is asked where nobody chose one.
    pub default_model: &'static str,
    /// How the ids of the models begin that are known here; empty where any id is as good as another, as of a server
    /// of the user's own.
    pub families: &'static [&'static str],
}

/// No model was chosen, and none can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no model is chosen. Ways to get one:\n{ways}\n  or see what Glasswork does without any: `glasswork demo`"
)]
pub struct NoModel {
    ways: String,
}

/// A chosen model cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nobody answers for this provider.
    #[error("there is no provider `{name}`; there are: {known}, and `scripted`")]
    UnknownProvider {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There is no key for its provider.
    #[error(
        "there is no key for `{provider}`: set {variable}, or `{provider}_api_key` in your settings, or sign in with \
         `glasswork login {provider}`"
    )]
    NoKey {
        /// The provider.
        provider: &'static str,
        /// Where its key is looked for.
        variable: &'static str,
    },
}

/// Whether a model can be asked, as far as that is known without asking.
///
/// # Errors
/// [`Unusable`].
pub fn check(model: &ModelId, providers: &[Provider]) -> Result<(), Unusable> {
    if &*model.provider == SCRIPTED {
        return Ok(());
    }
    match providers
        .iter()
        .find(|provider| *provider.name == *model.provider)
    {
        Some(provider) if provider.has_key => Ok(()),
        Some(provider) => Err(Unusable::NoKey {
            provider: provider.name,
            variable: provider.key_variable,
        }),
        None => Err(Unusable::UnknownProvider {
            name: model.provider.to_string(),
            known: providers
                .iter()
                .map(|known| format!("`{}`", known.name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// What is to be told before a model is asked that is not known here. It is asked all the same: providers have new
/// models more often than programs have new versions.
#[must_use]
pub fn warning(model: &ModelId, providers: &[Provider]) -> Option<String> {
    let provider = providers
        .iter()
        .find(|provider| *provider.name == *model.provider)?;
    let known = provider
        .families
        .iter()
        .any(|family| model.model.starts_with(family));
    (!known && !provider.families.is_empty()).then(|| {
        format!(
            "`{model}` is not a model that this version knows of {}; it is tried all the same",
            provider.name
        )
    })
}

/// The provider of models that play scripts.
pub const SCRIPTED: &str = "scripted";

/// Chooses the model for a session that goes on: by flag, then as before, then as for a new one.
///
/// # Errors
/// [`NoModel`] with the ways to get one.
pub fn choose_again(
    set: &Sourced<Option<ModelId>>,
    before: &Sourced<Option<ModelId>>,
    providers: &[Provider],
) -> Result<Sourced<Option<ModelId>>, NoModel> {
    if set.from.layer < Layer::Flag && before.value.is_some() {
        return Ok(before.clone());
    }
    choose(set, providers)
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
        let model = ModelId {
            provider: only.name.into(),
            model: only.default_model.into(),
        };
        return Ok(Sourced::from_layer(Some(model), Layer::Default));
    }
    let mut ways =
        vec!["  name one: `--model provider/id`, or `model: \"provider/id\"` in the settings".to_owned()];
    for provider in providers {
        let model = format!("{}/{}", provider.name, provider.default_model);
        ways.push(if provider.has_key {
            match &provider.key_from {
                Some(place) => format!("  `--model {model}` (there is a key in {place})"),
                None => format!("  `--model {model}` (its server may want no key)"),
            }
        } else {
            format!(
                "  set {} to a key, or sign in with `glasswork login {}`, which makes {model} available",
                provider.key_variable, provider.name
            )
        });
    }
    ways.push("  play a script: `--model scripted/FILE.ron`".to_owned());
    Err(NoModel {
        ways: ways.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_models_are_warned_of_where_the_provider_is_known() {
        let provider = |name, families| Provider {
            name,
            key_variable: "KEY",
            has_key: true,
            key_from: None,
            default_model: "m-1",
            families,
        };
        let providers = [provider("known", &["m-", "o1"] as &[_]), provider("own", &[])];
        let warned = |id: &str| warning(&id.parse().expect("a model"), &providers).is_some();
        let ids = [
            "known/m-9",
            "known/o1-mini",
            "known/typo",
            "own/anything",
            "scripted/a.ron",
        ];
        assert_eq!(ids.map(warned), [false, false, true, false, false]);
    }
}
