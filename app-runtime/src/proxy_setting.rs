//! The proxy that the user has set. Its address may be shown, a password in it never.

use glasswork_ai::http::{ProxyAddress, ProxyAddressError};
use glasswork_session_state::settings::Source;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;

/// The name of the setting.
pub(crate) const PROXY: &str = "proxy";

/// The proxy, or that none is set. Serialises as `{proxy: {value, from}}` like every setting, but without user name and
/// password.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProxySetting {
    address: Option<ProxyAddress>,
    from: Source,
}

impl ProxySetting {
    /// Reads an address; an empty text is none.
    pub(crate) fn parse(text: &str, from: Source) -> Result<Self, ProxyAddressError> {
        let text = Some(text.trim()).filter(|text| !text.is_empty());
        Ok(Self {
            address: text.map(ProxyAddress::parse).transpose()?,
            from,
        })
    }

    /// The setting's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        PROXY
    }

    /// Where it comes from.
    #[must_use]
    pub fn from(&self) -> &Source {
        &self.from
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> Option<&ProxyAddress> {
        self.address.as_ref()
    }
}

impl Serialize for ProxySetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.address.as_ref().map(ToString::to_string);
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(PROXY, &json!({ "value": value, "from": self.from }))?;
        map.end()
    }
}
