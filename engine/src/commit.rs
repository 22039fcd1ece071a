//! An accepted dispatch, as the journal, the log and followers see it.

use crate::domain::{Domain, Transition};
use crate::envelope::{DispatchId, EffectKey, Moment, Origin, Timestamp};

/// An accepted dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit<D: Domain> {
    /// Its name; [`DispatchId::refusal`] is 0.
    pub id: DispatchId,
    /// When the writer received it.
    pub at: Timestamp,
    /// Who asked.
    pub origin: Origin,
    /// The dispatch that led to it; none where it came from outside.
    pub cause: Option<DispatchId>,
    /// Its place among the consequences of its cause, where it is one.
    pub consequence: Option<u16>,
    /// The effect whose result it reports.
    pub settles: Option<EffectKey>,
    /// What permitted it.
    pub grant: D::Grant,
    /// The request.
    pub event: D::Event,
    /// What was decided.
    pub facts: Vec<D::Fact>,
    /// Effects that it released.
    pub effects: Vec<D::Effect>,
    /// Effects whose runners it asked to stop.
    pub stops: Vec<EffectKey>,
    /// Effects that it closed without their runner's word.
    pub closes: Vec<EffectKey>,
    /// Length of its line in the journal, in bytes.
    pub size: usize,
}

impl<D: Domain> Commit<D> {
    /// Sequence number and time.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            seq: self.id.seq,
            at: self.at,
        }
    }

    /// The effect of which this commit says only how it is coming along, if that is all that it says: then it is a
    /// *delta*, and without it the state is the same once the effect has ended.
    #[must_use]
    pub fn delta_of(&self) -> Option<EffectKey> {
        let ends = self.settles.is_some() || !self.closes.is_empty();
        let asks = !self.effects.is_empty() || !self.stops.is_empty();
        delta_of::<D>(&self.origin, &self.facts, ends || asks)
    }

    /// The rows of charts that it took, in order.
    pub fn rows(&self) -> impl Iterator<Item = Transition<'_>> {
        self.facts.iter().filter_map(D::row)
    }
}

/// The effect that has sent a commit of these facts, if they say only how it is coming along. `moves` says whether the
/// commit ends effects, or asks for or stops any.
pub(crate) fn delta_of<D: Domain>(origin: &Origin, facts: &[D::Fact], moves: bool) -> Option<EffectKey> {
    let Origin::Effect(key) = *origin else {
        return None;
    };
    let interim = !facts.is_empty() && facts.iter().all(D::is_interim);
    (interim && !moves).then_some(key)
}
