//! `api.json` of <https://models.dev>: providers by id, each with its models by id.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::{Api, Entry, ProviderEntry};
use super::taken::Taken;
use crate::abilities::ThinkingSupport;
use crate::decimal::PerMillion;
use crate::model::ModelId;
use crate::price::{Rates, Tier};

#[derive(Deserialize)]
struct Provider {
    #[serde(default)]
    env: Vec<String>,
    npm: Option<String>,
    api: Option<String>,
    #[serde(default)]
    models: Map<String, Value>,
}

#[derive(Deserialize)]
struct Model {
    name: Option<String>,
    tool_call: Option<bool>,
    reasoning: Option<bool>,
    structured_output: Option<bool>,
    modalities: Option<Modalities>,
    cost: Option<Cost>,
    limit: Option<Limit>,
}

#[derive(Deserialize)]
struct Modalities {
    #[serde(default)]
    input: Vec<String>,
}

#[derive(Deserialize)]
struct Limit {
    context: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
}

#[derive(Deserialize)]
struct Cost {
    input: Option<PerMillion>,
    output: Option<PerMillion>,
    cache_read: Option<PerMillion>,
    cache_write: Option<PerMillion>,
    context_over_200k: Option<Box<Cost>>,
}

impl Cost {
    fn rates(&self) -> Rates {
        Rates {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_write_1h: None,
        }
    }
}

pub(super) fn import(list: &Map<String, Value>, wanted: &dyn Fn(&str) -> bool) -> Taken {
    let mut taken = Taken::new("models.dev");
    for (name, provider) in list.iter().filter(|(name, _)| wanted(name)) {
        match Provider::deserialize(provider) {
            Ok(provider) => take(&mut taken, name, provider),
            Err(error) => taken.leave(format!("{name}: {error}")),
        }
    }
    taken
}

fn take(taken: &mut Taken, name: &str, provider: Provider) {
    // The package says what the server speaks; the makers' own ones know the address.
    let api = match provider.npm.as_deref() {
        Some("@ai-sdk/openai-compatible") => Some(Api::OpenaiChat),
        Some("@ai-sdk/anthropic") => Some(Api::AnthropicMessages),
        _ => None,
    };
    match (api, provider.api) {
        (Some(api), Some(base_url)) if !base_url.contains("${") => {
            let entry = ProviderEntry::new(
                base_url.into(),
                api,
                provider.env.first().map(|name| name.as_str().into()),
            );
            taken.own.providers.insert(name.into(), entry);
        }
        (None, Some(_)) => {
            let npm = provider.npm.unwrap_or_default();
            taken.leave(format!(
                "{name}: its server is spoken to by `{npm}`, which is not known here; its models are taken"
            ));
        }
        _ => {}
    }
    for (id, model) in provider.models {
        match Model::deserialize(&model) {
            Ok(model) => {
                let id = ModelId {
                    provider: name.into(),
                    model: id.into(),
                };
                taken.own.models.insert(id, entry(model));
            }
            Err(error) => taken.leave(format!("{name}/{id}: {error}")),
        }
    }
}

fn entry(model: Model) -> Entry {
    let limit = model.limit.as_ref();
    let long = model
        .cost
        .as_ref()
        .and_then(|cost| cost.context_over_200k.as_ref());
    Entry {
        name: model.name.map(Into::into),
        // Zero stands for what is not known.
        context_window: limit
            .and_then(|limit| limit.input.or(limit.context))
            .filter(|window| *window > 0),
        max_output: limit.and_then(|limit| limit.output).filter(|most| *most > 0),
        price: model.cost.as_ref().map(Cost::rates).unwrap_or_default(),
        long: long.map(|long| {
            vec![Tier {
                above: 200_000,
                rates: long.rates(),
            }]
        }),
        tools: model.tool_call,
        images: model
            .modalities
            .map(|modalities| modalities.input.iter().any(|input| input == "image")),
        structured_output: model.structured_output,
        thinking: (model.reasoning == Some(false)).then_some(ThinkingSupport::Never),
        ends: None,
    }
}
