//! Stage 4: a private copy is evolved by the facts, and checked.

use super::Stopped;
use super::handler::Decided;
use crate::domain::{Decision, Domain};
use crate::envelope::Moment;
use crate::root::{self, Scope};

/// The scope as it will be, still private.
pub(super) struct Candidate<D: Domain> {
    pub(super) decided: Decided<D>,
    pub(super) scope: Scope<D>,
}

pub(super) fn evolve<D: Domain>(scope: &Scope<D>, decided: Decided<D>) -> Result<Candidate<D>, Stopped<D>> {
    let mut candidate = scope.clone();
    let Decision {
        facts,
        effects,
        closes,
        ..
    } = &decided.decision;
    let moment = Moment {
        seq: decided.noted.id.seq,
        at: decided.noted.at,
    };
    let settles = decided.noted.envelope.settles;
    candidate.apply(
        moment,
        &root::Decided {
            facts,
            effects,
            closes,
            settles,
        },
    );
    D::check(&candidate.state, facts).map_err(Stopped::Invalid)?;
    Ok(Candidate {
        decided,
        scope: candidate,
    })
}
