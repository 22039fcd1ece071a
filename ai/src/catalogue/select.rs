//! From what people type to a model: `provider/id`, the beginning of an id, or words of it, and `:high` behind it.

use std::fmt;

use super::shipped::level_named;
use crate::abilities::Thinking;
use crate::model::ModelId;

/// Most candidates that a message lists.
const LISTED: usize = 12;

/// A model to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The model.
    pub id: ModelId,
    /// How near it is: less than `provider/id` means the nearest that it fits.
    pub reach: Reach,
}

/// How near a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It can be asked.
    Usable,
    /// It could be asked, if there were a key.
    WantsKey,
    /// Nobody answers for its provider.
    Elsewhere,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The model.
    pub model: ModelId,
    /// How much it shall think, where that was said.
    pub thinking: Option<Thinking>,
}

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// It may be several.
    #[error("`{text}` may be any of these; say which:\n{candidates}")]
    Ambiguous {
        /// What was typed.
        text: String,
        /// What it may be.
        candidates: Candidates,
    },
    /// It is none.
    #[error("there is no model `{0}`: write `provider/id`, or a part of an id that `glasswork models` lists")]
    Unknown(String),
    /// There is such a model, and no such level behind it.
    #[error(
        "`{level}` is no level of thinking of `{model}`: write `off`, `minimal`, `low`, `medium`, `high` or `xhigh` behind \
         the colon, or nothing"
    )]
    NoLevel {
        /// The model.
        model: ModelId,
        /// What stands behind it.
        level: String,
    },
}

/// What a text may mean, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates(pub Vec<ModelId>);

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().take(LISTED).map(|id| format!("  {id}")).collect();
        f.write_str(&lines.join("\n"))?;
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Chooses a model. What begins with a provider that is named in `providers` is taken as it stands: providers have new
/// models more often than lists do.
///
/// # Errors
/// [`SelectError`].
pub fn select(text: &str, models: &[Wanted], providers: &[&str]) -> Result<Choice, SelectError> {
    let (name, thinking) = without_level(text.trim(), models);
    let model = named(name, models, providers).map_err(|error| match name.rsplit_once(':') {
        // What is not there with its colon may be there without.
        Some((before, level)) if matches!(error, SelectError::Unknown(_)) => {
            match named(before, models, providers) {
                Ok(model) => SelectError::NoLevel {
                    model,
                    level: level.to_owned(),
                },
                Err(_) => error,
            }
        }
        _ => error,
    })?;
    Ok(Choice { model, thinking })
}

/// Takes `:high` off, unless it is a part of an id.
fn without_level<'a>(text: &'a str, models: &[Wanted]) -> (&'a str, Option<Thinking>) {
    let is_id = models.iter().any(|wanted| wanted.id.to_string() == text);
    match text.rsplit_once(':').filter(|_| !is_id) {
        Some((name, level)) => match level_named(level) {
            Some(level) => (name, Some(level)),
            None => (text, None),
        },
        None => (text, None),
    }
}

