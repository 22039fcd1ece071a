//! What is known of models, and what mounted sessions have used of them.

use std::collections::BTreeMap;

use async_graphql::{Enum, Object, SimpleObject};
use glasswork_ai::abilities::{self, ThinkingSupport};
use glasswork_ai::catalogue;
use glasswork_ai::model::ModelId;
use glasswork_ai::price;
use glasswork_session_state::usage::ModelUsage;

use crate::error::{Answer, Code, fail};
use crate::host::{CredentialStatus, Host};
use crate::operation::Op;
use crate::request::Thinking;
use crate::scalar::Long;
use crate::session::Session;
use crate::tokens::Tokens;

/// A model: what is known of it, and what mounted sessions have used of it.
pub(crate) struct Model {
    id: ModelId,
    credential: Option<CredentialStatus>,
    chosen_by: u64,
    used: ModelUsage,
    known: Option<catalogue::Model>,
}

/// How a model can be made to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ThinkingKind {
    /// Not known: what is asked for is sent.
    Unknown,
    /// It does not think.
    Never,
    /// It thinks or does not.
    Switch,
    /// It knows levels.
    Levels,
    /// It takes a number of tokens.
    Budget,
}

/// US dollars for a million tokens, as decimal text; null where a price is not known.
#[derive(Debug, SimpleObject)]
pub(crate) struct Rates {
    /// Input that is neither read from a cache nor written to one.
    input: Option<String>,
    /// Output, thinking included.
    output: Option<String>,
    /// Input that is read from a cache.
    cache_read: Option<String>,
    /// Input that is written to a cache for a short time.
    cache_write: Option<String>,
    /// Input that is written to a cache for an hour or longer.
    cache_write_1h: Option<String>,
}

/// Prices of long requests.
#[derive(Debug, SimpleObject)]
pub(crate) struct PriceTier {
    /// They hold for the whole of a request with more input tokens than this.
    above: Long,
    /// The prices.
    rates: Rates,
}

/// What a model costs.
#[derive(Debug, SimpleObject)]
pub(crate) struct Prices {
    /// Where the prices come from, and of which day.
    version: String,
    /// The prices.
    rates: Rates,
    /// Other ones for long requests.
    tiers: Vec<PriceTier>,
}

impl From<&price::Rates> for Rates {
    fn from(rates: &price::Rates) -> Self {
        let shown = |rate: Option<glasswork_ai::decimal::PerMillion>| rate.map(|rate| rate.to_string());
        Self {
            input: shown(rates.input),
            output: shown(rates.output),
            cache_read: shown(rates.cache_read),
            cache_write: shown(rates.cache_write),
            cache_write_1h: shown(rates.cache_write_1h),
        }
    }
}

impl From<&price::Prices> for Prices {
    fn from(prices: &price::Prices) -> Self {
        let tier = |tier: &price::Tier| PriceTier {
            above: Long(tier.above),
            rates: Rates::from(&tier.rates),
        };
        Self {
            version: prices.version.to_string(),
            rates: Rates::from(&prices.rates),
            tiers: prices.tiers.iter().map(tier).collect(),
        }
    }
}

/// A model: what is known of it, and what mounted sessions have used of it.
#[Object]
impl Model {
    /// Its name, as `provider/id`.
    async fn id(&self) -> String {
        self.id.to_string()
    }

    /// What people call it; null where that is not known.
    async fn name(&self) -> Option<&str> {
        self.known.as_ref()?.name.as_deref()
    }

    /// Whether its provider can be used; null where the host does not know the provider, or may not be seen.
    async fn credential(&self) -> Option<CredentialStatus> {
        self.credential
    }

    /// How many mounted sessions have chosen it.
    async fn chosen_by(&self) -> Long {
        Long(self.chosen_by)
    }

    /// Attempts of mounted sessions to get an answer of it.
    async fn attempts(&self) -> Long {
        Long(self.used.attempts)
    }

    /// Of those, the ones that failed.
    async fn failed(&self) -> Long {
        Long(self.used.failed)
    }

    /// Tokens of mounted sessions.
    async fn tokens(&self) -> Tokens {
        Tokens::from(&self.used.tokens)
    }

    /// What mounted sessions have spent on it, in billionths of a US dollar, as far as that is known.
    async fn spent(&self) -> Long {
        Long(self.used.spent.0)
    }

    /// Tokens that it takes: request and answer together, or the request alone where that has a limit of its own; null
    /// where that is not known.
    async fn context_window(&self) -> Option<Long> {
        self.known.as_ref()?.context_window.map(Long)
    }

