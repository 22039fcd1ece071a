//! The keys of providers, from the user's settings file or the environment. Where a key is may be shown, the key never.

use glasswork_agent_session::secrets::SecretString;
use glasswork_session_state::settings::Source;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;

/// The names of keys as settings, each with the variable that providers' own programs read.
pub(crate) const API_KEYS: [(&str, &str); 2] = [
    ("anthropic_api_key", "ANTHROPIC_API_KEY"),
    ("openai_api_key", "OPENAI_API_KEY"),
];

/// A key of a provider, or that there is none. Serialises as `{name: {value, from}}` like every setting, but the value
/// is `"set"` or null.
#[derive(Debug, Clone)]
pub struct ApiKeySetting {
    name: &'static str,
    key: Option<SecretString>,
    from: Source,
}

impl ApiKeySetting {
    pub(crate) fn new(name: &'static str, key: Option<SecretString>, from: Source) -> Self {
        Self { name, key, from }
    }

    /// The setting's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it comes from.
    #[must_use]
    pub fn from(&self) -> &Source {
        &self.from
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> Option<&SecretString> {
        self.key.as_ref()
    }
}

/// By what may be shown of them: two keys from one place are the same.
impl PartialEq for ApiKeySetting {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.key.is_some(), &self.from) == (other.name, other.key.is_some(), &other.from)
    }
}

impl Serialize for ApiKeySetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.key.as_ref().map(|_| "set");
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &json!({ "value": value, "from": self.from }))?;
        map.end()
    }
}

/// All keys that were given, in the order of the layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApiKeys(Vec<ApiKeySetting>);

impl ApiKeys {
    pub(crate) fn add(&mut self, key: ApiKeySetting) {
        self.0.push(key);
    }

    /// The key in force, by the name of its setting.
    #[must_use]
    pub fn in_force(&self, name: &str) -> Option<&ApiKeySetting> {
        self.0.iter().rev().find(|key| key.name == name)
    }

    /// Every key, also one that another overrides: all of them are secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.0.iter().filter_map(ApiKeySetting::key)
    }

    /// The settings, one for each name.
    pub(crate) fn all(&self) -> impl Iterator<Item = ApiKeySetting> {
        API_KEYS.into_iter().map(|(name, _)| {
            let unset = || ApiKeySetting::new(name, None, Source::default());
            self.in_force(name).cloned().unwrap_or_else(unset)
        })
    }
}
