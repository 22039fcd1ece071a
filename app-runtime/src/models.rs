//! Which model a session asks: by flag, session, setting, or the only provider with a key.

use std::borrow::Cow;

use glasswork_ai::catalogue::Catalogue;
use glasswork_ai::model::ModelId;
use glasswork_session_state::settings::{Layer, Sourced};

use crate::api_keys::API_KEYS;

/// The models that are asked where nobody chose one, by provider. A test holds that they are listed and do not end soon.
pub const DEFAULT_MODELS: [(&str, &str); 3] = [
    ("anthropic", "claude-sonnet-5-5"),
    ("openai", "gpt-5.6"),
    ("google", "gemini-2.5-pro"),
];

/// The model that is asked where nobody chose one of this provider.
#[must_use]
pub fn default_model(provider: &str) -> Option<&'static str> {
    let mut models = DEFAULT_MODELS.into_iter();
    models.find_map(|(name, model)| (name == provider).then_some(model))
}

/// A provider that can be used: what this build speaks, and whether there is a key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name, as in `provider/id`.
    pub name: Cow<'static, str>,
    /// The variable in which its key is looked for; `None` where its server wants none.
    pub key_variable: Option<Cow<'static, str>>,
    /// Whether it can be asked: with a key, or because its server wants none.
    pub has_key: bool,
    /// Where its key comes from, if there is one.
    pub key_from: Option<String>,
    /// How its server is reached; empty where it is reached straight, and known by the certificates of the system.
    pub way: String,
    /// The model that is asked where nobody chose one.
    pub default_model: Option<&'static str>,
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
        "there is no key for `{provider}`: set {variable}{}, or sign in with `glasswork login {provider}`",
        in_settings(.provider)
    )]
    NoKey {
        /// The provider.
        provider: String,
        /// Where its key is looked for.
        variable: String,
    },
}

/// Where else the key of a provider may stand.
fn in_settings(provider: &str) -> String {
    let name = format!("{provider}_api_key");
    match API_KEYS.iter().any(|(key, _)| *key == name) {
        true => format!(", or `{name}` in your settings"),
        false => String::new(),
    }
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
            provider: provider.name.to_string(),
            variable: provider.key_variable.as_deref().unwrap_or_default().to_owned(),
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
pub fn warning(model: &ModelId, catalogue: &Catalogue) -> Option<String> {
    if !catalogue.lists(&model.provider) {
        return None;
    }
    match catalogue.get(model) {
        None => Some(format!(
            "`{model}` is not a model that this version knows of {}; it is tried all the same",
            model.provider
        )),
        Some(known) => known.ends.map(|day| {
            let provider = &model.provider;
            let other = default_model(provider).filter(|other| **other != *model.model);
            let other = other.map(|other| format!("; it has `{provider}/{other}`"));
            format!(
                "{provider} does not serve `{model}` any more from {day} on{}",
                other.unwrap_or_default()
            )
        }),
    }
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
    if let [only] = with_key.as_slice()
        && let Some(default) = only.default_model
    {
        let model = ModelId {
            provider: (&*only.name).into(),
            model: default.into(),
        };
        return Ok(Sourced::from_layer(Some(model), Layer::Default));
    }
    let mut ways =
        vec!["  name one: `--model provider/id`, or `model: \"provider/id\"` in the settings".to_owned()];
    for provider in providers {
        let Some(default) = provider.default_model else {
            continue;
        };
        let model = format!("{}/{default}", provider.name);
        ways.push(if provider.has_key {
            match &provider.key_from {
                Some(place) => format!("  `--model {model}` (there is a key in {place})"),
                None => format!("  `--model {model}` (its server may want no key)"),
            }
        } else {
            format!(
                "  set {} to a key, or sign in with `glasswork login {}`, which makes {model} available",
                provider.key_variable.as_deref().unwrap_or_default(),
                provider.name
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
    use glasswork_ai::abilities::ThinkingSupport;

    use super::*;

    #[test]
    fn unknown_models_are_warned_of_where_the_models_of_the_provider_are_listed() {
        let catalogue = Catalogue::default().without_shipped(["openai"]);
        let warned = |id: &str| warning(&id.parse().expect("a model"), &catalogue).is_some();
        let ids = [
            "anthropic/claude-sonnet-5",
            "anthropic/claude-typo",
            "openai/anything",
            "own/anything",
            "scripted/a.ron",
        ];
        assert_eq!(ids.map(warned), [false, true, false, false, false]);
    }

    #[test]
    fn default_models_are_listed_with_prices_and_do_not_end_soon() {
        let taken: jiff::civil::Date = glasswork_ai::catalogue::source().date.parse().expect("a date");
        let soon = taken.checked_add(jiff::Span::new().days(90)).expect("a date");
        for (provider, model) in DEFAULT_MODELS {
            let id = format!("{provider}/{model}").parse().expect("a model");
            let known = Catalogue::default().get(&id).expect(model);
            assert_eq!(known.abilities.tools, Some(true), "{id}");
            assert_ne!(known.abilities.thinking, ThinkingSupport::Never, "{id}");
            assert!(known.prices.is_some(), "{id}");
            let ends = known.ends.map(|day| day.parse().expect("a date"));
            assert!(
                ends.is_none_or(|day: jiff::civil::Date| day > soon),
                "{id}: {ends:?}"
            );
            assert_eq!(default_model(provider), Some(model));
        }
        assert_eq!(default_model("home"), None);
    }

    #[test]
    fn who_chose_a_model_that_ends_is_told_which_one_there_is() {
        let told = |id: &str| warning(&id.parse().expect("a model"), &Catalogue::default());
        assert_eq!(
            told("anthropic/claude-sonnet-4-5").as_deref(),
            Some(
                "anthropic does not serve `anthropic/claude-sonnet-4-5` any more from 2026-11-30 on; it has \
                 `anthropic/claude-sonnet-5-5`"
            )
        );
        assert_eq!(told("anthropic/claude-sonnet-5-5"), None);
    }
}
