//! The list of models for people and programs, and the model that a text means.

use glasswork_ai::abilities::ThinkingSupport;
use glasswork_ai::catalogue::{Catalogue, Choice, Model, Reach, SelectError, Wanted, select};
use glasswork_ai::model::ModelId;
use serde::Serialize;

use crate::models::{Provider, SCRIPTED};

/// A model in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What is known of it.
    #[serde(flatten)]
    pub model: Model,
    /// Whether it can be asked now: its provider is known, and has a key or wants none.
    pub usable: bool,
}

/// Which models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// Those that can be asked now.
    Usable,
    /// All.
    All,
    /// Those whose name has all these words, whoever serves them.
    Named(&'a [String]),
}

fn reach(id: &ModelId, providers: &[Provider]) -> Reach {
    let provider = providers.iter().find(|provider| *provider.name == *id.provider);
    match provider {
        Some(provider) if provider.has_key => Reach::Usable,
        Some(_) => Reach::WantsKey,
        None => Reach::Elsewhere,
    }
}

/// Lists models, by name.
#[must_use]
pub fn list(catalogue: &Catalogue, providers: &[Provider], which: Which<'_>) -> Vec<Listed> {
    let wanted = |id: &ModelId| match which {
        Which::All => true,
        Which::Usable => reach(id, providers) == Reach::Usable,
        Which::Named(words) => {
            let name = id.to_string().to_lowercase();
            words.iter().all(|word| name.contains(&word.to_lowercase()))
        }
    };
    let ids = catalogue.ids().into_iter().filter(|id| wanted(id));
    ids.filter_map(|id| {
        let usable = reach(&id, providers) == Reach::Usable;
        Some(Listed {
            model: catalogue.get(&id)?,
            usable,
        })
    })
    .collect()
}

/// The model that a text means: `provider/id`, a beginning or words of an id, with `:high` behind it for the thinking.
///
/// # Errors
/// [`SelectError`].
pub fn chosen(text: &str, catalogue: &Catalogue, providers: &[Provider]) -> Result<Choice, SelectError> {
    // A whole name at a provider that can be asked needs no list, and most are that.
    if let Ok(model) = text.trim().parse::<ModelId>()
        && !text.contains(':')
        && (*model.provider == *SCRIPTED || reach(&model, providers) != Reach::Elsewhere)
    {
        return Ok(Choice {
            model,
            thinking: None,
        });
    }
    let wanted: Vec<Wanted> = catalogue
        .ids()
        .into_iter()
        .map(|id| Wanted {
            reach: reach(&id, providers),
            id,
        })
        .collect();
    let mut names: Vec<&str> = providers.iter().map(|provider| &*provider.name).collect();
    names.push(SCRIPTED);
    // A provider that nobody answers for is told as such, not as a model that is not there.
    let named = text.split_once('/').map(|(provider, _)| provider);
    names.extend(named.filter(|provider| catalogue.knows_provider(provider)));
    let chosen = select(text, &wanted, &names);
    match (&chosen, text.parse()) {
        // A whole name of which nothing is known, provider included: it is the provider that is missing.
        (Err(SelectError::Unknown(_)), Ok(model)) => Ok(Choice {
            model,
            thinking: None,
        }),
        _ => chosen,
    }
}

/// How a model can be made to think, in words.
#[must_use]
pub fn thinking(support: &ThinkingSupport) -> String {
    match support {
        ThinkingSupport::Unknown => "not known".to_owned(),
        ThinkingSupport::Never => "no".to_owned(),
        ThinkingSupport::Switch => "on or off".to_owned(),
        ThinkingSupport::Budget { least, most, .. } => format!("{least} to {most} tokens"),
        ThinkingSupport::Levels(levels) => {
            let names: Vec<String> = levels
                .iter()
                .map(|level| format!("{level:?}").to_lowercase())
                .collect();
            names.join(", ")
        }
    }
}
