//! Stage 2: the dispatch gets its name and time.

use super::Envelope;
use super::permission::Permitted;
use crate::domain::Domain;
use crate::envelope::{DispatchId, Timestamp};
use crate::root::Scope;

/// An envelope with the name that it will have as a commit.
pub(super) struct Noted<D: Domain> {
    pub(super) envelope: Envelope<D>,
    pub(super) grant: D::Grant,
    pub(super) id: DispatchId,
    pub(super) at: Timestamp,
}

pub(super) fn note<D: Domain>(scope: &Scope<D>, permitted: Permitted<D>, at: Timestamp) -> Noted<D> {
    let Permitted { envelope, grant } = permitted;
    Noted {
        envelope,
        grant,
        id: DispatchId::commit(scope.id, scope.seq + 1),
        at,
    }
}
