//! Stage 3: the handler decides.

use super::Stopped;
use super::log::Noted;
use crate::domain::{Decision, Domain};
use crate::envelope::Context;
use crate::root::Scope;

/// An envelope and what was decided of it.
pub(super) struct Decided<D: Domain> {
    pub(super) noted: Noted<D>,
    pub(super) decision: Decision<D>,
}

pub(super) fn decide<D: Domain>(scope: &Scope<D>, noted: Noted<D>) -> Result<Decided<D>, Stopped<D>> {
    let context = Context {
        id: noted.id,
        at: noted.at,
        origin: &noted.envelope.origin,
    };
    let decision = D::decide(&scope.state, &noted.envelope.event, &context).map_err(Stopped::Rejected)?;
    Ok(Decided { noted, decision })
}
