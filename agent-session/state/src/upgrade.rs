//! What older journals say, in the words of today.

use glasswork_engine::upgrade::Upgrade;

/// The steps between schemas in which something that was written before has to change. Schema 2 has added events and
/// facts and fields with defaults, and changed nothing of schema 1.
///
/// Whoever changes what is written already adds a step here and raises [`Glasswork::SCHEMA`], after the fixtures of the
/// schema before were written (`testkit/fixtures`).
///
/// [`Glasswork::SCHEMA`]: crate::Glasswork
pub(crate) const STEPS: &[Upgrade] = &[];
