//! The way of a dispatch: permission, log, handler, validate, apply, effects.
//!
//! Each stage consumes what the one before it made, so their order is a matter of types. The first five run here, one
//! after the other; the sixth releases what the fifth sealed, once the journal has it.

#[cfg(feature = "writer")]
mod apply;
#[cfg(feature = "writer")]
mod chain;
#[cfg(feature = "writer")]
pub(crate) mod effects;
#[cfg(feature = "writer")]
mod handler;
#[cfg(feature = "writer")]
mod log;
#[cfg(feature = "writer")]
mod permission;
#[cfg(feature = "writer")]
mod validate;

#[cfg(feature = "writer")]
pub(crate) use chain::{Applied, Stopped, Stopwatch, pass};
#[cfg(feature = "writer")]
pub(crate) use validate::{Terms, deadlines};

use serde::Serialize;

use crate::domain::Domain;
use crate::envelope::{DispatchId, EffectKey, Origin};

/// The six stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// May this origin send this event to this scope?
    Permission,
    /// Name, time and event are noted.
    Log,
    /// The handler decides.
    Handler,
    /// A private copy is evolved and checked.
    Validate,
    /// The candidate becomes the decided root; the record is sealed.
    Apply,
    /// What the record allows is released, once the journal has the record.
    Effects,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = <Self as strum::VariantArray>::VARIANTS.len();
    /// All of them, in their order.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What the stage does, in a sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Permission => "decides whether this origin may send this event to this scope",
            Self::Log => "names the dispatch and notes event, origin, cause and time",
            Self::Handler => "decides facts, effects and consequences from state and event",
            Self::Validate => "evolves a private copy by the facts and checks the invariants that they touch",
            Self::Apply => "makes the candidate the decided root and seals the line for the journal",
            Self::Effects => "releases reply, readers and effects once the journal has the line",
        }
    }
}

/// A request for a change, with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<D: Domain> {
    /// The request.
    pub event: D::Event,
    /// Who asks.
    pub origin: Origin,
    /// The dispatch that led to it.
    pub cause: Option<DispatchId>,
    /// Its place among the consequences of its cause.
    pub consequence: Option<u16>,
    /// The effect whose result it is.
    pub settles: Option<EffectKey>,
}

impl<D: Domain> Envelope<D> {
    /// A request from outside, without a cause.
    pub fn new(origin: Origin, event: D::Event) -> Self {
        Self {
            event,
            origin,
            cause: None,
            consequence: None,
            settles: None,
        }
    }
}

/// The message of a caught panic.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
