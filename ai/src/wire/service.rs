//! Controls as OpenAI has them, on both of its wires, and numbers as JSON has them.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Differences;
use crate::controls::{Controls, Life, Speed};
use crate::decimal::Decimal;

/// What Chat Completions and Responses have in common.
#[derive(Debug, Serialize, Default)]
pub(super) struct Service<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_retention: Option<&'static str>,
}

impl<'a> Service<'a> {
    pub(super) fn of(controls: &'a Controls, differences: &Differences) -> Self {
        let key = controls
            .cache
            .key
            .as_deref()
            .filter(|_| differences.prompt_cache_key);
        let speed = controls.speed.filter(|_| differences.service_tier);
        Self {
            temperature: controls.temperature.and_then(|number| json(number.get())),
            top_p: controls.top_p.and_then(|number| json(number.get())),
            service_tier: speed.map(|speed| match speed {
                Speed::Standard => "default",
                Speed::Fast => "priority",
                Speed::Economy => "flex",
            }),
            prompt_cache_key: key,
            prompt_cache_retention: key.filter(|_| controls.cache.life == Life::Long).map(|_| "24h"),
        }
    }
}

/// A number with no more decimals than it has.
pub(super) fn json<const PLACES: u32>(number: Decimal<PLACES>) -> Option<Box<RawValue>> {
    let text = number.to_string();
    let text = text.trim_end_matches('0').trim_end_matches('.');
    RawValue::from_string(text.to_owned()).ok()
}
