//! Breakpoints as Anthropic has them, and relays of it.

use serde::Serialize;

use crate::controls::{After, Cache, Life};

/// Up to here the server may keep the request.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<Life> for CacheControl {
    fn from(life: Life) -> Self {
        Self {
            r#type: "ephemeral",
            ttl: match life {
                Life::Short => None,
                Life::Long => Some("1h"),
            },
        }
    }
}

impl Cache {
    /// The breakpoint at a place, if there is one.
    pub(super) fn mark(&self, place: After) -> Option<CacheControl> {
        self.after.contains(&place).then(|| self.life.into())
    }

    /// The breakpoint after the message at a place, if there is one.
    pub(super) fn mark_message(&self, place: usize) -> Option<CacheControl> {
        self.mark(After::Message(u64::try_from(place).ok()?))
    }
}