    /// Most tokens of an answer; null where that is not known.
    async fn max_output(&self) -> Option<Long> {
        self.known.as_ref()?.max_output.map(Long)
    }

    /// What it costs; null where that is not known.
    async fn prices(&self) -> Option<Prices> {
        self.known.as_ref()?.prices.as_ref().map(Prices::from)
    }

    /// Whether it calls tools; null where that is not known.
    async fn tools(&self) -> Option<bool> {
        self.abilities()?.tools
    }

    /// Whether it takes images; null where that is not known.
    async fn images(&self) -> Option<bool> {
        self.abilities()?.images
    }

    /// Whether its answer can be bound to a schema; null where that is not known.
    async fn structured_output(&self) -> Option<bool> {
        self.abilities()?.structured_output
    }

    /// How it can be made to think.
    async fn thinking(&self) -> ThinkingKind {
        match self.abilities().map(|abilities| &abilities.thinking) {
            None | Some(ThinkingSupport::Unknown) => ThinkingKind::Unknown,
            Some(ThinkingSupport::Never) => ThinkingKind::Never,
            Some(ThinkingSupport::Switch) => ThinkingKind::Switch,
            Some(ThinkingSupport::Levels(_)) => ThinkingKind::Levels,
            Some(ThinkingSupport::Budget { .. }) => ThinkingKind::Budget,
        }
    }

    /// The levels of thinking that it knows, where it knows levels.
    async fn thinking_levels(&self) -> Vec<Thinking> {
        match self.abilities().map(|abilities| &abilities.thinking) {
            Some(ThinkingSupport::Levels(levels)) => levels.iter().map(|level| (*level).into()).collect(),
            _ => Vec::new(),
        }
    }

    /// The day from which its provider does not serve it any more; null where none is known.
    async fn ends(&self) -> Option<&str> {
        self.known.as_ref()?.ends.as_deref()
    }

    /// Where this comes from: the shipped list, then files of the user's own.
    async fn from(&self) -> Vec<String> {
        let known = self.known.iter().flat_map(|known| &known.from);
        known.map(ToString::to_string).collect()
    }
}

impl Model {
    fn abilities(&self) -> Option<&abilities::Abilities> {
        self.known.as_ref().map(|known| &known.abilities)
    }

    fn new(op: &Op, host: Option<&Host>, id: ModelId, chosen_by: u64, used: ModelUsage) -> Self {
        Self {
            credential: host.and_then(|host| host.credential(&id.provider)),
            known: op.catalogue.get(&id),
            id,
            chosen_by,
            used,
        }
    }

    /// One model, by its whole name. `None` where nothing is known of it and nobody has used it.
    pub(crate) fn find(op: &Op, id: &str) -> Answer<Option<Self>> {
        let id: ModelId = id
            .parse()
            .map_err(|error: glasswork_ai::model::ModelIdError| fail(Code::BadId, error.to_string()))?;
        let used = used(op)?.remove(&id);
        let is_known = op.catalogue.get(&id).is_some();
        let host = Host::of(op);
        Ok((is_known || used.is_some()).then(|| {
            let (chosen, used) = used.unwrap_or_default();
            Self::new(op, host.as_ref(), id, chosen, used)
        }))
    }

    /// The models that mounted sessions have chosen or used; with a filter, all known ones whose name has its words.
    pub(crate) fn all(op: &Op, filter: Option<&str>) -> Answer<Vec<Self>> {
        let mut used = used(op)?;
        let host = Host::of(op);
        if let Some(filter) = filter {
            for id in op.catalogue.ids() {
                used.entry(id).or_default();
            }
            let filter = filter.to_lowercase();
            used.retain(|id, _| {
                let id = id.to_string().to_lowercase();
                filter.split_whitespace().all(|word| id.contains(word))
            });
        }
        let most = op.limits.page;
        let models = used.into_iter().take(most);
        Ok(models
            .map(|(id, (chosen, used))| Self::new(op, host.as_ref(), id, chosen, used))
            .collect())
    }
}

fn used(op: &Op) -> Answer<BTreeMap<ModelId, (u64, ModelUsage)>> {
    let mut known: BTreeMap<_, (u64, ModelUsage)> = BTreeMap::new();
    for id in op.mounted() {
        let Session(view) = Session::now(op, id)?;
        if let Some(model) = &view.session.settings.model.value {
            known.entry(model.clone()).or_default().0 += 1;
        }
        // What a fork has inherited was used by another session.
        for (model, used) in &view.session.spent().models {
            known.entry(model.clone()).or_default().1.add(used);
        }
    }
    Ok(known)
}
