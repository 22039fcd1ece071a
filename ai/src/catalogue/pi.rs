//! `models.json` of pi and Hamr: providers by name, each with a list of its models.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::{Api, Entry, ProviderEntry};
use super::shipped::level_named;
use super::taken::Taken;
use crate::abilities::{Thinking, ThinkingSupport};
use crate::decimal::{Decimal, PerMillion};
use crate::model::ModelId;
use crate::price::Rates;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    base_url: Option<String>,
    api_key: Option<String>,
    api: Option<String>,
    #[serde(default)]
    models: Vec<Value>,
    #[serde(default)]
    model_overrides: Map<String, Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    id: Option<String>,
    name: Option<String>,
    reasoning: Option<bool>,
    thinking_level_map: Option<BTreeMap<String, Option<String>>>,
    input: Option<Vec<String>>,
    cost: Option<Cost>,
    context_window: Option<u64>,
    max_tokens: Option<u64>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    input: Option<PerMillion>,
    output: Option<PerMillion>,
    cache_read: Option<PerMillion>,
    cache_write: Option<PerMillion>,
}

pub(super) fn import(providers: &Map<String, Value>, wanted: &dyn Fn(&str) -> bool) -> Taken {
    let mut taken = Taken::new("pi");
    for (name, provider) in providers.iter().filter(|(name, _)| wanted(name)) {
        match Provider::deserialize(provider) {
            Ok(provider) => take(&mut taken, name, provider),
            Err(error) => taken.leave(format!("{name}: {error}")),
        }
    }
    taken
}

fn take(taken: &mut Taken, name: &str, provider: Provider) {
    for field in provider.other.keys().filter(|field| *field != "name") {
        taken.leave(format!("{name}: `{field}` has no counterpart here"));
    }
    server(taken, name, &provider);
    let overrides = provider.model_overrides.into_iter();
    let models = provider.models.into_iter().map(|model| (None, model));
    for (id, model) in models.chain(overrides.map(|(id, model)| (Some(id), model))) {
        match Model::deserialize(&model) {
            Ok(model) => match id.or_else(|| model.id.clone()) {
                Some(id) => {
                    let id = ModelId {
                        provider: name.into(),
                        model: id.into(),
                    };
                    let entry = entry(taken, &id, model);
                    taken.own.models.insert(id, entry);
                }
                None => taken.leave(format!("{name}: a model without an id")),
            },
            Err(error) => taken.leave(format!("{name}: a model: {error}")),
        }
    }
}

fn server(taken: &mut Taken, name: &str, provider: &Provider) {
    let Some(base_url) = &provider.base_url else {
        return;
    };
    let api = match provider.api.as_deref() {
        None | Some("openai-completions") => Api::OpenaiChat,
        Some("openai-responses") => Api::OpenaiResponses,
        Some("anthropic-messages") => Api::AnthropicMessages,
        Some("google-generative-ai") => Api::Gemini,
        Some(other) => {
            taken.leave(format!(
                "{name}: its server speaks `{other}`, which is not spoken here; its models are taken"
            ));
            return;
        }
    };
    let key_variable = match provider.api_key.as_deref() {
        None => None,
        Some(key) => match key.strip_prefix('$') {
            Some(variable) => Some(variable.trim_matches(['{', '}']).into()),
            // pi takes a text that is all capitals for the name of a variable.
            None if is_variable(key) => Some(key.into()),
            None if key.starts_with('!') => {
                taken.leave(format!("{name}: its key is what a command prints; put it into a variable, and name that as `key_variable`"));
                None
            }
            None if matches!(key, "not-needed" | "none" | "ollama" | "dummy") => None,
            None => {
                taken.leave(format!("{name}: its key is not written down again; put it into a variable, and name that as `key_variable`"));
                None
            }
        },
    };
    let entry = ProviderEntry::new(base_url.as_str().into(), api, key_variable);
    taken.own.providers.insert(name.into(), entry);
}

fn is_variable(text: &str) -> bool {
    text.contains('_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn entry(taken: &mut Taken, id: &ModelId, model: Model) -> Entry {
    for field in model.other.keys() {
        taken.leave(format!("{id}: `{field}` has no counterpart here"));
    }
    let rates = model.cost.map_or_else(Rates::default, |cost| Rates {
        input: cost.input,
        output: cost.output,
        // Nothing stands for what is not known.
        cache_read: cost.cache_read.filter(|rate| rate.0 > 0),
        cache_write: cost.cache_write.filter(|rate| rate.0 > 0),
        cache_write_1h: None,
    });
    let zero = |rate: Option<PerMillion>| rate.unwrap_or_default() == Decimal(0);
    let is_nothing = zero(rates.input) && zero(rates.output);
    if is_nothing && !rates.is_empty() {
        taken.leave(format!("{id}: a price of nothing, which pi has for what is not known; if it costs nothing, say `price: (input: 0, output: 0)`"));
    }
    let levels = model.thinking_level_map.map(|levels| {
        let known = levels.into_iter().filter(|(_, sent)| sent.is_some());
        let mut levels: Vec<Thinking> = known.filter_map(|(level, _)| level_named(&level)).collect();
        levels.sort_unstable();
        ThinkingSupport::Levels(levels)
    });
    Entry {
        name: model.name.map(Into::into),
        context_window: model.context_window,
        max_output: model.max_tokens,
        price: if is_nothing { Rates::default() } else { rates },
        images: model.input.map(|input| input.iter().any(|kind| kind == "image")),
        thinking: match model.reasoning {
            Some(false) => Some(ThinkingSupport::Never),
            _ => levels,
        },
        ..Entry::default()
    }
}
