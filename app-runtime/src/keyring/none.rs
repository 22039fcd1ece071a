//! Where no keyring is known.

use std::time::Duration;

use super::{Answer, Job, KeyringError, Name};

/// Says that there is none.
pub(super) fn run(_: Option<&str>, _: &Name, _: Job, _: Duration) -> Answer {
    Err(KeyringError::Unreachable(
        "none is known on this system".to_owned(),
    ))
}
