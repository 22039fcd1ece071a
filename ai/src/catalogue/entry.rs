//! What users say of models and providers, field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Model;
use crate::abilities::ThinkingSupport;
use crate::model::ModelId;
use crate::price::{Rates, Tier};
use crate::wire::{Differences, DifferencesSet, ReadCalls, Server, Wire};

/// A file of the user's own about models: RON, `(providers: {…}, models: {…})`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnModels {
    /// Servers, by the name under which their models are asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<Arc<str>, ProviderEntry>,
    /// Models, by `provider/id`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<ModelId, Entry>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// Its address.
    pub base_url: Arc<str>,
    /// What it speaks.
    #[serde(default)]
    pub api: Api,
    /// The environment variable that holds its key; none where it wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<Arc<str>>,
    /// How it speaks Chat Completions otherwise than is known of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub differences: DifferencesSet,
    /// Values for the header `anthropic-beta`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub betas: Vec<String>,
    /// Whether calls are read from the text of its answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text_calls: ReadCalls,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ProviderEntry {
    /// A server of which only this is known.
    #[must_use]
    pub fn new(base_url: Arc<str>, api: Api, key_variable: Option<Arc<str>>) -> Self {
        Self {
            base_url,
            api,
            key_variable,
            differences: DifferencesSet::default(),
            betas: Vec::new(),
            text_calls: ReadCalls::default(),
        }
    }

    /// How the server is spoken to: as is known of it by its address or this name, and then as is said here.
    #[must_use]
    pub fn server(&self, name: &str) -> Server {
        let wire = match self.api {
            Api::OpenaiChat => Wire::OpenAiCompatible,
            Api::OpenaiResponses => Wire::OpenAiResponses,
            Api::AnthropicMessages => Wire::Anthropic,
            Api::Gemini => Wire::Gemini,
        };
        Server {
            wire,
            differences: Differences::known(name, Some(&self.base_url)).with(&self.differences),
            betas: self.betas.clone(),
            text_calls: self.text_calls,
        }
    }
}

/// What a server of the user's own speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Chat Completions of OpenAI, as most servers do.
    #[default]
    OpenaiChat,
    /// Responses of OpenAI.
    OpenaiResponses,
    /// Messages of Anthropic.
    #[serde(alias = "anthropic")]
    AnthropicMessages,
    /// Gemini of Google.
    Gemini,
}

/// What a user says of a model. What is left out stays as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Tokens that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Dollars for a million tokens.
    #[serde(skip_serializing_if = "Rates::is_empty")]
    pub price: Rates,
    /// Other prices for long requests; they replace those that are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<Vec<Tier>>,
    /// Whether it calls tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Whether it takes images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    /// Whether its answer can be bound to a schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<bool>,
    /// How it can be made to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingSupport>,
    /// The day from which it is not served any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Arc<str>>,
}

impl Entry {
    /// Puts what it says over what is known.
    pub(super) fn lay_over(&self, model: &mut Model, from: &Arc<str>) {
        fn over<T: Clone>(known: &mut Option<T>, said: Option<&T>) {
            if let Some(said) = said {
                *known = Some(said.clone());
            }
        }
        over(&mut model.name, self.name.as_ref());
        over(&mut model.context_window, self.context_window.as_ref());
        over(&mut model.max_output, self.max_output.as_ref());
        over(&mut model.ends, self.ends.as_ref());
        let abilities = &mut model.abilities;
        over(&mut abilities.tools, self.tools.as_ref());
        over(&mut abilities.images, self.images.as_ref());
        over(&mut abilities.structured_output, self.structured_output.as_ref());
        if let Some(thinking) = &self.thinking {
            abilities.thinking = thinking.clone();
        }
        model.set_rates(self.price, self.long.as_deref(), from);
        model.from.push(Arc::clone(from));
    }
}
