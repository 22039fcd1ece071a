//! What is left open by a process that ended.

use glasswork_engine::envelope::EffectKey;
use serde::{Deserialize, Serialize};

/// What recovery found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The process ended while these effects were open.
    Abandoned {
        /// The effects whose runners are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        open: Vec<EffectKey>,
    },
}
