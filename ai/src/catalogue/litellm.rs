//! Making the shipped list anew, from `model_prices_and_context_window_backup.json` of the Python package `litellm`
//! (MIT, <https://pypi.org/project/litellm/>), in which every entry names the page of its provider that it was read from:
//!
//! ```sh
//! UPDATE_CATALOGUE=FILE PACKAGE='litellm 1.109.1' DATE=2026-11-21 cargo test -p glasswork-ai --lib update_the_list
//! ```
//!
//! Kept are models that talk and call tools, of providers that speak what Glasswork speaks, unless their last day has
//! passed. Providers have the names that they have at <https://models.dev>.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool: it reads one file and writes another"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Model;
use super::shipped::{level_named, line};
use crate::abilities::{Thinking, ThinkingSupport};
use crate::decimal::{Decimal, PerMillion};
use crate::model::ModelId;
use crate::price::{Prices, Rates, Tier};

/// Providers, by the package and by us.
const PROVIDERS: &[(&str, &str)] = &[
    ("anthropic", "anthropic"),
    ("cerebras", "cerebras"),
    ("dashscope", "alibaba"),
    ("deepseek", "deepseek"),
    ("fireworks_ai", "fireworks-ai"),
    ("gemini", "google"),
    ("github_copilot", "github-copilot"),
    ("groq", "groq"),
    ("minimax", "minimax"),
    ("mistral", "mistral"),
    ("moonshot", "moonshotai"),
    ("openai", "openai"),
    ("together_ai", "togetherai"),
    ("xai", "xai"),
    ("zai", "zai"),
];

/// Providers of which the package says of every model whether it thinks.
const SAYS_WHO_THINKS: &[&str] = &["anthropic", "google", "openai"];

fn convert(text: &str, package: &str, date: &str) -> String {
    let all: Map<String, Value> = serde_json::from_str(text).unwrap();
    let mut lines = BTreeMap::new();
    for (key, entry) in &all {
        if let Some(model) = model(key, entry, date) {
            // One model stands there under two names, with and without its provider; they say the same.
            lines.entry(model.id.to_string()).or_insert_with(|| line(&model));
        }
    }
    let lines: String = lines.values().map(|line| format!("{line}\n")).collect();
    format!("# {package}\tMIT\t{date}\n{lines}")
}

fn model(key: &str, entry: &Value, date: &str) -> Option<Model> {
    let package_name = entry.get("litellm_provider")?.as_str()?;
    let (_, provider) = PROVIDERS.iter().find(|(theirs, _)| *theirs == package_name)?;
    let says = |name: &str| entry.get(name).and_then(Value::as_bool);
    let number = |name: &str| entry.get(name).and_then(Value::as_u64);
    let talks = matches!(entry.get("mode")?.as_str()?, "chat" | "responses");
    let ends = entry.get("deprecation_date").and_then(Value::as_str);
    if !talks
        || says("supports_function_calling") != Some(true)
        || key.contains("ft:")
        || ends.is_some_and(|ends| ends <= date)
    {
        return None;
    }
    let id = key.strip_prefix(&format!("{package_name}/")).unwrap_or(key);
    let mut model = Model::unknown(ModelId {
        provider: (*provider).into(),
        model: id.into(),
    });
    model.context_window = number("max_input_tokens");
    model.max_output = number("max_output_tokens");
    model.ends = ends.map(Into::into);
    model.prices = prices(entry);
    let abilities = &mut model.abilities;
    abilities.tools = Some(true);
    abilities.images = says("supports_vision");
    abilities.structured_output = says("supports_response_schema");
    abilities.thinking = thinking(provider, entry, model.max_output);
    Some(model)
}

fn prices(entry: &Value) -> Option<Prices> {
    let ranges = entry.get("tiered_pricing").and_then(Value::as_array);
    let (rates, tiers) = match ranges {
        Some(ranges) => {
            let mut tiers: Vec<Tier> = ranges.iter().filter_map(range).collect();
            let first = (!tiers.is_empty()).then(|| tiers.remove(0))?;
            (first.rates, tiers)
        }
        None => (rates(entry, ""), long(entry)),
    };
    (!rates.is_empty()).then(|| Prices {
        version: "".into(),
        rates,
        tiers,
    })
}

fn range(entry: &Value) -> Option<Tier> {
    let above = entry.get("range")?.get(0)?.as_f64()?;
    Some(Tier {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of tokens"
        )]
        above: above as u64,
        rates: rates(entry, ""),
    })
}

fn long(entry: &Value) -> Vec<Tier> {
    let limits = entry
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter_map(|name| {
            let rest = name.strip_prefix("input_cost_per_token_above_")?;
            rest.strip_suffix("k_tokens")?.parse::<u64>().ok()
        });
    let mut tiers: Vec<Tier> = limits
        .map(|thousands| Tier {
            above: thousands * 1000,
            rates: rates(entry, &format!("_above_{thousands}k_tokens")),
        })
        .collect();
    tiers.sort_by_key(|tier| tier.above);
    tiers
}

fn rates(entry: &Value, long: &str) -> Rates {
    let price = |name: &str| price(entry.get(format!("{name}{long}"))?);
    Rates {
        input: price("input_cost_per_token"),
        output: price("output_cost_per_token"),
        cache_read: price("cache_read_input_token_cost"),
        cache_write: price("cache_creation_input_token_cost"),
        cache_write_1h: price("cache_creation_input_token_cost_above_1hr"),
    }
}

