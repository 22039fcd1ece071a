//! What is known of models: windows, limits, prices, abilities. A list that is shipped with the program, and over it
//! what users say.
//!
//! The list is text, a line for each model, sorted by `provider/id`, and is searched as it lies in the binary: looking a
//! model up parses one line. Nothing in it is guessed: what its source does not say is unknown here.

mod entry;
#[cfg(test)]
mod litellm;
mod models_dev;
mod pi;
mod select;
mod shipped;
mod taken;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use entry::{Api, Entry, OwnModels, ProviderEntry};
pub use select::{Choice, Reach, SelectError, Wanted, select};
use serde::{Deserialize, Serialize};
pub use shipped::{ListSource, source};
pub use taken::{ImportError, Taken, import};

use crate::abilities::Abilities;
use crate::model::ModelId;
use crate::price::{Prices, Rates, Tier};

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The model.
    pub id: ModelId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Tokens that it takes: request and answer together, or the request alone where that has a limit of its own.
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    pub max_output: Option<u64>,
    /// What it costs.
    pub prices: Option<Prices>,
    /// What it can do.
    pub abilities: Abilities,
    /// The day from which its provider does not serve it any more, as `2026-11-30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Arc<str>>,
    /// Where this comes from: the shipped list, or files of the user's own.
    pub from: Vec<Arc<str>>,
}

/// What is known of models: the shipped list, and the user's own entries over it, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Providers of which the shipped list says nothing.
    elsewhere: BTreeSet<Arc<str>>,
    own: BTreeMap<ModelId, Vec<(Arc<str>, Entry)>>,
}

impl Catalogue {
    /// The shipped list, and over it entries of the user's own: each file with what it says, the strongest last.
    #[must_use]
    pub fn with(files: impl IntoIterator<Item = (Arc<str>, BTreeMap<ModelId, Entry>)>) -> Self {
        let mut own: BTreeMap<ModelId, Vec<(Arc<str>, Entry)>> = BTreeMap::new();
        for (file, entries) in files {
            for (id, entry) in entries {
                own.entry(id).or_default().push((Arc::clone(&file), entry));
            }
        }
        Self {
            elsewhere: BTreeSet::new(),
            own,
        }
    }

    /// The same, but that the shipped list says nothing of these providers: they are not what it means by these names.
    #[must_use]
    pub fn without_shipped<'a>(mut self, providers: impl IntoIterator<Item = &'a str>) -> Self {
        self.elsewhere.extend(providers.into_iter().map(Arc::from));
        self
    }

    /// The same, and under everything that the user says what a server says of its models.
    #[must_use]
    pub fn with_told(mut self, from: &Arc<str>, told: impl IntoIterator<Item = (ModelId, Entry)>) -> Self {
        for (id, entry) in told {
            self.own
                .entry(id)
                .or_default()
                .insert(0, (Arc::clone(from), entry));
        }
        self
    }

    /// What is known of a model; `None` where nobody says anything of it.
    #[must_use]
    pub fn get(&self, id: &ModelId) -> Option<Model> {
        let shipped = shipped::get(id).filter(|_| !self.elsewhere.contains(&id.provider));
        let own = self.own.get(id);
        if shipped.is_none() && own.is_none() {
            return None;
        }
        let mut model = shipped.unwrap_or_else(|| Model::unknown(id.clone()));
        for (file, entry) in own.into_iter().flatten() {
            entry.lay_over(&mut model, file);
        }
        Some(model)
    }

    /// Where the window of a model comes from: the shipped list, a file of the user's own, or a server.
    #[must_use]
    pub fn window_from(&self, id: &ModelId) -> Option<Arc<str>> {
        let own = self.own.get(id).into_iter().flatten().rev();
        let mut said = own.filter(|(_, entry)| entry.context_window.is_some());
        if let Some((from, _)) = said.next() {
            return Some(Arc::clone(from));
        }
        let shipped = shipped::get(id).filter(|_| !self.elsewhere.contains(&id.provider))?;
        shipped
            .context_window
            .and_then(|_| shipped.from.into_iter().next())
    }

    /// The ids of all models of which anything is known, in order. Parses no entry.
    #[must_use]
    pub fn ids(&self) -> Vec<ModelId> {
        let shipped = shipped::keys()
            .filter_map(|key| key.parse::<ModelId>().ok())
            .filter(|id| !self.elsewhere.contains(&id.provider));
        let mut ids: Vec<ModelId> = shipped.chain(self.own.keys().cloned()).collect();
        ids.sort_by_cached_key(ToString::to_string);
        ids.dedup();
        ids
    }

    /// Whether the shipped list says which models this provider has.
    #[must_use]
    pub fn lists(&self, provider: &str) -> bool {
        shipped::has_provider(provider) && !self.elsewhere.contains(provider)
    }

    /// Whether anything is known of models of this provider.
    #[must_use]
    pub fn knows_provider(&self, provider: &str) -> bool {
        self.lists(provider) || self.own.keys().any(|id| *id.provider == *provider)
    }
}

impl Model {
    /// A model of which nothing is known.
    #[must_use]
    pub fn unknown(id: ModelId) -> Self {
        Self {
            id,
            name: None,
            context_window: None,
            max_output: None,
            prices: None,
            abilities: Abilities::default(),
            ends: None,
            from: Vec::new(),
        }
    }

    fn set_rates(&mut self, rates: Rates, long: Option<&[Tier]>, from: &Arc<str>) {
        if rates.is_empty() && long.is_none() {
            return;
        }
        let (version, before, tiers) = match self.prices.take() {
            Some(known) => (
                format!("{from} over {}", known.version).into(),
                known.rates,
                known.tiers,
            ),
            None => (Arc::clone(from), Rates::default(), Vec::new()),
        };
        let tiers = match long {
            Some(long) => {
                let mut tiers = long.to_vec();
                tiers.sort_by_key(|tier| tier.above);
                tiers
            }
            // Who says what a token costs, says it for requests of every length.
            None => tiers
                .into_iter()
                .map(|tier| Tier {
                    above: tier.above,
                    rates: rates.or(tier.rates),
                })
                .collect(),
        };
        self.prices = Some(Prices {
            version,
            rates: rates.or(before),
            tiers,
        });
    }
}
