//! The list that is shipped with the program, searched as it lies in the binary.
//!
//! A line for each model, sorted, with columns between tabs: `provider/id`, context window, most tokens of an answer,
//! prices, prices of long requests, abilities, thinking, last day. `-` stands for what is not known.

use std::sync::Arc;

use serde::Serialize;

use super::Model;
use crate::abilities::{Abilities, Thinking, ThinkingSupport};
use crate::decimal::PerMillion;
use crate::model::ModelId;
use crate::price::{Prices, Rates, Tier};

static LIST: &str = include_str!("models.tsv");

/// Where the shipped list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ListSource {
    /// The package and its version.
    pub package: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The day on which it was taken.
    pub date: &'static str,
}

/// Where the shipped list comes from.
#[must_use]
pub fn source() -> ListSource {
    let mut parts = header().split('\t');
    let mut next = || parts.next().unwrap_or_default();
    ListSource {
        package: next(),
        licence: next(),
        date: next(),
    }
}

/// The first line, without its mark.
fn header() -> &'static str {
    let first = LIST.lines().next().unwrap_or_default();
    first.trim_start_matches("# ")
}

fn body() -> &'static str {
    LIST.split_once('\n').map_or("", |(_, body)| body)
}

pub(super) fn get(id: &ModelId) -> Option<Model> {
    let key = id.to_string();
    let line = at_or_after(&key)?;
    let (found, columns) = line.split_once('\t')?;
    (found == key).then(|| parse(id.clone(), columns))
}

pub(super) fn has_provider(provider: &str) -> bool {
    let prefix = format!("{provider}/");
    at_or_after(&prefix).is_some_and(|line| line.starts_with(&prefix))
}

pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    body().lines().filter_map(|line| Some(line.split_once('\t')?.0))
}

/// The first line whose key is not before this one: found by halving the text, without a table of its lines.
fn at_or_after(key: &str) -> Option<&'static str> {
    let text = body();
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = text.get(..middle)?.rfind('\n').map_or(0, |end| end + 1).max(low);
        let line = text.get(start..)?.lines().next()?;
        if line.split('\t').next()? < key {
            low = (start + line.len() + 1).min(high);
        } else {
            high = start;
        }
    }
    text.get(low..)?.lines().next()
}

fn parse(id: ModelId, columns: &str) -> Model {
    let mut columns = columns.split('\t');
    let mut next = || columns.next().filter(|column| *column != "-");
    let mut model = Model::unknown(id);
    let source = source();
    model.from = vec![source.package.into()];
    model.context_window = next().and_then(|column| column.parse().ok());
    model.max_output = next().and_then(|column| column.parse().ok());
    let (rates, tiers) = (next(), next());
    model.prices = rates.map(|rates| Prices {
        version: format!("{} of {}", source.package, source.date).into(),
        rates: parse_rates(rates),
        tiers: tiers.map(parse_tiers).unwrap_or_default(),
    });
    model.abilities = parse_abilities(next().unwrap_or_default());
    model.abilities.thinking = parse_thinking(next().unwrap_or_default());
    model.ends = next().map(Arc::from);
    model
}

fn parse_rates(text: &str) -> Rates {
    let mut parts = text.split('/');
    let mut next = || parts.next().and_then(|part| part.parse::<PerMillion>().ok());
    Rates {
        input: next(),
        output: next(),
        cache_read: next(),
        cache_write: next(),
        cache_write_1h: next(),
    }
}

fn parse_tiers(text: &str) -> Vec<Tier> {
    let tiers = text.split(';').filter_map(|tier| {
        let (above, rates) = tier.split_once(':')?;
        Some(Tier {
            above: above.parse().ok()?,
            rates: parse_rates(rates),
        })
    });
    tiers.collect()
}

fn parse_abilities(text: &str) -> Abilities {
    let said = |letter: char| {
        let (_, rest) = text.split_once(letter)?;
        Some(rest.starts_with('+'))
    };
    Abilities {
        tools: said('t'),
        images: said('i'),
        structured_output: said('s'),
        ..Abilities::default()
    }
}

