//! Stage 1: may this origin send this event to this scope?

use super::{Envelope, Stopped};
use crate::domain::Domain;
use crate::root::Scope;

/// An envelope that may pass, with the grant that lets it.
pub(super) struct Permitted<D: Domain> {
    pub(super) envelope: Envelope<D>,
    pub(super) grant: D::Grant,
}

pub(super) fn permit<D: Domain>(scope: &Scope<D>, envelope: Envelope<D>) -> Result<Permitted<D>, Stopped<D>> {
    match D::permit(&scope.state, &envelope.event, &envelope.origin) {
        Ok(grant) => Ok(Permitted { envelope, grant }),
        Err(grant) => Err(Stopped::Denied {
            grant,
            digest: digest(&envelope.event),
        }),
    }
}

/// What is kept of a denied payload: enough to recognise it, not to read it.
fn digest<T: serde::Serialize>(event: &T) -> String {
    serde_json::to_vec(event)
        .map(|bytes| blake3::hash(&bytes).to_hex().to_string())
        .unwrap_or_default()
}
