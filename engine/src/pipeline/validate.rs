//! Stage 4: a private copy is evolved by the facts, and checked.

use super::Stopped;
use super::handler::Decided;
use crate::domain::{Class, Decision, Domain, Durability};
use crate::envelope::{Deadline, Moment};
use crate::root::{self, Scope};

/// The scope as it will be, still private.
pub(super) struct Candidate<D: Domain> {
    pub(super) decided: Decided<D>,
    pub(super) scope: Scope<D>,
    pub(super) terms: Terms<D>,
}

/// What the domain says of a commit to come. Asked for here, where a panic fails the dispatch and nothing else.
pub(crate) struct Terms<D: Domain> {
    pub(crate) deadlines: Vec<(D::DeadlineKey, Deadline)>,
    pub(crate) classes: Vec<Class>,
    pub(crate) acknowledged: Durability,
    pub(crate) delta: bool,
}

impl<D: Domain> Terms<D> {
    fn of(state: &D::State, event: &D::Event, effects: &[D::Effect]) -> Self {
        Self {
            deadlines: deadlines::<D>(state),
            classes: effects.iter().map(D::class).collect(),
            acknowledged: D::acknowledged(event),
            delta: D::is_delta(event),
        }
    }

    pub(crate) fn holds_once(&self) -> bool {
        self.classes.contains(&Class::Once)
    }
}

pub(crate) fn deadlines<D: Domain>(state: &D::State) -> Vec<(D::DeadlineKey, Deadline)> {
    let mut deadlines = Vec::new();
    D::deadlines(state, &mut |key, deadline| deadlines.push((key, deadline)));
    deadlines
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
    let terms = Terms::of(&candidate.state, &decided.noted.envelope.event, effects);
    Ok(Candidate {
        decided,
        scope: candidate,
        terms,
    })
}