fn parse_thinking(text: &str) -> ThinkingSupport {
    let budget = || {
        let mut parts = text.strip_prefix("budget:")?.split(':');
        Some(ThinkingSupport::Budget {
            least: parts.next()?.parse().ok()?,
            most: parts.next()?.parse().ok()?,
            off: parts.next() == Some("off"),
        })
    };
    match text {
        "" => ThinkingSupport::Unknown,
        "never" => ThinkingSupport::Never,
        "switch" => ThinkingSupport::Switch,
        _ => budget().unwrap_or_else(|| {
            let levels = text.split(',').filter_map(level_named);
            ThinkingSupport::Levels(levels.collect())
        }),
    }
}

/// The level of thinking of this name.
pub(super) fn level_named(name: &str) -> Option<Thinking> {
    let level = match name {
        "off" => Thinking::Off,
        "minimal" => Thinking::Minimal,
        "low" => Thinking::Low,
        "medium" => Thinking::Medium,
        "high" => Thinking::High,
        "xhigh" => Thinking::Xhigh,
        _ => return None,
    };
    Some(level)
}

/// The line of a model, which [`parse`] reads.
#[cfg(test)]
pub(super) fn line(model: &Model) -> String {
    fn shown<T: ToString>(value: Option<T>) -> String {
        value.map_or("-".to_owned(), |value| value.to_string())
    }
    let rates = |rates: &Rates| {
        [
            rates.input,
            rates.output,
            rates.cache_read,
            rates.cache_write,
            rates.cache_write_1h,
        ]
        .map(|rate| rate.map_or("-".to_owned(), |rate| rate.to_string()))
        .join("/")
    };
    let prices = model.prices.as_ref();
    let tiers: Vec<String> = prices
        .into_iter()
        .flat_map(|prices| &prices.tiers)
        .map(|tier| format!("{}:{}", tier.above, rates(&tier.rates)))
        .collect();
    let abilities = &model.abilities;
    let letters: String = [
        ('t', abilities.tools),
        ('i', abilities.images),
        ('s', abilities.structured_output),
    ]
    .into_iter()
    .filter_map(|(letter, said)| Some(format!("{letter}{}", if said? { '+' } else { '-' })))
    .collect();
    let thinking = match &abilities.thinking {
        ThinkingSupport::Unknown => "-".to_owned(),
        ThinkingSupport::Never => "never".to_owned(),
        ThinkingSupport::Switch => "switch".to_owned(),
        ThinkingSupport::Budget { least, most, off } => {
            format!("budget:{least}:{most}:{}", if *off { "off" } else { "on" })
        }
        ThinkingSupport::Levels(levels) => levels
            .iter()
            .map(|level| format!("{level:?}").to_lowercase())
            .collect::<Vec<_>>()
            .join(","),
    };
    [
        model.id.to_string(),
        shown(model.context_window),
        shown(model.max_output),
        shown(prices.map(|prices| rates(&prices.rates))),
        if tiers.is_empty() {
            "-".to_owned()
        } else {
            tiers.join(";")
        },
        if letters.is_empty() {
            "-".to_owned()
        } else {
            letters
        },
        thinking,
        shown(model.ends.as_deref()),
    ]
    .join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_line_of_it_is_found_and_says_what_it_says() {
        let keys: Vec<&str> = keys().collect();
        assert!(keys.len() > 200, "{}", keys.len());
        assert!(keys.is_sorted(), "keys are searched by halving");
        for (key, text) in keys.iter().zip(body().lines()) {
            let model = get(&key.parse().unwrap()).unwrap();
            assert_eq!(line(&model), text);
        }
        for strange in ["a/a", "anthropic/claude", "openai/gpt-5~", "zzz/z", "anthropic/"] {
            assert_eq!(
                get(&ModelId {
                    provider: strange.split('/').next().unwrap().into(),
                    model: strange.split('/').nth(1).unwrap().into()
                }),
                None
            );
        }
        assert!(
            has_provider("anthropic")
                && has_provider("openai")
                && !has_provider("open")
                && !has_provider("zzz")
        );
    }

    #[test]
    fn the_list_names_its_source() {
        let source = source();
        assert!(
            source.package.starts_with("litellm ") && source.licence == "MIT",
            "{source:?}"
        );
        assert_eq!(source.date.len(), 10, "{source:?}");
    }
}