fn named(text: &str, models: &[Wanted], providers: &[&str]) -> Result<ModelId, SelectError> {
    let whole = text.parse::<ModelId>().ok();
    if let Some(id) = whole {
        let known = models.iter().any(|wanted| wanted.id == id);
        if known || providers.contains(&&*id.provider) {
            return Ok(id);
        }
    }
    if text.is_empty() {
        return Err(SelectError::Unknown(text.to_owned()));
    }
    let wanted = text.to_lowercase();
    let words: Vec<&str> = wanted.split(is_between).filter(|word| !word.is_empty()).collect();
    // From the narrowest meaning to the widest: whoever types a whole id means it.
    type Means<'a> = &'a dyn Fn(&ModelId) -> bool;
    let begins =
        |id: &ModelId| id.to_string().starts_with(&wanted) || id.model.to_lowercase().starts_with(&wanted);
    // `sonnet 4.5` is `claude-sonnet-4-5`, where nothing has it as it stands.
    let parts: Vec<&str> = words
        .iter()
        .flat_map(|word| word.split('.'))
        .filter(|part| !part.is_empty())
        .collect();
    let has = |id: &ModelId, words: &[&str]| {
        let id = id.to_string().to_lowercase();
        let mut rest = id.as_str();
        !words.is_empty()
            && words.iter().all(|word| match rest.split_once(word) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
    };
    let meanings: [Means<'_>; 4] = [
        &|id| id.model.to_lowercase() == wanted,
        &begins,
        &|id| has(id, &words),
        &|id| has(id, &parts),
    ];
    for means in meanings {
        let all: Vec<&Wanted> = models.iter().filter(|wanted| means(&wanted.id)).collect();
        let nearest = all.iter().map(|wanted| wanted.reach).min();
        let found: Vec<&Wanted> = all
            .into_iter()
            .filter(|wanted| Some(wanted.reach) == nearest)
            .collect();
        if found.is_empty() {
            continue;
        }
        let without_days: Vec<&Wanted> = found
            .iter()
            .copied()
            .filter(|one| !is_of_a_day(&one.id.model))
            .collect();
        return match (found.as_slice(), without_days.as_slice()) {
            ([only], _) | (_, [only]) => Ok(only.id.clone()),
            _ => Err(SelectError::Ambiguous {
                text: text.to_owned(),
                candidates: Candidates(found.into_iter().map(|one| one.id.clone()).collect()),
            }),
        };
    }
    Err(SelectError::Unknown(text.to_owned()))
}

fn is_between(letter: char) -> bool {
    !letter.is_alphanumeric() && letter != '.'
}

/// Whether an id names the day of its model, as in `claude-opus-4-5-20251101` and `gpt-4.1-2025-04-14`: another name of
/// the one without.
fn is_of_a_day(id: &str) -> bool {
    let digits: Vec<&str> = id
        .rsplit('-')
        .take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    match digits.as_slice() {
        [day, ..] if day.len() == 8 => true,
        [day, month, year, ..] => (day.len(), month.len(), year.len()) == (2, 2, 4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_one_model_or_says_which_it_may_be() {
        let wanted = |id: &str| Wanted {
            id: id.parse().unwrap(),
            reach: match id.starts_with("relay/") {
                true => Reach::Elsewhere,
                false => Reach::Usable,
            },
        };
        let models = [
            "anthropic/claude-opus-4-5",
            "anthropic/claude-opus-4-5-20251101",
            "anthropic/claude-sonnet-4-5",
            "anthropic/claude-sonnet-5",
            "openai/gpt-4.1",
            "openai/gpt-4.1-2025-04-14",
            "openai/gpt-4.1-mini",
            "openai/gpt-4-1106-mini",
            "openai/o4",
            "openai/o4-2025-04-16",
            "relay/claude-opus-4-5",
            "relay/kimi:high",
            "lab/relay-kit",
        ]
        .map(wanted);
        let providers = ["anthropic", "openai", "local"];
        let chosen = |text: &str| match select(text, &models, &providers) {
            Ok(Choice {
                model,
                thinking: None,
            }) => model.to_string(),
            Ok(Choice {
                model,
                thinking: Some(level),
            }) => format!("{model} {level:?}"),
            Err(SelectError::Ambiguous { candidates, .. }) => format!("{} of them", candidates.0.len()),
            Err(SelectError::Unknown(_)) => "none".to_owned(),
            Err(SelectError::NoLevel { model, level }) => format!("{model} without {level}"),
        };
        let table = [
            ("anthropic/claude-opus-4-5", "anthropic/claude-opus-4-5"),
            (
                "anthropic/claude-opus-4-5:xhigh",
                "anthropic/claude-opus-4-5 Xhigh",
            ),
            // New at its provider, and not cut down to what is known.
            ("anthropic/claude-opus", "anthropic/claude-opus"),
            (" anthropic/claude-opus\n", "anthropic/claude-opus"),
            // The beginning of an id goes before words of it, however near the others are.
            ("relay/ki", "relay/kimi:high"),
            ("local/any:thing", "local/any:thing"),
            ("local/any:off", "local/any Off"),
            ("claude-opus-4-5", "anthropic/claude-opus-4-5"),
            ("opus", "anthropic/claude-opus-4-5"),
            ("opus:low", "anthropic/claude-opus-4-5 Low"),
            ("claude-son", "2 of them"),
            ("sonnet 4 5", "anthropic/claude-sonnet-4-5"),
            ("claude-sonnet-4.5:high", "anthropic/claude-sonnet-4-5 High"),
            ("4.1 mini", "openai/gpt-4.1-mini"),
            ("relay/claude-op", "relay/claude-opus-4-5"),
            ("openai o4", "openai/o4"),
            ("o4-2025", "openai/o4-2025-04-16"),
            (" opus\n", "anthropic/claude-opus-4-5"),
            ("OPUS", "anthropic/claude-opus-4-5"),
            ("opus:loud", "anthropic/claude-opus-4-5 without loud"),
            ("llama:loud", "none"),
            ("GPT-4.1", "openai/gpt-4.1"),
            ("gpt-4.1-m", "openai/gpt-4.1-mini"),
            ("kimi", "relay/kimi:high"),
            ("relay/kimi:high", "relay/kimi:high"),
            ("elsewhere/claude-opus-4-5", "none"),
            ("5 4 sonnet", "none"),
            ("llama", "none"),
            ("", "none"),
            (":high", "none"),
            ("--", "none"),
        ];
        for (text, expected) in table {
            assert_eq!(chosen(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_listed_but_not_without_end() {
        let models: Vec<Wanted> = (0..20)
            .map(|number| Wanted {
                id: format!("p/m{number:02}").parse().unwrap(),
                reach: Reach::WantsKey,
            })
            .collect();
        let told = select("m", &models, &[]).unwrap_err().to_string();
        assert!(
            told.contains("  p/m00\n") && told.ends_with("  p/m11\n  and 8 more"),
            "{told}"
        );
    }
}
