//! What is taken from other programs' lists of models.

use serde_json::Value;

use super::entry::OwnModels;
use super::{models_dev, pi};

/// Most remarks that are kept.
const REMARKS: usize = 200;

/// What was taken from a file, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// Whose file it is.
    pub format: &'static str,
    /// What was taken.
    pub own: OwnModels,
    /// What was not, each with the reason.
    pub left: Vec<String>,
    /// How many more such remarks there were than are kept.
    pub more_left: usize,
}

/// A file that is no list of models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON.
    #[error("this is no JSON: {0}")]
    NotJson(String),
    /// It is something else.
    #[error(
        "this is no list of models that is known here: pi's `models.json` (`{{\"providers\": …}}`), or `api.json` of \
         models.dev (`{{\"PROVIDER\": {{\"models\": …}}}}`)"
    )]
    Other,
}

impl Taken {
    pub(super) fn new(format: &'static str) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    pub(super) fn leave(&mut self, what: String) {
        match self.left.len() < REMARKS {
            true => self.left.push(what),
            false => self.more_left += 1,
        }
    }
}

/// Reads pi's `models.json`, or `api.json` of models.dev. `wanted` says which providers are taken.
///
/// # Errors
/// [`ImportError`]; what is strange inside of it is left out, and told.
pub fn import(text: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Taken, ImportError> {
    let mut list: Value =
        serde_json::from_str(text).map_err(|error| ImportError::NotJson(error.to_string()))?;
    // What is made of it is a file that people read, and keep under version control.
    list.sort_all_objects();
    let list = list.as_object().ok_or(ImportError::Other)?;
    if let Some(providers) = list.get("providers").and_then(Value::as_object) {
        return Ok(pi::import(providers, wanted));
    }
    let is_provider = |value: &Value| value.get("models").is_some_and(Value::is_object);
    if list.is_empty() || !list.values().any(is_provider) {
        return Err(ImportError::Other);
    }
    Ok(models_dev::import(list, wanted))
}
