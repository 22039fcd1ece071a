//! What models cost, told to sessions: the prices of those that they ask, and what was spent elsewhere on the same day.

use std::collections::BTreeSet;
use std::sync::Arc;

use glasswork_ai::catalogue::{Catalogue, Model};
use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::model::ModelId;
use glasswork_ai::price::Prices;
use glasswork_engine::ScopeId;
use glasswork_session_state::budget::{Elsewhere, day_of};
use glasswork_session_state::domain::Event;
use glasswork_session_state::session;
use glasswork_session_state::settings::Settings;
use glasswork_session_state::state::{Kind, Scope};

use crate::models::SCRIPTED;
use crate::runtime::{OperationError, Runtime};

/// What a model costs, as far as that is known. A script is played by this program itself, which takes nothing for it.
fn prices(catalogue: &Catalogue, model: &ModelId) -> Prices {
    let known = catalogue.get(model).and_then(|known| known.prices);
    known.unwrap_or_else(|| match *model.provider == *SCRIPTED {
        true => Prices::nothing("scripts cost nothing"),
        false => Prices::unknown(),
    })
}

impl Runtime {
    /// Has every session that is opened from now on know what is known of its models: their windows and prices. Until
    /// then nothing is known of any.
    pub fn know_models(&self, catalogue: Arc<Catalogue>) {
        // Doing this twice would be a defect of the program that composes; the first one stays.
        let _ = self.catalogue.set(catalogue);
    }

    /// What is known of a model.
    pub(crate) fn known(&self, model: &ModelId) -> Option<Model> {
        self.catalogue.get()?.get(model)
    }

    /// Adds what is known of the prices of the models that these settings name; also that nothing is known, so that each
    /// of their calls has its entry in the ledger.
    pub(crate) fn price(&self, settings: &mut Settings) {
        let Some(catalogue) = self.catalogue.get() else {
            return;
        };
        let models = [&settings.model.value, &settings.compact_model.value];
        let known: Vec<_> = models
            .into_iter()
            .flatten()
            .chain(&settings.fallback_models.value)
            .filter(|model| {
                let before = settings.prices.value.get(*model);
                before.is_none_or(Prices::is_unknown)
            })
            .map(|model| (model.clone(), prices(catalogue, model)))
            .collect();
        settings.prices.value.extend(known);
    }

    /// Says what the models take that these settings name, as far as whoever answers for them knows.
    pub(crate) fn tell_takes(&self, settings: &mut Settings) {
        let models = [&settings.model.value, &settings.compact_model.value];
        let known: Vec<_> = models
            .into_iter()
            .flatten()
            .chain(&settings.fallback_models.value)
            .filter_map(|model| Some((model.clone(), self.models.takes(model)?)))
            .collect();
        settings.takes.value.extend(known);
    }

    /// Tells a session that has a budget for the day what the others have spent today: those that are mounted here as
    /// they are now, all others as the index has them.
    pub(crate) async fn tell_spending(&self, id: ScopeId) -> Result<(), OperationError> {
        let Some(session) = self
            .mounted(id)
            .filter(|session| session.settings.budget.value.day.is_some())
        else {
            return Ok(());
        };
        let day = day_of(self.clock.wall());
        let root = self.live().root();
        let scopes = root.scopes().filter(|scope| scope.kind == Kind::Session);
        let mut mounted = BTreeSet::new();
        let mut spent: u64 = 0;
        for scope in scopes {
            mounted.insert(scope.id);
            if let Scope::Session(other) = &scope.state
                && scope.id != id
            {
                let today = other.spent().days.get(&day).map_or(0, |spent: &Money| spent.0);
                spent = spent.saturating_add(today);
            }
        }
        let reader = self.reader().clone();
        let indexed = tokio::task::spawn_blocking(move || reader.spent_on(day, &mounted)).await;
        let indexed = indexed.map_err(|error| OperationError::NotDone(error.to_string()))??;
        let elsewhere = Elsewhere {
            day,
            spent: Decimal(spent.saturating_add(indexed)),
        };
        if session.usage.elsewhere != Some(elsewhere) {
            self.ask(id, Event::Session(session::Event::SpendingTold(elsewhere)))
                .await?;
        }
        Ok(())
    }
}