/// From dollars for a token.
fn price(value: &Value) -> Option<PerMillion> {
    let units = value.as_f64()? * 1e12;
    assert!((units - units.round()).abs() < 1e-3, "finer than a unit: {value}");
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "just rounded"
    )]
    Some(Decimal(units.round() as u64))
}

fn thinking(provider: &str, entry: &Value, max_output: Option<u64>) -> ThinkingSupport {
    let says = |name: &str| entry.get(name).and_then(Value::as_bool);
    let said = |name: &str| says(name) == Some(true);
    let level = |name: &str| match name {
        "none" => Some(Thinking::Off),
        "max" => Some(Thinking::Xhigh),
        name => level_named(name),
    };
    if !said("supports_reasoning") {
        return match SAYS_WHO_THINKS.contains(&provider) {
            true => ThinkingSupport::Never,
            false => ThinkingSupport::Unknown,
        };
    }
    if let Some(levels) = entry.get("reasoning_effort_levels").and_then(Value::as_array) {
        let mut levels: Vec<Thinking> = levels.iter().filter_map(|name| level(name.as_str()?)).collect();
        levels.dedup();
        return ThinkingSupport::Levels(levels);
    }
    let highest = said("supports_xhigh_reasoning_effort") || said("supports_max_reasoning_effort");
    let of_anthropic = provider == "anthropic";
    if of_anthropic && !said("supports_adaptive_thinking") {
        let most = max_output.and_then(|most| u32::try_from(most).ok());
        return most.map_or(ThinkingSupport::Unknown, |most| ThinkingSupport::Budget {
            least: 1024,
            most: most - 1,
            off: !said("thinking_always_on"),
        });
    }
    let told = ["none", "minimal", "xhigh"].map(|level| says(&format!("supports_{level}_reasoning_effort")));
    if !of_anthropic && told.iter().all(Option::is_none) {
        return ThinkingSupport::Unknown;
    }
    let off = match of_anthropic {
        true => !said("thinking_always_on"),
        false => said("supports_none_reasoning_effort"),
    };
    let levels = [
        (Thinking::Off, off),
        (Thinking::Minimal, said("supports_minimal_reasoning_effort")),
        (Thinking::Low, true),
        (Thinking::Medium, true),
        (Thinking::High, true),
        (Thinking::Xhigh, highest),
    ];
    let known = levels.into_iter().filter(|(_, known)| *known);
    ThinkingSupport::Levels(known.map(|(level, _)| level).collect())
}

#[test]
fn update_the_list() {
    let Ok(file) = std::env::var("UPDATE_CATALOGUE") else {
        return;
    };
    let text = std::fs::read_to_string(file).unwrap();
    let variable = |name| std::env::var(name).unwrap();
    let list = convert(&text, &variable("PACKAGE"), &variable("DATE"));
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalogue/models.tsv");
    std::fs::write(place, list).unwrap();
}

#[test]
fn what_the_package_says_becomes_a_line_and_what_it_does_not_say_stays_unknown() {
    let package = serde_json::json!({
        "claude-x": {
            "litellm_provider": "anthropic", "mode": "chat", "supports_function_calling": true,
            "max_input_tokens": 200_000, "max_output_tokens": 64_000,
            "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
            "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
            "input_cost_per_token_above_200k_tokens": 6e-06, "output_cost_per_token_above_200k_tokens": 2.25e-05,
            "supports_vision": true, "supports_response_schema": true, "supports_reasoning": true,
            "deprecation_date": "2027-01-01"
        },
        "claude-old": {
            "litellm_provider": "anthropic", "mode": "chat", "supports_function_calling": true,
            "deprecation_date": "2026-11-21"
        },
        "o9": {
            "litellm_provider": "openai", "mode": "responses", "supports_function_calling": true,
            "supports_reasoning": true, "supports_none_reasoning_effort": true, "supports_xhigh_reasoning_effort": true
        },
        "gpt-image": { "litellm_provider": "openai", "mode": "image_generation", "supports_function_calling": true },
        "gpt-mute": { "litellm_provider": "openai", "mode": "chat" },
        "dashscope/qwen": {
            "litellm_provider": "dashscope", "mode": "chat", "supports_function_calling": true, "supports_vision": false,
            "tiered_pricing": [
                { "range": [0, 256_000.0], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07 },
                { "range": [256_000.0, 1_000_000.0], "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06 }
            ]
        },
        "elsewhere/x": { "litellm_provider": "elsewhere", "mode": "chat", "supports_function_calling": true }
    });
    let list = convert(&package.to_string(), "litellm 0", "2026-11-21");
    insta::assert_snapshot!(list.replace('\t', " | "), @"
    # litellm 0 | MIT | 2026-11-21
    alibaba/qwen | - | - | 0.05/0.40/-/-/- | 256000:0.25/2.00/-/-/- | t+i- | - | -
    anthropic/claude-x | 200000 | 64000 | 3.00/15.00/0.30/3.75/6.00 | 200000:6.00/22.50/-/-/- | t+i+s+ | budget:1024:63999:off | 2027-01-01
    openai/o9 | - | - | - | - | t+ | off,low,medium,high,xhigh | -
    ");
}
