//! Which port answers for which provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Call, ModelPort};
use crate::conversation::Request;
use crate::failure::{Failure, FailureClass};
use crate::model::ModelId;
use crate::structured::Means;
use crate::takes::Takes;

/// Ports by the name of the provider, the part of a model's id before the slash.
#[derive(Debug, Clone, Default)]
pub struct Models(BTreeMap<Arc<str>, Arc<dyn ModelPort>>);

impl Models {
    /// Adds a provider; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, provider: &str, port: Arc<dyn ModelPort>) -> Self {
        self.0.insert(provider.into(), port);
        self
    }

    /// The names of the providers, in order.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

impl ModelPort for Models {
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        match self.0.get(&request.model.provider) {
            Some(port) => port.call(request, attempt),
            None => {
                let known: Vec<&str> = self.providers().collect();
                Call::impossible(Failure::new(
                    FailureClass::Invalid,
                    format!(
                        "there is no provider `{}`; there are: {}",
                        request.model.provider,
                        known.join(", ")
                    ),
                ))
            }
        }
    }

    fn serves(&self, model: &ModelId) -> bool {
        let port = self.0.get(&model.provider);
        port.is_some_and(|port| port.serves(model))
    }

    fn context_window(&self, model: &ModelId) -> Option<u64> {
        self.0.get(&model.provider)?.context_window(model)
    }

    fn means(&self, model: &ModelId, schema: &serde_json::Value) -> Means {
        let port = self.0.get(&model.provider);
        port.map_or(Means::PROMPTED, |port| port.means(model, schema))
    }

    fn takes(&self, model: &ModelId) -> Option<Takes> {
        self.0.get(&model.provider)?.takes(model)
    }

    fn default_answer(&self, model: &ModelId) -> Option<u64> {
        self.0.get(&model.provider)?.default_answer(model)
    }
}
